//! Whom a request is for.

use egret_config::name::{Host, Port};
use egret_config::resources::ObjectRef;
use egret_config::snapshot::{ResolverId, Scheme};

/// Which requests may share connections, limits and what is known of addresses.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Destination {
    /// Scheme towards the upstream.
    pub(crate) scheme: Scheme,
    /// Host, canonical.
    pub(crate) host: Host,
    /// Port.
    pub(crate) port: Port,
    /// Who resolved the host: another resolver may know other addresses by the same name.
    pub(crate) resolver: ResolverId,
    /// The Backend, if a BackendConfigPolicy says how it is connected to.
    pub(crate) configured: Option<ObjectRef>,
}

#[cfg(test)]
impl Destination {
    /// Port 80 of a host, for tests.
    pub(crate) fn example(host: &str) -> Self {
        Self {
            scheme: Scheme::Http,
            host: host.parse().expect("a host"),
            port: Port::HTTP,
            resolver: ResolverId::System,
            configured: None,
        }
    }
}
