//! Certificate authorities that live for one test, and the certificates that they issue.

use std::sync::atomic::{AtomicUsize, Ordering};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair,
    SanType, date_time_ymd,
};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

static NUMBER: AtomicUsize = AtomicUsize::new(1);

/// A certificate authority with a self-signed certificate.
pub struct Ca(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its private key.
pub struct IssuedCertificate {
    certificate: rcgen::Certificate,
    key: KeyPair,
}

impl Ca {
    /// Makes a new authority, which nobody trusts yet.
    ///
    /// # Panics
    /// If no key can be generated.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "each is another")]
    pub fn new() -> Self {
        let mut params = CertificateParams::new([]).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // Every CA has a name of its own: a client would take two of one name for the same CA, and reject the signature.
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        params
            .distinguished_name
            .push(DnType::CommonName, format!("CA {number}"));
        Self(CertifiedIssuer::self_signed(params, key()).expect("a CA"))
    }

    /// The certificate of the authority, as PEM.
    #[must_use]
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// The certificate of the authority.
    #[must_use]
    pub fn certificate(&self) -> CertificateDer<'static> {
        self.0.der().clone()
    }

    /// Makes a certificate for these names that has signed itself, as `openssl req -x509` does: it is one of a CA.
    ///
    /// # Panics
    /// As [`Ca::issue`].
    #[must_use]
    pub fn self_signed<'a>(
        names: impl IntoIterator<Item = &'a str>,
        years: Option<(i32, i32)>,
    ) -> IssuedCertificate {
        let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
        let mut params = CertificateParams::new(names).expect("names and addresses");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        if let Some((first, last)) = years {
            params.not_before = date_time_ymd(first, 1, 1);
            params.not_after = date_time_ymd(last, 12, 31);
        }
        let key = key();
        let certificate = params.self_signed(&key).expect("a certificate");
        IssuedCertificate { certificate, key }
    }

    /// Issues a certificate for these DNS names and IP addresses.
    ///
    /// # Panics
    /// If one of `names` is neither a DNS name nor an IP address.
    #[must_use]
    pub fn issue<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> IssuedCertificate {
        self.issue_for(names, None)
    }

    /// Issues a certificate that is valid only from the first to the last of `years`.
    ///
    /// # Panics
    /// As [`Ca::issue`].
    #[must_use]
    pub fn issue_for<'a>(
        &self,
        names: impl IntoIterator<Item = &'a str>,
        years: Option<(i32, i32)>,
    ) -> IssuedCertificate {
        let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
        let mut params = CertificateParams::new(names).expect("names and addresses");
        if let Some((first, last)) = years {
            params.not_before = date_time_ymd(first, 1, 1);
            params.not_after = date_time_ymd(last, 12, 31);
        }
        self.sign(&params)
    }

    /// Issues a certificate for these DNS names and IP addresses, and for a URI.
    ///
    /// # Panics
    /// As [`Ca::issue`], and if `uri` is not in ASCII.
    #[must_use]
    pub fn issue_with_uri<'a>(
        &self,
        names: impl IntoIterator<Item = &'a str>,
        uri: &str,
    ) -> IssuedCertificate {
        let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
        let mut params = CertificateParams::new(names).expect("names and addresses");
        let uri = SanType::URI(uri.try_into().expect("ASCII"));
        params.subject_alt_names.push(uri);
        self.sign(&params)
    }

    /// Issues a certificate whose subject has this common name alone, without alternative names.
    ///
    /// # Panics
    /// If the certificate cannot be signed.
    #[must_use]
    pub fn issue_named(&self, common_name: &str) -> IssuedCertificate {
        let mut params = CertificateParams::new([]).expect("no names");
        params.distinguished_name = DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::CommonName, common_name);
        self.sign(&params)
    }

    fn sign(&self, params: &CertificateParams) -> IssuedCertificate {
        let key = key();
        let certificate = params.signed_by(&key, &self.0).expect("a certificate");
        IssuedCertificate { certificate, key }
    }
}

impl IssuedCertificate {
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

    /// The certificate, as DER.
    #[must_use]
    pub fn certificate_der(&self) -> Vec<u8> {
        self.certificate.der().to_vec()
    }

    /// The chain and the key in the form that rustls takes.
    pub(crate) fn der(&self) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let key = PrivatePkcs8KeyDer::from(self.key.serialize_der());
        (vec![self.certificate.der().clone()], key.into())
    }
}

fn key() -> KeyPair {
    KeyPair::generate().expect("a key")
}
