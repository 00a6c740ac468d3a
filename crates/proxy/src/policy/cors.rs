//! `CORS` of an HTTPRoute and `cors` of a TrafficPolicy: preflight requests are answered here, and responses shared with
//! the pages of allowed origins.

use egret_config::policy::traffic::TrafficSettings;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method};

/// The origin of the page that sent a request, if it may read the response. A tunnel has no response that could be read.
pub(crate) fn allowed_origin<'r>(
    policies: &TrafficSettings,
    request: &'r Parts,
) -> Option<&'r HeaderValue> {
    let cors = policies.cors.value()?;
    let is_tunnel = request.method == Method::CONNECT;
    cors.allowed_origin(&request.headers).filter(|_| !is_tunnel)
}

/// The fields of the answer to a preflight request, whose origin is `origin` if it is an allowed one; `None` for all other
/// requests.
pub(crate) fn preflight(
    policies: &TrafficSettings,
    request: &Parts,
    origin: Option<&HeaderValue>,
) -> Option<HeaderMap> {
    let cors = policies.cors.value()?;
    cors.preflight(&request.method, &request.headers, origin)
}

/// Lets the page of an allowed origin read a response.
pub(super) fn edit_response(
    policies: &TrafficSettings,
    origin: Option<&HeaderValue>,
    headers: &mut HeaderMap,
) {
    if let (Some(origin), Some(cors)) = (origin, policies.cors.value()) {
        cors.share(origin, headers);
    }
}
