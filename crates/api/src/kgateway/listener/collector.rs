//! Services that collect telemetry, and what is said of each exchange to a collector of OpenTelemetry.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::kgateway::gateway_extension::has_port;
use crate::kgateway::{ServiceBackoff, ServiceRef};
use crate::validation;

/// Writes a struct for a service that collects telemetry: the fields that all have, after some of its own.
macro_rules! collector_spec {
    ($(#[$meta:meta])* $name:ident { $($(#[$field_meta:meta])* $field:ident: $type:ty,)* }) => {
        recognised! {
            $(#[$meta])*
            #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
            $name {
                $($(#[$field_meta])* $field: $type,)*
                /// `:authority` of the calls; the host and port of the service by default.
                #[serde(default, skip_serializing_if = "Option::is_none")]
                authority: Option<String>,
                /// The service.
                #[serde(rename = "backendRef")]
                #[schemars(extend("x-kubernetes-validations" = [has_port()]))]
                backend_ref: ServiceRef,
                /// Header fields of the calls.
                #[serde(default, rename = "initialMetadata", skip_serializing_if = "Vec::is_empty")]
                initial_metadata: Vec<CallMetadata>,
                /// When a call is made again, within the timeout.
                #[serde(default, rename = "retryPolicy", skip_serializing_if = "Option::is_none")]
                retry_policy: Option<CollectorRetry>,
                /// The longest time that a call may take; 5s by default.
                #[serde(default, skip_serializing_if = "Option::is_none")]
                #[schemars(schema_with = "validation::duration", extend("x-kubernetes-validations" = [validation::at_least("1ms", "timeout must be at least 1ms.")]))]
                timeout: Option<String>,
            }
            unsupported {}
            without_effect {
                max_receive_message_length = "maxReceiveMessageLength": "no more than 1 MiB is read of an answer",
                skip_envoy_headers = "skipEnvoyHeaders": "Egret adds none of the fields that it leaves out",
            }
        }

        impl $name {
            /// How the service is called.
            #[must_use]
            pub fn call(&self) -> CollectorCall<'_> {
                CollectorCall {
                    authority: self.authority.as_deref(),
                    backend_ref: &self.backend_ref,
                    initial_metadata: &self.initial_metadata,
                    retry_policy: self.retry_policy.as_ref(),
                    timeout: self.timeout.as_deref(),
                    path: None,
                }
            }
        }
    };
}

/// How a service that collects telemetry is called.
#[derive(Clone, Copy, Debug)]
pub struct CollectorCall<'a> {
    /// `authority`.
    pub authority: Option<&'a str>,
    /// `backendRef`.
    pub backend_ref: &'a ServiceRef,
    /// `initialMetadata`.
    pub initial_metadata: &'a [CallMetadata],
    /// `retryPolicy`.
    pub retry_policy: Option<&'a CollectorRetry>,
    /// `timeout`.
    pub timeout: Option<&'a str>,
    /// The path of requests over HTTP; calls of gRPC have none.
    pub path: Option<&'a str>,
}

impl<'a> CollectorCall<'a> {
    /// The same by requests over HTTP to this path.
    #[must_use]
    pub const fn over_http(self, path: &'a str) -> Self {
        Self {
            path: Some(path),
            ..self
        }
    }
}

collector_spec! {
    /// `grpcService` of an access log: an access log service of Envoy (`envoy.service.accesslog.v3`).
    LogServiceSpec {
        /// The name of the log, which the service is told.
        #[serde(rename = "logName")]
        log_name: String,
        /// Header fields of requests that the service is told.
        #[serde(default, rename = "additionalRequestHeadersToLog", skip_serializing_if = "Vec::is_empty")]
        request_headers: Vec<String>,
        /// Header fields of responses, likewise.
        #[serde(default, rename = "additionalResponseHeadersToLog", skip_serializing_if = "Vec::is_empty")]
        response_headers: Vec<String>,
        /// Trailer fields of responses, likewise.
        #[serde(default, rename = "additionalResponseTrailersToLog", skip_serializing_if = "Vec::is_empty")]
        response_trailers: Vec<String>,
    }
}

collector_spec! {
    /// `openTelemetry.grpcService` of an access log: a collector of OpenTelemetry (OTLP over gRPC).
    LogCollectorSpec {
        /// The name of the log, which is the attribute `log_name` of the resource.
        #[serde(rename = "logName")]
        log_name: String,
    }
}

collector_spec! {
    /// `grpcService` of a collector of OpenTelemetry (OTLP over gRPC).
    CollectorSpec {}
}

collector_spec! {
    /// `openTelemetry.httpService` of an access log: a collector of OpenTelemetry (OTLP over HTTP, in binary).
    LogHttpCollectorSpec {
        /// The name of the log, which is the attribute `log_name` of the resource.
        #[serde(default, rename = "logName", skip_serializing_if = "Option::is_none")]
        log_name: Option<String>,
        /// The path of the requests; `/v1/logs` by default.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        path: Option<String>,
    }
}

collector_spec! {
    /// `httpService` of a collector of OpenTelemetry (OTLP over HTTP, in binary).
    HttpCollectorSpec {
        /// The path of the requests; `/v1/traces` by default.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        path: Option<String>,
    }
}

/// A header field of calls.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CallMetadata {
    /// The name.
    pub key: String,
    /// The value.
    #[serde(default)]
    pub value: String,
}

/// The value may be a credential.
impl std::fmt::Debug for CallMetadata {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CallMetadata")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

/// When a call is made again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CollectorRetry {
    /// How often; 1 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<i32>", range(min = 1))]
    pub num_retries: Option<i64>,
    /// The pauses before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_back_off: Option<ServiceBackoff>,
}

/// `openTelemetry` of an access log.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [validation::exactly_one(&["grpcService", "httpService"])]))]
pub struct OpenTelemetrySpec {
    /// The collector, which is told by gRPC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grpc_service: Option<LogCollectorSpec>,
    /// The collector, which is told by HTTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_service: Option<LogHttpCollectorSpec>,
    /// The body of a log record, text with command operators; the line of the default log by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-egret-differs" = "the line of the default log by default, in place of none"))]
    pub body: Option<String>,
    /// The attributes of a log record, whose texts have command operators.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attributes: Option<AnyValueList>,
    /// More attributes of the resource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_attributes: Option<AnyValueList>,
    /// Whether the attributes that the resource has by itself are left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-egret-differs" = "they are `log_name`, `node_name` and `service.name`"))]
    pub disable_builtin_labels: Option<bool>,
}

/// Attributes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AnyValueList {
    /// Each a key with its value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<AnyValueEntry>,
}

/// An attribute.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AnyValueEntry {
    /// The key.
    pub key: String,
    /// The value: one of `stringValue`, `arrayValue` and `kvListValue`, which have such values in them.
    #[schemars(schema_with = "validation::any_object")]
    pub value: Map<String, Value>,
}
