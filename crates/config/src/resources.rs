//! The objects as the user wrote them, by kind and name.
//!
//! [`load`](crate::load) reads them from files, [`compile`](crate::compile) turns them into a snapshot. What they mean
//! is not checked here.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use egret_api::egret::{EgressPolicy, ResolverPolicy};
use egret_api::gateway::{
    BackendTlsPolicy, Gateway, GatewayClass, GrpcRoute, HttpRoute, ListenerSet, ReferenceGrant,
    TlsRoute, XBackendTrafficPolicy,
};
use egret_api::kgateway::{
    Backend, BackendConfigPolicy, DirectResponse, GatewayExtension, GatewayParameters,
    HttpListenerPolicy, ListenerPolicy, TrafficPolicy,
};
use egret_api::target::{TargetRef, TargetSelector};
use kube::core::ObjectMeta;
use serde::{Serialize, Serializer};

mod changes;
mod listener_set;
mod local_file;
mod manifest;
mod remedy;
mod selector;
mod service;
mod source;

pub use changes::{ChangeKind, ObjectChange};
pub use egret_api::kind::{
    CORE_GROUP, EGRET_GROUP, GATEWAY_GROUP, GATEWAY_TRIAL_GROUP, KGATEWAY_GROUP, Kind,
};
pub use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret};
pub use listener_set::ListenerSets;
pub use local_file::LocalFile;
pub use selector::LabelSelector;
pub(crate) use selector::{EXPRESSION_NEEDS, LabelExpression};
pub use service::{
    EndpointSlice, EndpointState, Service, ServicePort, SliceAddressType, SliceEndpoint, SlicePort,
    TransportProtocol,
};
pub use source::SourceLocation;

/// The identity of an object: its kind, namespace and name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectRef {
    /// The kind of the object.
    pub kind: Kind,
    /// The namespace of the object; empty for kinds without namespaces.
    pub namespace: Arc<str>,
    /// The name of the object.
    pub name: Arc<str>,
}

/// An object, and the place where it was written.
#[derive(Debug, PartialEq)]
pub struct LocatedObject<T> {
    /// The object, which all sets of objects share that have it.
    pub value: Arc<T>,
    /// The place where it was written, for messages.
    pub source: SourceLocation,
}

/// All objects of one kind, by identity.
pub type ObjectMap<T> = BTreeMap<ObjectRef, LocatedObject<T>>;

/// All objects that the user wrote.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Resources {
    /// `GatewayClass`
    pub gateway_classes: ObjectMap<GatewayClass>,
    /// `Gateway`
    pub gateways: ObjectMap<Gateway>,
    /// `ListenerSet`
    pub listener_sets: ObjectMap<ListenerSet>,
    /// `HTTPRoute`
    pub http_routes: ObjectMap<HttpRoute>,
    /// `GRPCRoute`
    pub grpc_routes: ObjectMap<GrpcRoute>,
    /// `TLSRoute`
    pub tls_routes: ObjectMap<TlsRoute>,
    /// `BackendTLSPolicy`
    pub backend_tls_policies: ObjectMap<BackendTlsPolicy>,
    /// `XBackendTrafficPolicy`
    pub backend_traffic_policies: ObjectMap<XBackendTrafficPolicy>,
    /// `ReferenceGrant`
    pub reference_grants: ObjectMap<ReferenceGrant>,
    /// `Backend`
    pub backends: ObjectMap<Backend>,
    /// `BackendConfigPolicy`
    pub backend_config_policies: ObjectMap<BackendConfigPolicy>,
    /// `TrafficPolicy`
    pub traffic_policies: ObjectMap<TrafficPolicy>,
    /// `DirectResponse`
    pub direct_responses: ObjectMap<DirectResponse>,
    /// `GatewayExtension`
    pub gateway_extensions: ObjectMap<GatewayExtension>,
    /// `GatewayParameters`
    pub gateway_parameters: ObjectMap<GatewayParameters>,
    /// `ListenerPolicy`
    pub listener_policies: ObjectMap<ListenerPolicy>,
    /// `HTTPListenerPolicy`
    pub http_listener_policies: ObjectMap<HttpListenerPolicy>,
    /// `EgressPolicy`
    pub egress_policies: ObjectMap<EgressPolicy>,
    /// `ResolverPolicy`
    pub resolver_policies: ObjectMap<ResolverPolicy>,
    /// `Service`
    pub services: ObjectMap<Service>,
    /// `EndpointSlice`
    pub endpoint_slices: ObjectMap<EndpointSlice>,
    /// Policies of an API server that could not be read, and have no earlier version
    pub unread_policies: ObjectMap<UnreadPolicy>,
    /// `Namespace`, for its labels
    pub namespaces: ObjectMap<Namespace>,
    /// `Secret`, for certificates and their keys
    pub secrets: ObjectMap<Secret>,
    /// `ConfigMap`, for certificates of CAs
    pub config_maps: ObjectMap<ConfigMap>,
    /// Files that objects name by their paths, as far as they have been read
    pub files: ObjectMap<LocalFile>,
    /// Objects of the kinds that are recognised but not supported yet.
    pub unsupported: ObjectMap<serde_json::Value>,
}

/// What is known of a policy that could not be read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UnreadPolicy {
    /// Its metadata.
    pub metadata: ObjectMeta,
    /// Its targets, as far as they could be read.
    pub target_refs: Vec<TargetRef>,
    /// Its targets by labels, as far as they could be read.
    pub target_selectors: Vec<TargetSelector>,
    /// What is wrong with it.
    pub faults: Vec<UnreadField>,
}

/// A field that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnreadField {
    /// The path of the field; empty for the whole object.
    pub field: String,
    /// What is wrong with it.
    pub message: String,
}

impl Resources {
    /// The Secrets of a namespace that a selector matches.
    pub(crate) fn selected_secrets(
        &self,
        namespace: &str,
        selector: &LabelSelector,
    ) -> Vec<ObjectRef> {
        let is_selected = |secret: &Secret| selector.matches(secret.metadata.labels.as_ref());
        let secrets = self.secrets.iter();
        secrets
            .filter(|(object, secret)| {
                &*object.namespace == namespace && is_selected(&secret.value)
            })
            .map(|(object, _)| object.clone())
            .collect()
    }
}

/// The order in which the Gateway API resolves conflicts: by age, oldest first, then by namespace and name. An object
/// of unknown age (one from a file) counts as younger than every object of known age.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectSeniority {
    unknown: bool,
    created: i128,
    namespace: Arc<str>,
    name: Arc<str>,
}

impl Resources {
    /// The identities of all objects of a kind.
    pub fn objects_of(&self, kind: Kind) -> Box<dyn Iterator<Item = &ObjectRef> + '_> {
        match kind {
            Kind::GatewayClass => Box::new(self.gateway_classes.keys()),
            Kind::Gateway => Box::new(self.gateways.keys()),
            Kind::ListenerSet => Box::new(self.listener_sets.keys()),
            Kind::HttpRoute => Box::new(self.http_routes.keys()),
            Kind::GrpcRoute => Box::new(self.grpc_routes.keys()),
            Kind::TlsRoute => Box::new(self.tls_routes.keys()),
            Kind::BackendTlsPolicy => Box::new(self.backend_tls_policies.keys()),
            Kind::XBackendTrafficPolicy => Box::new(self.backend_traffic_policies.keys()),
            Kind::ReferenceGrant => Box::new(self.reference_grants.keys()),
            Kind::Backend => Box::new(self.backends.keys()),
            Kind::BackendConfigPolicy => Box::new(self.backend_config_policies.keys()),
            Kind::TrafficPolicy => Box::new(self.traffic_policies.keys()),
            Kind::DirectResponse => Box::new(self.direct_responses.keys()),
            Kind::GatewayExtension => Box::new(self.gateway_extensions.keys()),
            Kind::GatewayParameters => Box::new(self.gateway_parameters.keys()),
            Kind::ListenerPolicy => Box::new(self.listener_policies.keys()),
            Kind::HttpListenerPolicy => Box::new(self.http_listener_policies.keys()),
            Kind::EgressPolicy => Box::new(self.egress_policies.keys()),
            Kind::ResolverPolicy => Box::new(self.resolver_policies.keys()),
            Kind::Service => Box::new(self.services.keys()),
            Kind::EndpointSlice => Box::new(self.endpoint_slices.keys()),
            Kind::Namespace => Box::new(self.namespaces.keys()),
            Kind::Secret => Box::new(self.secrets.keys()),
            Kind::ConfigMap => Box::new(self.config_maps.keys()),
            Kind::File => Box::new(self.files.keys()),
            Kind::TcpRoute | Kind::UdpRoute | Kind::XListenerSet | Kind::XMesh => Box::new(
                self.unsupported
                    .keys()
                    .filter(move |known| known.kind == kind),
            ),
        }
    }
}

impl ObjectRef {
    /// Makes the identity of an object.
    #[must_use]
    pub fn new(kind: Kind, namespace: &str, name: &str) -> Self {
        Self {
            kind,
            namespace: namespace.into(),
            name: name.into(),
        }
    }
}

/// Writes `Kind namespace/name`, or `Kind name` for kinds without namespaces.
impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            kind,
            namespace,
            name,
        } = self;
        if namespace.is_empty() {
            write!(f, "{kind} {name}")
        } else {
            write!(f, "{kind} {namespace}/{name}")
        }
    }
}

impl Serialize for ObjectRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<T> Clone for LocatedObject<T> {
    fn clone(&self) -> Self {
        Self {
            value: self.value.clone(),
            source: self.source.clone(),
        }
    }
}

impl<T: kube::Resource> LocatedObject<T> {
    /// The place of the object in the order of its kind, oldest first.
    #[must_use]
    pub fn seniority(&self, object: &ObjectRef) -> ObjectSeniority {
        let created = self.value.meta().creation_timestamp.as_ref();
        ObjectSeniority {
            unknown: created.is_none(),
            created: created.map_or(0, |time| time.0.as_nanosecond()),
            namespace: object.namespace.clone(),
            name: object.name.clone(),
        }
    }
}

/// All objects of a kind, oldest first.
#[must_use]
pub fn oldest_first<T: kube::Resource>(
    objects: &ObjectMap<T>,
) -> Vec<(&ObjectRef, &LocatedObject<T>)> {
    let mut list: Vec<_> = objects.iter().collect();
    list.sort_by_cached_key(|(reference, object)| object.seniority(reference));
    list
}
