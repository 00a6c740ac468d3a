//! `tracing` of the HTTP settings of a ListenerPolicy or HTTPListenerPolicy.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::collector::{CollectorSpec, HttpCollectorSpec};
use crate::validation;

recognised! {
    /// `tracing`: which requests are traced, and where their spans go.
    #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
    TracingSpec {
        /// Attributes of every span.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        attributes: Vec<TracingAttributeSpec>,
        /// The most bytes of the path in a span; 256 by default.
        #[serde(default, rename = "maxPathTagLength", skip_serializing_if = "Option::is_none")]
        #[schemars(with = "Option<i32>", range(min = 1))]
        max_path_tag_length: Option<i64>,
        /// The most requests that are traced, in percent; 100 by default.
        #[serde(default, rename = "overallSampling", skip_serializing_if = "Option::is_none")]
        #[schemars(with = "Option<i32>", range(min = 0, max = 100))]
        overall_sampling: Option<i64>,
        /// Where spans go.
        provider: TracingProviderSpec,
        /// The requests that are traced, in percent; 100 by default.
        #[serde(default, rename = "randomSampling", skip_serializing_if = "Option::is_none")]
        #[schemars(with = "Option<i32>", range(min = 0, max = 100))]
        random_sampling: Option<i64>,
        /// Whether the way to the upstream has a span of its own.
        #[serde(default, rename = "spawnUpstreamSpan", skip_serializing_if = "Option::is_none")]
        #[schemars(extend("x-egret-differs" = "one span for all attempts"))]
        spawn_upstream_span: Option<bool>,
    }
    unsupported {}
    without_effect {
        client_sampling = "clientSampling": "no field of a request forces a trace",
        verbose = "verbose": "a span has the same events in any case",
    }
}

/// `provider` of tracing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TracingProviderSpec {
    /// A collector of OpenTelemetry.
    pub open_telemetry: OpenTelemetryTracingSpec,
}

recognised! {
    /// `provider.openTelemetry` of tracing.
    #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
    #[schemars(extend("x-kubernetes-validations" = [validation::exactly_one(&["grpcService", "httpService"])]))]
    OpenTelemetryTracingSpec {
        /// The collector, which is told by gRPC.
        #[serde(default, rename = "grpcService", skip_serializing_if = "Option::is_none")]
        grpc_service: Option<CollectorSpec>,
        /// The collector, which is told by HTTP.
        #[serde(default, rename = "httpService", skip_serializing_if = "Option::is_none")]
        http_service: Option<HttpCollectorSpec>,
        /// `service.name` of the resource; the name and the namespace of the Gateway by default, with a dot between them.
        #[serde(default, rename = "serviceName", skip_serializing_if = "Option::is_none")]
        service_name: Option<String>,
        /// Where more attributes of the resource come from.
        #[serde(default, rename = "resourceDetectors", skip_serializing_if = "Vec::is_empty")]
        resource_detectors: Vec<ResourceDetectorSpec>,
    }
    unsupported {}
    without_effect {
        sampler = "sampler": "all requests that are sampled are traced",
    }
}

/// `resourceDetectors[]`: where attributes of the resource come from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResourceDetectorSpec {
    /// The variable `OTEL_RESOURCE_ATTRIBUTES` of the environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment_resource_detector: Option<EnvironmentDetectorSpec>,
}

/// `environmentResourceDetector` of a resource detector.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EnvironmentDetectorSpec {
    /// Whether it is used; `true` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enable: Option<bool>,
}

/// An attribute of every span: one of `literal`, `requestHeader`, `environment` and `metadata`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TracingAttributeSpec {
    /// The name.
    pub name: String,
    /// A text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub literal: Option<LiteralAttribute>,
    /// The value of a header field of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_header: Option<NamedAttribute>,
    /// The value of a variable of the process's environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<NamedAttribute>,
    /// A value of the metadata of Envoy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-egret-differs" = "there is no such metadata, so that the value is always `defaultValue`"))]
    pub metadata: Option<MetadataAttribute>,
}

/// A value of metadata as an attribute.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MetadataAttribute {
    /// Whose metadata it is.
    #[schemars(extend("enum" = ["Request", "Route", "Cluster", "Host"]))]
    pub kind: String,
    /// Where the value is.
    pub metadata_key: MetadataKey,
    /// The value if there is none; the attribute is left out by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_value: Option<String>,
}

/// Where a value is in metadata.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MetadataKey {
    /// The key of the metadata.
    pub key: String,
    /// The keys that lead to the value.
    pub path: Vec<MetadataSegment>,
}

/// A key on the way to a value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MetadataSegment {
    /// The key.
    pub key: String,
}

/// A text as an attribute.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LiteralAttribute {
    /// The text.
    pub value: String,
}

/// What is named, as an attribute.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NamedAttribute {
    /// The name.
    pub name: String,
    /// The value if there is none; the attribute is left out by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_value: Option<String>,
}
