//! The servers that end TLS of clients: one for all listeners of the same settings, made when the first client of them
//! comes, so that a session of one connection is resumed by the next.

use std::fmt;
use std::sync::Arc;

use egret_config::snapshot::{AlpnProtocol, ServerTls, TlsIdentity};
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::Ticketer;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::made::Memo;
use super::{client_auth, identity_fault, provider, spoken};

/// A server, or why its settings cannot be used.
pub(crate) type Made = Result<Arc<ServerConfig>, Arc<str>>;

/// All servers.
#[derive(Default)]
pub(crate) struct Servers(Memo<ServerTls, Made>);

impl Servers {
    /// The server for these settings.
    ///
    /// # Errors
    /// If they cannot be used, with what is wrong.
    pub(crate) fn get(&self, settings: &Arc<ServerTls>) -> Made {
        self.0.get(settings, make)
    }
}

fn make(settings: &ServerTls) -> Made {
    let provider = provider();
    let certificates = Certificates::load(&settings.identities, &provider)?;
    let mut server = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(spoken(settings.versions))
        .map_err(|error| Arc::from(error.to_string()))?
        .with_client_cert_verifier(client_auth::verifier(settings.clients.as_ref(), &provider)?)
        .with_cert_resolver(Arc::new(certificates));
    let alpn = settings.alpn.iter().map(|one| one.as_str().into());
    server.alpn_protocols = alpn.collect();
    server.ticketer = Ticketer::new().map_err(|error| Arc::from(error.to_string()))?;
    Ok(Arc::new(server))
}

/// The protocol that was agreed on.
pub(crate) fn agreed(protocol: Option<&[u8]>) -> Option<AlpnProtocol> {
    let protocol = protocol?;
    AlpnProtocol::BOTH
        .into_iter()
        .find(|known| known.as_str().as_bytes() == protocol)
}

/// What clients are shown: the first that is of the name they ask for and that they can check, else the first that they
/// can check.
struct Certificates(Vec<Arc<CertifiedKey>>);

impl Certificates {
    fn load(identities: &[TlsIdentity], provider: &CryptoProvider) -> Result<Self, Arc<str>> {
        let load = |identity: &TlsIdentity| {
            let TlsIdentity { secret, chain, key } = identity;
            let chain: Vec<CertificateDer<'static>> =
                chain.iter().map(|one| one.0.clone()).collect();
            let key = CertifiedKey::from_der(chain, key.reveal(), provider)
                .map_err(|error| identity_fault(secret, &error))?;
            Ok(Arc::new(key))
        };
        identities
            .iter()
            .map(load)
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let usable =
            |key: &&Arc<CertifiedKey>| key.key.choose_scheme(hello.signature_schemes()).is_some();
        let name = hello
            .server_name()
            .and_then(|name| ServerName::try_from(name).ok());
        let named = name.and_then(|name| {
            let mut usable = self.0.iter().filter(usable);
            usable.find(|key| is_of(key, &name))
        });
        named.or_else(|| self.0.iter().find(usable)).cloned()
    }
}

fn is_of(key: &CertifiedKey, name: &ServerName<'_>) -> bool {
    let certificate = key.end_entity_cert().and_then(ParsedCertificate::try_from);
    certificate
        .is_ok_and(|certificate| rustls::client::verify_server_name(&certificate, name).is_ok())
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificates({})", self.0.len())
    }
}
