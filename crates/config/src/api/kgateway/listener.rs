//! `ListenerPolicy` and `HTTPListenerPolicy`: settings of listeners.

use kube::CustomResource;
use serde::{Deserialize, Serialize};

use super::{TcpKeepalive, Unsupported};
use crate::api::target::{TargetRef, TargetSelector};

mod parts;

pub use parts::{
    AuthorityReference, ClientCertificateValidation, ListenerHttp2, ListenerPort,
    ProxyProtocolSettings, UpgradeConfig,
};

/// `recognised!`, with the HTTP settings that ListenerPolicy nests and HTTPListenerPolicy has at its top.
macro_rules! http_settings {
    ($(#[$meta:meta])* $name:ident { $($more:tt)* }) => {
        recognised! {
            $(#[$meta])*
            $name {
                /// Where the access log goes. Only the empty list is supported: it turns the log off.
                #[serde(default, rename = "accessLog", skip_serializing_if = "Option::is_none")]
                access_log: Option<Vec<Unsupported>>,
                /// How long a connection may wait for a next request.
                #[serde(default, rename = "idleTimeout", skip_serializing_if = "Option::is_none")]
                idle_timeout: Option<String>,
                /// How long nothing of an exchange may move.
                #[serde(default, rename = "streamIdleTimeout", skip_serializing_if = "Option::is_none")]
                stream_idle_timeout: Option<String>,
                /// Most header fields of a request.
                #[serde(default, rename = "maxHeadersCount", skip_serializing_if = "Option::is_none")]
                max_headers_count: Option<i64>,
                /// Largest head of a request, in KiB.
                #[serde(default, rename = "maxRequestHeadersKb", skip_serializing_if = "Option::is_none")]
                max_request_headers_kb: Option<i64>,
                /// Most requests on a connection.
                #[serde(default, rename = "maxRequestsPerConnection", skip_serializing_if = "Option::is_none")]
                max_requests_per_connection: Option<i64>,
                /// Connections of HTTP/2.
                #[serde(default, rename = "http2ProtocolOptions", skip_serializing_if = "Option::is_none")]
                http2_protocol_options: Option<ListenerHttp2>,
                /// What connections may become.
                #[serde(default, rename = "upgradeConfig", skip_serializing_if = "Option::is_none")]
                upgrade_config: Option<UpgradeConfig>,
                $($more)*
            }
            unsupported {
                accept_http10 = "acceptHttp10",
                default_host_for_http10 = "defaultHostForHttp10",
                early_request_header_modifier = "earlyRequestHeaderModifier",
                forward_client_cert_details = "forwardClientCertDetails",
                generate_request_id = "generateRequestId",
                health_check = "healthCheck",
                local_replies = "localReplies",
                preserve_external_request_id = "preserveExternalRequestId",
                preserve_http1_header_case = "preserveHttp1HeaderCase",
                proxy_100_continue = "proxy100Continue",
                server_header_transformation = "serverHeaderTransformation",
                server_name = "serverName",
                skip_xff_append = "skipXFFAppend",
                strip_host_port_mode = "stripHostPortMode",
                strip_trailing_host_dot = "stripTrailingHostDot",
                tracing = "tracing",
                use_remote_address = "useRemoteAddress",
                uuid_request_id_config = "uuidRequestIdConfig",
                xff_num_trusted_hops = "xffNumTrustedHops",
                xff_trusted_cidrs = "xffTrustedCIDRs",
            }
        }
    };
}

/// `spec` of a ListenerPolicy: settings of the listeners of a Gateway.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "gateway.kgateway.dev",
    version = "v1alpha1",
    kind = "ListenerPolicy",
    namespaced
)]
#[kube(schema = "disabled", derive = "PartialEq")]
#[serde(rename_all = "camelCase")]
pub struct ListenerPolicySpec {
    /// Gateways, or listeners of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub target_refs: Vec<TargetRef>,
    /// Gateways by label.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub target_selectors: Vec<TargetSelector>,
    /// For every port that has no settings of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<ListenerSettings>,
    /// Settings of one port, in place of the default.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub per_port: Vec<ListenerPort>,
}

recognised! {
    /// `spec.default` of a ListenerPolicy, and what it has for one port.
    #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
    ListenerSettings {
        /// Settings of HTTP listeners.
        #[serde(default, rename = "httpSettings", skip_serializing_if = "Option::is_none")]
        http_settings: Option<HttpSettings>,
        /// Whose certificates clients of HTTPS listeners have to show.
        #[serde(default, rename = "clientCertificateValidation", skip_serializing_if = "Option::is_none")]
        client_certificate_validation: Option<ClientCertificateValidation>,
        /// Set if connections begin with a PROXY protocol header.
        #[serde(default, rename = "proxyProtocol", skip_serializing_if = "Option::is_none")]
        proxy_protocol: Option<ProxyProtocolSettings>,
        /// Probes on quiet connections; none by default.
        #[serde(default, rename = "tcpKeepalive", skip_serializing_if = "Option::is_none")]
        tcp_keepalive: Option<TcpKeepalive>,
        /// How long what comes before HTTP may take.
        #[serde(
            default,
            rename = "transportSocketConnectTimeout",
            skip_serializing_if = "Option::is_none"
        )]
        transport_socket_connect_timeout: Option<String>,
    }
    unsupported {
        per_connection_buffer_limit_bytes = "perConnectionBufferLimitBytes",
    }
}

http_settings! {
    /// `spec.default.httpSettings` of a ListenerPolicy.
    #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
    HttpSettings {}
}

http_settings! {
    /// `spec` of an HTTPListenerPolicy, the older form of ListenerPolicy.
    #[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
    #[kube(group = "gateway.kgateway.dev", version = "v1alpha1", kind = "HTTPListenerPolicy", namespaced)]
    #[kube(root = "HttpListenerPolicy", plural = "httplistenerpolicies")]
    #[kube(schema = "disabled", derive = "PartialEq")]
    HttpListenerPolicySpec {
        /// Gateways.
        #[serde(default, rename = "targetRefs", skip_serializing_if = "Vec::is_empty")]
        target_refs: Vec<TargetRef>,
        /// Gateways by label.
        #[serde(default, rename = "targetSelectors", skip_serializing_if = "Vec::is_empty")]
        target_selectors: Vec<TargetSelector>,
    }
}
