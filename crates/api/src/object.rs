//! How the types of resources are read from JSON and written as JSON.
//!
//! Serde's code for a type is generic, and compiled where it is used. The types here are large and read once per change,
//! so all of that code is compiled in this crate, which is optimised for size.

use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscalerSpec;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::policy::v1::PodDisruptionBudgetSpec;
use kube::core::ObjectMeta;
use serde_json::Value;

use crate::decode::{DecodeFault, decode, decode_object};
use crate::egret::{EgressPolicy, ResolverPolicy};
use crate::gateway::{
    BackendTlsPolicy, Gateway, GatewayClass, GrpcRoute, HttpRoute, ListenerSet, ReferenceGrant,
    TlsRoute, XBackendTrafficPolicy,
};
use crate::kgateway::{
    Backend, BackendConfigPolicy, BackendConfigPolicySpec, DirectResponse, GatewayExtension,
    GatewayExtensionSpec, GatewayParameters, GatewayParametersSpec, HttpListenerPolicy,
    HttpListenerPolicySpec, ListenerPolicy, ListenerPolicySpec, TrafficPolicy, TrafficPolicySpec,
};
use crate::target::{TargetRef, TargetSelector};

/// An object, or a part of one.
pub trait ApiType: Sized {
    /// Reads the type. Unknown fields are faults, but the other fields are still read. A field of `null` counts as left
    /// out, as for an API server; `apiVersion`, `kind` and `status` of an object are not read.
    fn decode(value: Value) -> (Option<Self>, Vec<DecodeFault>);

    /// Writes the type; `None` if it holds what JSON cannot.
    fn encode(&self) -> Option<Value>;
}

macro_rules! api_types {
    ($decode:ident: $($name:ident),* $(,)?) => {$(
        impl ApiType for $name {
            // Inlined, the generic code would be compiled where it is called.
            #[inline(never)]
            fn decode(value: Value) -> (Option<Self>, Vec<DecodeFault>) {
                $decode(value)
            }

            #[inline(never)]
            fn encode(&self) -> Option<Value> {
                serde_json::to_value(self).ok()
            }
        }
    )*};
}

api_types! {
    decode_object: Backend,
    BackendConfigPolicy,
    BackendTlsPolicy,
    ConfigMap,
    DirectResponse,
    EgressPolicy,
    EndpointSlice,
    Gateway,
    GatewayClass,
    GatewayExtension,
    GatewayParameters,
    GrpcRoute,
    HttpListenerPolicy,
    HttpRoute,
    ListenerPolicy,
    ListenerSet,
    Namespace,
    ReferenceGrant,
    ResolverPolicy,
    Secret,
    Service,
    TlsRoute,
    TrafficPolicy,
    XBackendTrafficPolicy,
}

api_types! {
    decode: BackendConfigPolicySpec,
    GatewayExtensionSpec,
    GatewayParametersSpec,
    HorizontalPodAutoscalerSpec,
    HttpListenerPolicySpec,
    ListenerPolicySpec,
    ObjectMeta,
    PodDisruptionBudgetSpec,
    TargetRef,
    TargetSelector,
    TrafficPolicySpec,
}
