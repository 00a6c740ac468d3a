//! Egret's own resources (`egret.dev/v1alpha1`).

mod egress;
mod resolver;
mod status;

pub use egress::{
    EgressAction, EgressAddresses, EgressClientSpec, EgressMode, EgressPolicy, EgressPolicySpec,
    EgressRuleSpec, EgressSni, EgressTunnels, PortText,
};
pub use resolver::{
    LookupFamily, ResolverHost, ResolverPolicy, ResolverPolicySpec, ResolverProtocol,
    ResolverServer,
};
pub use status::{AncestorRef, PolicyAncestorStatus, PolicyStatus};
