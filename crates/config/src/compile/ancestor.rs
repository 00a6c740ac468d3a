//! The ancestors of policies: the objects that the status of a policy lists (Gateway API, PolicyAncestorStatus). For a
//! policy on a Gateway, a ListenerSet or a route that is the Gateway, whatever part of it is the target; for a policy on a
//! backend it is the backend.

use std::collections::{BTreeMap, BTreeSet};

use super::target::PolicyTarget;
use crate::report::{AncestorStatus, ObjectStatus, PolicyStatus, StatusCondition};
use crate::resources::{Kind, ObjectRef};

/// For each route and each ListenerSet, the Gateways of Egret that it names, whether or not they accept it.
#[derive(Debug, Default)]
pub(super) struct RouteGateways(pub(super) BTreeMap<ObjectRef, BTreeSet<ObjectRef>>);

/// The conditions of a policy, by ancestor. Several targets may have the same ancestor.
#[derive(Debug, Default)]
pub(super) struct AncestorConditions(BTreeMap<ObjectRef, Vec<StatusCondition>>);

impl RouteGateways {
    /// The ancestors of a policy on this object.
    pub(super) fn of<'a>(&'a self, target: &'a ObjectRef) -> impl Iterator<Item = &'a ObjectRef> {
        let has_parents = matches!(
            target.kind,
            Kind::ListenerSet | Kind::HttpRoute | Kind::GrpcRoute | Kind::TlsRoute
        );
        // Objects without parents have no entry.
        let gateways = self.0.get(target).into_iter().flatten();
        gateways.chain((!has_parents).then_some(target))
    }
}

impl AncestorConditions {
    /// Adds the conditions at one target. If there are conditions of another target already, the worse ones stay.
    pub(super) fn add(&mut self, ancestor: &ObjectRef, conditions: &[StatusCondition]) {
        match self.0.get_mut(ancestor) {
            None => {
                self.0.insert(ancestor.clone(), conditions.to_vec());
            }
            Some(known) if severity(conditions) > severity(known) => *known = conditions.to_vec(),
            Some(_) => {}
        }
    }

    /// The status, with the ancestors in the order of their kinds and names.
    pub(super) fn into_status(self) -> ObjectStatus {
        let ancestor = |(ancestor, conditions)| AncestorStatus {
            ancestor_ref: PolicyTarget::new(&ancestor, None).reference(),
            conditions,
        };
        let ancestors = self.0.into_iter().map(ancestor).collect();
        ObjectStatus::Policy(PolicyStatus { ancestors })
    }
}

/// How much of a policy has no effect.
fn severity(conditions: &[StatusCondition]) -> u8 {
    let has = |is: fn(&StatusCondition) -> bool| conditions.iter().any(is);
    if has(|condition| condition.kind == "Accepted" && !condition.status) {
        3
    } else if has(|condition| !condition.status) {
        2
    } else {
        u8::from(has(|condition| condition.reason == "Merged"))
    }
}
