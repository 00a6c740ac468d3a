//! `spec.tracing` of a TrafficPolicy: which requests are traced.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::kgateway::TracingAttributeSpec;

recognised! {
    /// `spec.tracing` of a TrafficPolicy: what is other than `tracing` of the ListenerPolicy, which says where spans go.
    #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
    TrafficTracing {
        /// More attributes of every span, each in place of the listener's of the same name.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        #[schemars(length(max = 16))]
        attributes: Vec<TracingAttributeSpec>,
        /// Traces none of the requests.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        disable: Option<TracingDisabled>,
        /// The most requests that are traced, in percent; 100 by default if `randomSampling` is set, else the listener's.
        #[serde(default, rename = "overallSampling", skip_serializing_if = "Option::is_none")]
        #[schemars(with = "Option<i32>", range(min = 0, max = 100))]
        overall_sampling: Option<i64>,
        /// The requests that are traced, in percent; 100 by default if `overallSampling` is set, else the listener's.
        #[serde(default, rename = "randomSampling", skip_serializing_if = "Option::is_none")]
        #[schemars(with = "Option<i32>", range(min = 0, max = 100))]
        random_sampling: Option<i64>,
    }
    unsupported {}
    without_effect {
        client_sampling = "clientSampling": "no field of a request forces a trace",
    }
}

/// `disable` of tracing: it is there, or it is not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TracingDisabled {}
