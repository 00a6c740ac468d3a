//! What a name can be made to answer.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hickory_proto::op::ResponseCode;

use super::record::HttpsRecord;

/// The IPv4 address in hostile answers.
pub const POISON_V4: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 66);
/// The IPv6 address in hostile answers.
pub const POISON_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x66);

/// One answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Those addresses that are of the asked family; if none is, no data.
    Addresses {
        /// In the order to be answered.
        addresses: Vec<IpAddr>,
        /// Seconds to live.
        ttl: u32,
    },
    /// Aliases one after another from the asked name on, then the addresses of the last.
    Chain {
        /// The names after the asked one; a name may come twice.
        targets: Vec<String>,
        /// In the order to be answered.
        addresses: Vec<IpAddr>,
        /// Seconds to live.
        ttl: u32,
    },
    /// HTTPS records to those who ask for them, to others no data.
    Services {
        /// In the order to be answered.
        records: Vec<HttpsRecord>,
        /// Seconds to live.
        ttl: u32,
    },
    /// No records; a SOA goes with `NXDomain` and `NoError`.
    Code(ResponseCode),
    /// No answer at all.
    Silence,
    /// The connection is closed instead; over UDP, silence.
    Hangup,
    /// A lie or junk.
    Hostile(Hostile),
}

/// Answers that a resolver must survive and not believe; their addresses are [`POISON_V4`] and
/// [`POISON_V6`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hostile {
    /// The id is not the query's.
    WrongId,
    /// The question is not the query's.
    WrongQuestion,
    /// The address record belongs to another name.
    WrongOwner,
    /// An AAAA record for an A query, and the other way around.
    WrongType,
    /// There is no question at all.
    NoQuestion,
    /// It is a query.
    NotAResponse,
    /// The truncation bit is set, over connections too.
    Truncated,
    /// Longer than a datagram may be for those who asked, and sent in one all the same.
    Oversized,
    /// These bytes after the query's id.
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

    /// Addresses of both families.
    #[must_use]
    pub fn addresses(addresses: impl IntoIterator<Item = IpAddr>, ttl: u32) -> Self {
        Self::Addresses {
            addresses: addresses.into_iter().collect(),
            ttl,
        }
    }

    /// An alias alone.
    #[must_use]
    pub fn cname(target: &str, ttl: u32) -> Self {
        Self::chain(&[target], [], ttl)
    }

    /// A chain of aliases, and the addresses of the last.
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
