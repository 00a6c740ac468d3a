//! Puts failures of TLS connections to upstreams into words for operators.

use std::error::Error as StdError;
use std::io;
use std::sync::Arc;

use rustls::{AlertDescription, CertificateError, Error, PeerIncompatible};

use super::alpn::HTTP_2;
use super::verify::is_of_ca;

/// The most names of a certificate that a text lists.
const MAX_NAMES: usize = 5;

/// Why a TLS connection to an upstream failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TlsFailure {
    /// The handshake failed, for this reason.
    Protocol(&'static str),
    /// The certificate of the upstream was not accepted; the text says why and follows "the upstream's certificate".
    Certificate(String),
    /// The settings of the proxy cannot be used; the text says why.
    Settings(Arc<str>),
}

impl TlsFailure {
    /// The failure of a handshake in which these protocols were offered.
    pub(crate) fn of(error: &io::Error, offered: &[Vec<u8>]) -> Self {
        match rustls_error(error) {
            Some(Error::AlertReceived(AlertDescription::NoApplicationProtocol)) => {
                Self::no_common_protocol(offered)
            }
            Some(error) => Self::from_rustls(error),
            None if error.kind() == io::ErrorKind::UnexpectedEof => {
                Self::Protocol("the upstream closed the connection during the TLS handshake")
            }
            None => Self::Protocol("the connection broke off during the TLS handshake"),
        }
    }

    /// The failure when the upstream supports none of the protocols that were offered.
    pub(crate) fn no_common_protocol(offered: &[Vec<u8>]) -> Self {
        let http2 = offered.iter().any(|one| one == HTTP_2);
        Self::Protocol(match (http2, offered.len()) {
            (true, 1) => "the upstream does not speak HTTP/2 over TLS",
            (true, _) => "the upstream speaks neither HTTP/2 nor HTTP/1.1 over TLS",
            (false, _) => "the upstream does not speak HTTP/1.1 over TLS",
        })
    }

    /// The TLS failure within another error, if there is one. In TLS 1.3 a server checks the client's certificate after
    /// the handshake (RFC 8446 4.4.2.4), so that it is the response which fails.
    pub(crate) fn within(error: &(dyn StdError + 'static)) -> Option<Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(found) = error.downcast_ref::<io::Error>().and_then(rustls_error) {
                return Some(Self::from_rustls(found));
            }
            next = error.source();
        }
        None
    }

    /// One line for operators.
    #[must_use]
    pub fn details(&self) -> String {
        match self {
            Self::Protocol(what) => (*what).to_owned(),
            Self::Certificate(what) => format!("the upstream's certificate {what}"),
            Self::Settings(why) => format!("TLS is not set up: {why}"),
        }
    }

    fn from_rustls(error: &Error) -> Self {
        match error {
            Error::InvalidCertificate(error) => Self::Certificate(certificate_text(error)),
            Error::NoCertificatesPresented => Self::Certificate("is missing".to_owned()),
            Error::AlertReceived(alert) => Self::Protocol(alert_text(*alert)),
            Error::InvalidMessage(_) => Self::Protocol("the upstream does not speak TLS"),
            Error::PeerIncompatible(
                PeerIncompatible::ServerDoesNotSupportTls12Or13
                | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
                | PeerIncompatible::Tls12NotOffered
                | PeerIncompatible::Tls12NotOfferedOrEnabled,
            ) => Self::Protocol(NO_VERSION),
            Error::PeerIncompatible(_) => {
                Self::Protocol("the upstream has no cryptography in common with us")
            }
            _ => Self::Protocol("the upstream broke the rules of TLS"),
        }
    }
}

const NO_VERSION: &str = "the upstream has no version of TLS in common with us";

fn rustls_error(error: &io::Error) -> Option<&Error> {
    error.get_ref()?.downcast_ref()
}

fn alert_text(alert: AlertDescription) -> &'static str {
    match alert {
        AlertDescription::CertificateRequired => "the upstream requires a client certificate",
        AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateRevoked
        | AlertDescription::CertificateExpired
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnknownCA
        | AlertDescription::AccessDenied => "the upstream does not accept the client certificate",
        AlertDescription::ProtocolVersion => NO_VERSION,
        AlertDescription::UnrecognisedName => {
            "the upstream does not know the name it was asked for"
        }
        AlertDescription::HandshakeFailure => "the upstream refused the TLS handshake",
        _ => "the upstream ended TLS with an alert",
    }
}

/// What is wrong with a certificate; the text follows "the certificate".
fn certificate_text(error: &CertificateError) -> String {
    let what = match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "has expired",
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "is not valid yet"
        }
        CertificateError::UnknownIssuer => "is of an unknown CA",
        CertificateError::Revoked => "is revoked",
        CertificateError::NotValidForNameContext { presented, .. } => return other_name(presented),
        CertificateError::NotValidForName => "is of another name",
        CertificateError::BadSignature => "is not signed by its CA",
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "is not one for servers"
        }
        CertificateError::BadEncoding => "cannot be read",
        CertificateError::UnhandledCriticalExtension => "has an extension that is not understood",
        CertificateError::UnsupportedSignatureAlgorithmContext { .. }
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            "has a signature that is not understood"
        }
        CertificateError::Other(check) if is_of_ca(check) => {
            "is one of a CA, and neither it nor its issuer is trusted as a server"
        }
        CertificateError::Other(check) => return format!("does not pass the check {check}"),
        other => return format!("does not pass the check {other:?}"),
    };
    what.to_owned()
}

/// The text for a certificate of other names. `presented` is as rustls writes it: `DnsName("a.example")`,
/// `IpAddress(192.0.2.1)`.
fn other_name(presented: &[String]) -> String {
    let names = presented.iter().filter_map(|name| {
        let (_, rest) = name.split_once('(')?;
        Some(rest.trim_end_matches(')').trim_matches('"'))
    });
    let names: Vec<_> = names.collect();
    if names.is_empty() {
        return "is of no name".to_owned();
    }
    let listed = names[..names.len().min(MAX_NAMES)].join(", ");
    let more = if names.len() > MAX_NAMES {
        " and others"
    } else {
        ""
    };
    format!("is of another name: it has {listed}{more}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn details(error: Error) -> String {
        TlsFailure::of(&io::Error::other(error), &[]).details()
    }

    #[test]
    fn every_check_has_its_words() {
        for (error, expected) in [
            (CertificateError::Revoked, "is revoked"),
            (CertificateError::Expired, "has expired"),
            (CertificateError::NotValidYet, "is not valid yet"),
            (CertificateError::UnknownIssuer, "is of an unknown CA"),
            (
                CertificateError::ApplicationVerificationFailure,
                "does not pass the check ApplicationVerificationFailure",
            ),
        ] {
            let text = details(Error::InvalidCertificate(error));
            assert_eq!(text, format!("the upstream's certificate {expected}"));
        }
        let alert = Error::AlertReceived(AlertDescription::CertificateRequired);
        assert_eq!(details(alert), "the upstream requires a client certificate");
        let early = io::Error::from(io::ErrorKind::UnexpectedEof);
        assert!(
            TlsFailure::of(&early, &[])
                .details()
                .contains("closed the connection")
        );
    }

    #[test]
    fn what_was_offered_in_vain_is_told() {
        for (offered, expected) in [
            (&["h2"][..], "the upstream does not speak HTTP/2 over TLS"),
            (
                &["http/1.1"],
                "the upstream does not speak HTTP/1.1 over TLS",
            ),
            (
                &["http/1.1", "h2"],
                "the upstream speaks neither HTTP/2 nor HTTP/1.1 over TLS",
            ),
        ] {
            let offered: Vec<_> = offered.iter().map(|id| id.as_bytes().to_vec()).collect();
            let alert = Error::AlertReceived(AlertDescription::NoApplicationProtocol);
            let text = TlsFailure::of(&io::Error::other(alert), &offered).details();
            assert_eq!(text, expected);
        }
    }

    #[test]
    fn names_are_told_as_they_are_and_not_too_many() {
        let names = |names: &[&str]| {
            let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
            other_name(&names)
        };
        assert_eq!(
            names(&["DnsName(\"*.a.example\")", "IpAddress(192.0.2.1)"]),
            "is of another name: it has *.a.example, 192.0.2.1"
        );
        assert_eq!(names(&["DirectoryName"]), "is of no name");
        let many = names(&["DnsName(\"a\")"; 6]);
        assert!(many.ends_with("a, a, a, a, a and others"), "{many}");
    }

    #[test]
    fn what_tls_says_is_found_within_other_errors() {
        let alert = Error::AlertReceived(AlertDescription::CertificateRequired);
        let wrapped = io::Error::other(io::Error::other(alert));
        assert!(TlsFailure::within(&wrapped).is_none());
        let alert = Error::AlertReceived(AlertDescription::UnknownCA);
        let text = TlsFailure::within(&io::Error::other(alert)).unwrap();
        assert!(text.details().contains("client certificate"), "{text:?}");
        assert!(TlsFailure::within(&io::Error::from(io::ErrorKind::BrokenPipe)).is_none());
    }
}
