//! `spec.csrf` of a TrafficPolicy: refuses requests that pages of other origins send (cross-site request forgery).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::validation;

/// `spec.csrf` of a TrafficPolicy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [validation::at_most_one(&["percentageEnabled", "percentageShadowed"])]))]
pub struct TrafficCsrf {
    /// How many of a hundred requests are judged; all by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "validation::percentage")]
    pub percentage_enabled: Option<i64>,
    /// In place of `percentageEnabled`: as many are judged and let through all the same; none by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "validation::percentage")]
    pub percentage_shadowed: Option<i64>,
    /// Other origins that may send requests, compared with the host and port of an origin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub additional_origins: Option<Vec<OriginMatch>>,
}

/// `spec.csrf.additionalOrigins[]` of a TrafficPolicy. Exactly one of the fields but `ignoreCase` must be set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [validation::exactly_one(&["exact", "prefix", "suffix", "contains", "safeRegex"])]))]
pub struct OriginMatch {
    /// The whole text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exact: Option<String>,
    /// Its beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// Its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suffix: Option<String>,
    /// A part of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contains: Option<String>,
    /// A regular expression that matches all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub safe_regex: Option<String>,
    /// Whether letters match in either case. Not for `safeRegex`, which takes `(?i)`; `false` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ignore_case: Option<bool>,
}
