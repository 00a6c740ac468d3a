//! The two address families: which are queried, and in what order their addresses are tried.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use egret_config::snapshot::LookupFamily;

/// How long the preferred family and HTTPS records are waited for once there are addresses (RFC 8305 3, "Resolution
/// Delay").
pub(crate) const RESOLUTION_DELAY: Duration = Duration::from_millis(50);

/// An address family, which is also a type of DNS record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AddressFamily {
    /// IPv4, the A record (RFC 1035 3.4.1).
    V4,
    /// IPv6, the AAAA record (RFC 3596 2.1).
    V6,
}

impl AddressFamily {
    /// The family of an address. An IPv4-mapped address comes from an AAAA record and counts as IPv6.
    #[must_use]
    pub(crate) const fn of(address: &IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }

    /// The other of the two families.
    #[must_use]
    pub(crate) const fn other(self) -> Self {
        match self {
            Self::V4 => Self::V6,
            Self::V6 => Self::V4,
        }
    }
}

/// The families that are queried under this setting, the preferred one first.
#[must_use]
pub(crate) const fn queried_families(family: LookupFamily) -> &'static [AddressFamily] {
    match family {
        LookupFamily::V4Only => &[AddressFamily::V4],
        LookupFamily::V6Only => &[AddressFamily::V6],
        LookupFamily::V4Preferred => &[AddressFamily::V4, AddressFamily::V6],
        LookupFamily::Auto | LookupFamily::V6Preferred => &[AddressFamily::V6, AddressFamily::V4],
    }
}

/// The addresses of the queried families: the preferred family first, within a family in the given order, each once.
#[must_use]
pub(crate) fn order_by_family(addresses: &[IpAddr], family: LookupFamily) -> Arc<[IpAddr]> {
    let mut ordered = Vec::with_capacity(addresses.len());
    for &queried in queried_families(family) {
        for address in addresses {
            if AddressFamily::of(address) == queried && !ordered.contains(address) {
                ordered.push(*address);
            }
        }
    }
    ordered.into()
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
            let arranged: Vec<String> = order_by_family(&addresses, family)
                .iter()
                .map(ToString::to_string)
                .collect();
            assert_eq!(arranged, expected, "{family:?}");
        }
    }
}
