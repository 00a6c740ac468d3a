//! `spec.compression` of a TrafficPolicy.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::PolicyDisable;
use crate::validation;

/// `spec.compression` of a TrafficPolicy. At least one of the fields must be set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [validation::at_least_one(&["responseCompression", "requestDecompression"])]))]
pub struct TrafficCompression {
    /// Compresses responses: a client gets the coding that its `Accept-Encoding` wants most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_compression: Option<CompressionLibraries>,
    /// Decompresses request bodies in one of these codings, and sends them without `Content-Encoding`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_decompression: Option<CompressionLibraries>,
}

/// The codings of one direction.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CompressionLibraries {
    /// The codings; `Gzip` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 3), extend("default" = ["Gzip"], "x-kubernetes-list-type" = "set"))]
    pub libraries: Option<Vec<CompressionLibrary>>,
    /// Leaves bodies as they are, even if a wider policy does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disable: Option<PolicyDisable>,
}

/// A coding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum CompressionLibrary {
    /// gzip.
    Gzip,
    /// Brotli.
    Brotli,
    /// Zstandard.
    Zstd,
}
