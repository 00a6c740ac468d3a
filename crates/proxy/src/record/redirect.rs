//! Redirects that are followed in place of the client.

use serde::Serialize;

use crate::meter::label_values;

label_values! {
    /// What became of a redirect whose status is one that the policy follows.
    pub(crate) enum RedirectResult {
        /// Its target was asked.
        Followed = "followed",
        /// A policy, the routes or the egress check refused its target, and it was passed on.
        Denied = "denied",
        /// It was passed on for another reason: where it leads, or how many there were.
        PassedOn = "passed_on",
    }
}

/// A redirect that was followed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct FollowedRedirect {
    /// Its status.
    pub(crate) status: u16,
    /// The host and port of the upstream that it came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) destination: Option<String>,
    /// Where it led, without the query.
    pub(crate) location: String,
}
