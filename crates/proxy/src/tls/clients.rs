//! The clients that speak TLS to upstreams: one for all destinations of the same settings, made when the first of them
//! is connected to, so that a session of one connection is resumed by the next.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use egret_config::snapshot::{Identity, TlsVersion, TlsVersions, Trust, UpstreamTls};
use rustls::client::danger::ServerCertVerifier;
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::{ClientConfig, Error, RootCertStore, SupportedProtocolVersion, version};

use super::verify::{Anybody, OneOf};
use super::{Roots, provider, server_name};

/// The protocol that is offered (RFC 7301).
const HTTP_1: &[u8] = b"http/1.1";

/// Sessions that a client remembers, eight of a server. They take about a kilobyte each.
const SESSIONS: usize = 8192;

/// A client, or why its settings cannot be used.
pub(crate) type Made = Result<Arc<ClientConfig>, Arc<str>>;

/// All clients.
pub(crate) struct Clients {
    /// Those of the system.
    roots: Roots,
    /// For what has no settings.
    plain: OnceLock<Made>,
    configured: Mutex<Vec<(Arc<UpstreamTls>, Made)>>,
}

impl Clients {
    pub(crate) fn new(roots: Roots) -> Self {
        Self {
            roots,
            plain: OnceLock::new(),
            configured: Mutex::default(),
        }
    }

    /// The client for these settings.
    ///
    /// # Errors
    /// If they cannot be used, with what is wrong.
    pub(crate) fn get(&self, settings: Option<&Arc<UpstreamTls>>) -> Made {
        let Some(settings) = settings else {
            return self.plain.get_or_init(|| self.make(None)).clone();
        };
        let clients = self.configured.lock();
        let mut clients = clients.unwrap_or_else(PoisonError::into_inner);
        if let Some((known, made)) = clients.iter_mut().find(|(known, _)| known == settings) {
            // The value of the current configuration, so that the next comparison is one of pointers, and those that
            // nobody else holds are known to be of a former one.
            known.clone_from(settings);
            return made.clone();
        }
        let made = self.make(Some(settings));
        clients.retain(|(known, _)| Arc::strong_count(known) > 1);
        clients.push((Arc::clone(settings), made.clone()));
        made
    }

    fn make(&self, settings: Option<&UpstreamTls>) -> Made {
        let versions = settings.map(|settings| settings.versions);
        let builder = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(spoken(versions.unwrap_or_default()))
            .map_err(|error| Arc::from(error.to_string()))?;
        let builder = builder
            .dangerous()
            .with_custom_certificate_verifier(self.verifier(settings)?);
        let identity = settings.and_then(|settings| settings.identity.as_ref());
        let mut client = match identity {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                let Identity { secret, chain, key } = identity;
                let chain = chain.iter().map(|one| one.0.clone()).collect();
                builder
                    .with_client_auth_cert(chain, key.reveal())
                    .map_err(|error| match error {
                        Error::InconsistentKeys(_) => {
                            format!("{secret}: tls.key is not the key of tls.crt")
                        }
                        _ => format!("{secret}: tls.crt or tls.key cannot be used"),
                    })?
            }
        };
        client.alpn_protocols = vec![HTTP_1.to_vec()];
        client.resumption = Resumption::in_memory_sessions(SESSIONS);
        Ok(Arc::new(client))
    }

    fn verifier(
        &self,
        settings: Option<&UpstreamTls>,
    ) -> Result<Arc<dyn ServerCertVerifier>, Arc<str>> {
        let roots = match settings.map(|settings| &settings.trust) {
            Some(Trust::Anybody) => return Ok(Arc::new(Anybody::new(&provider()))),
            Some(Trust::Authorities(authorities)) => {
                let mut store = RootCertStore::empty();
                for authority in authorities {
                    store
                        .add(authority.0.clone())
                        .map_err(|_| "ca.crt holds what is not a certificate of a CA")?;
                }
                Arc::new(store)
            }
            Some(Trust::System) | None => self.roots.store()?,
        };
        let verifier = WebPkiServerVerifier::builder_with_provider(roots, provider())
            .build()
            .map_err(|error| error.to_string())?;
        let names = settings.map(|settings| &*settings.names);
        match names {
            None | Some([]) => Ok(verifier),
            Some(names) => {
                let names: Result<_, _> = names.iter().map(server_name).collect();
                Ok(Arc::new(OneOf::new(names?, verifier)))
            }
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(min: TlsVersion) -> Arc<UpstreamTls> {
        Arc::new(UpstreamTls {
            trust: Trust::Anybody,
            identity: None,
            sni: None,
            names: Vec::new(),
            versions: TlsVersions {
                min,
                max: TlsVersion::V1_3,
            },
            alpn: Vec::new(),
        })
    }

    #[test]
    fn a_client_is_made_once_for_the_same_settings_and_goes_with_them() {
        let clients = Clients::new(Roots::of([]));
        let first = settings(TlsVersion::V1_2);
        let client = clients.get(Some(&first)).unwrap();
        // Compiled anew.
        let again = settings(TlsVersion::V1_2);
        drop(first);
        assert!(Arc::ptr_eq(&client, &clients.get(Some(&again)).unwrap()));
        let other = settings(TlsVersion::V1_3);
        assert!(!Arc::ptr_eq(&client, &clients.get(Some(&other)).unwrap()));
        assert_eq!(clients.configured.lock().unwrap().len(), 2);
        drop((again, other));
        let _ = clients.get(Some(&settings(TlsVersion::V1_2)));
        let _ = clients.get(Some(&settings(TlsVersion::V1_3)));
        assert_eq!(clients.configured.lock().unwrap().len(), 2);
    }

    #[test]
    fn settings_that_cannot_be_used_say_why() {
        let clients = Clients::new(Roots::of([]));
        let why = clients.get(None).unwrap_err();
        assert_eq!(&*why, "there are no CA certificates");
    }
}
