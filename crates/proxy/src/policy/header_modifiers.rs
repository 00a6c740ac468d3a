//! `headerModifiers` of a TrafficPolicy: changes to the fields of requests and responses. Which fields may be changed was
//! checked when the policy was read.

use egret_config::policy::traffic::TrafficSettings;
use http::HeaderMap;

/// Makes the changes to a request.
pub(super) fn edit_request(policies: &TrafficSettings, headers: &mut HeaderMap) {
    if let Some(modifiers) = policies.header_modifiers.value() {
        modifiers.request.apply(headers);
    }
}

/// Makes the changes to a response.
pub(super) fn edit_response(policies: &TrafficSettings, headers: &mut HeaderMap) {
    if let Some(modifiers) = policies.header_modifiers.value() {
        modifiers.response.apply(headers);
    }
}
