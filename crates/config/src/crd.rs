//! The CustomResourceDefinitions of the kinds that an API server has to be told of: Egret's own, and those of kgateway
//! that Egret reads.
//!
//! What an API server stores under these definitions, Egret can read. A field that Egret recognises but does not support
//! is stored as it was written, so that a status can name it.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde_json::{Value, json};

use crate::api::gateway::{
    BackendTlsPolicySpec, GatewayClassSpec, GatewaySpec, GrpcRouteSpec, HttpRouteSpec,
    ListenerSetSpec, ReferenceGrantSpec, TlsRouteSpec, XBackendTrafficPolicySpec,
};
use crate::resources::{EGRET_GROUP, KGATEWAY_GROUP, Kind};

mod kinds;
mod spec;
mod status;
#[cfg(test)]
mod tests;

use kinds::{DEFINITIONS, KindDefinition};

/// Whose resources are to be defined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrdOwner {
    /// `egret.dev`
    Egret,
    /// `gateway.kgateway.dev`
    Kgateway,
}

/// The definitions of an owner's kinds, always in the same order.
///
/// # Errors
/// If a definition is not one that an API server knows, which a test of this crate excludes.
pub fn definitions(owner: CrdOwner) -> Result<Vec<CustomResourceDefinition>, serde_json::Error> {
    let group = match owner {
        CrdOwner::Egret => EGRET_GROUP,
        CrdOwner::Kgateway => KGATEWAY_GROUP,
    };
    DEFINITIONS
        .iter()
        .filter(|definition| definition.kind.group() == group)
        .map(|definition| serde_json::from_value(manifest(definition)))
        .collect()
}

/// The schema of `spec` of a kind, with keywords that begin with `x-egret-` and say what becomes of a field:
/// `x-egret-unsupported`, `x-egret-no-effect` with the reason, and `x-egret-differs` with what is not as in kgateway.
/// `None` if the kind has no definition.
#[must_use]
pub fn noted_spec(kind: Kind) -> Option<Value> {
    let mut definitions = DEFINITIONS.iter();
    let definition = definitions.find(|definition| definition.kind == kind)?;
    Some((definition.spec)())
}

/// The schema of `spec` of a kind of the Gateway API that Egret reads, without what becomes of its fields. The definitions
/// of these kinds are the Gateway API's own. `None` for other kinds.
#[must_use]
pub fn gateway_api_spec(kind: Kind) -> Option<Value> {
    let spec = match kind {
        Kind::GatewayClass => spec::of::<GatewayClassSpec>(),
        Kind::Gateway => spec::of::<GatewaySpec>(),
        Kind::ListenerSet => spec::of::<ListenerSetSpec>(),
        Kind::HttpRoute => spec::of::<HttpRouteSpec>(),
        Kind::GrpcRoute => spec::of::<GrpcRouteSpec>(),
        Kind::TlsRoute => spec::of::<TlsRouteSpec>(),
        Kind::BackendTlsPolicy => spec::of::<BackendTlsPolicySpec>(),
        Kind::XBackendTrafficPolicy => spec::of::<XBackendTrafficPolicySpec>(),
        Kind::ReferenceGrant => spec::of::<ReferenceGrantSpec>(),
        _ => return None,
    };
    Some(spec)
}

/// The definition of one kind.
fn manifest(definition: &KindDefinition) -> Value {
    let kind = definition.kind;
    let singular = kind.as_str().to_lowercase();
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": format!("{}.{}", kind.plural(), kind.group()),
            "labels": labels(definition),
        },
        "spec": {
            "group": kind.group(),
            "names": {
                "kind": kind.as_str(),
                "listKind": format!("{}List", kind.as_str()),
                "plural": kind.plural(),
                "singular": singular,
                "categories": [owner_name(kind)],
                "shortNames": definition.short_names,
            },
            "scope": "Namespaced",
            "versions": [{
                "name": "v1alpha1",
                "served": true,
                "storage": true,
                "additionalPrinterColumns": definition.columns,
                "subresources": { "status": {} },
                "schema": { "openAPIV3Schema": schema(definition) },
            }],
        },
    })
}

/// The schema of a whole object.
fn schema(definition: &KindDefinition) -> Value {
    json!({
        "description": definition.description,
        "type": "object",
        "required": ["spec"],
        "properties": {
            "apiVersion": { "type": "string" },
            "kind": { "type": "string" },
            "metadata": { "type": "object" },
            "spec": spec::without_notes((definition.spec)()),
            "status": (definition.status)(),
        },
    })
}

/// Labels by which the definitions are found. Policies have the label of GEP-713.
fn labels(definition: &KindDefinition) -> Value {
    let owner = owner_name(definition.kind);
    let mut labels = json!({ "app.kubernetes.io/name": owner });
    if owner == "kgateway" {
        labels["app"] = owner.into();
    }
    if let Some(policy) = definition.policy {
        labels["gateway.networking.k8s.io/policy"] = policy.into();
    }
    labels
}

/// The name of the project that the kind belongs to.
fn owner_name(kind: Kind) -> &'static str {
    if kind.group() == EGRET_GROUP {
        "egret"
    } else {
        "kgateway"
    }
}
