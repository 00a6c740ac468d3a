//! Targets of policies: resolves references, and looks up whether Egret serves the target.

use egret_api::target::{TargetRef, TargetSelector};

use super::class::{GatewayClasses, GatewayPlacement};
use super::log::FieldFault;
pub(super) use super::review::PolicyTarget;
use crate::report::ParentReference;
use crate::resources::{CORE_GROUP, GATEWAY_GROUP, KGATEWAY_GROUP, Kind, ObjectRef, Resources};

mod labels;

pub(super) use labels::LabelIndex;

/// Whether a target exists and Egret serves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TargetPresence {
    /// Egret serves the target.
    Served,
    /// Another controller serves the target.
    Foreign,
    /// Egret serves the object, but it has no such section.
    SectionMissing,
    /// The object does not exist.
    Missing,
}

/// The kinds of object that a policy can apply to.
#[derive(Clone, Copy)]
pub(super) struct TargetKinds {
    /// The kinds that are supported.
    pub(super) supported: &'static [Kind],
    /// The kinds that will be supported, by group and kind; Egret may not recognise them.
    pub(super) planned: &'static [(&'static str, &'static str)],
}

/// Looks up targets.
#[derive(Clone, Copy)]
pub(super) struct TargetLookup<'a> {
    pub(super) resources: &'a Resources,
    pub(super) classes: &'a GatewayClasses,
    pub(super) labels: &'a LabelIndex<'a>,
}

impl PolicyTarget {
    pub(super) fn new(object: &ObjectRef, section: Option<&str>) -> Self {
        Self {
            object: object.clone(),
            section: section.map(str::to_owned),
        }
    }

    /// The target as a status refers to it.
    pub(super) fn reference(&self) -> ParentReference {
        ParentReference {
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
    pub(super) const fn only(supported: &'static [Kind]) -> Self {
        Self {
            supported,
            planned: &[],
        }
    }

    /// Whether this kind will be supported.
    pub(super) fn is_planned(self, group: &str, kind: &str) -> bool {
        self.planned.contains(&(group, kind))
    }

    /// The kind of this group and name, if it can be a target; `field` is the path of the reference.
    pub(super) fn find(self, group: &str, kind: &str, field: &str) -> Result<Kind, FieldFault> {
        let Self { supported, .. } = self;
        let known = Kind::find(group, kind).filter(|kind| supported.contains(kind));
        known.ok_or_else(|| {
            let names: Vec<&str> = supported.iter().map(|kind| kind.as_str()).collect();
            let names = names.join(", ");
            let message = if self.is_planned(group, kind) {
                format!("{kind} is not supported yet as a target; {names} can be one")
            } else {
                format!("{kind} cannot be a target here; {names} can")
            };
            FieldFault::new(format!("{field}.kind"), message)
        })
    }
}

impl TargetLookup<'_> {
    /// Resolves a `targetRef` of a policy in this namespace; a kind that is not allowed is a fault.
    pub(super) fn resolve(
        namespace: &str,
        target: &TargetRef,
        field: &str,
        kinds: TargetKinds,
    ) -> Result<PolicyTarget, FieldFault> {
        let TargetRef {
            group,
            kind,
            name,
            section_name,
        } = target;
        let known = kinds.find(group, kind, field)?;
        Ok(PolicyTarget {
            object: ObjectRef::new(known, namespace, name),
            section: section_name.clone(),
        })
    }

    /// All targets that a `targetSelector` of a policy in this namespace matches.
    pub(super) fn select(&self, namespace: &str, selector: &TargetSelector) -> Vec<PolicyTarget> {
        let TargetSelector {
            group,
            kind,
            match_labels,
            section_name,
        } = selector;
        let resources = self.resources;
        let kind = match (group.as_str(), kind.as_str()) {
            (GATEWAY_GROUP, "Gateway") => Kind::Gateway,
            (GATEWAY_GROUP, "ListenerSet") => Kind::ListenerSet,
            (GATEWAY_GROUP, "HTTPRoute") => Kind::HttpRoute,
            (GATEWAY_GROUP, "GRPCRoute") => Kind::GrpcRoute,
            (GATEWAY_GROUP, "TLSRoute") => Kind::TlsRoute,
            (KGATEWAY_GROUP, "Backend") => Kind::Backend,
            (CORE_GROUP, "Service") => Kind::Service,
            _ => return Vec::new(),
        };
        let objects = if match_labels.is_empty() {
            let all: Vec<&ObjectRef> = match kind {
                Kind::Gateway => resources.gateways.keys().collect(),
                Kind::ListenerSet => resources.listener_sets.keys().collect(),
                Kind::HttpRoute => resources.http_routes.keys().collect(),
                Kind::GrpcRoute => resources.grpc_routes.keys().collect(),
                Kind::TlsRoute => resources.tls_routes.keys().collect(),
                Kind::Backend => resources.backends.keys().collect(),
                _ => resources.services.keys().collect(),
            };
            let near = all.into_iter();
            near.filter(|object| &*object.namespace == namespace)
                .collect()
        } else {
            self.labels.select(kind, namespace, match_labels)
        };
        objects
            .into_iter()
            .map(|object| PolicyTarget::new(object, section_name.as_deref()))
            .collect()
    }

    /// The objects that a policy in this namespace may have meant, if its targets do not exist: the Gateways of its
    /// namespace, or, if there are none, all that Egret serves. A policy that applies to Backends alone may have meant
    /// those in the same way. In a cluster nothing was meant but what is named: objects come one by one, in any order, and
    /// from authors who must not be able to close the Gateways of others.
    pub(super) fn possible(&self, namespace: &str, kinds: TargetKinds) -> Vec<PolicyTarget> {
        if self.classes.placement == GatewayPlacement::Apart {
            return Vec::new();
        }
        let all: Vec<&ObjectRef> = if kinds.supported.contains(&Kind::Gateway) {
            let gateways = self.resources.gateways.iter();
            let ours = gateways.filter(|(_, gateway)| self.classes.is_ours(&gateway.value));
            ours.map(|(reference, _)| reference).collect()
        } else {
            self.resources.backends.keys().collect()
        };
        let near = all.iter().copied();
        let near = near.filter(|object| &*object.namespace == namespace);
        let near: Vec<&ObjectRef> = near.collect();
        let meant = if near.is_empty() { all } else { near };
        let meant = meant.into_iter();
        meant
            .map(|object| PolicyTarget::new(object, None))
            .collect()
    }

    /// Whether a ListenerSet names a Gateway that Egret serves.
    fn serves_set(&self, set: &ObjectRef) -> bool {
        let gateway = self.resources.gateway_of_set(set);
        let gateway = gateway.and_then(|gateway| self.resources.gateways.get(&gateway));
        gateway.is_some_and(|gateway| self.classes.is_ours(&gateway.value))
    }

    /// Whether a target exists and Egret serves it.
    pub(super) fn presence(&self, target: &PolicyTarget) -> TargetPresence {
        let PolicyTarget { object, section } = target;
        let Self { resources, .. } = self;
        let is_there = |exists: bool| exists.then_some(true);
        let is_served = match object.kind {
            Kind::Gateway => resources
                .gateways
                .get(object)
                .map(|gateway| self.classes.is_ours(&gateway.value)),
            // Without its Gateway it is not served, and nothing is open.
            Kind::ListenerSet => resources
                .listener_sets
                .get(object)
                .map(|_| self.serves_set(object)),
            Kind::HttpRoute => is_there(resources.http_routes.contains_key(object)),
            Kind::GrpcRoute => is_there(resources.grpc_routes.contains_key(object)),
            Kind::TlsRoute => is_there(resources.tls_routes.contains_key(object)),
            Kind::Backend => is_there(resources.backends.contains_key(object)),
            Kind::Service => is_there(resources.services.contains_key(object)),
            _ => None,
        };
        match (is_served, section) {
            (None, _) => TargetPresence::Missing,
            (Some(false), _) => TargetPresence::Foreign,
            (Some(true), Some(section))
                if object.kind != Kind::Backend
                    && !self.sections(object).contains(&section.as_str()) =>
            {
                TargetPresence::SectionMissing
            }
            (Some(true), _) => TargetPresence::Served,
        }
    }

    /// The names of the sections of an object: of its listeners, its rules or its ports.
    pub(super) fn sections(&self, object: &ObjectRef) -> Vec<&str> {
        let Self { resources, .. } = self;
        match object.kind {
            Kind::Gateway => {
                let gateway = resources.gateways.get(object).into_iter();
                let listeners = gateway.flat_map(|gateway| &gateway.value.spec.listeners);
                listeners.map(|listener| listener.name.as_str()).collect()
            }
            Kind::ListenerSet => {
                let set = resources.listener_sets.get(object).into_iter();
                let listeners = set.flat_map(|set| &set.value.spec.listeners);
                listeners.map(|listener| listener.name.as_str()).collect()
            }
            Kind::HttpRoute => {
                let route = resources.http_routes.get(object).into_iter();
                let rules = route.flat_map(|route| route.value.spec.rules.iter().flatten());
                rules.filter_map(|rule| rule.name.as_deref()).collect()
            }
            Kind::GrpcRoute => {
                let route = resources.grpc_routes.get(object).into_iter();
                let rules = route.flat_map(|route| route.value.spec.rules.iter().flatten());
                rules.filter_map(|rule| rule.name.as_deref()).collect()
            }
            Kind::TlsRoute => {
                let route = resources.tls_routes.get(object).into_iter();
                let rules = route.flat_map(|route| &route.value.spec.rules);
                rules.filter_map(|rule| rule.name.as_deref()).collect()
            }
            Kind::Service => {
                let service = resources.services.get(object).into_iter();
                let ports = service.flat_map(|service| service.value.ports.iter());
                ports.map(|port| &*port.name).collect()
            }
            _ => Vec::new(),
        }
    }
}
