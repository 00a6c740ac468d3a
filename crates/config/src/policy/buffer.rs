//! `buffer` of a TrafficPolicy: request bodies that are read as a whole before anything is sent on.

use serde::Serialize;

/// `buffer` of a TrafficPolicy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct RequestBuffer {
    /// The most bytes of a body; at least 1.
    pub max_request_size: u32,
}
