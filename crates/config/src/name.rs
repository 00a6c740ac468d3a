//! Names of hosts and ports in requests and in configuration, and patterns of host names.
//!
//! A value of these types can only be made by a parser and is therefore canonical: every host has one spelling in the
//! whole program, and hosts are compared byte by byte.

use std::borrow::Borrow;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU16;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Serialize, Serializer};

mod pattern;

pub use pattern::{HostMatcher, HostPattern, parse_net};

/// Maximum length of a name in bytes, without the trailing dot (RFC 1035 3.1 leaves 253 of 255 bytes for the text).
const MAX_NAME_LENGTH: usize = 253;
/// Maximum length of a label in bytes (RFC 1035 3.1).
const MAX_LABEL_LENGTH: usize = 63;

/// A TCP port that can be connected to: 1 to 65535.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Port(NonZeroU16);

/// A DNS name in canonical form: ASCII, lower case, no trailing dot, labels of 1 to 63 bytes, at most 253 bytes in all.
/// It is not an IP address in any of the spellings that resolvers and `inet_aton` accept.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DnsName(Arc<str>);

/// The host part of a target: a name to resolve, or an address to connect to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Host {
    /// A name that needs DNS.
    Name(DnsName),
    /// An IP literal, which skips DNS but not the egress check.
    Ip(IpAddr),
}

/// `host` or `host:port` as in the `Host` header or in a request target (RFC 3986 3.2, RFC 9110 7.2), without userinfo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    /// The host, canonical.
    pub host: Host,
    /// The port, if there is one.
    pub port: Option<Port>,
}

/// The reason why a text is not a host, a port, an authority or a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The text is empty.
    #[error("the host is empty")]
    Empty,
    /// A byte that no host name has: a control character, a space, a delimiter, percent-encoding, or anything outside
    /// ASCII.
    #[error("the host has a character that is not a letter, a digit, '-', '_' or '.'")]
    Character,
    /// `user@host`.
    #[error("userinfo is not allowed")]
    Userinfo,
    /// Two dots in a row, a leading dot, or two trailing dots.
    #[error("the host has an empty label")]
    EmptyLabel,
    /// A label of more than 63 bytes.
    #[error("the host has a label of more than 63 bytes")]
    LongLabel,
    /// A name of more than 253 bytes.
    #[error("the host has more than 253 bytes")]
    LongName,
    /// The last label is a number, but the name is not a dotted quad: some resolvers would read it as an IPv4 address.
    #[error("the host ends in a number but is not an IPv4 address in dotted decimal")]
    Numeric,
    /// An IPv6 address without brackets.
    #[error("an IPv6 address needs brackets")]
    Unbracketed,
    /// `[...]` around something other than an IPv6 address, or with a zone identifier.
    #[error("the brackets do not hold an IPv6 address (zone identifiers are not allowed)")]
    Brackets,
    /// Not a decimal number from 1 to 65535 without sign or leading zero.
    #[error("the port is not a number from 1 to 65535")]
    Port,
    /// A `*` elsewhere than as the first label, or without a name after it.
    #[error("'*' is only allowed as the first label, followed by a name: '*.example.com'")]
    Wildcard,
    /// An IPv4-mapped address or network such as `::ffff:192.0.2.1`. Literals are compared as IPv4, so that it would
    /// never match.
    #[error("write IPv4-mapped addresses as IPv4")]
    Mapped,
    /// An address where a name is needed.
    #[error("a name is needed here, not an address")]
    Address,
    /// A network where a name is needed.
    #[error("a name is needed here, not a network")]
    Network,
    /// A URL where a host is needed.
    #[error("a host, not a URL, is needed here")]
    Url,
    /// `.example.com`, as other proxies write what is below a name.
    #[error("names below a name are written '*.example.com', and the name itself is another host")]
    LeadingDot,
    /// `*` alone.
    #[error("'*' is no host; leave the field out for every host")]
    Everything,
    /// A path after the host.
    #[error("a host without a path is needed here")]
    HasPath,
    /// A port after the host.
    #[error("a host without a port is needed here")]
    HasPort,
}

impl Port {
    /// Port 80, the default of `http`.
    pub const HTTP: Self = Self(NonZeroU16::new(80).expect("80 is not zero"));
    /// Port 443, the default of `https`.
    pub const HTTPS: Self = Self(NonZeroU16::new(443).expect("443 is not zero"));

    /// The port with this number; `None` for 0.
    #[must_use]
    pub fn new(number: u16) -> Option<Self> {
        NonZeroU16::new(number).map(Self)
    }

    /// The number of the port.
    #[must_use]
    pub fn get(self) -> u16 {
        self.0.get()
    }

    /// Parses digits only: no sign, no leading zero, no service name. `u16::from_str` alone would accept `+80`.
    fn parse(text: &[u8]) -> Result<Self, NameError> {
        if !(1..=5).contains(&text.len()) || text[0] == b'0' {
            return Err(NameError::Port);
        }
        let number = text.iter().try_fold(0_u32, |sum, byte| match byte {
            b'0'..=b'9' => Ok(sum * 10 + u32::from(byte - b'0')),
            _ => Err(NameError::Port),
        })?;
        u16::try_from(number)
            .ok()
            .and_then(Self::new)
            .ok_or(NameError::Port)
    }
}

impl FromStr for Port {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::parse(text.as_bytes())
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl DnsName {
    /// Parses a name in ASCII. Upper case and one trailing dot are accepted and made canonical.
    ///
    /// # Errors
    /// If the text is not a host name, or is an IPv4 address in dotted decimal ([`NameError::Numeric`]).
    pub fn parse(text: &[u8]) -> Result<Self, NameError> {
        match Host::parse_unbracketed(text)? {
            Host::Name(name) => Ok(name),
            Host::Ip(_) => Err(NameError::Numeric),
        }
    }

    /// The canonical text: lower case, no trailing dot.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the name is `localhost` or below it: such names always mean the loopback addresses (RFC 6761 6.3).
    #[must_use]
    pub fn is_localhost(&self) -> bool {
        self.as_str()
            .strip_suffix("localhost")
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    }
}

impl FromStr for DnsName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::parse(text.as_bytes())
    }
}

impl Borrow<str> for DnsName {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for DnsName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Host {
    /// The domain below which its owner can register names, by the public suffix list; `None` for addresses, and for names
    /// that are not below a public suffix.
    #[must_use]
    pub fn registrable_domain(&self) -> Option<&str> {
        match self {
            Self::Name(name) => psl::domain_str(name.as_str()),
            Self::Ip(_) => None,
        }
    }

    /// Parses a host as it is written in a URI: a name, a dotted quad, or an IPv6 address in brackets.
    ///
    /// # Errors
    /// If the text is not a host, or may be read in more than one way; see [`NameError`].
    pub fn parse(text: &[u8]) -> Result<Self, NameError> {
        let Some(rest) = text.strip_prefix(b"[") else {
            return Self::parse_unbracketed(text);
        };
        let inside = rest.strip_suffix(b"]").ok_or(NameError::Brackets)?;
        let inside = str::from_utf8(inside).map_err(|_| NameError::Brackets)?;
        let address: Ipv6Addr = inside.parse().map_err(|_| NameError::Brackets)?;
        Ok(Self::Ip(IpAddr::V6(address)))
    }

    fn parse_unbracketed(text: &[u8]) -> Result<Self, NameError> {
        let text = text.strip_suffix(b".").unwrap_or(text);
        check_labels(text)?;
        let mut lower = str::from_utf8(text)
            .map_err(|_| NameError::Character)?
            .to_owned();
        lower.make_ascii_lowercase();
        let last = lower.rsplit('.').next().unwrap_or_default();
        if !is_number(last) {
            return Ok(Self::Name(DnsName(lower.into())));
        }
        let address: Ipv4Addr = lower.parse().map_err(|_| NameError::Numeric)?;
        Ok(Self::Ip(IpAddr::V4(address)))
    }

    /// The name, if it is one.
    #[must_use]
    pub fn name(&self) -> Option<&DnsName> {
        match self {
            Self::Name(name) => Some(name),
            Self::Ip(_) => None,
        }
    }
}

impl FromStr for Host {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::parse(text.as_bytes())
    }
}

/// Writes the host as in a URI, with IPv6 addresses in brackets.
impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => name.fmt(f),
            Self::Ip(IpAddr::V4(address)) => address.fmt(f),
            Self::Ip(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

impl Authority {
    /// Parses `host`, `host:port` or `host:`, whose empty port is the default of the scheme (RFC 3986 3.2.3).
    ///
    /// # Errors
    /// The errors of [`Host::parse`], and [`NameError::Userinfo`], [`NameError::Port`] or [`NameError::Unbracketed`].
    pub fn parse(text: &[u8]) -> Result<Self, NameError> {
        if text.contains(&b'@') {
            return Err(NameError::Userinfo);
        }
        let after_brackets = text
            .iter()
            .rposition(|&byte| byte == b']')
            .map_or(0, |at| at + 1);
        let Some(colon) = text[after_brackets..].iter().position(|&byte| byte == b':') else {
            return Ok(Self {
                host: Host::parse(text)?,
                port: None,
            });
        };
        let (host, port) = text.split_at(after_brackets + colon);
        let port = &port[1..];
        if !text.starts_with(b"[") && port.contains(&b':') {
            return Err(NameError::Unbracketed);
        }
        Ok(Self {
            host: Host::parse(host)?,
            port: if port.is_empty() {
                None
            } else {
                Some(Port::parse(port)?)
            },
        })
    }
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.host.fmt(f)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

macro_rules! serialize_as_text {
    ($($name:ty),*) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    )*};
}

serialize_as_text!(DnsName, Host, HostPattern, HostMatcher);

impl Serialize for Port {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u16(self.get())
    }
}

fn check_labels(text: &[u8]) -> Result<(), NameError> {
    if text.is_empty() {
        return Err(NameError::Empty);
    }
    if text.len() > MAX_NAME_LENGTH {
        return Err(NameError::LongName);
    }
    for label in text.split(|&byte| byte == b'.') {
        match label.len() {
            0 => return Err(NameError::EmptyLabel),
            1..=MAX_LABEL_LENGTH => {}
            _ => return Err(NameError::LongLabel),
        }
        if !label
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        {
            return Err(NameError::Character);
        }
    }
    Ok(())
}

/// Whether URL parsers and `inet_aton` would read the whole host as an IPv4 address because of its last label (WHATWG
/// URL, "ends in a number").
fn is_number(label: &str) -> bool {
    let hex = label.strip_prefix("0x");
    hex.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
        || label.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests;
