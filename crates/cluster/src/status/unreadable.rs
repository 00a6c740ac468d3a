//! The statuses of objects that cannot be read: the API server stores them, and Egret cannot make sense of them. Their
//! authors are told in the same places as those of other faults. An earlier version may still be served, and have a report;
//! the status is that of the version that is stored.

use std::collections::{BTreeMap, BTreeSet};

use egret_config::report::{
    AncestorStatus, GatewayStatus, ObjectReport, ObjectStatus, ParentReference, ParentStatus,
    PlainStatus, PolicyStatus, Report, ReportProblem, RouteStatus, StatusCondition,
};
use egret_config::resources::{GATEWAY_GROUP, Kind, ObjectRef};
use serde_json::Value;

/// What the statuses of objects that cannot be read depend on.
struct ReadObjects<'a> {
    controller: &'a str,
    /// The GatewayClasses, Gateways and ListenerSets that Egret serves.
    served: BTreeSet<&'a ObjectRef>,
    /// The Gateway of each ListenerSet.
    sets: BTreeMap<ObjectRef, ObjectRef>,
    /// The Gateways that each route is attached to, or would be.
    routes: BTreeMap<&'a ObjectRef, Vec<ObjectRef>>,
}

/// The reports of the objects that these problems are about. `spec` gives the spec of an object as it is stored.
pub(super) fn reports<'a>(
    problems: &[ReportProblem],
    report: &Report,
    controller: &str,
    spec: impl Fn(&ObjectRef) -> Option<&'a Value>,
) -> Vec<ObjectReport> {
    let mut messages: BTreeMap<&ObjectRef, Vec<String>> = BTreeMap::new();
    for problem in problems {
        if let Some(object) = &problem.object {
            let message = match problem.field.as_str() {
                "" => problem.message.clone(),
                field => format!("{field}: {}", problem.message),
            };
            messages.entry(object).or_default().push(message);
        }
    }
    let read = ReadObjects::of(report, controller, &spec);
    let earlier: BTreeMap<&ObjectRef, &ObjectReport> = report
        .objects
        .iter()
        .map(|entry| (&entry.object, entry))
        .collect();
    let report = |(object, messages): (&ObjectRef, Vec<String>)| {
        let message = messages.join("; ");
        if let Some(entry) = earlier.get(object) {
            return Some(refused(entry, &message));
        }
        let status = read.status(object, spec(object)?, &message)?;
        Some(ObjectReport {
            object: object.clone(),
            file: "".into(),
            line: 0,
            status,
        })
    };
    messages.into_iter().filter_map(report).collect()
}

/// The report of an earlier version, with the condition that the one that is stored is not accepted.
fn refused(earlier: &ObjectReport, message: &str) -> ObjectReport {
    let mut refused = earlier.clone();
    let kind = refused.object.kind;
    let refuse = |conditions: &mut Vec<StatusCondition>| {
        conditions.retain(|condition| condition.kind != "Accepted");
        conditions.insert(0, not_accepted(kind, message));
    };
    match &mut refused.status {
        ObjectStatus::Gateway(status) => refuse(&mut status.conditions),
        ObjectStatus::Plain(status) => refuse(&mut status.conditions),
        ObjectStatus::Route(status) => {
            let parents = status.parents.iter_mut();
            parents.for_each(|parent| refuse(&mut parent.conditions));
        }
        ObjectStatus::Policy(status) => {
            let ancestors = status.ancestors.iter_mut();
            ancestors.for_each(|ancestor| refuse(&mut ancestor.conditions));
        }
    }
    refused
}

fn not_accepted(kind: Kind, message: &str) -> StatusCondition {
    let reason = match kind {
        Kind::GatewayClass => "InvalidParameters",
        Kind::HttpRoute | Kind::GrpcRoute | Kind::TlsRoute => "UnsupportedValue",
        _ => "Invalid",
    };
    StatusCondition::new("Accepted", false, reason, message)
}

impl<'a> ReadObjects<'a> {
    fn of<'s>(
        report: &'a Report,
        controller: &'a str,
        spec: impl Fn(&ObjectRef) -> Option<&'s Value>,
    ) -> Self {
        let is_served = |object: &&ObjectRef| {
            matches!(
                object.kind,
                Kind::GatewayClass | Kind::Gateway | Kind::ListenerSet
            )
        };
        let objects = report.objects.iter();
        let served = objects.clone().map(|entry| &entry.object);
        let served: BTreeSet<&ObjectRef> = served.filter(is_served).collect();
        let sets = served.iter().filter(|it| it.kind == Kind::ListenerSet);
        let sets = sets.filter_map(|set| {
            let gateway = parent_of_set(set, spec(set)?)?;
            Some(((*set).clone(), gateway))
        });
        let sets: BTreeMap<ObjectRef, ObjectRef> = sets.collect();
        let routes = objects.filter_map(|entry| match &entry.status {
            ObjectStatus::Route(status) => {
                let parents = status.parents.iter();
                let parents = parents.map(|parent| parent_of(&entry.object, &parent.parent_ref));
                let gateways = parents.map(|parent| sets.get(&parent).cloned().unwrap_or(parent));
                Some((&entry.object, gateways.collect()))
            }
            _ => None,
        });
        Self {
            controller,
            routes: routes.collect(),
            served,
            sets,
        }
    }

    /// The status of an object; `None` if it is for another controller, or its kind has no status.
    fn status(&self, object: &ObjectRef, spec: &Value, message: &str) -> Option<ObjectStatus> {
        let accepted = not_accepted(object.kind, message);
        match object.kind {
            Kind::GatewayClass => {
                let is_ours = spec["controllerName"] == self.controller;
                let conditions = vec![accepted];
                is_ours.then_some(ObjectStatus::Plain(PlainStatus { conditions }))
            }
            Kind::Gateway => {
                let class = spec["gatewayClassName"].as_str()?;
                let class = ObjectRef::new(Kind::GatewayClass, "", class);
                let why = "Not served, because it cannot be read";
                let programmed = StatusCondition::new("Programmed", false, "Invalid", why);
                let status = GatewayStatus {
                    conditions: vec![accepted, programmed],
                    ..GatewayStatus::default()
                };
                let is_ours = self.served.contains(&class);
                is_ours.then_some(ObjectStatus::Gateway(status))
            }
            Kind::ListenerSet => {
                let gateway = parent_of_set(object, spec)?;
                let why = "Not served, because it cannot be read";
                let programmed = StatusCondition::new("Programmed", false, "Invalid", why);
                let status = GatewayStatus {
                    conditions: vec![accepted, programmed],
                    ..GatewayStatus::default()
                };
                let is_ours = self.serves(&gateway);
                is_ours.then_some(ObjectStatus::Gateway(status))
            }
            Kind::HttpRoute | Kind::GrpcRoute | Kind::TlsRoute => {
                let parents = references(&spec["parentRefs"]);
                let ours = parents.filter(|parent| self.serves(&parent_of(object, parent)));
                let parents = ours.map(|parent_ref| ParentStatus {
                    parent_ref,
                    conditions: vec![accepted.clone()],
                });
                let parents: Vec<_> = parents.collect();
                let status = ObjectStatus::Route(RouteStatus { parents });
                Some(status)
            }
            Kind::Backend => {
                let conditions = vec![accepted];
                Some(ObjectStatus::Plain(PlainStatus { conditions }))
            }
            Kind::TrafficPolicy
            | Kind::ListenerPolicy
            | Kind::HttpListenerPolicy
            | Kind::BackendConfigPolicy
            | Kind::BackendTlsPolicy
            | Kind::XBackendTrafficPolicy
            | Kind::EgressPolicy
            | Kind::ResolverPolicy => {
                let targets = references(&spec["targetRefs"]);
                let ancestors = targets.flat_map(|target| self.ancestors(object, &target));
                let ancestors: BTreeSet<ObjectRef> = ancestors.collect();
                let ancestors = ancestors.iter().map(|ancestor| AncestorStatus {
                    ancestor_ref: reference_to(ancestor),
                    conditions: vec![accepted.clone()],
                });
                let ancestors = ancestors.collect();
                Some(ObjectStatus::Policy(PolicyStatus { ancestors }))
            }
            _ => None,
        }
    }

    fn serves(&self, parent: &ObjectRef) -> bool {
        let is_parent = matches!(parent.kind, Kind::Gateway | Kind::ListenerSet);
        is_parent && self.served.contains(parent)
    }

    /// What the status of a policy with this target lists.
    fn ancestors(&self, policy: &ObjectRef, target: &ParentReference) -> Vec<ObjectRef> {
        let group = target.group.as_deref().unwrap_or(GATEWAY_GROUP);
        let kind = target.kind.as_deref().unwrap_or("Gateway");
        let Some(kind) = Kind::find(group, kind) else {
            return Vec::new();
        };
        let target = ObjectRef::new(kind, &policy.namespace, &target.name);
        match kind {
            Kind::Backend => vec![target],
            Kind::Gateway if self.serves(&target) => vec![target],
            Kind::ListenerSet => self.sets.get(&target).cloned().into_iter().collect(),
            _ => {
                let gateways = self.routes.get(&target).into_iter().flatten();
                gateways.filter(|it| self.serves(it)).cloned().collect()
            }
        }
    }
}

/// The references of a list that have a name.
fn references(list: &Value) -> impl Iterator<Item = ParentReference> {
    let items = list.as_array().into_iter().flatten();
    items.filter_map(reference)
}

/// A reference, if it has a name.
fn reference(item: &Value) -> Option<ParentReference> {
    let text = |field: &str| item[field].as_str().map(str::to_owned);
    Some(ParentReference {
        group: text("group"),
        kind: text("kind"),
        namespace: text("namespace"),
        name: text("name")?,
        section_name: text("sectionName"),
        port: item["port"]
            .as_i64()
            .and_then(|port| i32::try_from(port).ok()),
    })
}

/// The Gateway that a ListenerSet with this spec names.
fn parent_of_set(set: &ObjectRef, spec: &Value) -> Option<ObjectRef> {
    let parent = reference(&spec["parentRef"])?;
    let parent = parent_of(set, &parent);
    (parent.kind == Kind::Gateway).then_some(parent)
}

/// The object that a parentRef of this route names; it is no Gateway if its kind is unknown.
fn parent_of(route: &ObjectRef, parent: &ParentReference) -> ObjectRef {
    let group = parent.group.as_deref().unwrap_or(GATEWAY_GROUP);
    let kind = parent.kind.as_deref().unwrap_or("Gateway");
    let kind = Kind::find(group, kind).unwrap_or(Kind::Service);
    let namespace = parent.namespace.as_deref().unwrap_or(&route.namespace);
    ObjectRef::new(kind, namespace, &parent.name)
}

fn reference_to(object: &ObjectRef) -> ParentReference {
    ParentReference {
        group: Some(object.kind.group().to_owned()),
        kind: Some(object.kind.as_str().to_owned()),
        namespace: Some(object.namespace.to_string()),
        name: object.name.to_string(),
        section_name: None,
        port: None,
    }
}
