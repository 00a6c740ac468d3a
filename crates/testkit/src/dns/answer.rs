//! The answers that a script can give to a query.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hickory_proto::op::ResponseCode;

use super::record::HttpsRecord;

/// The IPv4 address in hostile answers. It must never reach a client of the resolver.
pub const POISON_V4: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 66);
/// The IPv6 address in hostile answers. It must never reach a client of the resolver.
pub const POISON_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x66);

/// One scripted answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The addresses of the queried family. Without any, the answer is NODATA.
    Addresses {
        /// The records, in the order of the answer.
        addresses: Vec<IpAddr>,
        /// The TTL in seconds.
        ttl: u32,
    },
    /// A chain of CNAMEs that starts at the queried name, then the addresses of the last name.
    Chain {
        /// The names after the queried one. A name may occur twice.
        targets: Vec<String>,
        /// The records, in the order of the answer.
        addresses: Vec<IpAddr>,
        /// The TTL in seconds.
        ttl: u32,
    },
    /// HTTPS records for HTTPS queries, and NODATA for other types.
    Services {
        /// The records, in the order of the answer.
        records: Vec<HttpsRecord>,
        /// The TTL in seconds.
        ttl: u32,
    },
    /// A response code without records. `NXDomain` and `NoError` are sent with a SOA.
    Code(ResponseCode),
    /// No answer.
    Silence,
    /// Closes the connection instead of answering. Over UDP, there is no answer.
    Hangup,
    /// A forged or malformed message.
    Hostile(Hostile),
}

/// Answers that a resolver must survive and reject. Their addresses are [`POISON_V4`] and [`POISON_V6`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hostile {
    /// The message ID differs from that of the query.
    WrongId,
    /// The question differs from that of the query.
    WrongQuestion,
    /// The owner of the address record is another name.
    WrongOwner,
    /// An AAAA record answers an A query, and an A record answers an AAAA query.
    WrongType,
    /// The question section is empty.
    NoQuestion,
    /// The message is a query, not a response.
    NotAResponse,
    /// The truncation bit is set, even over TCP.
    Truncated,
    /// The message exceeds the payload size that the client announced, and is sent in one datagram all the same.
    Oversized,
    /// The ID of the query, followed by these bytes.
    Garbage(Vec<u8>),
}

impl Answer {
    /// IPv4 addresses, parsed from text.
    ///
    /// # Panics
    /// If one is not an address.
    #[must_use]
    pub fn a<'a>(addresses: impl IntoIterator<Item = &'a str>, ttl: u32) -> Self {
        let parse = |text: &str| text.parse::<Ipv4Addr>().map(IpAddr::V4);
        Self::parsed(addresses, parse, ttl)
    }

    /// IPv6 addresses, parsed from text.
    ///
    /// # Panics
    /// If one is not an address.
    #[must_use]
    pub fn aaaa<'a>(addresses: impl IntoIterator<Item = &'a str>, ttl: u32) -> Self {
        let parse = |text: &str| text.parse::<Ipv6Addr>().map(IpAddr::V6);
        Self::parsed(addresses, parse, ttl)
    }

    /// IPv4 and IPv6 addresses.
    #[must_use]
    pub fn addresses(addresses: impl IntoIterator<Item = IpAddr>, ttl: u32) -> Self {
        Self::Addresses {
            addresses: addresses.into_iter().collect(),
            ttl,
        }
    }

    /// A CNAME alone.
    #[must_use]
    pub fn cname(target: &str, ttl: u32) -> Self {
        Self::chain(&[target], [], ttl)
    }

    /// A chain of CNAMEs, and the addresses of the last name.
    ///
    /// # Panics
    /// If one is not an address.
    #[must_use]
    pub fn chain<'a>(
        targets: &[&str],
        addresses: impl IntoIterator<Item = &'a str>,
        ttl: u32,
    ) -> Self {
        Self::Chain {
            targets: targets.iter().map(|&target| target.to_owned()).collect(),
            addresses: addresses
                .into_iter()
                .map(|text| {
                    text.parse()
                        .unwrap_or_else(|_| panic!("{text} is no address"))
                })
                .collect(),
            ttl,
        }
    }

    /// HTTPS records.
    #[must_use]
    pub fn services(records: impl IntoIterator<Item = HttpsRecord>, ttl: u32) -> Self {
        Self::Services {
            records: records.into_iter().collect(),
            ttl,
        }
    }

    fn parsed<'a, E>(
        addresses: impl IntoIterator<Item = &'a str>,
        parse: impl Fn(&str) -> Result<IpAddr, E>,
        ttl: u32,
    ) -> Self {
        let parse =
            |text| parse(text).unwrap_or_else(|_| panic!("{text} is no address of this family"));
        Self::addresses(addresses.into_iter().map(parse), ttl)
    }
}
