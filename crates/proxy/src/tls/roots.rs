//! Loads the CA certificates that the certificates of servers are verified with.

use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;

/// CA certificates, or why there are none.
#[derive(Clone, Debug)]
pub struct RootCertificates(Result<Arc<RootCertStore>, Arc<str>>);

impl RootCertificates {
    /// The CA certificates of the system, or of `SSL_CERT_FILE` and `SSL_CERT_DIR` if they are set. Reads files.
    #[must_use]
    pub fn system() -> Self {
        let found = rustls_native_certs::load_native_certs();
        let errors: Vec<_> = found.errors.iter().map(ToString::to_string).collect();
        Self::new(found.certs, &errors.join("; "))
    }

    /// These CA certificates and no others.
    #[must_use]
    pub fn of(certificates: impl IntoIterator<Item = CertificateDer<'static>>) -> Self {
        Self::new(certificates, "")
    }

    /// Certificates that rustls cannot read are left out, because the system may have some.
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

    /// The certificates as rustls takes them.
    ///
    /// # Errors
    /// If there are none, with the reason.
    pub(crate) fn store(&self) -> Result<Arc<RootCertStore>, Arc<str>> {
        self.0.clone()
    }
}
