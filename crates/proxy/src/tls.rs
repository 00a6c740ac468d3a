//! TLS: as a client of DNS servers and of upstreams, and as a server that ends that of clients. Whom to trust, whom to ask
//! for, what to show, and what went wrong.

use std::sync::Arc;

use egret_config::name::Host;
use egret_config::resources::ObjectRef;
use egret_config::snapshot::{Certificate, TlsVersion, TlsVersions};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::ServerName;
use rustls::{Error, RootCertStore, SupportedProtocolVersion, version};

pub(crate) use clients::{Clients, HTTP_2, offered};
pub use failure::TlsFailure;
pub(crate) use handshakes::{HandshakeMetrics, HandshakeOutcome};
pub use roots::Roots;
pub(crate) use servers::{Servers, agreed};

mod client_auth;
mod clients;
mod failure;
mod handshakes;
mod made;
mod roots;
mod servers;
mod verify;

/// What does the cryptography.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// A host as certificates name it.
pub(crate) fn server_name(host: &Host) -> Result<ServerName<'static>, Arc<str>> {
    match host {
        Host::Ip(ip) => Ok(ServerName::IpAddress((*ip).into())),
        Host::Name(name) => ServerName::try_from(name.as_str().to_owned())
            .map_err(|error| format!("{}: {error}", name.as_str()).into()),
    }
}

/// The CAs of the configuration.
fn authorities(certificates: &[Certificate]) -> Result<Arc<RootCertStore>, Arc<str>> {
    let mut store = RootCertStore::empty();
    for certificate in certificates {
        store
            .add(certificate.0.clone())
            .map_err(|_| "ca.crt holds what is not a certificate of a CA")?;
    }
    Ok(Arc::new(store))
}

/// What is wrong with a certificate and its key.
fn identity_fault(secret: &ObjectRef, error: &Error) -> Arc<str> {
    let what = match error {
        Error::InconsistentKeys(_) => "tls.key is not the key of tls.crt",
        _ => "tls.crt or tls.key cannot be used",
    };
    format!("{secret}: {what}").into()
}

fn spoken(versions: TlsVersions) -> &'static [&'static SupportedProtocolVersion] {
    static OLD: [&SupportedProtocolVersion; 1] = [&version::TLS12];
    static NEW: [&SupportedProtocolVersion; 1] = [&version::TLS13];
    static BOTH: [&SupportedProtocolVersion; 2] = [&version::TLS13, &version::TLS12];
    match (versions.min, versions.max) {
        (TlsVersion::V1_3, _) => &NEW,
        (TlsVersion::V1_2, TlsVersion::V1_2) => &OLD,
        (TlsVersion::V1_2, TlsVersion::V1_3) => &BOTH,
    }
}
