//! What decides what a Gateway becomes.

use std::collections::BTreeSet;
use std::sync::Arc;

use egret_config::api::gateway::{Gateway, GatewayListener};
use egret_config::api::kgateway::GatewayParametersSpec;
use egret_config::resources::ObjectRef;

/// Ports that pods use themselves, so that no listener can have them: those of the probes and of the admin server.
pub const RESERVED_PORTS: [u16; 2] = [PROBE_PORT, 19_000];

/// The port on which pods answer probes, and export metrics.
pub(super) const PROBE_PORT: u16 = 8082;

/// What is the same for all Gateways.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProvisionSettings {
    /// The name of the controller.
    pub controller_name: String,
    /// The image of the pods, unless GatewayParameters set another.
    pub image: String,
    /// Whether a listener without an EgressPolicy refuses every request.
    pub require_egress_policy: bool,
    /// The version of Egret, for the label `app.kubernetes.io/version`.
    pub version: &'static str,
}

/// A Gateway, and all that decides what it becomes.
#[derive(Clone, Copy, Debug)]
pub struct GatewayPlan<'a> {
    /// The identity of the Gateway.
    pub reference: &'a ObjectRef,
    /// The Gateway.
    pub gateway: &'a Gateway,
    /// Its parameters over those of its class.
    pub parameters: &'a GatewayParametersSpec,
    /// The ports of its listeners.
    pub ports: &'a BTreeSet<u16>,
    /// The Secrets and ConfigMaps that its pods read.
    pub access: &'a SecretAccess,
}

/// Why nothing is made for a Gateway.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProvisionFault {
    /// No Service can have the name of the Gateway.
    #[error("a Service cannot be named {0}: a dot is not allowed in its name")]
    Name(String),
    /// No listener has a port that can be served.
    #[error("no listener has a port that can be served")]
    NoPorts,
    /// The Gateway is not accepted: nothing is made or changed until it is.
    #[error("the Gateway is not accepted")]
    NotAccepted,
    /// The API server has not given the Gateway an identity, without which what is made could not be cleaned up.
    #[error("the Gateway has no uid")]
    NoUid,
}

/// The Secrets and ConfigMaps that the pods of a Gateway read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SecretAccess {
    /// Those that something refers to by name.
    pub named: BTreeSet<ObjectRef>,
    /// The namespaces of whose Secrets some are selected by label. There is no rule for that but one for all of them.
    pub selected: BTreeSet<Arc<str>>,
}

/// The ports of listeners of a Gateway that can be served, whether or not they are served now: a certificate that is
/// missing for a while takes no port away.
#[must_use]
pub fn listener_ports(listeners: &[GatewayListener]) -> BTreeSet<u16> {
    let listeners = listeners.iter();
    let known = listeners.filter(|it| matches!(it.protocol.as_str(), "HTTP" | "HTTPS" | "TLS"));
    let ports = known.filter_map(|listener| u16::try_from(listener.port).ok());
    ports
        .filter(|port| *port != 0 && !RESERVED_PORTS.contains(port))
        .collect()
}
