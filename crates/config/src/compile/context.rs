//! The compiled objects that routes refer to.

use std::collections::{BTreeMap, BTreeSet};

use super::backend::BackendMap;
use super::backend_identity::BackendIdentities;
use super::class::GatewayClasses;
use super::direct_response::DirectResponses;
use super::policy::CompiledPolicies;
use super::service::ServiceLookup;
use crate::resources::{ObjectRef, Resources};

/// The compiled objects that routes refer to.
pub(super) struct RouteContext<'a> {
    pub(super) resources: &'a Resources,
    pub(super) classes: GatewayClasses,
    pub(super) backends: BackendMap,
    pub(super) identities: BackendIdentities,
    pub(super) services: ServiceLookup<'a>,
    pub(super) responses: DirectResponses,
    pub(super) policies: CompiledPolicies,
    /// For each Backend and Service, the Gateways whose routes refer to it.
    pub(super) uses: BTreeMap<ObjectRef, BTreeSet<ObjectRef>>,
}
