//! A certificate authority for one test.

use std::sync::atomic::{AtomicUsize, Ordering};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

static NUMBER: AtomicUsize = AtomicUsize::new(1);

/// The authority.
pub struct Ca(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key.
pub struct Issued {
    certificate: rcgen::Certificate,
    key: KeyPair,
}

impl Ca {
    /// A new one, which nobody trusts yet.
    ///
    /// # Panics
    /// If no key can be made.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "each is another")]
    pub fn new() -> Self {
        let mut params = CertificateParams::new([]).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // No two CAs of a name: a client would take one for the other, and complain about the signature.
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        params
            .distinguished_name
            .push(DnType::CommonName, format!("CA {number}"));
        Self(CertifiedIssuer::self_signed(params, key()).expect("a CA"))
    }

    /// Its certificate, as PEM.
    #[must_use]
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// Its certificate.
    #[must_use]
    pub fn certificate(&self) -> CertificateDer<'static> {
        self.0.der().clone()
    }

    /// A certificate for these names and addresses.
    ///
    /// # Panics
    /// If one of them is neither a name nor an address.
    #[must_use]
    pub fn issue<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Issued {
        self.issue_for(names, None)
    }

    /// The same, good in these years alone.
    ///
    /// # Panics
    /// As [`Ca::issue`].
    #[must_use]
    pub fn issue_for<'a>(
        &self,
        names: impl IntoIterator<Item = &'a str>,
        years: Option<(i32, i32)>,
    ) -> Issued {
        let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
        let mut params = CertificateParams::new(names).expect("names and addresses");
        if let Some((first, last)) = years {
            params.not_before = date_time_ymd(first, 1, 1);
            params.not_after = date_time_ymd(last, 12, 31);
        }
        let key = key();
        let certificate = params.signed_by(&key, &self.0).expect("a certificate");
        Issued { certificate, key }
    }
}

impl Issued {
    /// The certificate, as PEM.
    #[must_use]
    pub fn certificate_pem(&self) -> String {
        self.certificate.pem()
    }

    /// The key, as PEM.
    #[must_use]
    pub fn key_pem(&self) -> String {
        self.key.serialize_pem()
    }

    /// Its certificate, in DER.
    #[must_use]
    pub fn certificate_der(&self) -> Vec<u8> {
        self.certificate.der().to_vec()
    }

    /// As servers take it.
    pub(crate) fn der(&self) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let key = PrivatePkcs8KeyDer::from(self.key.serialize_der());
        (vec![self.certificate.der().clone()], key.into())
    }
}

fn key() -> KeyPair {
    KeyPair::generate().expect("a key")
}
