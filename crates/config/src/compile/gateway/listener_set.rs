//! ListenerSets: which of them are attached to a Gateway, and their statuses.

use std::collections::BTreeMap;

use egret_api::gateway::{AllowedListeners, ListenerSet};

use super::GatewayDraft;
use super::listener::{ListenerDraft, ListenerOwner};
use super::status::SetStatusDraft;
use crate::compile::log::{FieldFault, ReportLog, join};
use crate::compile::namespace::NamespaceSelection;
use crate::compile::{annotation, missing};
use crate::report::{GatewayStatus, ObjectStatus, StatusCondition};
use crate::resources::{ListenerSets, LocatedObject, ObjectRef, Resources};

const FIELD: &str = "spec.parentRef";

/// A ListenerSet of a Gateway that Egret serves, while it is compiled.
#[derive(Debug)]
pub(super) struct ListenerSetDraft<'a> {
    pub(super) reference: &'a ObjectRef,
    pub(super) object: &'a LocatedObject<ListenerSet>,
    /// Why the set is not attached, if it is not.
    refused: Option<SetRefusal>,
}

/// Why a ListenerSet is not attached: the reasons of the conditions `Accepted` and `Programmed`, and the faults.
#[derive(Debug)]
struct SetRefusal {
    accepted: &'static str,
    programmed: &'static str,
    faults: Vec<FieldFault>,
}

impl<'a> ListenerSetDraft<'a> {
    /// Judges a set that names this Gateway.
    fn new(
        reference: &'a ObjectRef,
        object: &'a LocatedObject<ListenerSet>,
        gateway: &GatewayDraft<'_>,
        resources: &Resources,
    ) -> Self {
        let annotations = annotation::faults(reference.kind, &object.value.metadata);
        let allowed = &gateway.allowed_sets;
        let of_gateway = &gateway.reference.namespace;
        let refused = if !allowed.allow(resources, of_gateway, &reference.namespace) {
            let message = format!(
                "{} allows no ListenerSets from the namespace {} (spec.allowedListeners)",
                gateway.reference, reference.namespace
            );
            Some(SetRefusal {
                accepted: "NotAllowed",
                programmed: "NotAllowed",
                faults: vec![FieldFault::reference(FIELD, message)],
            })
        } else if gateway.refused.is_some() {
            let message = format!("{} is not accepted", gateway.reference);
            Some(SetRefusal {
                accepted: "ParentNotAccepted",
                programmed: "ParentNotProgrammed",
                faults: vec![FieldFault::reference(FIELD, message)],
            })
        } else {
            (!annotations.is_empty()).then_some(SetRefusal {
                accepted: "Invalid",
                programmed: "Invalid",
                faults: annotations,
            })
        };
        Self {
            reference,
            object,
            refused,
        }
    }

    /// Whether the listeners of the set are those of its Gateway.
    pub(super) fn is_attached(&self) -> bool {
        self.refused.is_none()
    }

    /// Reports the status; `status` is that of the listeners. Returns whether the set is accepted.
    pub(super) fn report(&self, status: SetStatusDraft, log: &mut ReportLog) -> bool {
        let Self {
            reference,
            object,
            refused,
        } = self;
        let (status, is_accepted) = match refused {
            None => status.finish(),
            Some(SetRefusal {
                accepted,
                programmed,
                faults,
            }) => {
                log.problems(reference, &object.source, faults);
                let message = join(faults);
                let why = "Not served, because it is not accepted";
                let status = GatewayStatus {
                    conditions: vec![
                        StatusCondition::new("Accepted", false, accepted, message),
                        StatusCondition::new("Programmed", false, programmed, why),
                    ],
                    ..GatewayStatus::default()
                };
                (status, false)
            }
        };
        log.object(reference, &object.source, ObjectStatus::Gateway(status));
        is_accepted
    }
}

impl<'a> GatewayDraft<'a> {
    /// Adds the listeners of the ListenerSets that are allowed, in the order of their precedence.
    pub(super) fn attach_sets(
        &mut self,
        sets: &mut BTreeMap<ObjectRef, ListenerSets<'a>>,
        resources: &Resources,
    ) {
        for (reference, object) in sets.remove(self.reference).unwrap_or_default() {
            let set = ListenerSetDraft::new(reference, object, self, resources);
            if set.is_attached() {
                let specs = object.value.spec.listeners.iter().enumerate();
                let owner = ListenerOwner {
                    object: reference,
                    source: &object.source,
                };
                let listeners = specs.map(|(index, spec)| ListenerDraft::new(owner, index, spec));
                self.listeners.extend(listeners);
            }
            self.sets.push(set);
        }
    }
}

/// The namespaces whose ListenerSets a Gateway allows: none unless it says so.
pub(super) fn allowed(
    spec: Option<&AllowedListeners>,
    faults: &mut Vec<FieldFault>,
) -> NamespaceSelection {
    let namespaces = spec.and_then(|AllowedListeners { namespaces }| namespaces.as_ref());
    let field = "spec.allowedListeners.namespaces";
    NamespaceSelection::of_listener_sets(namespaces, field).unwrap_or_else(|fault| {
        faults.push(fault);
        NamespaceSelection::None
    })
}

/// Reports ListenerSets whose Gateways do not exist, and leaves those of other controllers to them. `sets` are those of no
/// Gateway that Egret serves. Whose they are is not known, so that nothing is written to them.
pub(super) fn report_others(
    sets: &BTreeMap<ObjectRef, ListenerSets<'_>>,
    resources: &Resources,
    log: &mut ReportLog,
) {
    let missing = sets
        .iter()
        .filter(|(gateway, _)| !resources.gateways.contains_key(gateway));
    for (gateway, sets) in missing {
        let fault = FieldFault::reference(FIELD, missing::message(resources, gateway));
        for (set, object) in sets {
            log.problems(set, &object.source, [&fault]);
        }
    }
}
