//! `httpUpgrade` of a TrafficPolicy: the protocols that a connection may be upgraded to.

use std::sync::LazyLock;

use serde::Serialize;

/// The upgrades that are allowed: `httpUpgrade` of a TrafficPolicy, which takes precedence, or `upgradeConfig` of a
/// ListenerPolicy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AllowedUpgrades {
    /// Whether CONNECT is served. Its Backend must be dynamic in any case.
    pub connect: bool,
    /// Protocols that are allowed in `Upgrade` (RFC 9110 7.8) and in extended CONNECT (RFC 8441), in lower case.
    pub protocols: Vec<Box<str>>,
}

/// The default, for rules without a policy.
static UNCONFIGURED: LazyLock<AllowedUpgrades> = LazyLock::new(AllowedUpgrades::default);

impl AllowedUpgrades {
    /// The default, shared by every rule without a policy.
    #[must_use]
    pub fn unconfigured() -> &'static Self {
        &UNCONFIGURED
    }

    /// Whether a protocol is allowed; compared without regard to case.
    #[must_use]
    pub fn allow(&self, protocol: &str) -> bool {
        let mut known = self.protocols.iter();
        known.any(|known| known.eq_ignore_ascii_case(protocol))
    }
}

impl Default for AllowedUpgrades {
    /// Allows CONNECT and WebSocket, which an egress gateway is for.
    fn default() -> Self {
        Self {
            connect: true,
            protocols: vec!["websocket".into()],
        }
    }
}
