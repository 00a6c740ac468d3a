//! What a Gateway becomes in a cluster: a Deployment of proxies, a Service in front of it, and what these need.
//!
//! [`desired`] is pure: from a Gateway and its GatewayParameters to the objects as they are applied. A ledger of
//! what was sent decides which of them have to be sent again, and [`ProvisionWriter`] sends them.

use egret_config::api::kgateway::KubeParameters;

mod access;
mod children;
mod context;
mod deployment;
mod fault;
mod image;
mod kind;
mod ledger;
mod metadata;
mod name;
mod obsolete;
mod outcome;
mod owner;
mod plan;
mod scaling;
mod service;
mod strip;
mod writer;

pub use children::Children;
pub use fault::WriteFault;
pub use kind::ChildKind;
pub use ledger::{ChildKey, DesiredObject, GatewayObjects, LiveObjects};
pub use metadata::{GATEWAY_LABEL, MANAGED_BY_LABEL, MANAGER, NAMESPACE_LABEL};
pub use outcome::{Infrastructure, infrastructure};
pub use plan::{
    GatewayPlan, ProvisionFault, ProvisionSettings, RESERVED_PORTS, SecretAccess, listener_ports,
};
pub use writer::{ProvisionCounts, ProvisionPass, ProvisionWriter};

use context::ChildContext;
use metadata::ChildMetadata;

/// The objects of a Gateway, in the order in which they are to be made; none if somebody else makes them.
///
/// # Errors
/// If not all of them can be made; then none is.
pub fn desired(
    plan: GatewayPlan<'_>,
    settings: &ProvisionSettings,
) -> Result<Vec<DesiredObject>, ProvisionFault> {
    if plan.parameters.self_managed.is_some() {
        return Ok(Vec::new());
    }
    if plan.ports.is_empty() {
        return Err(ProvisionFault::NoPorts);
    }
    let name = name::of_children(&plan.reference.name);
    if name.contains('.') {
        return Err(ProvisionFault::Name(name));
    }
    let nothing = KubeParameters::default();
    let context = ChildContext {
        plan,
        settings,
        kube: plan.parameters.kube.as_ref().unwrap_or(&nothing),
        metadata: ChildMetadata::of(plan, settings, name).ok_or(ProvisionFault::NoUid)?,
    };
    let mut objects = vec![
        access::service_account(&context),
        access::cluster_role_binding(&context),
    ];
    objects.extend(access::roles(&context));
    objects.push(deployment::config_map(&context));
    objects.push(service::service(&context));
    objects.push(deployment::deployment(&context));
    objects.push(scaling::disruption_budget(&context));
    objects.extend(scaling::autoscaler(&context));
    Ok(objects)
}

#[cfg(test)]
mod tests;
