//! TLS settings of upstream connections and of client connections.
//!
//! Certificates are compared by content, so that a renewed certificate is a change of the configuration. Secrets are
//! neither printed nor serialized.

use std::fmt;
use std::hash::{Hash, Hasher};

use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde::{Serialize, Serializer};

use super::TlsAlgorithms;
use crate::name::{DnsName, Host};
use crate::resources::ObjectRef;

/// TLS to upstreams: `tls` of a BackendConfigPolicy, or a BackendTLSPolicy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UpstreamTls {
    /// Which server certificates are trusted.
    pub trust: PeerTrust,
    /// The client certificate that is sent to servers that request one.
    pub identity: Option<TlsIdentity>,
    /// The server name (SNI) that is sent, and that the certificate must be valid for; `None` is the host.
    pub sni: Option<DnsName>,
    /// The certificate must be valid for one of these names instead; empty uses `sni`.
    pub names: Vec<PeerName>,
    /// The allowed TLS versions.
    pub versions: TlsVersions,
    /// The algorithms that are offered.
    pub algorithms: TlsAlgorithms,
    /// The protocols that are offered (RFC 7301), in order of preference; at least one.
    pub alpn: Vec<AlpnProtocol>,
}

/// A subject alternative name (RFC 5280 4.2.1.6) that a server's certificate must have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum PeerName {
    /// A DNS name or an IP address.
    Host(Host),
    /// A URI, such as a SPIFFE ID, which is compared as it is written.
    Uri(String),
}

/// TLS termination: `tls` of a listener, and the validation of client certificates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ServerTls {
    /// The certificates: the first that is valid for the client's server name (SNI) is sent, else the first. At least
    /// one.
    pub identities: Vec<TlsIdentity>,
    /// The allowed TLS versions.
    pub versions: TlsVersions,
    /// The algorithms that are accepted.
    pub algorithms: TlsAlgorithms,
    /// The protocols that are accepted (RFC 7301), in order of preference; empty agrees on none.
    pub alpn: Vec<AlpnProtocol>,
    /// The validation of client certificates; `None` requests no certificate.
    pub clients: Option<ClientValidation>,
}

/// The validation of client certificates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClientValidation {
    /// The CA certificates. Empty only if `fingerprints` decides alone: then whoever has one of these certificates is
    /// accepted, whoever issued it.
    pub authorities: Vec<Certificate>,
    /// What happens to clients without a valid certificate.
    pub mode: ValidationMode,
    /// The certificate must be valid for one of these names; empty allows any.
    pub names: Vec<Host>,
    /// SHA-256 digests of the accepted certificates; empty allows any.
    pub fingerprints: Vec<[u8; 32]>,
}

/// What happens to clients without a valid certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum ValidationMode {
    /// The client is refused.
    Required,
    /// A client without a certificate is served, one with an invalid certificate is refused.
    Optional,
    /// The client is served (`AllowInsecureFallback`).
    Unverified,
}

/// A protocol that ALPN negotiates (RFC 7301).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum AlpnProtocol {
    /// `h2`
    #[serde(rename = "h2")]
    H2,
    /// `http/1.1`
    #[serde(rename = "http/1.1")]
    Http11,
}

impl AlpnProtocol {
    /// Both protocols, HTTP/2 preferred.
    pub const BOTH: [Self; 2] = [Self::H2, Self::Http11];

    /// The registered protocol identifier.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::H2 => "h2",
            Self::Http11 => "http/1.1",
        }
    }
}

/// Which server certificates are trusted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum PeerTrust {
    /// Certificates that a CA of the system signed.
    System,
    /// Certificates that one of these CAs signed; at least one.
    Authorities(Vec<Certificate>),
    /// All certificates, whatever name they are valid for.
    Anybody,
}

/// A certificate chain and its private key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TlsIdentity {
    /// The Secret or the file that it was read from.
    pub source: ObjectRef,
    /// The certificate, then the intermediate CA certificates.
    pub chain: Vec<Certificate>,
    /// The private key of the first certificate.
    pub key: PrivateKey,
}

/// A certificate (RFC 5280), not parsed.
#[derive(Clone, PartialEq, Eq)]
pub struct Certificate(pub CertificateDer<'static>);

/// A private key. It is never shown.
#[derive(PartialEq, Eq)]
pub struct PrivateKey(PrivateKeyDer<'static>);

/// A range of TLS versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct TlsVersions {
    /// The oldest version.
    pub min: TlsVersion,
    /// The newest version, not older than `min`.
    pub max: TlsVersion,
}

/// A TLS version. Versions before 1.2 are not supported (RFC 8996).
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
    /// Wraps a key.
    #[must_use]
    pub fn new(key: PrivateKeyDer<'static>) -> Self {
        Self(key)
    }

    /// The key, for the code that signs with it.
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

impl Default for UpstreamTls {
    /// TLS without any settings of its own.
    fn default() -> Self {
        Self {
            trust: PeerTrust::System,
            identity: None,
            sni: None,
            names: Vec::new(),
            versions: TlsVersions::default(),
            algorithms: TlsAlgorithms::default(),
            alpn: AlpnProtocol::BOTH.to_vec(),
        }
    }
}

impl UpstreamTls {
    /// TLS that a URL asks for: by the system's CAs, for the host of the URL.
    pub(crate) fn of_host(host: &Host) -> Self {
        Self {
            sni: host.name().cloned(),
            names: match host {
                Host::Ip(_) => vec![PeerName::Host(host.clone())],
                Host::Name(_) => Vec::new(),
            },
            ..Self::default()
        }
    }
}

/// Hashes the fields that differ most often, so that looking up the destination of a request does not read all
/// certificates.
impl Hash for UpstreamTls {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.sni.hash(state);
        self.versions.hash(state);
        self.alpn.hash(state);
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificate({} bytes)", self.0.len())
    }
}

impl Serialize for Certificate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{} bytes", self.0.len()))
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
