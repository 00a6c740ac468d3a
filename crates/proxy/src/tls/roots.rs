//! Loads the CA certificates that the certificates of servers are verified with.

use std::sync::{Arc, OnceLock};
use std::thread;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;

/// What rustls verifies with, or why there is nothing.
type Store = Result<Arc<RootCertStore>, Arc<str>>;

/// CA certificates, or why there are none.
#[derive(Clone, Debug)]
pub struct RootCertificates(Arc<OnceLock<Store>>);

impl RootCertificates {
    /// The CA certificates of the system, or of `SSL_CERT_FILE` and `SSL_CERT_DIR` if they are set. They are hundreds of
    /// files on many systems, and most of the time that a start takes, so that a thread of their own reads them at once.
    #[must_use]
    pub fn system() -> Self {
        let store = Arc::new(OnceLock::new());
        let read = Arc::clone(&store);
        let thread = thread::Builder::new().name("ca-certificates".to_owned());
        // Without a thread they are read by who needs them first.
        let _ = thread.spawn(move || {
            read.get_or_init(of_the_system);
        });
        Self(store)
    }

    /// These CA certificates and no others.
    #[must_use]
    pub fn of(certificates: impl IntoIterator<Item = CertificateDer<'static>>) -> Self {
        Self(Arc::new(OnceLock::from(store(certificates, ""))))
    }

    /// The certificates as rustls takes them. Waits until those of the system have been read.
    ///
    /// # Errors
    /// If there are none, with the reason.
    pub(crate) fn store(&self) -> Result<Arc<RootCertStore>, Arc<str>> {
        self.0.get_or_init(of_the_system).clone()
    }
}

fn of_the_system() -> Store {
    let found = rustls_native_certs::load_native_certs();
    let errors: Vec<_> = found.errors.iter().map(ToString::to_string).collect();
    store(found.certs, &errors.join("; "))
}

/// Certificates that rustls cannot read are left out, because the system may have some.
fn store(certificates: impl IntoIterator<Item = CertificateDer<'static>>, errors: &str) -> Store {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(certificates);
    if !store.is_empty() {
        Ok(Arc::new(store))
    } else if errors.is_empty() {
        Err("there are no CA certificates".into())
    } else {
        Err(format!("there are no CA certificates: {errors}").into())
    }
}
