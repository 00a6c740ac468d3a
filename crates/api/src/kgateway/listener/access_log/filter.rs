//! `filter` of a sink of the access log.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::validation;

/// Defines a struct whose fields are the single filters, and more.
macro_rules! filters {
    ($(#[$meta:meta])* $name:ident { $($more:tt)* }) => {
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "camelCase")]
        $(#[$meta])*
        pub struct $name {
            /// By the status of the response; 0 without one.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub status_code_filter: Option<ComparisonFilterSpec>,
            /// By how long the exchange took, in milliseconds.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub duration_filter: Option<ComparisonFilterSpec>,
            /// Whatever health checks of listeners did not answer.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub not_health_check_filter: Option<bool>,
            /// What is traced, and told to a collector.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub traceable_filter: Option<bool>,
            /// A share of all.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub runtime_filter: Option<RuntimeFilterSpec>,
            /// By a header field of the request.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub header_filter: Option<HeaderFilterSpec>,
            /// By what went wrong.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub response_flag_filter: Option<ResponseFlagFilterSpec>,
            /// By the status of gRPC.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub grpc_status_filter: Option<GrpcStatusFilterSpec>,
            /// By an expression.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub cel_filter: Option<CelFilterSpec>,
            $($more)*
        }
    };
}

filters! {
    /// `filter`: one condition.
    LogFilterSpec {
        /// All of these have to hold.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(with = "Vec<OneFilterSpec>", length(min = 2))]
        pub and_filter: Option<Vec<OneFilterSpec>>,
        /// One of these has to hold.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(with = "Vec<OneFilterSpec>", length(min = 2))]
        pub or_filter: Option<Vec<OneFilterSpec>>,
    }
}

filters! {
    /// `andFilter[]` and `orFilter[]`: one condition that has no others in it.
    #[schemars(extend("minProperties" = 1, "maxProperties" = 1))]
    OneFilterSpec {}
}

/// `statusCodeFilter` and `durationFilter`: a comparison.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ComparisonFilterSpec {
    /// `EQ`, `GE` or `LE`.
    #[schemars(extend("enum" = ["EQ", "GE", "LE"]))]
    pub op: String,
    /// What is compared with.
    #[schemars(with = "i64", range(min = 0, max = 4_294_967_295_i64))]
    pub value: i64,
}

/// `runtimeFilter`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RuntimeFilterSpec {
    /// The key by which Envoy looks up another share while it runs; there is none here.
    #[schemars(length(min = 1))]
    pub runtime_key: String,
    /// The share.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent_sampled: Option<SampledSpec>,
    /// Whether each sink draws its own lot; it always does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub use_independent_randomness: Option<bool>,
}

/// `percentSampled`: a fraction.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SampledSpec {
    /// The numerator.
    #[schemars(with = "i32", range(min = 0))]
    pub numerator: i64,
    /// `HUNDRED`, `TEN_THOUSAND` or `MILLION`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", extend("enum" = ["HUNDRED", "TEN_THOUSAND", "MILLION"]))]
    pub denominator: Option<String>,
}

/// `headerFilter`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HeaderFilterSpec {
    /// The field.
    pub header: HeaderMatchSpec,
}

/// `header` of a `headerFilter`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HeaderMatchSpec {
    /// `Exact` or `RegularExpression`.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", extend("enum" = ["Exact", "RegularExpression"], "default" = "Exact"))]
    pub kind: Option<String>,
    /// The name of the field.
    #[schemars(schema_with = "validation::header_name")]
    pub name: String,
    /// The value, or the expression that matches it.
    #[schemars(length(min = 1, max = 4096))]
    pub value: String,
}

/// `responseFlagFilter`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ResponseFlagFilterSpec {
    /// Envoy's flags, by their letters, such as `UF`.
    #[schemars(length(min = 1))]
    pub flags: Vec<String>,
}

/// `grpcStatusFilter`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GrpcStatusFilterSpec {
    /// The statuses, such as `UNAVAILABLE`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1))]
    pub statuses: Vec<String>,
    /// Whether all others are meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exclude: Option<bool>,
}

/// `celFilter`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CelFilterSpec {
    /// The expression.
    #[serde(rename = "match")]
    pub expression: String,
}
