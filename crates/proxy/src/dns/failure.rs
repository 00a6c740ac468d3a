//! Why a name has no addresses.

use std::fmt;
use std::sync::Arc;

use crate::dns::resolver::How;

/// What came of a query instead of addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// There is no such name (RFC 1035 4.1.1, RCODE 3). An answer: it ends what was known before.
    NxDomain,
    /// The name exists and has no address of the families asked for (RFC 2308 2.2). An answer too.
    NoData,
    /// The server could not find out (RCODE 2).
    ServFail,
    /// The server does not want to say (RCODE 5).
    Refused,
    /// Another RCODE, by its name in the IANA registry.
    Rcode(&'static str),
    /// Nobody answered in time.
    Timeout,
    /// No server could be asked, or what it said was no DNS; the text is for the log.
    Network(Arc<str>),
}

/// Why a lookup gave no addresses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// The name was asked for, now or a moment ago, and this came of it.
    #[error("{failure}")]
    Failed {
        /// What came of it.
        failure: Failure,
        /// Whether it was remembered or found out for this request.
        how: How,
    },
    /// As many names as are allowed are being asked for already (`maxPending`).
    #[error("too many names are being resolved")]
    Overloaded,
}

impl Failure {
    /// How many kinds there are: the length of a table by [`Failure::kind`].
    pub const KINDS: usize = 7;
    /// The metric labels, by [`Failure::kind`].
    pub const LABELS: [&'static str; Self::KINDS] = [
        "nxdomain", "nodata", "servfail", "refused", "rcode", "timeout", "network",
    ];

    /// A number below [`Failure::KINDS`], for counting.
    #[must_use]
    pub const fn kind(&self) -> usize {
        match self {
            Self::NxDomain => 0,
            Self::NoData => 1,
            Self::ServFail => 2,
            Self::Refused => 3,
            Self::Rcode(_) => 4,
            Self::Timeout => 5,
            Self::Network(_) => 6,
        }
    }

    /// The metric label.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        Self::LABELS[self.kind()]
    }

    /// The `rcode` parameter of a `Proxy-Status` with `error=dns_error` (RFC 9209 2.3.2): the RCODE, or the pseudo RCODE
    /// `NODATA` (RFC 2308). `None` when no server answered.
    #[must_use]
    pub const fn rcode(&self) -> Option<&'static str> {
        match self {
            Self::NxDomain => Some("NXDOMAIN"),
            Self::NoData => Some("NODATA"),
            Self::ServFail => Some("SERVFAIL"),
            Self::Refused => Some("REFUSED"),
            Self::Rcode(name) => Some(name),
            Self::Timeout | Self::Network(_) => None,
        }
    }

    /// Whether this is `dns_timeout` and not `dns_error` (RFC 9209 2.3.1).
    #[must_use]
    pub const fn is_timeout(&self) -> bool {
        matches!(self, Self::Timeout)
    }

    /// Whether a server vouched for it. What is not an answer never ends an earlier one (RFC 8767 4).
    #[must_use]
    pub const fn is_answer(&self) -> bool {
        matches!(self, Self::NxDomain | Self::NoData)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NxDomain => f.write_str("the name does not exist (NXDOMAIN)"),
            Self::NoData => f.write_str("the name has no addresses (NODATA)"),
            Self::ServFail => f.write_str("the DNS server failed (SERVFAIL)"),
            Self::Refused => f.write_str("the DNS server refused (REFUSED)"),
            Self::Rcode(name) => write!(f, "the DNS server answered {name}"),
            Self::Timeout => f.write_str("no DNS server answered in time"),
            Self::Network(text) => write!(f, "no DNS server could be asked: {text}"),
        }
    }
}
