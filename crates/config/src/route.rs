//! Which rule a request falls under: matching and precedence of HTTPRoute (Gateway API, HTTPRouteMatch).

use serde::Serialize;

/// The rules attached to one listener.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RouteTable {}

/// Whether `prefix` covers `path` by whole segments: `/v1` and `/v1/` cover `/v1`, `/v1/` and `/v1/x`, not `/v10`
/// (Gateway API, `PathPrefix`).
#[must_use]
pub fn prefix_matches(prefix: &str, path: &str) -> bool {
    let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
    path.strip_prefix(prefix)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
