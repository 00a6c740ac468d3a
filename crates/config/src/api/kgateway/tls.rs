//! `spec.tls` of a BackendConfigPolicy: TLS to upstreams.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::UnsupportedValue;
use crate::api::validation;

/// `System`, or the namespace and name of another set of CAs.
const WELL_KNOWN: &str = r"^(System|([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9]))$";
const TLS_VERSIONS: [&str; 5] = ["AUTO", "1.0", "1.1", "1.2", "1.3"];

recognised! {
    /// `spec.tls` of a BackendConfigPolicy. Exactly one of `secretRef`, `files`, `insecureSkipVerify` and
    /// `wellKnownCACertificates` must be set.
    #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
    #[schemars(extend("x-kubernetes-validations" = [validation::exactly_one(&["secretRef", "files", "insecureSkipVerify", "wellKnownCACertificates"])]))]
    BackendConfigTls {
        /// A Secret with CA certificates, and with the client certificate.
        #[serde(default, rename = "secretRef", skip_serializing_if = "Option::is_none")]
        secret_ref: Option<SecretName>,
        /// Accepts every certificate, without verification.
        #[serde(default, rename = "insecureSkipVerify", skip_serializing_if = "Option::is_none")]
        insecure_skip_verify: Option<bool>,
        /// Verifies certificates with a well-known set of CAs; only `System` is supported.
        #[serde(default, rename = "wellKnownCACertificates", skip_serializing_if = "Option::is_none")]
        #[schemars(length(min = 1, max = 253), regex(pattern = WELL_KNOWN))]
        #[schemars(extend("x-egret-differs" = "only `System`"))]
        well_known_ca_certificates: Option<String>,
        /// The server name (SNI) that is sent, and that the certificate must be valid for; the host by default.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(length(min = 1))]
        sni: Option<String>,
        /// The certificate must be valid for one of these names, instead of the host.
        #[serde(default, rename = "verifySubjectAltNames", skip_serializing_if = "Vec::is_empty")]
        verify_subject_alt_names: Vec<String>,
        /// The allowed TLS versions.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        parameters: Option<TlsParameters>,
        /// The protocols that are offered (ALPN).
        #[serde(default, rename = "alpnProtocols", skip_serializing_if = "Vec::is_empty")]
        alpn_protocols: Vec<String>,
        /// Sends no client certificate, even if the Secret has one.
        #[serde(default, rename = "simpleTLS", skip_serializing_if = "Option::is_none")]
        simple_tls: Option<bool>,
        /// Whether renegotiation is allowed. Only `false` is supported.
        #[serde(default, rename = "allowRenegotiation", skip_serializing_if = "Option::is_none")]
        #[schemars(extend("x-egret-differs" = "only `false`: there is no renegotiation"))]
        allow_renegotiation: Option<bool>,
    }
    unsupported {
        files = "files" as "object",
    }
}

/// `spec.tls.secretRef` of a BackendConfigPolicy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SecretName {
    /// The name of a Secret in the policy's namespace.
    pub name: String,
}

/// `spec.tls.parameters` of a BackendConfigPolicy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TlsParameters {
    /// The oldest version: `1.2`, `1.3` or `AUTO`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = TLS_VERSIONS))]
    #[schemars(extend("x-egret-differs" = "1.2 and 1.3 alone; 1.0 and 1.1 are refused"))]
    pub min_version: Option<String>,
    /// The newest version: `1.2`, `1.3` or `AUTO`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = TLS_VERSIONS))]
    #[schemars(extend("x-egret-differs" = "1.2 and 1.3 alone; 1.0 and 1.1 are refused"))]
    pub max_version: Option<String>,
    /// The cipher suites that are offered, by their names in BoringSSL or IANA's registry.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-egret-differs" = "suites of TLS 1.2 that are too weak are left out; names of TLS 1.3 restrict that version"))]
    pub cipher_suites: Vec<String>,
    /// The groups of the key exchange that are offered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ecdh_curves: Vec<String>,
    /// The algorithms of the signatures that are accepted in the handshake.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signature_algorithms: Vec<String>,
}
