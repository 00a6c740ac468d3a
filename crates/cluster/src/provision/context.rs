//! What the functions of the objects share.

use egret_config::api::kgateway::KubeParameters;

use super::metadata::ChildMetadata;
use super::plan::{GatewayPlan, ProvisionSettings};

/// A Gateway, and what the objects that are made for it have in common.
pub(super) struct ChildContext<'a> {
    pub(super) plan: GatewayPlan<'a>,
    pub(super) settings: &'a ProvisionSettings,
    pub(super) kube: &'a KubeParameters,
    pub(super) metadata: ChildMetadata<'a>,
}
