//! kgateway's resources (`gateway.kgateway.dev/v1alpha1`). Every field is recognised; those that are not supported yet
//! are kept as [`Unsupported`], so that the report can name them.

use kube::CustomResource;
use serde::{Deserialize, Serialize};

use crate::api::target::{TargetRef, TargetSelector};

/// The value of a field that is recognised but not supported.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Unsupported(pub serde_json::Value);

/// A struct with fields that are supported and fields that are not, and a method that names those of the latter that
/// are set.
macro_rules! recognised {
    ($(#[$meta:meta])* $name:ident { $($(#[$field_meta:meta])* $field:ident: $type:ty,)* }
     unsupported { $($other:ident = $wire:literal,)* }) => {
        $(#[$meta])*
        pub struct $name {
            $($(#[$field_meta])* pub $field: $type,)*
            $(
                /// Not supported.
                #[serde(default, rename = $wire, skip_serializing_if = "Option::is_none")]
                pub $other: Option<Unsupported>,
            )*
        }

        impl $name {
            /// The fields that are set but not supported.
            pub fn unsupported(&self) -> impl Iterator<Item = &'static str> + use<> {
                [$(self.$other.is_some().then_some($wire)),*].into_iter().flatten()
            }
        }
    };
}

/// `recognised!`, with the HTTP settings that ListenerPolicy nests and HTTPListenerPolicy has at its top.
macro_rules! http_settings {
    ($($head:tt)*) => {
        recognised! {
            $($head)*
            unsupported {
                accept_http10 = "acceptHttp10",
                default_host_for_http10 = "defaultHostForHttp10",
                early_request_header_modifier = "earlyRequestHeaderModifier",
                forward_client_cert_details = "forwardClientCertDetails",
                generate_request_id = "generateRequestId",
                health_check = "healthCheck",
                http2_protocol_options = "http2ProtocolOptions",
                idle_timeout = "idleTimeout",
                local_replies = "localReplies",
                max_headers_count = "maxHeadersCount",
                max_request_headers_kb = "maxRequestHeadersKb",
                max_requests_per_connection = "maxRequestsPerConnection",
                preserve_external_request_id = "preserveExternalRequestId",
                preserve_http1_header_case = "preserveHttp1HeaderCase",
                proxy_100_continue = "proxy100Continue",
                server_header_transformation = "serverHeaderTransformation",
                server_name = "serverName",
                skip_xff_append = "skipXFFAppend",
                stream_idle_timeout = "streamIdleTimeout",
                strip_host_port_mode = "stripHostPortMode",
                strip_trailing_host_dot = "stripTrailingHostDot",
                tracing = "tracing",
                upgrade_config = "upgradeConfig",
                use_remote_address = "useRemoteAddress",
                uuid_request_id_config = "uuidRequestIdConfig",
                xff_num_trusted_hops = "xffNumTrustedHops",
                xff_trusted_cidrs = "xffTrustedCIDRs",
            }
        }
    };
}

recognised! {
    /// `spec` of a Backend: where requests go, in exactly one of the ways.
    #[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
    #[kube(group = "gateway.kgateway.dev", version = "v1alpha1", kind = "Backend", namespaced)]
    #[kube(schema = "disabled", derive = "PartialEq")]
    BackendSpec {
        /// Optional: the one field that is set decides.
        #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
        backend_type: Option<BackendType>,
        /// To the host that the request names.
        #[serde(default, rename = "dynamicForwardProxy", skip_serializing_if = "Option::is_none")]
        dynamic_forward_proxy: Option<DynamicForwardProxy>,
        /// To fixed hosts.
        #[serde(default, rename = "static", skip_serializing_if = "Option::is_none")]
        fixed: Option<StaticBackend>,
    }
    unsupported {
        aws = "aws",
        gcp = "gcp",
        priority_groups = "priorityGroups",
    }
}

/// `spec.type` of a Backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum BackendType {
    /// `aws`
    #[serde(rename = "AWS")]
    Aws,
    /// `static`
    Static,
    /// `dynamicForwardProxy`
    DynamicForwardProxy,
    /// `gcp`
    #[serde(rename = "GCP")]
    Gcp,
    /// `priorityGroups`
    PriorityGroups,
}

/// `spec.dynamicForwardProxy` of a Backend.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DynamicForwardProxy {
    /// Whether requests that do not say so themselves go over TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enable_tls: Option<bool>,
}

/// `spec.static` of a Backend.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StaticBackend {
    /// `http2`, `grpc`, `grpc-web`, `kubernetes.io/h2c` or `kubernetes.io/ws`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_protocol: Option<String>,
    /// At least one.
    pub hosts: Vec<StaticHost>,
}

/// One of `spec.static.hosts`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StaticHost {
    /// A name or an IP address.
    pub host: String,
    /// Its port.
    pub port: i32,
}

recognised! {
    /// `spec` of a DirectResponse: a fixed answer.
    #[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
    #[kube(group = "gateway.kgateway.dev", version = "v1alpha1", kind = "DirectResponse", namespaced)]
    #[kube(schema = "disabled", derive = "PartialEq")]
    DirectResponseSpec {
        /// 200 to 599.
        status: i32,
        /// 1 to 4096 characters; none by default.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        body: Option<String>,
    }
    unsupported {
        body_format = "bodyFormat",
    }
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
    /// For every port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<ListenerSettings>,
    /// Not supported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_port: Option<Unsupported>,
}

recognised! {
    /// `spec.default` of a ListenerPolicy.
    #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
    ListenerSettings {
        /// Settings of HTTP listeners.
        #[serde(default, rename = "httpSettings", skip_serializing_if = "Option::is_none")]
        http_settings: Option<HttpSettings>,
    }
    unsupported {
        client_certificate_validation = "clientCertificateValidation",
        per_connection_buffer_limit_bytes = "perConnectionBufferLimitBytes",
        proxy_protocol = "proxyProtocol",
        tcp_keepalive = "tcpKeepalive",
        transport_socket_connect_timeout = "transportSocketConnectTimeout",
    }
}

http_settings! {
    /// `spec.default.httpSettings` of a ListenerPolicy.
    #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
    HttpSettings {
        /// Where the access log goes. Only the empty list is supported: it turns the log off.
        #[serde(default, rename = "accessLog", skip_serializing_if = "Option::is_none")]
        access_log: Option<Vec<Unsupported>>,
    }
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
        /// As in [`HttpSettings`].
        #[serde(default, rename = "accessLog", skip_serializing_if = "Option::is_none")]
        access_log: Option<Vec<Unsupported>>,
    }
}
