//! Reads certificates and keys from Secrets of type `kubernetes.io/tls` and the like, and from ConfigMaps.
//!
//! Messages name the entry with the fault, and never its content.

use rustls::RootCertStore;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::resources::{ConfigMap, ObjectRef, Secret};
use crate::snapshot::{Certificate, PrivateKey, TlsIdentity};

const CERTIFICATE: &str = "tls.crt";
const KEY: &str = "tls.key";
const AUTHORITIES: &str = "ca.crt";

/// The certificates and the key of a Secret.
#[derive(Default)]
pub(super) struct SecretContent {
    /// `ca.crt`: CA certificates; empty if there are none.
    pub(super) authorities: Vec<Certificate>,
    /// `tls.crt` and `tls.key`: a certificate chain and its key.
    pub(super) identity: Option<TlsIdentity>,
}

impl SecretContent {
    /// Reads a Secret; `tls.crt` and `tls.key` only if `wants_identity` is set.
    pub(super) fn read(
        reference: &ObjectRef,
        secret: &Secret,
        wants_identity: bool,
    ) -> Result<Self, String> {
        let authorities = match entry(secret, AUTHORITIES) {
            Some(pem) => trust_anchors(AUTHORITIES, pem)?,
            None => Vec::new(),
        };
        let has_identity = [CERTIFICATE, KEY].map(|name| entry(secret, name).is_some());
        let identity = match wants_identity && has_identity.contains(&true) {
            true => Some(identity(reference, secret)?),
            false => None,
        };
        if authorities.is_empty() && identity.is_none() {
            let wanted = if wants_identity {
                format!("has neither {AUTHORITIES} nor {CERTIFICATE} and {KEY}")
            } else {
                format!("has no {AUTHORITIES}")
            };
            return Err(wanted);
        }
        Ok(Self {
            authorities,
            identity,
        })
    }
}

/// Reads `tls.crt` and `tls.key` of a Secret, and checks that the key is that of the certificate.
pub(super) fn identity(reference: &ObjectRef, secret: &Secret) -> Result<TlsIdentity, String> {
    match (entry(secret, CERTIFICATE), entry(secret, KEY)) {
        (Some(chain), Some(key)) => {
            let identity = TlsIdentity {
                source: reference.clone(),
                chain: certificates(CERTIFICATE, chain)?,
                key: private_key(KEY, key)?,
            };
            checked(identity, CERTIFICATE, KEY)
        }
        (Some(_), None) => Err(format!("has {CERTIFICATE} without {KEY}")),
        (None, Some(_)) => Err(format!("has {KEY} without {CERTIFICATE}")),
        (None, None) => Err(format!("has neither {CERTIFICATE} nor {KEY}")),
    }
}

/// Checks that the certificate can be parsed and that the key belongs to it. Both have names for messages.
pub(super) fn checked(
    identity: TlsIdentity,
    certificate: &str,
    key_name: &str,
) -> Result<TlsIdentity, String> {
    let chain = identity.chain.iter();
    let chain = chain.map(|certificate| certificate.0.clone()).collect();
    match CertifiedKey::from_der(chain, identity.key.reveal(), &default_provider()) {
        Ok(_) => Ok(identity),
        Err(rustls::Error::InconsistentKeys(_)) => {
            Err(format!("{key_name} does not belong to {certificate}"))
        }
        Err(rustls::Error::InvalidCertificate(_)) => Err(format!(
            "{certificate} has an entry that is not an X.509 version 3 certificate"
        )),
        Err(_) => Err(format!("{key_name} is of a type that is not supported")),
    }
}

/// Reads `ca.crt` of a Secret.
pub(super) fn authorities(secret: &Secret) -> Result<Vec<Certificate>, String> {
    required(entry(secret, AUTHORITIES))
}

/// Reads `ca.crt` of a ConfigMap.
pub(super) fn authorities_of_map(map: &ConfigMap) -> Result<Vec<Certificate>, String> {
    let text = map.data.as_ref().and_then(|data| data.get(AUTHORITIES));
    let binary = map.binary_data.as_ref();
    let binary = binary.and_then(|data| data.get(AUTHORITIES));
    let binary = binary.map(|bytes| bytes.0.as_slice());
    required(text.map(String::as_bytes).or(binary))
}

fn required(pem: Option<&[u8]>) -> Result<Vec<Certificate>, String> {
    let pem = pem.ok_or_else(|| format!("has no {AUTHORITIES}"))?;
    trust_anchors(AUTHORITIES, pem)
}

/// The CA certificates, each of which can be a trust anchor; `name` is for messages.
pub(super) fn trust_anchors(name: &str, pem: &[u8]) -> Result<Vec<Certificate>, String> {
    let all = certificates(name, pem)?;
    let mut store = RootCertStore::empty();
    let mut added = all.iter().map(|it| store.add(it.0.clone()));
    if added.any(|outcome| outcome.is_err()) {
        return Err(format!("{name} has an entry that is not a certificate"));
    }
    Ok(all)
}

/// The content of an entry; `None` if it is empty. As in the API server, `stringData` takes precedence over `data`.
pub(super) fn entry<'a>(secret: &'a Secret, name: &str) -> Option<&'a [u8]> {
    let text = secret.string_data.as_ref().and_then(|map| map.get(name));
    let data = secret.data.as_ref().and_then(|map| map.get(name));
    let entry = match text {
        Some(text) => text.as_bytes(),
        None => &data?.0,
    };
    (!entry.is_empty()).then_some(entry)
}

/// Certificates in PEM; at least one.
pub(super) fn certificates(name: &str, pem: &[u8]) -> Result<Vec<Certificate>, String> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match all {
        Ok(all) if !all.is_empty() => Ok(all.into_iter().map(Certificate).collect()),
        Ok(_) => Err(format!("{name} has no certificate in PEM")),
        Err(_) => Err(format!("{name} is not PEM")),
    }
}

/// A private key in PEM.
pub(super) fn private_key(name: &str, pem: &[u8]) -> Result<PrivateKey, String> {
    PrivateKeyDer::from_pem_slice(pem)
        .map(PrivateKey::new)
        .map_err(|_| format!("{name} has no private key in PEM"))
}
