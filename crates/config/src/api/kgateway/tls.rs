//! `spec.tls` of a BackendConfigPolicy.

use serde::{Deserialize, Serialize};

use super::Unsupported;

recognised! {
    /// `spec.tls` of a BackendConfigPolicy: whom to trust, in exactly one of four ways, and the rest.
    #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
    Tls {
        /// The CAs in a Secret, and the certificate to show.
        #[serde(default, rename = "secretRef", skip_serializing_if = "Option::is_none")]
        secret_ref: Option<SecretName>,
        /// Trusts anybody.
        #[serde(default, rename = "insecureSkipVerify", skip_serializing_if = "Option::is_none")]
        insecure_skip_verify: Option<bool>,
        /// `System` is the only set there is.
        #[serde(default, rename = "wellKnownCACertificates", skip_serializing_if = "Option::is_none")]
        well_known_ca_certificates: Option<String>,
        /// The name to ask for, and that the certificate has to be of; the host by default.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sni: Option<String>,
        /// One of these has to be in the certificate, instead of the host.
        #[serde(default, rename = "verifySubjectAltNames", skip_serializing_if = "Vec::is_empty")]
        verify_subject_alt_names: Vec<String>,
        /// Versions of TLS.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        parameters: Option<TlsParameters>,
        /// The protocols to offer.
        #[serde(default, rename = "alpnProtocols", skip_serializing_if = "Vec::is_empty")]
        alpn_protocols: Vec<String>,
        /// Shows no certificate, although the Secret has one.
        #[serde(default, rename = "simpleTLS", skip_serializing_if = "Option::is_none")]
        simple_tls: Option<bool>,
        /// Only `false` is supported.
        #[serde(default, rename = "allowRenegotiation", skip_serializing_if = "Option::is_none")]
        allow_renegotiation: Option<bool>,
    }
    unsupported {
        files = "files",
    }
}

/// `spec.tls.secretRef` of a BackendConfigPolicy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretName {
    /// A Secret of the policy's namespace.
    pub name: String,
}

recognised! {
    /// `spec.tls.parameters` of a BackendConfigPolicy.
    #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
    TlsParameters {
        /// `1.2`, `1.3` or `AUTO`.
        #[serde(default, rename = "minVersion", skip_serializing_if = "Option::is_none")]
        min_version: Option<String>,
        /// The same.
        #[serde(default, rename = "maxVersion", skip_serializing_if = "Option::is_none")]
        max_version: Option<String>,
    }
    unsupported {
        cipher_suites = "cipherSuites",
        ecdh_curves = "ecdhCurves",
        signature_algorithms = "signatureAlgorithms",
    }
}
