//! The CustomResourceDefinitions of the kinds that an API server has to be told of: Egret's own, and those of kgateway
//! that Egret reads.
//!
//! They are made from the types by a test, and the program has them as they were made: what makes them is a megabyte of code,
//! and gives the same in every process.
//!
//! What an API server stores under these definitions, Egret can read. A field that Egret recognises but does not support
//! is stored as it was written, so that a status can name it.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::gateway::{
    BackendTlsPolicySpec, GatewayClassSpec, GatewaySpec, GrpcRouteSpec, HttpRouteSpec,
    ListenerSetSpec, ReferenceGrantSpec, TlsRouteSpec, XBackendTrafficPolicySpec,
};
use crate::kind::{EGRET_GROUP, KGATEWAY_GROUP, Kind};

mod kept;
#[cfg(test)]
mod kinds;
#[cfg(test)]
mod made;
mod spec;
#[cfg(test)]
mod status;
#[cfg(test)]
mod tests;

/// Whose resources are to be defined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrdOwner {
    /// `egret.dev`
    Egret,
    /// `gateway.kgateway.dev`
    Kgateway,
}

/// The definitions of an owner's kinds as JSON, always in the same order.
#[must_use]
pub fn definitions(owner: CrdOwner) -> Vec<Value> {
    let group = match owner {
        CrdOwner::Egret => EGRET_GROUP,
        CrdOwner::Kgateway => KGATEWAY_GROUP,
    };
    let mut definitions = kept::definitions();
    definitions.retain(|definition| definition["spec"]["group"] == group);
    definitions.iter_mut().for_each(spec::strip_notes);
    definitions
}

/// The schema of `spec` of each kind that has a definition, with keywords that begin with `x-egret-` and say what becomes
/// of a field: `x-egret-unsupported`, `x-egret-no-effect` with the reason, and `x-egret-differs` with what is not as in
/// kgateway.
#[must_use]
pub fn noted_specs() -> BTreeMap<Kind, Value> {
    let definitions = kept::definitions().into_iter();
    let noted = definitions.filter_map(|mut definition| {
        let spec = &mut definition["spec"];
        let kind = Kind::find(spec["group"].as_str()?, spec["names"]["kind"].as_str()?)?;
        let schema = &mut spec["versions"][0]["schema"]["openAPIV3Schema"];
        Some((kind, schema["properties"]["spec"].take()))
    });
    noted.collect()
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
