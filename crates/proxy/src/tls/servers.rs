//! The rustls configurations for terminating the TLS of clients. One is made for each set of settings when the first
//! client connects, and shared by all listeners with them, so that a session of one connection is resumed by the next.

use std::fmt;
use std::sync::Arc;

use egret_config::snapshot::{ServerTls, TlsIdentity};
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::Ticketer;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::certificates::identity_error;
use super::client_auth;
use super::protocol::{protocol_versions, provider_of};
use super::settings_cache::SettingsCache;
use super::signature_limit;

/// A configuration, or why its settings cannot be used.
type ServerConfigResult = Result<Arc<ServerConfig>, Arc<str>>;

/// The configurations of TLS servers, by their settings.
#[derive(Default)]
pub(crate) struct TlsServers(SettingsCache<ServerTls, ServerConfigResult>);

impl TlsServers {
    /// The configuration for these settings.
    ///
    /// # Errors
    /// If the settings cannot be used, with the reason.
    pub(crate) fn get(&self, settings: &Arc<ServerTls>) -> ServerConfigResult {
        self.0.get(settings, make)
    }
}

fn make(settings: &ServerTls) -> ServerConfigResult {
    let provider = provider_of(&settings.algorithms);
    let signatures = &settings.algorithms.signatures;
    let certificates = CertificateSelector::load(settings, &provider)?;
    let clients = client_auth::verifier(settings.clients.as_ref(), &provider)?;
    let mut server = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(protocol_versions(settings.versions))
        .map_err(|error| Arc::from(error.to_string()))?
        .with_client_cert_verifier(signature_limit::of_clients(clients, signatures))
        .with_cert_resolver(Arc::new(certificates));
    let alpn = settings.alpn.iter().map(|one| one.as_str().into());
    server.alpn_protocols = alpn.collect();
    server.ticketer = Ticketer::new().map_err(|error| Arc::from(error.to_string()))?;
    Ok(Arc::new(server))
}

/// Selects the certificate for a client: the first with the name of its SNI that it can verify, else the first that it
/// can verify.
struct CertificateSelector(Vec<Arc<CertifiedKey>>);

impl CertificateSelector {
    fn load(settings: &ServerTls, provider: &CryptoProvider) -> Result<Self, Arc<str>> {
        let load = |identity: &TlsIdentity| {
            let TlsIdentity { source, chain, key } = identity;
            let chain: Vec<CertificateDer<'static>> =
                chain.iter().map(|one| one.0.clone()).collect();
            let key = CertifiedKey::from_der(chain, key.reveal(), provider)
                .map_err(|error| identity_error(source, &error))?;
            let signatures = &settings.algorithms.signatures;
            Ok(Arc::new(signature_limit::of_key(key, signatures)))
        };
        settings
            .identities
            .iter()
            .map(load)
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

impl ResolvesServerCert for CertificateSelector {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let usable =
            |key: &&Arc<CertifiedKey>| key.key.choose_scheme(hello.signature_schemes()).is_some();
        let name = hello
            .server_name()
            .and_then(|name| ServerName::try_from(name).ok());
        let named = name.and_then(|name| {
            let mut usable = self.0.iter().filter(usable);
            usable.find(|key| has_name(key, &name))
        });
        named.or_else(|| self.0.iter().find(usable)).cloned()
    }
}

fn has_name(key: &CertifiedKey, name: &ServerName<'_>) -> bool {
    let certificate = key.end_entity_cert().and_then(ParsedCertificate::try_from);
    certificate
        .is_ok_and(|certificate| rustls::client::verify_server_name(&certificate, name).is_ok())
}

impl fmt::Debug for CertificateSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CertificateSelector({})", self.0.len())
    }
}
