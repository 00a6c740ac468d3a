//! A request on its way to an upstream.

use http::Request;
use http::request::Parts;

use super::request_body::RequestBody;

/// A request on its way to an upstream. It is boxed where it begins, because it passes through many functions, each of which
/// would move it.
pub(crate) struct OutgoingRequest {
    pub(crate) parts: Parts,
    pub(crate) body: RequestBody,
}

impl OutgoingRequest {
    /// Puts a request in its place.
    pub(crate) fn boxed(request: Request<RequestBody>) -> Box<Self> {
        let (parts, body) = request.into_parts();
        Box::new(Self { parts, body })
    }

    /// A copy to replay; `None` if the body cannot be replayed.
    pub(super) fn copy(&self) -> Option<Box<Self>> {
        let body = self.body.replay_copy()?;
        let (mut parts, ()) = Request::new(()).into_parts();
        parts.method.clone_from(&self.parts.method);
        parts.uri.clone_from(&self.parts.uri);
        parts.headers.clone_from(&self.parts.headers);
        Some(Box::new(Self { parts, body }))
    }

    /// The form in which connections take it.
    pub(super) fn into_request(self) -> Request<RequestBody> {
        Request::from_parts(self.parts, self.body)
    }
}
