//! `spec.tls` of a BackendConfigPolicy: TLS to upstreams.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::validation;

/// `System`, or the namespace and name of another set of CAs.
const WELL_KNOWN: &str = r"^(System|([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9]))$";
const TLS_VERSIONS: [&str; 5] = ["AUTO", "1.0", "1.1", "1.2", "1.3"];

recognised! {
    /// `spec.tls` of a BackendConfigPolicy. Exactly one of `secretRef`, `files`, `insecureSkipVerify` and
    /// `wellKnownCACertificates` must be set.
    #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
    #[schemars(extend("x-kubernetes-validations" = [validation::exactly_one(&["secretRef", "files", "insecureSkipVerify", "wellKnownCACertificates"])]))]
    BackendConfigTls {
        /// A Secret: `ca.crt`, if present, replaces the system's CAs, and a self-signed certificate in it is accepted
        /// of the server for its own names; `tls.crt` and `tls.key` are the client certificate for upstreams that
        /// request one.
        #[serde(default, rename = "secretRef", skip_serializing_if = "Option::is_none")]
        secret_ref: Option<SecretName>,
        /// Files that take the place of a Secret.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(extend("x-egret-differs" = "without `rootCA` the CAs of the system decide; a certificate and a key are given together"))]
        files: Option<TlsFiles>,
        /// `true` accepts any certificate: the traffic may be read and changed on its way.
        #[serde(default, rename = "insecureSkipVerify", skip_serializing_if = "Option::is_none")]
        insecure_skip_verify: Option<bool>,
        /// Verifies certificates with a well-known set of CAs; only `System` is supported.
        #[serde(default, rename = "wellKnownCACertificates", skip_serializing_if = "Option::is_none")]
        #[schemars(length(min = 1, max = 253), regex(pattern = WELL_KNOWN))]
        #[schemars(extend("x-egret-differs" = "only `System`"))]
        well_known_ca_certificates: Option<String>,
        /// The server name (SNI) to send, and the name that the certificate must have; the host by default.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(length(min = 1))]
        sni: Option<String>,
        /// Names and addresses in place of `sni`. The certificate must have one of them.
        #[serde(default, rename = "verifySubjectAltNames", skip_serializing_if = "Vec::is_empty")]
        verify_subject_alt_names: Vec<String>,
        /// The versions and algorithms of TLS.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        parameters: Option<TlsParameters>,
        /// The protocols to offer (RFC 7301), in order of preference: `h2`, `http/1.1` or both; both by default.
        #[serde(default, rename = "alpnProtocols", skip_serializing_if = "Vec::is_empty")]
        alpn_protocols: Vec<String>,
        /// `true` presents no client certificate, although the Secret has one; `false` by default.
        #[serde(default, rename = "simpleTLS", skip_serializing_if = "Option::is_none")]
        simple_tls: Option<bool>,
        /// Whether renegotiation is allowed. Only `false` is supported.
        #[serde(default, rename = "allowRenegotiation", skip_serializing_if = "Option::is_none")]
        #[schemars(extend("x-egret-differs" = "only `false`: there is no renegotiation"))]
        allow_renegotiation: Option<bool>,
    }
    unsupported {}
}

/// `spec.tls.files` of a BackendConfigPolicy: files of the machine that serves, by absolute paths. A file that changes is
/// read again; one that is not right keeps its last good content.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("x-kubernetes-validations" = [
    validation::at_least_one(&["tlsCertificate", "tlsKey", "rootCA"]),
    validation::rule("has(self.tlsCertificate) == has(self.tlsKey)", "tlsCertificate and tlsKey must be set together")
]))]
pub struct TlsFiles {
    /// The certificate that is shown to upstreams that request one, in PEM, with what leads to its CA; goes with `tlsKey`.
    #[serde(
        default,
        rename = "tlsCertificate",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(length(min = 1))]
    pub tls_certificate: Option<String>,
    /// The private key of `tlsCertificate`, in PEM.
    #[serde(default, rename = "tlsKey", skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub tls_key: Option<String>,
    /// The CA certificates that upstreams are verified with, in PEM; those of the system by default.
    #[serde(default, rename = "rootCA", skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub root_ca: Option<String>,
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
    /// The oldest version: `1.2`, `1.3` or `AUTO`; `1.2` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = TLS_VERSIONS))]
    #[schemars(extend("x-egret-differs" = "1.2 and 1.3 alone; 1.0 and 1.1 are refused"))]
    pub min_version: Option<String>,
    /// The newest version: `1.2`, `1.3` or `AUTO`; `1.3` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = TLS_VERSIONS))]
    #[schemars(extend("x-egret-differs" = "1.2 and 1.3 alone; 1.0 and 1.1 are refused"))]
    pub max_version: Option<String>,
    /// The suites to offer, by their names in OpenSSL or IANA's registry. The names of TLS 1.2 restrict TLS 1.2, and
    /// those of TLS 1.3 that. A known suite that is not supported is left out; all that are supported by default.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-egret-differs" = "suites of TLS 1.2 that are too weak are left out; names of TLS 1.3 restrict that version"))]
    pub cipher_suites: Vec<String>,
    /// The groups of the key exchange: `X25519MLKEM768`, `X25519`, `P-256`, `P-384`; all that are supported by default.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ecdh_curves: Vec<String>,
    /// The algorithms that the server may sign the handshake with, such as `ecdsa_secp256r1_sha256`; all that are
    /// supported by default.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signature_algorithms: Vec<String>,
}
