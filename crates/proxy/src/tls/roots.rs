//! The CA certificates that servers' certificates are checked against.

use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;

/// CA certificates, or why there are none.
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

    /// What rustls takes.
    pub(crate) fn store(&self) -> Result<Arc<RootCertStore>, Arc<str>> {
        self.0.clone()
    }
}
