//! `ListenerPolicy` and `HTTPListenerPolicy`: settings of client connections.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::TcpKeepaliveSpec;
use crate::target::{TargetRef, TargetSelector};
use crate::validation;

mod access_log;
mod collector;
mod forwarding;
mod local_replies;
mod parts;
mod tracing;

pub use access_log::{
    AccessLogSpec, CelFilterSpec, ComparisonFilterSpec, FileSinkSpec, GrpcStatusFilterSpec,
    HeaderFilterSpec, HeaderMatchSpec, LogFilterSpec, OneFilterSpec, ResponseFlagFilterSpec,
    RuntimeFilterSpec, SampledSpec,
};
pub use collector::{
    AnyValueEntry, AnyValueList, CallMetadata, CollectorCall, CollectorRetry, CollectorSpec,
    HttpCollectorSpec, LogCollectorSpec, LogHttpCollectorSpec, LogServiceSpec, OpenTelemetrySpec,
};
pub use forwarding::{
    ClientCertDetailsSpec, EarlyHeader, EarlyHeaderModifier, ForwardClientCertSpec,
};
pub use local_replies::{LocalRepliesSpec, LocalReplyHeadersSpec, LocalReplyMapperSpec};
pub use parts::{
    AuthorityReference, ClientCertificateValidation, ListenerHealthCheck, ListenerHttp2,
    ListenerPort, ProxyProtocolSettings, UpgradeConfig,
};
pub use tracing::{
    EnvironmentDetectorSpec, LiteralAttribute, MetadataAttribute, MetadataKey, MetadataSegment,
    NamedAttribute, OpenTelemetryTracingSpec, ResourceDetectorSpec, TracingAttributeSpec,
    TracingProviderSpec, TracingSpec,
};

/// Calls `recognised!` with the HTTP settings that a ListenerPolicy nests and an HTTPListenerPolicy has at its top
/// level.
macro_rules! http_settings {
    ($(#[$meta:meta])* $name:ident { $($more:tt)* }) => {
        recognised! {
            $(#[$meta])*
            $name {
                /// The sinks that take the place of the default log. `[]` switches the access log off; one line per
                /// exchange on stdout by default.
                #[serde(default, rename = "accessLog", skip_serializing_if = "Option::is_none")]
                #[schemars(with = "Vec<AccessLogSpec>", length(max = 16))]
                access_log: Option<Vec<AccessLogSpec>>,
                /// The idle timeout of a connection between requests. `0s` is unlimited; 5m by default.
                #[serde(default, rename = "idleTimeout", skip_serializing_if = "Option::is_none")]
                #[schemars(schema_with = "validation::duration")]
                #[schemars(extend("x-egret-differs" = "5m by default, in place of 1h"))]
                idle_timeout: Option<String>,
                /// The idle timeout of an exchange, in any direction. `0s` is unlimited; 5m by default.
                #[serde(default, rename = "streamIdleTimeout", skip_serializing_if = "Option::is_none")]
                #[schemars(schema_with = "validation::duration")]
                stream_idle_timeout: Option<String>,
                /// The most fields of a request's head, up to 10000. More are refused with 431; 100 by default.
                #[serde(default, rename = "maxHeadersCount", skip_serializing_if = "Option::is_none")]
                #[schemars(with = "i32", range(min = 1))]
                max_headers_count: Option<i64>,
                /// The most KiB of a request's head. More are refused with 431; 60 by default.
                #[serde(default, rename = "maxRequestHeadersKb", skip_serializing_if = "Option::is_none")]
                #[schemars(with = "i32", range(min = 1, max = 8192))]
                max_request_headers_kb: Option<i64>,
                /// The most requests of one connection, whose last response says `Connection: close`. 0 is unlimited; 0
                /// by default.
                #[serde(default, rename = "maxRequestsPerConnection", skip_serializing_if = "Option::is_none")]
                #[schemars(with = "i32", range(min = 0))]
                max_requests_per_connection: Option<i64>,
                /// Settings of HTTP/2 connections.
                #[serde(default, rename = "http2ProtocolOptions", skip_serializing_if = "Option::is_none")]
                http2_protocol_options: Option<ListenerHttp2>,
                /// The upgrades that are allowed.
                #[serde(default, rename = "upgradeConfig", skip_serializing_if = "Option::is_none")]
                upgrade_config: Option<UpgradeConfig>,
                /// The host of HTTP/1.0 requests that name none, on the whole port; none by default.
                #[serde(default, rename = "defaultHostForHttp10", skip_serializing_if = "Option::is_none")]
                #[schemars(length(min = 1))]
                default_host_for_http10: Option<String>,
                /// Whether every request gets an `X-Request-Id` of its own, a random UUID; `false` by default.
                #[serde(default, rename = "generateRequestId", skip_serializing_if = "Option::is_none")]
                #[schemars(extend("x-egret-differs" = "without it `X-Request-Id` is passed on as any other field"))]
                generate_request_id: Option<bool>,
                /// A path that the gateway answers itself, for every host: with 200, and with 503 once it is about to
                /// stop; none by default.
                #[serde(default, rename = "healthCheck", skip_serializing_if = "Option::is_none")]
                health_check: Option<ListenerHealthCheck>,
                /// What becomes of a path with `%2F` or `%5C`: `RejectRequest` answers with 400; `KeepUnchanged` by
                /// default.
                #[serde(default, rename = "pathWithEscapedSlashesAction", skip_serializing_if = "Option::is_none")]
                #[schemars(extend("x-egret-differs" = "only `RejectRequest` and `KeepUnchanged`"))]
                path_with_escaped_slashes_action: Option<String>,
                /// Whether the `X-Request-Id` of a client stays; `false` by default.
                #[serde(default, rename = "preserveExternalRequestId", skip_serializing_if = "Option::is_none")]
                preserve_external_request_id: Option<bool>,
                /// What becomes of `Server` in responses: `Overwrite` and `AppendIfAbsent` set it to `serverName`, and
                /// a `serverName` alone overwrites it; `PassThrough` by default.
                #[serde(default, rename = "serverHeaderTransformation", skip_serializing_if = "Option::is_none")]
                #[schemars(extend("enum" = ["Overwrite", "AppendIfAbsent", "PassThrough"], "x-egret-differs" = "`PassThrough` by default, in place of `Overwrite`"))]
                server_header_transformation: Option<String>,
                /// The value of `Server`; `egret` by default.
                #[serde(default, rename = "serverName", skip_serializing_if = "Option::is_none")]
                #[schemars(length(min = 1), extend("x-egret-differs" = "`egret` by default, in place of `envoy`"))]
                server_name: Option<String>,
                /// `MatchingPort` takes the port of the listener off the host of a request, `AnyPort` any port: the
                /// request goes to the default port then. The target of a CONNECT stays as it is; none by default.
                #[serde(default, rename = "stripHostPortMode", skip_serializing_if = "Option::is_none")]
                #[schemars(extend("enum" = ["MatchingPort", "AnyPort"]))]
                strip_host_port_mode: Option<String>,
                /// Which requests are traced, and where their spans go; none by default.
                #[serde(default, skip_serializing_if = "Option::is_none")]
                tracing: Option<TracingSpec>,
                /// Changes to the headers of requests before anything is decided about them.
                #[serde(default, rename = "earlyRequestHeaderModifier", skip_serializing_if = "Option::is_none")]
                #[schemars(extend("x-egret-differs" = "what decides where a message goes or ends, such as `Host`, is not changed"))]
                early_request_header_modifier: Option<EarlyHeaderModifier>,
                /// What becomes of `X-Forwarded-Client-Cert`.
                #[serde(default, rename = "forwardClientCertDetails", skip_serializing_if = "Option::is_none")]
                #[schemars(extend("x-egret-differs" = "dynamic destinations never get it"))]
                forward_client_cert_details: Option<ForwardClientCertSpec>,
                /// What becomes of the responses that the gateway makes itself.
                #[serde(default, rename = "localReplies", skip_serializing_if = "Option::is_none")]
                #[schemars(extend("x-egret-differs" = "answers to what is no HTTP, and to preflight requests, are not changed; nothing is expanded in the values of headers"))]
                local_replies: Option<LocalRepliesSpec>,
                /// Whether the address of the client's connection is left out of `X-Forwarded-For`.
                #[serde(default, rename = "skipXFFAppend", skip_serializing_if = "Option::is_none")]
                #[schemars(extend("x-egret-differs" = "dynamic destinations never get `X-Forwarded-For`"))]
                skip_xff_append: Option<bool>,
                /// Whether the address of the client is that of its connection.
                #[serde(default, rename = "useRemoteAddress", skip_serializing_if = "Option::is_none")]
                #[schemars(extend("x-egret-differs" = "while none of the fields about `X-Forwarded-For` is set, what the client says in it is not passed on"))]
                use_remote_address: Option<bool>,
                /// How many proxies before the gateway are trusted, whoever they are.
                #[serde(default, rename = "xffNumTrustedHops", skip_serializing_if = "Option::is_none")]
                #[schemars(with = "i32", range(min = 0))]
                xff_num_trusted_hops: Option<i64>,
                /// The proxies before the gateway that are trusted.
                #[serde(default, rename = "xffTrustedCIDRs", skip_serializing_if = "Option::is_none")]
                #[schemars(length(min = 1))]
                xff_trusted_cidrs: Option<Vec<String>>,
                $($more)*
            }
            unsupported {}
            without_effect {
                accept_http10 = "acceptHttp10": "HTTP/1.0 is served in any case",
                preserve_http1_header_case = "preserveHttp1HeaderCase": "the names of fields are sent in lower case, which means the same (RFC 9110 5.1)",
                proxy_100_continue = "proxy100Continue": "an upstream is asked for consent in any case",
                strip_trailing_host_dot = "stripTrailingHostDot": "a dot at the end of a host is left out in any case",
                uuid_request_id_config = "uuidRequestIdConfig": "`X-Request-Id` has nothing to do with which requests are traced",
            }
        }
    };
}

/// `spec` of a ListenerPolicy: settings of the listeners of a Gateway.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "gateway.kgateway.dev",
    version = "v1alpha1",
    kind = "ListenerPolicy",
    namespaced
)]
#[kube(schema = "disabled", derive = "PartialEq")]
#[serde(rename_all = "camelCase")]
pub struct ListenerPolicySpec {
    /// The Gateways, or listeners of Gateways (`sectionName`), that the policy applies to, in its namespace.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 16), extend("x-kubernetes-validations" = [gateways_only("targetRefs")]))]
    pub target_refs: Vec<TargetRef>,
    /// Selects Gateways by label.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), extend("x-kubernetes-validations" = [gateways_only("targetSelectors")]))]
    pub target_selectors: Vec<TargetSelector>,
    /// Settings of every port that is not in `perPort`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<ListenerSettings>,
    /// Settings of single ports, in place of `default`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), extend("x-kubernetes-validations" = [validation::rule("self.all(p, self.exists_one(q, q.port == p.port))", "Port for listener configuration must be unique within the Gateway")]))]
    pub per_port: Vec<ListenerPort>,
}

recognised! {
    /// `spec.default` and `spec.perPort[].listener` of a ListenerPolicy.
    #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
    ListenerSettings {
        /// Settings of HTTP listeners.
        #[serde(default, rename = "httpSettings", skip_serializing_if = "Option::is_none")]
        http_settings: Option<HttpSettings>,
        /// How the certificates of clients are validated, at HTTPS listeners.
        #[serde(default, rename = "clientCertificateValidation", skip_serializing_if = "Option::is_none")]
        client_certificate_validation: Option<ClientCertificateValidation>,
        /// If set, connections must begin with a PROXY protocol header, version 1 or 2, and are closed without one;
        /// none by default.
        #[serde(default, rename = "proxyProtocol", skip_serializing_if = "Option::is_none")]
        proxy_protocol: Option<ProxyProtocolSettings>,
        /// TCP keepalive probes; none by default.
        #[serde(default, rename = "tcpKeepalive", skip_serializing_if = "Option::is_none")]
        tcp_keepalive: Option<TcpKeepaliveSpec>,
        /// How long the PROXY protocol header and the TLS handshake may take together. `0s` is unlimited; 15s by
        /// default.
        #[serde(
            default,
            rename = "transportSocketConnectTimeout",
            skip_serializing_if = "Option::is_none"
        )]
        #[schemars(schema_with = "validation::duration")]
        transport_socket_connect_timeout: Option<String>,
    }
    unsupported {}
    without_effect {
        per_connection_buffer_limit_bytes = "perConnectionBufferLimitBytes": "what is buffered of a connection is bounded by its flow control windows",
    }
}

http_settings! {
    /// `spec.default.httpSettings` of a ListenerPolicy.
    #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
    HttpSettings {}
}

http_settings! {
    /// `spec` of an HTTPListenerPolicy, the older form of ListenerPolicy.
    #[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
    #[kube(group = "gateway.kgateway.dev", version = "v1alpha1", kind = "HTTPListenerPolicy", namespaced)]
    #[kube(root = "HttpListenerPolicy", plural = "httplistenerpolicies")]
    #[kube(schema = "disabled", derive = "PartialEq")]
    HttpListenerPolicySpec {
        /// The Gateways that the policy applies to.
        #[serde(default, rename = "targetRefs", skip_serializing_if = "Vec::is_empty")]
        #[schemars(length(min = 1, max = 16), extend("x-kubernetes-validations" = [gateways_only("targetRefs")]))]
        target_refs: Vec<TargetRef>,
        /// Selects Gateways by label.
        #[serde(default, rename = "targetSelectors", skip_serializing_if = "Vec::is_empty")]
        #[schemars(length(max = 64), extend("x-kubernetes-validations" = [gateways_only("targetSelectors")]))]
        target_selectors: Vec<TargetSelector>,
    }
}

/// The rule for the targets of a ListenerPolicy and an HTTPListenerPolicy.
fn gateways_only(field: &str) -> serde_json::Value {
    validation::targets_only(
        &[("gateway.networking.k8s.io", &["Gateway"])],
        &format!("{field} may only reference Gateway resource"),
    )
}
