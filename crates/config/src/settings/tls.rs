//! How TLS is spoken to upstreams. Certificates are compared by content, so that a renewed one is a change; what is
//! secret is neither printed nor serialised.

use std::fmt;
use std::hash::{Hash, Hasher};

use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde::{Serialize, Serializer};

use crate::name::{DnsName, Host};
use crate::resources::ObjectRef;

/// `tls` of a BackendConfigPolicy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UpstreamTls {
    /// Whose certificates are believed.
    pub trust: Trust,
    /// What is shown to a server that asks who we are.
    pub identity: Option<Identity>,
    /// The name to ask for, and that the certificate has to be of; `None` is the host.
    pub sni: Option<DnsName>,
    /// The certificate has to be of one of these instead; empty is not.
    pub names: Vec<Host>,
    /// Versions that may be spoken.
    pub versions: TlsVersions,
    /// The protocols to offer (RFC 7301), preferred first; at least one.
    pub alpn: Vec<Alpn>,
}

/// How TLS of clients is ended: `tls` of a listener, and who its clients have to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ServerTls {
    /// What is shown to clients: the first whose certificate is of the name they ask for, else the first. At least one.
    pub identities: Vec<Identity>,
    /// Versions that may be spoken.
    pub versions: TlsVersions,
    /// The protocols that may be spoken (RFC 7301), preferred first; at least one.
    pub alpn: Vec<Alpn>,
    /// Whether clients have to show a certificate; `None` asks for none.
    pub clients: Option<ClientValidation>,
}

/// Whose certificates clients may show.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClientValidation {
    /// The CAs, at least one.
    pub authorities: Vec<Certificate>,
    /// What happens to clients without one.
    pub mode: ValidationMode,
    /// The certificate has to be of one of these; empty is of any.
    pub names: Vec<Host>,
    /// SHA-256 of the certificates that are accepted; empty is any.
    pub fingerprints: Vec<[u8; 32]>,
}

/// What happens to clients without a valid certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum ValidationMode {
    /// They are refused.
    Required,
    /// Those that show none are served, those that show an invalid one are refused.
    Optional,
    /// They are served (`AllowInsecureFallback`).
    Unverified,
}

/// A protocol within TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Alpn {
    /// `h2`
    #[serde(rename = "h2")]
    H2,
    /// `http/1.1`
    #[serde(rename = "http/1.1")]
    Http11,
}

impl Alpn {
    /// Both, HTTP/2 preferred.
    pub const BOTH: [Self; 2] = [Self::H2, Self::Http11];

    /// As it is registered.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::H2 => "h2",
            Self::Http11 => "http/1.1",
        }
    }
}

/// Whose certificates are believed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Trust {
    /// Those of the system's CAs.
    System,
    /// Those of these CAs, at least one.
    Authorities(Vec<Certificate>),
    /// Everybody's, whatever name they are of.
    Anybody,
}

/// A certificate and its key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Identity {
    /// Where it is from.
    pub secret: ObjectRef,
    /// The certificate, then those of the CAs between it and the root.
    pub chain: Vec<Certificate>,
    /// The key of the first.
    pub key: PrivateKey,
}

/// A certificate (RFC 5280), not looked into.
#[derive(Clone, PartialEq, Eq)]
pub struct Certificate(pub CertificateDer<'static>);

/// A private key. It is shown nowhere.
#[derive(PartialEq, Eq)]
pub struct PrivateKey(PrivateKeyDer<'static>);

/// A range of versions of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct TlsVersions {
    /// The oldest.
    pub min: TlsVersion,
    /// The newest, not older than `min`.
    pub max: TlsVersion,
}

/// A version of TLS. Older ones are not spoken (RFC 8996).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum TlsVersion {
    /// TLS 1.2 (RFC 5246).
    #[serde(rename = "1.2")]
    V1_2,
    /// TLS 1.3 (RFC 8446).
    #[serde(rename = "1.3")]
    V1_3,
}

impl PrivateKey {
    /// Takes a key.
    #[must_use]
    pub fn new(key: PrivateKeyDer<'static>) -> Self {
        Self(key)
    }

    /// The key, for who signs with it.
    #[must_use]
    pub fn reveal(&self) -> PrivateKeyDer<'static> {
        self.0.clone_key()
    }
}

impl Default for TlsVersions {
    fn default() -> Self {
        Self {
            min: TlsVersion::V1_2,
            max: TlsVersion::V1_3,
        }
    }
}

/// What differs most often, so that a request that looks up its destination does not read all certificates.
impl Hash for UpstreamTls {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.sni.hash(state);
        self.versions.hash(state);
        self.alpn.hash(state);
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificate({} octets)", self.0.len())
    }
}

impl Serialize for Certificate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{} octets", self.0.len()))
    }
}

impl Clone for PrivateKey {
    fn clone(&self) -> Self {
        Self(self.reveal())
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey")
    }
}

impl Serialize for PrivateKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("not shown")
    }
}
