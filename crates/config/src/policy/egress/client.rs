//! Who sends a request, and the clients that a rule is for.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Serialize, Serializer};

use crate::certificate::{AlternativeName, CertificateFacts, CertificateValidity, SubjectPattern};

/// Who sends a request, as far as it is proven. The default is nobody: no rule with clients matches.
#[derive(Clone, Copy, Debug, Default)]
pub struct EgressClient<'a> {
    /// The user that a password proved.
    pub user: Option<&'a str>,
    /// The client that an API key proved.
    pub key_owner: Option<&'a str>,
    /// The client's certificate, if it was validated.
    pub certificate: Option<&'a CertificateFacts>,
    /// The client's address.
    pub source: Option<IpAddr>,
}

/// A client that a rule is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ClientMatcher {
    /// A user, or the owner of an API key.
    User(UserPattern),
    /// A name or the subject of a certificate.
    Certificate(CertificatePattern),
    /// An address or a network.
    Source(IpNet),
}

/// A user name, or the beginning of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserPattern {
    /// This name.
    Exact(String),
    /// Names that begin like this (`beginning*`).
    Prefix(String),
}

/// A name of a certificate, or attributes of its subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificatePattern {
    /// A subject alternative name.
    Name(AlternativeName),
    /// The subject.
    Subject(SubjectPattern),
}

impl ClientMatcher {
    /// Whether the client is one of those.
    #[must_use]
    pub fn matches(&self, client: EgressClient<'_>) -> bool {
        match self {
            Self::User(pattern) => {
                let proven = [client.user, client.key_owner];
                proven
                    .into_iter()
                    .flatten()
                    .any(|name| pattern.matches(name))
            }
            Self::Certificate(pattern) => client
                .certificate
                .is_some_and(|certificate| pattern.matches(certificate)),
            Self::Source(net) => client
                .source
                .is_some_and(|source| net.contains(&source.to_canonical())),
        }
    }

    /// Whether the client has to prove something: who does not is none of those.
    #[must_use]
    pub const fn needs_proof(&self) -> bool {
        matches!(self, Self::User(_) | Self::Certificate(_))
    }
}

impl UserPattern {
    /// Parses a name, or the beginning of one with `*` at its end.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (name, is_prefix) = match text.strip_suffix('*') {
            Some(beginning) => (beginning, true),
            None => (text, false),
        };
        if name.contains('*') {
            return Err("'*' is only allowed at the end: 'ci-*'".to_owned());
        }
        if text.is_empty() {
            return Err("empty: matches no user".to_owned());
        }
        let name = name.to_owned();
        Ok(if is_prefix {
            Self::Prefix(name)
        } else {
            Self::Exact(name)
        })
    }

    fn matches(&self, name: &str) -> bool {
        match self {
            Self::Exact(exact) => exact == name,
            Self::Prefix(beginning) => name.starts_with(beginning),
        }
    }
}

impl CertificatePattern {
    /// Parses a subject alternative name, whose type its form tells, or attributes of a subject (`CN=name`).
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let name = if text.contains("://") {
            AlternativeName::Uri(text.to_owned())
        } else if text.contains('=') {
            return SubjectPattern::parse(text).map(Self::Subject);
        } else if let Ok(ip) = text.parse() {
            AlternativeName::Ip(ip)
        } else if is_plain(text) && text.contains('@') {
            AlternativeName::Email(text.to_owned())
        } else if is_plain(text) && text.contains(':') {
            AlternativeName::Uri(text.to_owned())
        } else if is_plain(text) {
            AlternativeName::Dns(text.to_ascii_lowercase())
        } else {
            let message = "not a name of a certificate (spiffe://prod/api, api.example.com) or a subject (CN=api)";
            return Err(message.to_owned());
        };
        Ok(Self::Name(name))
    }

    /// The facts of a certificate that has what the pattern asks for and nothing else.
    #[must_use]
    pub fn example(&self) -> CertificateFacts {
        let (names, subject) = match self {
            Self::Name(name) => (vec![name.clone()], Vec::new()),
            Self::Subject(subject) => (Vec::new(), subject.example()),
        };
        CertificateFacts {
            names,
            subject,
            validity: CertificateValidity {
                not_before: i64::MIN,
                not_after: i64::MAX,
            },
        }
    }

    fn matches(&self, certificate: &CertificateFacts) -> bool {
        match self {
            Self::Name(name) => certificate.names.contains(name),
            Self::Subject(subject) => subject.matches(&certificate.subject),
        }
    }
}

fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

impl fmt::Display for UserPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => f.write_str(name),
            Self::Prefix(beginning) => write!(f, "{beginning}*"),
        }
    }
}

impl fmt::Display for CertificatePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(
                AlternativeName::Dns(name)
                | AlternativeName::Uri(name)
                | AlternativeName::Email(name),
            ) => f.write_str(name),
            Self::Name(AlternativeName::Ip(ip)) => ip.fmt(f),
            Self::Subject(subject) => subject.fmt(f),
        }
    }
}

impl Serialize for UserPattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for CertificatePattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests;
