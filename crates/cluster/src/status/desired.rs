//! What the status of an object should be, from the report; and the next write that brings the live one there.

use std::collections::BTreeSet;

use egret_config::report::{ObjectReport, ObjectStatus};
use egret_config::resources::Kind;
use kube::core::DynamicObject;
use serde_json::Value;

use super::condition::ConditionStamp;
use super::entries::{EntryList, EntryStatus};
use super::features::SUPPORTED;
use super::gateways::GatewayAddresses;
use super::mapped::{AddressStatus, MappedStatus};
use super::owners::FieldOwners;

/// The status of an object as it should be.
#[derive(Clone, Debug)]
pub(super) enum DesiredStatus {
    /// The lists are maps to the API server.
    Mapped(MappedStatus),
    /// The one list is a value to the API server, which controllers share.
    Entries(EntryStatus),
}

/// A write to the status of an object.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum StatusWrite {
    /// The lists of the status, in place of those that were read.
    Replace(Value),
    /// The fields of this controller, by server-side apply.
    Apply(Value),
}

/// Who writes, and when.
#[derive(Clone, Copy, Debug)]
pub(super) struct WriteContext<'a> {
    /// The name of the controller in entries.
    pub(super) controller: &'a str,
    /// The field manager.
    pub(super) manager: &'a str,
    pub(super) stamp: ConditionStamp<'a>,
    /// The fields that the installed CRD does not have.
    pub(super) undeclared: &'a BTreeSet<String>,
}

impl DesiredStatus {
    /// The status that a report asks for.
    pub(super) fn of(report: &ObjectReport, gateways: &GatewayAddresses) -> Self {
        match &report.status {
            ObjectStatus::Gateway(status) => {
                let state = gateways.get(&report.object);
                let conditions = &status.conditions;
                Self::Mapped(MappedStatus {
                    conditions: state
                        .map_or_else(|| conditions.clone(), |state| state.applied_to(conditions)),
                    listeners: Some(status.listeners.clone()),
                    addresses: match state {
                        Some(state) => AddressStatus::Known(state.addresses.clone()),
                        None if report.object.kind == Kind::Gateway => AddressStatus::Kept,
                        None => AddressStatus::None,
                    },
                    attached_sets: status.attached_listener_sets,
                    features: None,
                })
            }
            ObjectStatus::Plain(status) => {
                let is_class = report.object.kind == Kind::GatewayClass;
                Self::Mapped(MappedStatus {
                    conditions: status.conditions.clone(),
                    features: is_class.then(|| SUPPORTED.to_vec()),
                    ..MappedStatus::default()
                })
            }
            ObjectStatus::Route(status) => Self::Entries(EntryStatus {
                list: EntryList::Parents,
                entries: status.parents.iter().map(Into::into).collect(),
            }),
            ObjectStatus::Policy(status) => Self::Entries(EntryStatus {
                list: EntryList::Ancestors,
                entries: status.ancestors.iter().map(Into::into).collect(),
            }),
        }
    }

    /// The status of an object that is none of Egret's any more; `None` if it has nothing of Egret's to remove.
    pub(super) fn of_others(kind: Kind, live: &DynamicObject, controller: &str) -> Option<Self> {
        let list = match kind {
            Kind::HttpRoute | Kind::GrpcRoute | Kind::TlsRoute => EntryList::Parents,
            _ => EntryList::Ancestors,
        };
        let entries = Vec::new();
        list.has_own(status_of(live), controller)
            .then_some(Self::Entries(EntryStatus { list, entries }))
    }

    /// Whether the next write depends on who owns which field.
    pub(super) const fn depends_on_owners(&self) -> bool {
        matches!(self, Self::Mapped(_))
    }

    /// The next write to an object; `None` if its status is as it should be.
    pub(super) fn next_write(
        &self,
        live: &DynamicObject,
        context: WriteContext<'_>,
    ) -> Option<StatusWrite> {
        let status = status_of(live);
        match self {
            Self::Entries(entries) => entries
                .to_replace(status, context.stamp, context.controller)
                .map(StatusWrite::Replace),
            Self::Mapped(mapped) => {
                let owners = FieldOwners::of(&live.metadata, context.manager);
                let left = mapped.without_leftovers(status, &owners);
                left.map(StatusWrite::Replace).or_else(|| {
                    let apply = mapped.to_apply(status, context.stamp, context.undeclared);
                    apply.map(StatusWrite::Apply)
                })
            }
        }
    }
}

/// The status of an object as it was read.
pub(super) fn status_of(live: &DynamicObject) -> &Value {
    live.data.get("status").unwrap_or(&Value::Null)
}
