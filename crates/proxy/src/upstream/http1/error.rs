//! Why a response over HTTP/1.1 did not come, or not as a whole.

use std::io;

use crate::upstream::outgoing::OutgoingRequest;
use crate::upstream::request_body::RequestBodyError;

/// Why a response did not come, or not as a whole.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Http1Error {
    #[error("the head of the response is too large")]
    HeadTooLarge,
    #[error("the response is not HTTP/1.1: {0}")]
    Malformed(&'static str),
    #[error("the connection ended before the response did")]
    Incomplete,
    #[error("{0}")]
    Read(#[source] io::Error),
    #[error("the request was not sent as a whole: {0}")]
    RequestBody(#[source] RequestBodyError),
}

/// Why a request has no response.
pub(in crate::upstream) struct FailedRequest {
    pub(in crate::upstream) error: Http1Error,
    /// The request, if none of it was sent.
    pub(in crate::upstream) unsent: Option<Box<OutgoingRequest>>,
}

impl From<Http1Error> for FailedRequest {
    fn from(error: Http1Error) -> Self {
        Self {
            error,
            unsent: None,
        }
    }
}
