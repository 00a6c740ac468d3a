//! Patterns of hosts in configuration: names, wildcards, addresses and networks.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

use super::{DnsName, Host, NameError};

/// The hostname of a listener, a route or a rule: one name, or every name below one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HostPattern {
    /// Exactly this name.
    Exact(DnsName),
    /// `*.name`: one or more whole labels before `name`, never `name` itself.
    Below(DnsName),
}

/// A host in the `hosts` of an egress rule: a name pattern, or a network for requests that name an IP literal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostMatcher {
    /// Matches names.
    Name(HostPattern),
    /// Matches IP literals in the network; an IPv4-mapped literal is compared as its IPv4 address.
    Net(IpNet),
}

impl HostPattern {
    /// Parses `name` or `*.name`. Letters outside ASCII are converted to A-labels (RFC 5891), the form that requests
    /// carry.
    ///
    /// # Errors
    /// The errors of [`DnsName::parse`], and [`NameError::Wildcard`] for a `*` anywhere else. A text that looks like
    /// something other than a name gives an error that says so, such as [`NameError::Address`] or [`NameError::HasPort`].
    pub fn parse(text: &str) -> Result<Self, NameError> {
        Self::parse_name(text).map_err(|error| likely_mistake(text).unwrap_or(error))
    }

    fn parse_name(text: &str) -> Result<Self, NameError> {
        let (below, name) = text
            .strip_prefix("*.")
            .map_or((false, text), |name| (true, name));
        if name.contains('*') || (below && name.is_empty()) {
            return Err(NameError::Wildcard);
        }
        let name = if name.is_ascii() {
            DnsName::parse(name.as_bytes())?
        } else {
            let ascii = idna::domain_to_ascii_strict(name).map_err(|_| NameError::Character)?;
            DnsName::parse(ascii.as_bytes())?
        };
        Ok(if below {
            Self::Below(name)
        } else {
            Self::Exact(name)
        })
    }

    /// Whether the pattern matches `name`.
    #[must_use]
    pub fn matches(&self, name: &DnsName) -> bool {
        match self {
            Self::Exact(exact) => exact == name,
            Self::Below(suffix) => is_below(name, suffix),
        }
    }

    /// The pattern of the names that both patterns match, which is the narrower of the two; `None` if there are none
    /// (Gateway API, hostnames of a listener and of a route attached to it).
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Option<Self> {
        match (self, other) {
            (Self::Exact(name), pattern) | (pattern, Self::Exact(name)) => {
                pattern.matches(name).then(|| Self::Exact(name.clone()))
            }
            (Self::Below(a), Self::Below(b)) if a == b || is_below(a, b) => Some(self.clone()),
            (Self::Below(a), Self::Below(b)) if is_below(b, a) => Some(other.clone()),
            (Self::Below(_), Self::Below(_)) => None,
        }
    }
}

impl FromStr for HostPattern {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::parse(text)
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => name.fmt(f),
            Self::Below(name) => write!(f, "*.{name}"),
        }
    }
}

impl HostMatcher {
    /// Parses an address, a network in CIDR notation, a name, or `*.name`.
    ///
    /// # Errors
    /// The errors of [`HostPattern::parse`] and [`parse_net`].
    pub fn parse(text: &str) -> Result<Self, NameError> {
        match parse_net(without_brackets(text)) {
            Some(net) => net.map(Self::Net),
            None => HostPattern::parse(text).map(Self::Name),
        }
    }

    /// Whether a request for `host` matches.
    #[must_use]
    pub fn matches(&self, host: &Host) -> bool {
        match (self, host) {
            (Self::Name(pattern), Host::Name(name)) => pattern.matches(name),
            (Self::Net(net), Host::Ip(address)) => net.contains(&address.to_canonical()),
            (Self::Name(_), Host::Ip(_)) | (Self::Net(_), Host::Name(_)) => false,
        }
    }
}

impl fmt::Display for HostMatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(pattern) => pattern.fmt(f),
            Self::Net(net) => net.fmt(f),
        }
    }
}

/// Parses an address or a network in CIDR notation. Addresses are compared in their IPv4 form where they have one.
/// `None` if the text is something else.
///
/// # Errors
/// [`NameError::Mapped`] for IPv4 addresses that are mapped to IPv6.
#[must_use]
pub fn parse_net(text: &str) -> Option<Result<IpNet, NameError>> {
    let parsed = text.parse::<IpNet>();
    let net = parsed.or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    Some(match net.ok()? {
        IpNet::V6(v6) if v6.prefix_len() >= 96 && v6.addr().to_ipv4_mapped().is_some() => {
            Err(NameError::Mapped)
        }
        net => Ok(net.trunc()),
    })
}

fn without_brackets(text: &str) -> &str {
    let inside = text.strip_prefix('[');
    inside
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(text)
}

/// The error that names what was probably written in place of a name.
fn likely_mistake(text: &str) -> Option<NameError> {
    if text.contains("://") {
        return Some(NameError::Url);
    }
    if text == "*" {
        return Some(NameError::Everything);
    }
    if text.parse::<IpNet>().is_ok() {
        return Some(NameError::Network);
    }
    if let Some((host, _)) = text.split_once('/') {
        return HostPattern::parse_name(host)
            .is_ok()
            .then_some(NameError::HasPath);
    }
    if let Some(name) = text.strip_prefix('.') {
        return HostPattern::parse_name(name)
            .is_ok()
            .then_some(NameError::LeadingDot);
    }
    if without_brackets(text).parse::<IpAddr>().is_ok() {
        return Some(NameError::Address);
    }
    let (host, port) = text.rsplit_once(':')?;
    let is_port = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    (is_port && !host.is_empty()).then_some(NameError::HasPort)
}

/// Whether `name` has one or more labels before `suffix`.
fn is_below(name: &DnsName, suffix: &DnsName) -> bool {
    name.as_str()
        .strip_suffix(suffix.as_str())
        .is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
}
