//! `spec.requestMirror` of a TrafficPolicy: what mirrored requests say.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `spec.requestMirror` of a TrafficPolicy. At least one of the fields must be set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("minProperties" = 1))]
pub struct TrafficRequestMirror {
    /// `true` leaves the `Host` of copies as it is, without `-shadow`; `false` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disable_shadow_host_suffix_append: Option<bool>,
    /// The `Host` of copies, with a port if it has one. With a DynamicForwardProxy as mirror this is also where they
    /// go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub host_rewrite_literal: Option<String>,
}
