//! The ways in which a query or a lookup can fail.

use std::fmt;
use std::sync::Arc;

use crate::dns::source::AnswerSource;
use crate::meter::{LabelValue as _, label_values};

/// The result of a query that brought no records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DnsFailure {
    /// The name does not exist (RFC 1035 4.1.1, RCODE 3). This is an answer: it replaces what was known before.
    NxDomain,
    /// The name exists and has no records of the type asked for (RFC 2308 2.2). This is an answer too.
    NoData,
    /// The name is an alias (CNAME) at the beginning of a chain that is longer than is followed, or that has no end.
    AliasChain,
    /// The server failed to find the answer (RCODE 2).
    ServFail,
    /// The server refused to answer (RCODE 5).
    Refused,
    /// The server answered with another RCODE, given by its name in the IANA registry.
    Rcode(&'static str),
    /// No server answered in time.
    Timeout,
    /// No server could be reached, or its response was not DNS; the text is for the log.
    Network(Arc<str>),
}

label_values! {
    /// The kind of a [`DnsFailure`], for metrics.
    pub enum FailureKind {
        /// The kind of [`DnsFailure::NxDomain`].
        NxDomain = "nxdomain",
        /// The kind of [`DnsFailure::NoData`].
        NoData = "nodata",
        /// The kind of [`DnsFailure::AliasChain`].
        AliasChain = "alias_chain",
        /// The kind of [`DnsFailure::ServFail`].
        ServFail = "servfail",
        /// The kind of [`DnsFailure::Refused`].
        Refused = "refused",
        /// The kind of [`DnsFailure::Rcode`].
        Rcode = "rcode",
        /// The kind of [`DnsFailure::Timeout`].
        Timeout = "timeout",
        /// The kind of [`DnsFailure::Network`].
        Network = "network",
    }
}

/// Why a lookup gave no addresses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// A query for the name failed, for this lookup or a moment ago.
    #[error("{failure}")]
    Failed {
        /// The failure of the query.
        failure: DnsFailure,
        /// Whether the failure was remembered or comes from a query for this lookup.
        answer_source: AnswerSource,
    },
    /// As many names are being resolved as the settings allow (`maxPending`).
    #[error("too many names are being resolved")]
    Overloaded,
}

impl DnsFailure {
    /// The kind of the failure, for metrics.
    #[must_use]
    pub const fn kind(&self) -> FailureKind {
        match self {
            Self::NxDomain => FailureKind::NxDomain,
            Self::NoData => FailureKind::NoData,
            Self::AliasChain => FailureKind::AliasChain,
            Self::ServFail => FailureKind::ServFail,
            Self::Refused => FailureKind::Refused,
            Self::Rcode(_) => FailureKind::Rcode,
            Self::Timeout => FailureKind::Timeout,
            Self::Network(_) => FailureKind::Network,
        }
    }

    /// The kind of the failure as metrics and tests write it.
    #[must_use]
    pub fn label(&self) -> &'static str {
        self.kind().as_str()
    }

    /// The `rcode` parameter of a `Proxy-Status` with `error=dns_error` (RFC 9209 2.3.2): the RCODE, or the pseudo
    /// RCODE `NODATA` (RFC 2308). `None` when no server answered.
    #[must_use]
    pub const fn rcode(&self) -> Option<&'static str> {
        match self {
            Self::NxDomain => Some("NXDOMAIN"),
            Self::NoData => Some("NODATA"),
            Self::ServFail => Some("SERVFAIL"),
            Self::Refused => Some("REFUSED"),
            Self::Rcode(name) => Some(name),
            Self::AliasChain | Self::Timeout | Self::Network(_) => None,
        }
    }

    /// Whether this is a `dns_timeout` of RFC 9209 2.3.1, and not a `dns_error`.
    #[must_use]
    pub const fn is_timeout(&self) -> bool {
        matches!(self, Self::Timeout)
    }

    /// Whether this is a negative answer, given by a server. Any other failure never replaces an earlier answer
    /// (RFC 8767 4).
    #[must_use]
    pub const fn is_answer(&self) -> bool {
        self.kind().is_answer()
    }
}

impl FailureKind {
    /// Whether this is a negative answer, given by a server.
    #[must_use]
    pub const fn is_answer(self) -> bool {
        matches!(self, Self::NxDomain | Self::NoData)
    }
}

impl fmt::Display for DnsFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NxDomain => f.write_str("the name does not exist (NXDOMAIN)"),
            Self::NoData => f.write_str("the name has no addresses (NODATA)"),
            Self::AliasChain => {
                f.write_str("the name is an alias of an alias, and so on (CNAME), without an end")
            }
            Self::ServFail => f.write_str("the DNS server failed (SERVFAIL)"),
            Self::Refused => f.write_str("the DNS server refused (REFUSED)"),
            Self::Rcode(name) => write!(f, "the DNS server answered {name}"),
            Self::Timeout => f.write_str("no DNS server answered in time"),
            Self::Network(text) => write!(f, "no DNS server could be asked: {text}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_counter_of_its_own() {
        crate::meter::assert_is_label::<FailureKind>();
    }
}
