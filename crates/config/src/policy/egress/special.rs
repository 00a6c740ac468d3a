//! The built-in deny list: addresses that are not on the public internet.
//!
//! It has all that the IANA IPv4 and IPv6 Special-Purpose Address Registries do not call globally reachable, and all
//! that is not global unicast in the address architecture (RFC 4291). Beyond these it has the one public address at which a
//! cloud serves its own machines, as others do at link-local ones. An IPv6 address that embeds an IPv4 address is
//! also decided by that one, so that no notation gets around the list.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The class of a special address; `None` if it is globally reachable.
#[must_use]
pub fn class(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => class_v4(address),
        IpAddr::V6(address) => class_v6(address),
    }
}

/// A network by address and prefix length, and its class; `None` is "globally reachable". The first network that
/// contains an address decides.
type SpecialNetwork<A> = (A, u32, Option<&'static str>);

/// IPv4 networks: <https://www.iana.org/assignments/iana-ipv4-special-registry/>, and multicast (RFC 5771).
const V4: &[SpecialNetwork<[u8; 4]>] = &[
    ([0, 0, 0, 0], 8, Some("this network")),
    ([10, 0, 0, 0], 8, Some("private")),
    ([100, 64, 0, 0], 10, Some("shared address space")),
    ([127, 0, 0, 0], 8, Some("loopback")),
    // Azure's address for DNS, health probes and the agents of its machines.
    ([168, 63, 129, 16], 32, Some("cloud platform")),
    ([169, 254, 0, 0], 16, Some("link-local")),
    ([172, 16, 0, 0], 12, Some("private")),
    ([192, 0, 0, 9], 32, None),  // Port Control Protocol anycast
    ([192, 0, 0, 10], 32, None), // TURN anycast
    ([192, 0, 0, 0], 24, Some("IETF protocol assignment")),
    ([192, 0, 2, 0], 24, Some("documentation")),
    ([192, 88, 99, 0], 24, Some("6to4 relay")),
    ([192, 168, 0, 0], 16, Some("private")),
    ([198, 18, 0, 0], 15, Some("benchmarking")),
    ([198, 51, 100, 0], 24, Some("documentation")),
    ([203, 0, 113, 0], 24, Some("documentation")),
    ([224, 0, 0, 0], 4, Some("multicast")),
    ([255, 255, 255, 255], 32, Some("broadcast")),
    ([240, 0, 0, 0], 4, Some("reserved")),
];

/// IPv6 networks: <https://www.iana.org/assignments/iana-ipv6-special-registry/>, site-local (RFC 3879) and multicast
/// (RFC 4291). After the last row, only 2000::/3 is global unicast.
const V6: &[SpecialNetwork<[u16; 8]>] = &[
    ([0, 0, 0, 0, 0, 0, 0, 0], 128, Some("unspecified")),
    ([0, 0, 0, 0, 0, 0, 0, 1], 128, Some("loopback")),
    ([0, 0, 0, 0, 0, 0, 0, 0], 96, None), // IPv4-compatible: the embedded address decides
    ([0, 0, 0, 0, 0, 0xffff, 0, 0], 96, None), // IPv4-mapped: likewise
    ([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96, None), // NAT64: likewise
    (
        [0x64, 0xff9b, 1, 0, 0, 0, 0, 0],
        48,
        Some("local-use NAT64"),
    ),
    ([0x100, 0, 0, 0, 0, 0, 0, 0], 64, Some("discard-only")),
    ([0x100, 0, 0, 1, 0, 0, 0, 0], 64, Some("dummy")),
    ([0x2001, 0, 0, 0, 0, 0, 0, 0], 32, Some("Teredo")),
    ([0x2001, 1, 0, 0, 0, 0, 0, 1], 128, None), // Port Control Protocol anycast
    ([0x2001, 1, 0, 0, 0, 0, 0, 2], 128, None), // TURN anycast
    ([0x2001, 1, 0, 0, 0, 0, 0, 3], 128, None), // DNS-SD SRP anycast
    ([0x2001, 3, 0, 0, 0, 0, 0, 0], 32, None),  // AMT
    ([0x2001, 4, 0x112, 0, 0, 0, 0, 0], 48, None), // AS112
    // The rest of the block, including ORCHIDs, which are identifiers that no packet is routed by.
    (
        [0x2001, 0, 0, 0, 0, 0, 0, 0],
        23,
        Some("IETF protocol assignment"),
    ),
    ([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32, Some("documentation")),
    ([0x2002, 0, 0, 0, 0, 0, 0, 0], 16, Some("6to4")),
    ([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20, Some("documentation")),
    ([0x5f00, 0, 0, 0, 0, 0, 0, 0], 16, Some("segment routing")),
    ([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7, Some("unique local")),
    ([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10, Some("link-local")),
    ([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10, Some("site-local")),
    ([0xff00, 0, 0, 0, 0, 0, 0, 0], 8, Some("multicast")),
    ([0x2000, 0, 0, 0, 0, 0, 0, 0], 3, None),
];

fn class_v4(address: Ipv4Addr) -> Option<&'static str> {
    let bits = address.to_bits();
    let within =
        |net: [u8; 4], length: u32| (bits ^ u32::from_be_bytes(net)).leading_zeros() >= length;
    V4.iter()
        .find(|(net, length, _)| within(*net, *length))
        .and_then(|row| row.2)
}

fn class_v6(address: Ipv6Addr) -> Option<&'static str> {
    let bits = address.to_bits();
    let within = |net: [u16; 8], length: u32| {
        (bits ^ Ipv6Addr::from(net).to_bits()).leading_zeros() >= length
    };
    V6.iter()
        .find(|(net, length, _)| within(*net, *length))
        .map_or(Some("reserved"), |row| row.2)
}

/// The IPv4 addresses that an IPv6 address embeds, in every layout that its prefix allows.
pub fn embedded_ipv4(address: IpAddr) -> impl Iterator<Item = Ipv4Addr> {
    let segments = match address {
        IpAddr::V4(_) => None,
        IpAddr::V6(address) if address.is_unspecified() || address.is_loopback() => None,
        IpAddr::V6(address) => Some(address.segments()),
    };
    segments
        .map(carried_addresses)
        .into_iter()
        .flatten()
        .flatten()
}

fn carried_addresses(segments: [u16; 8]) -> [Option<Ipv4Addr>; 2] {
    let pair = |high: u16, low: u16| Ipv4Addr::from_bits((u32::from(high) << 16) | u32::from(low));
    let last = pair(segments[6], segments[7]);
    match segments {
        // IPv4-compatible (RFC 4291 2.5.5.1), mapped (2.5.5.2), NAT64 (RFC 6052).
        [0, 0, 0, 0, 0, 0 | 0xffff, _, _] | [0x64, 0xff9b, 0, 0, 0, 0, _, _] => [Some(last), None],
        // Local-use NAT64 (RFC 8215): the operator chooses the prefix length, so the first and the last layout of RFC
        // 6052's table are read.
        [0x64, 0xff9b, 1, high, middle, low, _, _] => {
            let [_, second] = middle.to_be_bytes();
            let [third, _] = low.to_be_bytes();
            [
                Some(last),
                Some(pair(high, u16::from_be_bytes([second, third]))),
            ]
        }
        // 6to4 (RFC 3056).
        [0x2002, high, low, ..] => [Some(pair(high, low)), None],
        // Teredo (RFC 4380): the server, and the client with inverted bits.
        [0x2001, 0, high, low, ..] => [
            Some(pair(high, low)),
            Some(pair(!segments[6], !segments[7])),
        ],
        // ISATAP (RFC 5214), with and without the universal bit.
        [_, _, _, _, 0 | 0x200, 0x5efe, _, _] => [Some(last), None],
        _ => [None, None],
    }
}
