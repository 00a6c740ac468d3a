//! Egret's own resources (`egret.dev/v1alpha1`).

mod egress;
mod limits;
mod resolver;
mod status;

pub use egress::{
    AllowedAddress, DescribedAddress, EgressAction, EgressAddresses, EgressClientSpec, EgressMode,
    EgressPolicy, EgressPolicySpec, EgressRuleSpec, EgressSni, EgressTunnels, PortText,
};
pub use limits::{EgressLimitPer, EgressLimitSpec};
pub use resolver::{
    LookupFamily, ResolverHost, ResolverPolicy, ResolverPolicySpec, ResolverProtocol,
    ResolverServer,
};
pub use status::{AncestorRef, PolicyAncestorStatus, PolicyStatus};
