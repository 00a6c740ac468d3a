//! `internalRedirect` of a TrafficPolicy: redirects that the gateway follows in place of the client.

use std::collections::BTreeSet;

use http::{HeaderName, StatusCode};
use serde::Serialize;

use super::headers::as_names;

/// Which redirects are followed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InternalRedirect {
    /// The statuses of responses that are followed.
    pub statuses: BTreeSet<u16>,
    /// How many redirects of one request are followed.
    pub most: u32,
    /// Whether a redirect may lead from `http` to `https`, or back.
    pub crosses_schemes: bool,
    /// Header fields of the redirect that the next request has, in place of its own of these names.
    #[serde(serialize_with = "as_names")]
    pub copied: Vec<HeaderName>,
}

impl InternalRedirect {
    /// Whether a response of this status is followed.
    #[must_use]
    pub fn follows(&self, status: StatusCode) -> bool {
        self.statuses.contains(&status.as_u16())
    }
}
