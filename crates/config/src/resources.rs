//! The objects as the user wrote them, by kind and name.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Serialize, Serializer};

use crate::api::egret::{EgressPolicy, ResolverPolicy};
use crate::api::gateway::{
    BackendTlsPolicy, Gateway, GatewayClass, GrpcRoute, HttpRoute, ReferenceGrant, TlsRoute,
};
use crate::api::kgateway::{
    Backend, BackendConfigPolicy, DirectResponse, HttpListenerPolicy, ListenerPolicy, TrafficPolicy,
};

mod kind;
mod source;

pub use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret};
pub use kind::{EGRET_GROUP, GATEWAY_GROUP, KGATEWAY_GROUP, Kind};
pub use source::Source;

/// The identity of an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectRef {
    /// What it is.
    pub kind: Kind,
    /// Where it is; empty for what has no namespace.
    pub namespace: Arc<str>,
    /// What it is called.
    pub name: Arc<str>,
}

/// An object, and where it was written.
#[derive(Clone, Debug, PartialEq)]
pub struct Object<T> {
    /// The object.
    pub value: T,
    /// For messages.
    pub source: Source,
}

/// All objects of one kind.
pub type Objects<T> = BTreeMap<ObjectRef, Object<T>>;

/// Everything the user wrote.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Resources {
    /// `GatewayClass`
    pub gateway_classes: Objects<GatewayClass>,
    /// `Gateway`
    pub gateways: Objects<Gateway>,
    /// `HTTPRoute`
    pub http_routes: Objects<HttpRoute>,
    /// `GRPCRoute`
    pub grpc_routes: Objects<GrpcRoute>,
    /// `TLSRoute`
    pub tls_routes: Objects<TlsRoute>,
    /// `BackendTLSPolicy`
    pub backend_tls_policies: Objects<BackendTlsPolicy>,
    /// `ReferenceGrant`
    pub reference_grants: Objects<ReferenceGrant>,
    /// `Backend`
    pub backends: Objects<Backend>,
    /// `BackendConfigPolicy`
    pub backend_config_policies: Objects<BackendConfigPolicy>,
    /// `TrafficPolicy`
    pub traffic_policies: Objects<TrafficPolicy>,
    /// `DirectResponse`
    pub direct_responses: Objects<DirectResponse>,
    /// `ListenerPolicy`
    pub listener_policies: Objects<ListenerPolicy>,
    /// `HTTPListenerPolicy`
    pub http_listener_policies: Objects<HttpListenerPolicy>,
    /// `EgressPolicy`
    pub egress_policies: Objects<EgressPolicy>,
    /// `ResolverPolicy`
    pub resolver_policies: Objects<ResolverPolicy>,
    /// `Namespace`, for its labels
    pub namespaces: Objects<Namespace>,
    /// `Secret`, for certificates and their keys
    pub secrets: Objects<Secret>,
    /// `ConfigMap`, for certificates of CAs
    pub config_maps: Objects<ConfigMap>,
    /// Objects of the kinds that are recognised but not supported yet.
    pub unsupported: Objects<serde_json::Value>,
}

/// "Oldest first", as the Gateway API settles conflicts: by age, then by namespace and name. An object whose age is not
/// known (one from a file) counts as younger than any whose age is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seniority {
    unknown: bool,
    created: i128,
    namespace: Arc<str>,
    name: Arc<str>,
}

impl ObjectRef {
    /// The object of this kind and name.
    #[must_use]
    pub fn new(kind: Kind, namespace: &str, name: &str) -> Self {
        Self {
            kind,
            namespace: namespace.into(),
            name: name.into(),
        }
    }
}

/// `Kind namespace/name`, or `Kind name` for what has no namespace.
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

impl<T: kube::Resource> Object<T> {
    /// Its place among its kind, oldest first.
    #[must_use]
    pub fn seniority(&self, object: &ObjectRef) -> Seniority {
        let created = self.value.meta().creation_timestamp.as_ref();
        Seniority {
            unknown: created.is_none(),
            created: created.map_or(0, |time| time.0.as_nanosecond()),
            namespace: object.namespace.clone(),
            name: object.name.clone(),
        }
    }
}

/// The objects of a kind, oldest first.
#[must_use]
pub fn oldest_first<T: kube::Resource>(objects: &Objects<T>) -> Vec<(&ObjectRef, &Object<T>)> {
    let mut list: Vec<_> = objects.iter().collect();
    list.sort_by_cached_key(|(reference, object)| object.seniority(reference));
    list
}
