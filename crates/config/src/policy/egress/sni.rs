//! What the server name inside a tunnel has to be.

use std::net::IpAddr;

use super::{EgressMode, EgressPolicySet};
use crate::name::{DnsName, Host};
use crate::resources::ObjectRef;

pub use egret_api::egret::EgressSni;

/// What the ClientHello inside a tunnel says about the server (RFC 6066 3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HelloName {
    /// A name.
    Name(DnsName),
    /// An address, which some clients send although it is not a name.
    Address(IpAddr),
    /// Nothing.
    Absent,
    /// What cannot be read.
    Unreadable,
}

/// The policy that requires the server name inside a tunnel to be the host of its CONNECT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SniRequirement<'a> {
    /// The policy.
    pub policy: &'a ObjectRef,
    /// Whether a tunnel with another name is closed.
    pub mode: EgressMode,
}

impl EgressPolicySet {
    /// The policy that requires the server name of a tunnel to be its host: one that is enforced, else one in audit mode.
    /// Of a tunnel that `is_open` already, policies that keep tunnels require nothing.
    #[must_use]
    pub fn sni(&self, is_open: bool) -> Option<SniRequirement<'_>> {
        let requirement = |mode| {
            let mut policies = self.policies.iter();
            let found = policies.find(|rules| {
                rules.sni == EgressSni::MustMatch
                    && rules.mode == mode
                    && !(is_open && rules.keeps_tunnels)
            });
            found.map(|rules| SniRequirement {
                policy: &rules.policy,
                mode,
            })
        };
        requirement(EgressMode::Enforce).or_else(|| requirement(EgressMode::Audit))
    }
}

impl HelloName {
    /// Whether the ClientHello is for this host. A hello without a name is for an address only.
    #[must_use]
    pub fn is_for(&self, host: &Host) -> bool {
        match (self, host) {
            (Self::Name(name), Host::Name(host)) => name == host,
            (Self::Address(address), Host::Ip(host)) => {
                address.to_canonical() == host.to_canonical()
            }
            (Self::Absent, Host::Ip(_)) => true,
            (Self::Name(_), Host::Ip(_))
            | (Self::Address(_) | Self::Absent, Host::Name(_))
            | (Self::Unreadable, _) => false,
        }
    }
}
