//! Objects of kinds that are not supported yet. Policies among them fail closed: one that asks for authentication must
//! not be ignored.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Draft, Outcome, Policies};
use crate::api::gateway::ParentRef;
use crate::api::target::{TargetRef, TargetSelector};
use crate::compile::gateway_of;
use crate::compile::log::{Fault, Log};
use crate::compile::target::{Presence, Target, TargetKinds, Targets};
use crate::report::{Condition, ParentStatus, PlainStatus, RouteStatus, Status};
use crate::resources::{Kind, Object, ObjectRef};

const TARGETS: TargetKinds = TargetKinds::only(&[Kind::Gateway, Kind::HttpRoute, Kind::Backend]);

pub(super) fn compile(targets: Targets<'_>, policies: &mut Policies, log: &mut Log) {
    for (reference, object) in &targets.resources.unsupported {
        let fault = fault(reference.kind);
        match reference.kind {
            Kind::BackendTlsPolicy => policy(reference, object, targets, policies, log),
            Kind::GrpcRoute | Kind::TlsRoute => route(reference, object, &fault, targets, log),
            Kind::GatewayExtension | Kind::GatewayParameters => {
                log.problems(reference, &object.source, [&fault]);
                let conditions = vec![Condition::new("Accepted", false, "Invalid", fault.message)];
                log.object(
                    reference,
                    &object.source,
                    Status::Plain(PlainStatus { conditions }),
                );
            }
            _ => log.warn(reference, &object.source, &fault),
        }
    }
}

fn fault(kind: Kind) -> Fault {
    Fault::new("", format!("{kind} is not supported yet"))
}

fn policy(
    reference: &ObjectRef,
    object: &Object<Value>,
    targets: Targets<'_>,
    policies: &mut Policies,
    log: &mut Log,
) {
    let refs: Vec<TargetRef> = list(&object.value, "/spec/targetRefs");
    let refs: Vec<TargetRef> = refs
        .into_iter()
        .filter(|target| TARGETS.find(&target.group, &target.kind, "").is_ok())
        .collect();
    let mut draft = Draft::new(reference, &object.source, &refs, TARGETS);
    for selector in list::<TargetSelector>(&object.value, "/spec/targetSelectors") {
        draft
            .targets
            .extend(targets.select(&reference.namespace, &selector));
    }
    draft.faults.push(fault(reference.kind));
    draft.finish(targets, policies, log, |_, _| Outcome::Attached);
}

fn route(
    reference: &ObjectRef,
    object: &Object<Value>,
    fault: &Fault,
    targets: Targets<'_>,
    log: &mut Log,
) {
    let mut status = RouteStatus::default();
    for parent in list::<ParentRef>(&object.value, "/spec/parentRefs") {
        let Some(gateway) = gateway_of(&reference.namespace, &parent) else {
            continue;
        };
        if targets.presence(&Target::new(&gateway, None)) != Presence::Foreign {
            status.parents.push(ParentStatus {
                parent_ref: parent.into(),
                conditions: vec![Condition::new(
                    "Accepted",
                    false,
                    "UnsupportedValue",
                    fault.message.clone(),
                )],
            });
        }
    }
    if !status.parents.is_empty() {
        log.problems(reference, &object.source, [fault]);
        log.object(reference, &object.source, Status::Route(status));
    }
}

/// The items of a list that can be read; the kinds are not checked any further.
fn list<T: DeserializeOwned>(value: &Value, pointer: &str) -> Vec<T> {
    let items = value.pointer(pointer).and_then(Value::as_array);
    let items = items.map(Vec::as_slice).unwrap_or_default();
    items
        .iter()
        .filter_map(|item| T::deserialize(item).ok())
        .collect()
}
