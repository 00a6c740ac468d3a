//! The two address families: which are asked for, and in what order their addresses are told.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use egret_config::snapshot::LookupFamily;

/// How long the preferred family, and HTTPS records, are waited for once there are addresses (RFC 8305 3).
pub const RESOLUTION_DELAY: Duration = Duration::from_millis(50);

/// An address family, and so a record type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4, the A record (RFC 1035 3.4.1).
    V4,
    /// IPv6, the AAAA record (RFC 3596 2.1).
    V6,
}

impl Family {
    /// Of an address. An IPv4-mapped address came in an AAAA record and counts as IPv6.
    #[must_use]
    pub const fn of(address: &IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }

    /// The one that this is not.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::V4 => Self::V6,
            Self::V6 => Self::V4,
        }
    }
}

/// The families that are asked for, the preferred one first.
#[must_use]
pub const fn wanted(family: LookupFamily) -> &'static [Family] {
    match family {
        LookupFamily::V4Only => &[Family::V4],
        LookupFamily::V6Only => &[Family::V6],
        LookupFamily::V4Preferred => &[Family::V4, Family::V6],
        LookupFamily::Auto | LookupFamily::V6Preferred => &[Family::V6, Family::V4],
    }
}

/// The addresses of the wanted families, preferred family first, within a family in the given order, each once.
#[must_use]
pub fn arrange(addresses: &[IpAddr], family: LookupFamily) -> Arc<[IpAddr]> {
    let mut arranged = Vec::with_capacity(addresses.len());
    for &wanted in wanted(family) {
        for address in addresses {
            if Family::of(address) == wanted && !arranged.contains(address) {
                arranged.push(*address);
            }
        }
    }
    arranged.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arranges_by_preference_and_keeps_the_order_within() {
        let addresses: Vec<IpAddr> = [
            "192.0.2.2",
            "2001:db8::2",
            "192.0.2.1",
            "2001:db8::1",
            "192.0.2.2",
        ]
        .iter()
        .map(|text| text.parse().unwrap())
        .collect();
        for (family, expected) in [
            (
                LookupFamily::Auto,
                vec!["2001:db8::2", "2001:db8::1", "192.0.2.2", "192.0.2.1"],
            ),
            (
                LookupFamily::V6Preferred,
                vec!["2001:db8::2", "2001:db8::1", "192.0.2.2", "192.0.2.1"],
            ),
            (
                LookupFamily::V4Preferred,
                vec!["192.0.2.2", "192.0.2.1", "2001:db8::2", "2001:db8::1"],
            ),
            (LookupFamily::V4Only, vec!["192.0.2.2", "192.0.2.1"]),
            (LookupFamily::V6Only, vec!["2001:db8::2", "2001:db8::1"]),
        ] {
            let arranged: Vec<String> = arrange(&addresses, family)
                .iter()
                .map(ToString::to_string)
                .collect();
            assert_eq!(arranged, expected, "{family:?}");
        }
    }
}
