//! Reads the pauses before a service is asked again.

use std::time::Duration;

use egret_api::kgateway::ServiceBackoff;

use crate::compile::value::{ONE_MILLISECOND, SpecFields};

/// The first and the longest pause. `usual` is the first one by default; the longest is ten times the first, as in Envoy.
pub(in super::super) fn read_pauses(
    spec: Option<&ServiceBackoff>,
    usual: Duration,
    mut fields: SpecFields<'_>,
) -> (Duration, Duration) {
    let first = spec.map(|pauses| pauses.base_interval.as_str());
    let first = fields.time("baseInterval", first, ONE_MILLISECOND);
    let longest = spec.and_then(|pauses| pauses.max_interval.as_deref());
    let longest = fields.time("maxInterval", longest, ONE_MILLISECOND);
    let first = first.unwrap_or(usual);
    let longest = longest.unwrap_or_else(|| first.saturating_mul(10));
    if longest < first {
        fields.fault(
            "maxInterval",
            "maxInterval must be greater than or equal to baseInterval",
        );
    }
    (first, longest)
}
