//! What has been compiled before the routes, which refer to it.

use std::collections::{BTreeMap, BTreeSet};

use super::backend::Backends;
use super::class::Classes;
use super::direct_response::Responses;
use super::policy::Policies;
use crate::resources::{ObjectRef, Resources};

/// What routes are compiled against.
pub(super) struct Context<'a> {
    pub(super) resources: &'a Resources,
    pub(super) classes: Classes,
    pub(super) backends: Backends,
    pub(super) responses: Responses,
    pub(super) policies: Policies,
    /// The Gateways whose routes lead to a Backend.
    pub(super) uses: BTreeMap<ObjectRef, BTreeSet<ObjectRef>>,
}
