//! The facts of a certificate (RFC 5280) that configuration refers to: its names, and when it is valid.
//!
//! Nothing is verified here. Who asks for the names of a client's certificate has validated it before.

use std::net::IpAddr;

mod der;
mod subject;
mod time;

use der::{DerReader, tag};
pub use subject::{SubjectAttribute, SubjectPattern};
pub use time::utc;

/// The names and the validity of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFacts {
    /// The subject alternative names (RFC 5280 4.2.1.6) of the types below.
    pub names: Vec<AlternativeName>,
    /// The attributes of the subject, in the order of the certificate.
    pub subject: Vec<SubjectAttribute>,
    /// When the certificate is valid.
    pub validity: CertificateValidity,
}

/// A subject alternative name. Names of different types are never equal, whatever their text is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum AlternativeName {
    /// A DNS name, in lower case.
    Dns(String),
    /// A URI, such as a SPIFFE ID.
    Uri(String),
    /// An email address.
    Email(String),
    /// An IP address.
    Ip(IpAddr),
}

/// When a certificate is valid (RFC 5280 4.1.2.5), in seconds of Unix time. Both ends are included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CertificateValidity {
    /// The first second.
    pub not_before: i64,
    /// The last second.
    pub not_after: i64,
}

impl CertificateFacts {
    /// Reads a certificate; `None` if it is not a certificate in DER.
    #[must_use]
    pub fn read(certificate: &[u8]) -> Option<Self> {
        let mut signed = DerReader::new(DerReader::new(certificate).expect(tag::SEQUENCE)?);
        let mut fields = DerReader::new(signed.expect(tag::SEQUENCE)?);
        fields.optional(tag::VERSION);
        fields.expect(tag::INTEGER)?;
        // The algorithm of the signature, and the issuer.
        fields.expect(tag::SEQUENCE)?;
        fields.expect(tag::SEQUENCE)?;
        let mut validity = DerReader::new(fields.expect(tag::SEQUENCE)?);
        let validity = CertificateValidity {
            not_before: time::seconds(validity.next()?)?,
            not_after: time::seconds(validity.next()?)?,
        };
        let subject = subject::attributes(fields.expect(tag::SEQUENCE)?)?;
        // The key.
        fields.expect(tag::SEQUENCE)?;
        fields.optional(tag::ISSUER_ID);
        fields.optional(tag::SUBJECT_ID);
        let names = match fields.optional(tag::EXTENSIONS) {
            Some(extensions) => alternative_names(extensions)?,
            None => Vec::new(),
        };
        Some(Self {
            names,
            subject,
            validity,
        })
    }
}

impl CertificateFacts {
    /// The subject as RFC 4514 writes it: the last attribute of the certificate first.
    #[must_use]
    pub fn subject_text(&self) -> String {
        let mut text = String::new();
        for attribute in self.subject.iter().rev() {
            attribute.write(&mut text);
        }
        text
    }

    /// What people know the certificate by: its common name, else its first alternative name.
    #[must_use]
    pub fn title(&self) -> String {
        let common_name = self.subject.iter().find_map(SubjectAttribute::common_name);
        let first = || {
            Some(match self.names.first()? {
                AlternativeName::Dns(name)
                | AlternativeName::Uri(name)
                | AlternativeName::Email(name) => name.clone(),
                AlternativeName::Ip(ip) => ip.to_string(),
            })
        };
        let common_name = common_name.map(|name| format!("CN={name}"));
        let title = common_name.or_else(first);
        title.unwrap_or_else(|| "without a name".to_owned())
    }
}

/// The subject alternative names among the extensions; `None` if they cannot be read, or come twice.
fn alternative_names(extensions: &[u8]) -> Option<Vec<AlternativeName>> {
    /// 2.5.29.17
    const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 0x11];
    let mut extensions = DerReader::new(DerReader::new(extensions).expect(tag::SEQUENCE)?);
    let mut names = None;
    while !extensions.is_empty() {
        let mut extension = DerReader::new(extensions.expect(tag::SEQUENCE)?);
        let kind = extension.expect(tag::OBJECT_ID)?;
        extension.optional(tag::BOOLEAN);
        let content = extension.expect(tag::OCTET_STRING)?;
        if kind == SUBJECT_ALT_NAME && names.replace(general_names(content)?).is_some() {
            return None;
        }
    }
    Some(names.unwrap_or_default())
}

/// The names of a GeneralNames value, without those of other types.
fn general_names(value: &[u8]) -> Option<Vec<AlternativeName>> {
    let mut values = DerReader::new(DerReader::new(value).expect(tag::SEQUENCE)?);
    let mut names = Vec::new();
    while !values.is_empty() {
        let (kind, content) = values.next()?;
        let text = || {
            str::from_utf8(content)
                .ok()
                .filter(|text| text.is_ascii())
                .map(str::to_owned)
        };
        names.extend(match kind {
            tag::EMAIL_NAME => text().map(AlternativeName::Email),
            tag::DNS_NAME => text().map(|name| AlternativeName::Dns(name.to_ascii_lowercase())),
            tag::URI_NAME => text().map(AlternativeName::Uri),
            tag::IP_NAME => ip(content).map(AlternativeName::Ip),
            _ => None,
        });
    }
    Some(names)
}

fn ip(content: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(content).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(content).map(IpAddr::from))
        .ok()
}

#[cfg(test)]
mod tests;
