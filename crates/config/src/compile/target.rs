//! What policies apply to: whether it is there, and whether it is ours.

use super::class::Classes;
use super::log::Fault;
use crate::api::target::{TargetRef, TargetSelector};
use crate::report::Reference;
use crate::resources::{GATEWAY_GROUP, KGATEWAY_GROUP, Kind, ObjectRef, Objects, Resources};

/// An object, or a part of one: a listener of a Gateway, a rule of a route.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Target {
    pub(super) object: ObjectRef,
    pub(super) section: Option<String>,
}

/// What there is of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presence {
    /// It is served by us.
    Ours,
    /// Somebody else serves it.
    Foreign,
    /// It is served by us, but has no such part.
    NoSuchPart,
    /// There is no such object.
    Missing,
}

/// The kinds that a policy can apply to.
#[derive(Clone, Copy)]
pub(super) struct TargetKinds {
    /// These can.
    pub(super) now: &'static [Kind],
    /// By group and kind, those that will: not all are kinds that Egret knows.
    pub(super) later: &'static [(&'static str, &'static str)],
}

/// Where targets are looked up.
#[derive(Clone, Copy)]
pub(super) struct Targets<'a> {
    pub(super) resources: &'a Resources,
    pub(super) classes: &'a Classes,
}

impl Target {
    pub(super) fn new(object: &ObjectRef, section: Option<&str>) -> Self {
        Self {
            object: object.clone(),
            section: section.map(str::to_owned),
        }
    }

    /// As a status names it.
    pub(super) fn reference(&self) -> Reference {
        Reference {
            group: Some(self.object.kind.group().to_owned()),
            kind: Some(self.object.kind.as_str().to_owned()),
            namespace: Some(self.object.namespace.to_string()),
            name: self.object.name.to_string(),
            section_name: self.section.clone(),
            port: None,
        }
    }
}

impl TargetKinds {
    pub(super) const fn only(now: &'static [Kind]) -> Self {
        Self { now, later: &[] }
    }

    /// The kind of this group and name, if it can be a target; `field` is what refers to it.
    pub(super) fn find(self, group: &str, kind: &str, field: &str) -> Result<Kind, Fault> {
        let Self { now, later } = self;
        let known = Kind::find(group, kind).filter(|kind| now.contains(kind));
        known.ok_or_else(|| {
            let names: Vec<&str> = now.iter().map(|kind| kind.as_str()).collect();
            let names = names.join(", ");
            let message = if later.contains(&(group, kind)) {
                format!("{kind} is not supported yet as a target; {names} can be one")
            } else {
                format!("{group}/{kind} cannot be a target here; {names} can")
            };
            Fault::new(format!("{field}.kind"), message)
        })
    }
}

impl Targets<'_> {
    /// What a `targetRef` of a policy in this namespace means, if its kind is one of those allowed.
    pub(super) fn resolve(
        namespace: &str,
        target: &TargetRef,
        field: &str,
        kinds: TargetKinds,
    ) -> Result<Target, Fault> {
        let TargetRef {
            group,
            kind,
            name,
            section_name,
        } = target;
        let known = kinds.find(group, kind, field)?;
        Ok(Target {
            object: ObjectRef::new(known, namespace, name),
            section: section_name.clone(),
        })
    }

    /// All that a `targetSelector` of a policy in this namespace means.
    pub(super) fn select(&self, namespace: &str, selector: &TargetSelector) -> Vec<Target> {
        let TargetSelector {
            group,
            kind,
            match_labels,
            section_name,
        } = selector;
        let wanted = |meta: &kube::core::ObjectMeta| {
            let labels = meta.labels.as_ref();
            match_labels
                .iter()
                .all(|(key, value)| labels.and_then(|labels| labels.get(key)) == Some(value))
        };
        let objects = match (group.as_str(), kind.as_str()) {
            (GATEWAY_GROUP, "Gateway") => pick(&self.resources.gateways, namespace, wanted),
            (GATEWAY_GROUP, "HTTPRoute") => pick(&self.resources.http_routes, namespace, wanted),
            (GATEWAY_GROUP, "GRPCRoute") => pick(&self.resources.grpc_routes, namespace, wanted),
            (GATEWAY_GROUP, "TLSRoute") => pick(&self.resources.tls_routes, namespace, wanted),
            (KGATEWAY_GROUP, "Backend") => pick(&self.resources.backends, namespace, wanted),
            _ => Vec::new(),
        };
        objects
            .into_iter()
            .map(|object| Target::new(object, section_name.as_deref()))
            .collect()
    }

    /// Whether a target is there, and ours.
    pub(super) fn presence(&self, target: &Target) -> Presence {
        let is_there = |names: Vec<&str>| match &target.section {
            Some(section) if !names.contains(&section.as_str()) => Presence::NoSuchPart,
            Some(_) | None => Presence::Ours,
        };
        let found = match target.object.kind {
            Kind::Gateway => self.resources.gateways.get(&target.object).map(|gateway| {
                let listeners = gateway.value.spec.listeners.iter();
                match self.classes.is_ours(&gateway.value) {
                    true => is_there(listeners.map(|listener| listener.name.as_str()).collect()),
                    false => Presence::Foreign,
                }
            }),
            Kind::HttpRoute => self.resources.http_routes.get(&target.object).map(|route| {
                let rules = route.value.spec.rules.iter().flatten();
                is_there(rules.filter_map(|rule| rule.name.as_deref()).collect())
            }),
            Kind::GrpcRoute => self.resources.grpc_routes.get(&target.object).map(|route| {
                let rules = route.value.spec.rules.iter().flatten();
                is_there(rules.filter_map(|rule| rule.name.as_deref()).collect())
            }),
            Kind::TlsRoute => self.resources.tls_routes.get(&target.object).map(|route| {
                let rules = route.value.spec.rules.iter();
                is_there(rules.filter_map(|rule| rule.name.as_deref()).collect())
            }),
            Kind::Backend => self
                .resources
                .backends
                .get(&target.object)
                .map(|_| Presence::Ours),
            _ => None,
        };
        found.unwrap_or(Presence::Missing)
    }
}

fn pick<'a, T: kube::Resource>(
    objects: &'a Objects<T>,
    namespace: &str,
    wanted: impl Fn(&kube::core::ObjectMeta) -> bool,
) -> Vec<&'a ObjectRef> {
    objects
        .iter()
        .filter(|(reference, object)| {
            &*reference.namespace == namespace && wanted(object.value.meta())
        })
        .map(|(reference, _)| reference)
        .collect()
}
