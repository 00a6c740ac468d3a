//! The rustls configurations for TLS to upstreams. One is made for each set of settings when the first destination with
//! them is connected to, and shared by all, so that a session of one connection is resumed by the next.

use std::sync::{Arc, OnceLock};

use egret_config::snapshot::{PeerTrust, TlsIdentity, UpstreamTls};
use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::client::danger::ServerCertVerifier;

use super::alpn::TlsContent;
use super::certificates::{ca_store, identity_error};
use super::protocol::{protocol_versions, provider, provider_of};
use super::roots::RootCertificates;
use super::settings_cache::SettingsCache;
use super::signature_limit;
use super::verify::{AnchoredServerVerifier, AnyServerVerifier, NamedServerVerifier};

/// How many sessions a configuration remembers, up to eight of a server. They take about a kilobyte each.
const MAX_SESSIONS: usize = 8192;

/// A configuration, or why its settings cannot be used.
type ClientConfigResult = Result<Arc<ClientConfig>, Arc<str>>;

/// The configurations of TLS clients, by their settings.
pub(crate) struct TlsClients {
    /// The CA certificates of the system.
    roots: RootCertificates,
    /// The configurations for destinations without settings.
    default: ConfigsByContent,
    configured: SettingsCache<UpstreamTls, Arc<ConfigsByContent>>,
}

/// The configurations of the same settings, by what the connection carries.
type ConfigsByContent = [OnceLock<ClientConfigResult>; 4];

impl TlsClients {
    pub(crate) fn new(roots: RootCertificates) -> Self {
        Self {
            roots,
            default: ConfigsByContent::default(),
            configured: SettingsCache::default(),
        }
    }

    /// The configuration for these settings that offers the protocols of this content.
    ///
    /// # Errors
    /// If the settings cannot be used, with the reason.
    pub(crate) fn get(
        &self,
        settings: Option<&Arc<UpstreamTls>>,
        content: TlsContent,
    ) -> ClientConfigResult {
        let Some(settings) = settings else {
            let config = &self.default[content.index()];
            return config.get_or_init(|| self.make(None, content)).clone();
        };
        let made = self.configured.get(settings, |_| Arc::default());
        made[content.index()]
            .get_or_init(|| self.make(Some(settings), content))
            .clone()
    }

    fn make(&self, settings: Option<&UpstreamTls>, content: TlsContent) -> ClientConfigResult {
        let versions = settings.map(|settings| settings.versions);
        let cryptography = match settings {
            None => provider(),
            Some(settings) => provider_of(&settings.algorithms),
        };
        let builder = ClientConfig::builder_with_provider(cryptography)
            .with_protocol_versions(protocol_versions(versions.unwrap_or_default()))
            .map_err(|error| Arc::from(error.to_string()))?;
        let builder = builder
            .dangerous()
            .with_custom_certificate_verifier(match settings {
                None => self.verifier(None)?,
                Some(settings) => {
                    let verifier = self.verifier(Some(settings))?;
                    signature_limit::of_servers(verifier, &settings.algorithms.signatures)
                }
            });
        let identity = settings.and_then(|settings| settings.identity.as_ref());
        let mut client = match identity {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                let TlsIdentity { source, chain, key } = identity;
                let chain = chain.iter().map(|one| one.0.clone()).collect();
                builder
                    .with_client_auth_cert(chain, key.reveal())
                    .map_err(|error| identity_error(source, &error))?
            }
        };
        let offered = content.offered(settings).iter();
        let offered = offered.map(|one| one.as_str().as_bytes().to_vec());
        client.alpn_protocols = offered.collect();
        client.resumption = Resumption::in_memory_sessions(MAX_SESSIONS);
        Ok(Arc::new(client))
    }

    fn verifier(
        &self,
        settings: Option<&UpstreamTls>,
    ) -> Result<Arc<dyn ServerCertVerifier>, Arc<str>> {
        let roots = match settings.map(|settings| &settings.trust) {
            Some(PeerTrust::Anybody) => return Ok(Arc::new(AnyServerVerifier::new(&provider()))),
            Some(PeerTrust::Authorities(certificates)) => ca_store(certificates)?,
            Some(PeerTrust::System) | None => self.roots.store()?,
        };
        let verifier = Arc::new(AnchoredServerVerifier::new(roots, &provider()));
        let names = settings.map(|settings| &*settings.names);
        match names {
            None | Some([]) => Ok(verifier),
            Some(names) => Ok(Arc::new(NamedServerVerifier::new(names, verifier)?)),
        }
    }
}

#[cfg(test)]
mod tests {
    use egret_config::snapshot::{AlpnProtocol, HttpVersion, TlsVersion, TlsVersions};

    use super::*;

    const AUTO: TlsContent = TlsContent::Http(HttpVersion::Auto);

    fn settings(min: TlsVersion) -> Arc<UpstreamTls> {
        Arc::new(UpstreamTls {
            trust: PeerTrust::Anybody,
            identity: None,
            sni: None,
            names: Vec::new(),
            versions: TlsVersions {
                min,
                max: TlsVersion::V1_3,
            },
            alpn: AlpnProtocol::BOTH.to_vec(),
            ..UpstreamTls::default()
        })
    }

    #[test]
    fn a_client_is_made_once_for_the_same_settings_and_goes_with_them() {
        let clients = TlsClients::new(RootCertificates::of([]));
        let first = settings(TlsVersion::V1_2);
        let client = clients.get(Some(&first), AUTO).unwrap();
        // The settings are compiled again.
        let again = settings(TlsVersion::V1_2);
        drop(first);
        assert!(Arc::ptr_eq(
            &client,
            &clients.get(Some(&again), AUTO).unwrap()
        ));
        let other = settings(TlsVersion::V1_3);
        assert!(!Arc::ptr_eq(
            &client,
            &clients.get(Some(&other), AUTO).unwrap()
        ));
        assert_eq!(clients.configured.len(), 2);
        drop((again, other));
        let _ = clients.get(Some(&settings(TlsVersion::V1_2)), AUTO);
        let _ = clients.get(Some(&settings(TlsVersion::V1_3)), AUTO);
        assert_eq!(clients.configured.len(), 2);
    }

    #[test]
    fn each_offers_what_is_wanted_of_it() {
        let clients = TlsClients::new(RootCertificates::of([]));
        let offered = |settings: &Arc<UpstreamTls>, content| {
            let client = clients.get(Some(settings), content).unwrap();
            let offered = client.alpn_protocols.iter();
            let offered: Vec<_> = offered.map(|id| String::from_utf8_lossy(id)).collect();
            offered.join(" ")
        };
        let mut both = settings(TlsVersion::V1_2);
        assert_eq!(offered(&both, AUTO), "h2 http/1.1");
        assert_eq!(
            offered(&both, TlsContent::Http(HttpVersion::Http1)),
            "http/1.1"
        );
        assert_eq!(offered(&both, TlsContent::Http(HttpVersion::Http2)), "h2");
        assert_eq!(offered(&both, TlsContent::Tunnel), "");
        assert_eq!(clients.configured.len(), 1);
        Arc::make_mut(&mut both).alpn = vec![AlpnProtocol::Http11, AlpnProtocol::H2];
        assert_eq!(offered(&both, AUTO), "http/1.1 h2");
        assert_eq!(clients.configured.len(), 1);
    }

    #[test]
    fn settings_that_cannot_be_used_say_why() {
        let clients = TlsClients::new(RootCertificates::of([]));
        let why = clients.get(None, AUTO).unwrap_err();
        assert_eq!(&*why, "there are no CA certificates");
    }
}
