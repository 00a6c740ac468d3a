//! The origins that are allowed (RFC 6454; Gateway API, CORSOrigin).

use std::fmt;

use serde::{Serialize, Serializer};

/// The schemes of origins that can be named, each with its default port.
const SCHEMES: [(&str, u16); 2] = [("https", 443), ("http", 80)];

/// The origins that one entry of `allowOrigins` names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OriginPattern {
    /// `*`: every origin, `null` included.
    Any,
    /// The origins of a scheme, a host or several, and a port.
    Web {
        /// The scheme, `http` or `https`.
        scheme: &'static str,
        /// The hosts.
        host: OriginHost,
        /// The port; that of the scheme if none is written.
        port: u16,
    },
}

/// The hosts that a pattern names. The text is in lower case, as browsers write it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OriginHost {
    /// Every host.
    Any,
    /// This one.
    Exact(Box<str>),
    /// All hosts below this one, at any depth.
    Below(Box<str>),
}

impl OriginPattern {
    /// Parses a pattern; `None` if it is not one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text == "*" {
            return Some(Self::Any);
        }
        let (scheme, default_port, rest) = scheme(text)?;
        let (host, port) = match rest.split_once(':') {
            Some((host, port)) => (host, port_of(port)?),
            None => (rest, default_port),
        };
        let host = match host.strip_prefix("*.") {
            _ if host == "*" => OriginHost::Any,
            Some(parent) if is_name(parent) => {
                OriginHost::Below(parent.to_ascii_lowercase().into())
            }
            None if is_name(host) => OriginHost::Exact(host.to_ascii_lowercase().into()),
            Some(_) | None => return None,
        };
        Some(Self::Web { scheme, host, port })
    }

    /// Whether a request's `Origin` is one of these. Origins are compared byte by byte, except that the default port of a
    /// scheme may be written or not.
    #[must_use]
    pub fn matches(&self, origin: &[u8]) -> bool {
        let Self::Web {
            scheme: wanted,
            host,
            port: wanted_port,
        } = self
        else {
            return true;
        };
        let Some((scheme, default_port, rest)) = str::from_utf8(origin).ok().and_then(scheme)
        else {
            return false;
        };
        let ends = rest.find(']').map_or(0, |end| end + 1);
        let (name, port) = match rest[ends..].find(':') {
            Some(colon) => {
                let (name, port) = rest.split_at(ends + colon);
                (name, port_of(&port[1..]))
            }
            None => (rest, Some(default_port)),
        };
        scheme == *wanted && port == Some(*wanted_port) && host.matches(name)
    }
}

impl OriginHost {
    fn matches(&self, host: &str) -> bool {
        match self {
            Self::Any => is_name(host) || is_literal(host),
            Self::Exact(name) => host == &**name,
            Self::Below(parent) => {
                let below = host.strip_suffix(&**parent);
                let below = below.and_then(|below| below.strip_suffix('.'));
                below.is_some_and(is_name)
            }
        }
    }
}

/// The scheme of an origin, its default port, and what follows it.
fn scheme(text: &str) -> Option<(&'static str, u16, &str)> {
    SCHEMES.into_iter().find_map(|(scheme, port)| {
        let rest = text.strip_prefix(scheme)?;
        Some((scheme, port, rest.strip_prefix("://")?))
    })
}

fn port_of(text: &str) -> Option<u16> {
    let is_number = (1..=5).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    let port = is_number.then(|| text.parse().ok()).flatten();
    port.filter(|port| *port != 0)
}

/// Whether the text is made of labels as host names have them: nothing that could end a host.
fn is_name(text: &str) -> bool {
    text.split('.').all(|label| {
        let is_fine = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        !label.is_empty() && label.bytes().all(is_fine)
    })
}

/// Whether the text is an IPv6 address in brackets.
fn is_literal(text: &str) -> bool {
    let inner = text.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
    inner.is_some_and(|inner| inner.parse::<std::net::Ipv6Addr>().is_ok())
}

impl fmt::Display for OriginPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Web { scheme, host, port } = self else {
            return f.write_str("*");
        };
        write!(f, "{scheme}://")?;
        match host {
            OriginHost::Any => f.write_str("*")?,
            OriginHost::Exact(name) => f.write_str(name)?,
            OriginHost::Below(parent) => write!(f, "*.{parent}")?,
        }
        if SCHEMES.contains(&(*scheme, *port)) {
            return Ok(());
        }
        write!(f, ":{port}")
    }
}

impl Serialize for OriginPattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_read_and_written() {
        for (text, written) in [
            ("*", Some("*")),
            ("https://www.foo.com", Some("https://www.foo.com")),
            ("https://WWW.foo.com:443", Some("https://www.foo.com")),
            ("http://foo.com:443", Some("http://foo.com:443")),
            ("https://*.bar.com", Some("https://*.bar.com")),
            ("https://*", Some("https://*")),
            ("http://*:8080", Some("http://*:8080")),
            ("http://127.0.0.1:8080", Some("http://127.0.0.1:8080")),
            ("", None),
            ("null", None),
            ("foo.com", None),
            ("ftp://foo.com", None),
            ("HTTPS://foo.com", None),
            ("https://", None),
            ("https://foo.com/", None),
            ("https://foo.com:", None),
            ("https://foo.com:0", None),
            ("https://foo.com:65536", None),
            ("https://foo.com:+80", None),
            ("https://foo..com", None),
            ("https://*foo.com", None),
            ("https://a.*.com", None),
            ("https://*.*.com", None),
            ("https://user@foo.com", None),
            ("https://[::1]", None),
        ] {
            let read = OriginPattern::parse(text).map(|pattern| pattern.to_string());
            assert_eq!(read.as_deref(), written, "{text}");
        }
    }

    #[test]
    fn origins_match_as_a_whole() {
        for (pattern, origin, expected) in [
            ("*", "https://a.test:1", true),
            ("*", "null", true),
            ("*", "chrome-extension://abc", true),
            ("https://a.test", "https://a.test", true),
            ("https://a.test", "https://a.test:443", true),
            ("https://a.test:443", "https://a.test", true),
            ("https://a.test", "https://a.test:8443", false),
            ("https://a.test", "http://a.test", false),
            ("https://a.test", "https://A.test", false),
            ("https://a.test", "HTTPS://a.test", false),
            ("https://a.test", "https://a.test.evil.test", false),
            ("https://a.test", "https://evil.test/https://a.test", false),
            ("https://a.test", "https://a.test/", false),
            ("https://a.test", "https://a.test:", false),
            ("https://a.test", "null", false),
            ("https://a.test", "", false),
            ("https://*.bar.com", "https://www.bar.com", true),
            ("https://*.bar.com", "https://x.www.bar.com", true),
            ("https://*.bar.com", "https://bar.com", false),
            ("https://*.bar.com", "https://.bar.com", false),
            ("https://*.bar.com", "https://foobar.com", false),
            ("https://*.bar.com", "https://evil.com/.bar.com", false),
            ("https://*.bar.com", "https://evil.com#.bar.com", false),
            ("https://*.bar.com", "https://evil.com:443.bar.com", false),
            ("https://*.bar.com", "https://u@x.bar.com", false),
            ("https://*.bar.com", "https://x.bar.com:8443", false),
            ("https://*.bar.com:8443", "https://x.bar.com:8443", true),
            ("http://*", "http://a", true),
            ("http://*", "http://[::1]", true),
            ("http://*", "http://[::1]:81", false),
            ("http://*:81", "http://[::1]:81", true),
            ("http://*", "http://[]", false),
            ("http://*", "http://", false),
            ("http://*", "http://a/b", false),
        ] {
            let matches = OriginPattern::parse(pattern)
                .unwrap()
                .matches(origin.as_bytes());
            assert_eq!(matches, expected, "{pattern} {origin}");
        }
        let pattern = OriginPattern::parse("http://*").unwrap();
        assert!(!pattern.matches(b"http://\xff"));
    }
}
