//! `ListenerSet` (GEP-1713): listeners that are added to a Gateway.
//!
//! The generated type has types of its own for the listeners, which have the fields of those of a Gateway. This one has
//! them in common with it.

use gateway_api::apis::experimental::gateways::GatewayListeners;
pub use gateway_api::apis::experimental::listenersets::ListenerSetStatus;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Listeners that are added to a Gateway.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "gateway.networking.k8s.io",
    version = "v1",
    kind = "ListenerSet",
    plural = "listenersets"
)]
#[kube(
    namespaced,
    status = "ListenerSetStatus",
    schema = "disabled",
    derive = "PartialEq"
)]
#[serde(rename_all = "camelCase")]
pub struct ListenerSetSpec {
    /// The Gateway.
    pub parent_ref: ParentGatewayRef,
    /// The listeners.
    pub listeners: Vec<GatewayListeners>,
}

/// A reference to the Gateway of a ListenerSet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ParentGatewayRef {
    /// The API group of the parent; that of the Gateway API by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// The kind of the parent; `Gateway` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The name of the parent.
    pub name: String,
    /// The namespace of the parent; that of the ListenerSet by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}
