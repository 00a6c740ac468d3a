//! The certificate of a client, as `X-Forwarded-Client-Cert` tells it in Envoy's form.

use std::fmt::Write as _;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use egret_config::certificate::{AlternativeName, CertificateFacts};
use egret_config::snapshot::{CertificateDetails, ServerTls, TlsIdentity};
use rustls::pki_types::CertificateDer;

/// Characters of a line in PEM (RFC 7468 2).
const PEM_LINE: usize = 64;

/// The certificate that a client has proven to be its own.
#[derive(Debug)]
pub(crate) struct PresentedCertificate {
    /// It, and those that signed it, as the client sent them.
    chain: Vec<CertificateDer<'static>>,
    facts: Arc<CertificateFacts>,
    /// The URIs in the gateway's certificate.
    own_uris: Vec<String>,
}

impl PresentedCertificate {
    /// What a client has sent to a server with these settings.
    pub(crate) fn new(
        chain: &[CertificateDer<'_>],
        facts: Arc<CertificateFacts>,
        server: &ServerTls,
    ) -> Self {
        // Of several it is not known which the client saw.
        let own_uris = match server.identities.as_slice() {
            [identity] => uris(identity),
            _ => Vec::new(),
        };
        Self {
            chain: chain.iter().map(|one| one.clone().into_owned()).collect(),
            facts,
            own_uris,
        }
    }

    /// The element of the field that tells these details.
    pub(crate) fn element(&self, details: CertificateDetails) -> String {
        let mut parts: Vec<_> = self
            .own_uris
            .iter()
            .map(|uri| format!("By={uri}"))
            .collect();
        let own = self.chain.get(..1).unwrap_or_default();
        parts.extend(
            own.iter()
                .map(|certificate| format!("Hash={}", hash(certificate))),
        );
        if details.certificate {
            parts.push(format!("Cert=\"{}\"", encoded_pem(own)));
        }
        if details.chain {
            parts.push(format!("Chain=\"{}\"", encoded_pem(&self.chain)));
        }
        if details.subject {
            parts.push(format!("Subject=\"{}\"", self.facts.subject_text()));
        }
        if details.uri {
            let uris = self.names(|name| match name {
                AlternativeName::Uri(uri) => Some(uri),
                _ => None,
            });
            // The key is there even if there is nothing to say.
            let uris = if uris.is_empty() { vec![""] } else { uris };
            parts.extend(uris.into_iter().map(|uri| format!("URI={uri}")));
        }
        if details.dns {
            let names = self.names(|name| match name {
                AlternativeName::Dns(name) => Some(name),
                _ => None,
            });
            parts.extend(names.into_iter().map(|name| format!("DNS={name}")));
        }
        parts.join(";")
    }

    fn names<'a>(&'a self, of: impl Fn(&'a AlternativeName) -> Option<&'a String>) -> Vec<&'a str> {
        let names = self.facts.names.iter().filter_map(of);
        names.map(String::as_str).collect()
    }
}

/// The URIs in the certificate of an identity.
fn uris(identity: &TlsIdentity) -> Vec<String> {
    let certificate = identity.chain.first();
    let facts = certificate.and_then(|certificate| CertificateFacts::read(&certificate.0));
    let names = facts.into_iter().flat_map(|facts| facts.names);
    names
        .filter_map(|name| match name {
            AlternativeName::Uri(uri) => Some(uri),
            _ => None,
        })
        .collect()
}

/// The SHA-256 digest of a certificate.
fn hash(certificate: &CertificateDer<'_>) -> String {
    let mut text = String::new();
    for byte in digest(&SHA256, certificate).as_ref() {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Certificates in PEM, with the characters encoded that a field or a URL cannot hold.
fn encoded_pem(certificates: &[CertificateDer<'_>]) -> String {
    let mut pem = String::new();
    for certificate in certificates {
        pem += "-----BEGIN CERTIFICATE-----\n";
        let text = STANDARD.encode(certificate);
        for line in text.as_bytes().chunks(PEM_LINE) {
            pem += &String::from_utf8_lossy(line);
            pem.push('\n');
        }
        pem += "-----END CERTIFICATE-----\n";
    }
    let encoded = [
        ("\n", "%0A"),
        (" ", "%20"),
        ("+", "%2B"),
        ("/", "%2F"),
        ("=", "%3D"),
    ];
    encoded
        .iter()
        .fold(pem, |text, (plain, encoded)| text.replace(plain, encoded))
}

#[cfg(test)]
mod tests {
    use egret_config::certificate::CertificateValidity;

    use super::*;

    fn presented(names: &[AlternativeName], own_uris: &[&str]) -> PresentedCertificate {
        let facts = CertificateFacts {
            names: names.to_vec(),
            subject: Vec::new(),
            validity: CertificateValidity {
                not_before: 0,
                not_after: 0,
            },
        };
        PresentedCertificate {
            chain: vec![
                CertificateDer::from(vec![0xfb; 60]),
                CertificateDer::from(vec![1]),
            ],
            facts: Arc::new(facts),
            own_uris: own_uris.iter().map(|&uri| uri.to_owned()).collect(),
        }
    }

    #[test]
    fn details_come_in_their_order() {
        let names = [
            AlternativeName::Dns("a.test".to_owned()),
            AlternativeName::Uri("spiffe://a/b".to_owned()),
            AlternativeName::Dns("b.test".to_owned()),
        ];
        let told = presented(&names, &["spiffe://own"]).element(CertificateDetails {
            subject: true,
            uri: true,
            dns: true,
            ..CertificateDetails::default()
        });
        let (own, rest) = told.split_once(";Hash=").unwrap();
        assert_eq!(own, "By=spiffe://own");
        let (hash, rest) = rest.split_once(';').unwrap();
        assert!(hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()));
        assert_eq!(rest, "Subject=\"\";URI=spiffe://a/b;DNS=a.test;DNS=b.test");
        let nothing = presented(&[], &[]).element(CertificateDetails {
            uri: true,
            dns: true,
            ..CertificateDetails::default()
        });
        assert!(nothing.ends_with(";URI="), "{nothing}");
    }

    #[test]
    fn certificates_are_encoded_pem() {
        let details = |chain: bool| CertificateDetails {
            certificate: !chain,
            chain,
            ..CertificateDetails::default()
        };
        let presented = presented(&[], &[]);
        let told = presented.element(details(false));
        let (_, pem) = told.split_once(";Cert=\"").unwrap();
        let line = "%2B%2Fv7".repeat(16);
        let expected = format!(
            "-----BEGIN%20CERTIFICATE-----%0A{line}%0A{}%0A-----END%20CERTIFICATE-----%0A\"",
            "%2B%2Fv7".repeat(4)
        );
        assert_eq!(pem, expected);
        let told = presented.element(details(true));
        let (_, chain) = told.split_once(";Chain=\"").unwrap();
        assert_eq!(chain.matches("BEGIN").count(), 2);
        assert!(chain.contains("%0AAQ%3D%3D%0A"), "{chain}");
    }
}
