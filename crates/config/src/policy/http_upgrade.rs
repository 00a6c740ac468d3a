//! `httpUpgrade` of a TrafficPolicy: what connections may become, besides HTTP.

use std::sync::LazyLock;

use serde::Serialize;

/// `upgradeConfig` of a ListenerPolicy, and `httpUpgrade` of a TrafficPolicy, which goes before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Upgrades {
    /// Whether CONNECT is served. Where it leads has to be dynamic in any case.
    pub connect: bool,
    /// Protocols of `Upgrade` (RFC 9110 7.8) and of extended CONNECT (RFC 8441) that are let through, in lower case.
    pub protocols: Vec<Box<str>>,
}

/// What holds where no policy says anything.
static UNCONFIGURED: LazyLock<Upgrades> = LazyLock::new(Upgrades::default);

impl Upgrades {
    /// The default, shared by every rule without a policy.
    #[must_use]
    pub fn unconfigured() -> &'static Self {
        &UNCONFIGURED
    }

    /// Whether a protocol is let through, in any case of letters.
    #[must_use]
    pub fn allow(&self, protocol: &str) -> bool {
        let mut known = self.protocols.iter();
        known.any(|known| known.eq_ignore_ascii_case(protocol))
    }
}

impl Default for Upgrades {
    /// What an egress gateway is for, where nothing is said: tunnels, and WebSocket.
    fn default() -> Self {
        Self {
            connect: true,
            protocols: vec!["websocket".into()],
        }
    }
}
