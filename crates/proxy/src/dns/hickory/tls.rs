//! What makes a connection to a DNS server trusted.

use std::net::IpAddr;
use std::sync::Arc;

use egret_config::name::DnsName;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};

/// The CA certificates that servers' certificates are checked against, or why there are none.
#[derive(Clone, Debug)]
pub struct Roots(Result<Arc<RootCertStore>, Arc<str>>);

impl Roots {
    /// Those of the system, or of `SSL_CERT_FILE` and `SSL_CERT_DIR` if they are set. Reads files.
    #[must_use]
    pub fn system() -> Self {
        let found = rustls_native_certs::load_native_certs();
        let errors: Vec<_> = found.errors.iter().map(ToString::to_string).collect();
        Self::new(found.certs, &errors.join("; "))
    }

    /// These and no others.
    #[must_use]
    pub fn of(certificates: impl IntoIterator<Item = CertificateDer<'static>>) -> Self {
        Self::new(certificates, "")
    }

    /// What the system holds may include what rustls does not take; that is left out.
    fn new(certificates: impl IntoIterator<Item = CertificateDer<'static>>, errors: &str) -> Self {
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(certificates);
        Self(if !store.is_empty() {
            Ok(Arc::new(store))
        } else if errors.is_empty() {
            Err("there are no CA certificates".into())
        } else {
            Err(format!("there are no CA certificates: {errors}").into())
        })
    }

    /// A client that trusts them and offers this protocol (RFC 7301), if one is given.
    pub(super) fn client(&self, alpn: Option<&[u8]>) -> Result<Arc<ClientConfig>, Arc<str>> {
        let roots = Arc::clone(self.0.as_ref().map_err(Arc::clone)?);
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| Arc::from(error.to_string()))?;
        let mut client = builder.with_root_certificates(roots).with_no_client_auth();
        client.alpn_protocols = alpn.map(<[u8]>::to_vec).into_iter().collect();
        Ok(Arc::new(client))
    }
}

/// Whom the certificate has to be of.
pub(super) fn peer(
    name: Option<&DnsName>,
    address: IpAddr,
) -> Result<ServerName<'static>, Arc<str>> {
    let Some(name) = name else {
        return Ok(ServerName::IpAddress(address.into()));
    };
    ServerName::try_from(name.as_str().to_owned())
        .map_err(|error| format!("{}: {error}", name.as_str()).into())
}
