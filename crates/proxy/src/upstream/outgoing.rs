//! A request on its way to an upstream.

use std::cell::Cell;

use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Request, Uri};

use super::request_body::RequestBody;
use crate::message::trace::TraceField;

/// A request on its way to an upstream. It is boxed where it begins, because it passes through many functions, each of which
/// would move it.
pub(crate) struct OutgoingRequest {
    pub(crate) parts: Parts,
    pub(crate) body: RequestBody,
    /// The trace that the upstream is told of, where that is not among the fields.
    pub(crate) trace: Option<TraceField>,
}

impl OutgoingRequest {
    /// Puts a request in its place.
    pub(crate) fn boxed(request: Request<RequestBody>) -> Box<Self> {
        let (parts, body) = request.into_parts();
        Self::of(parts, body)
    }

    /// Puts a request in its place.
    pub(crate) fn of(parts: Parts, body: RequestBody) -> Box<Self> {
        Box::new(Self {
            parts,
            body,
            trace: None,
        })
    }

    /// The form in which HTTP/2 connections take it.
    pub(super) fn into_request(mut self) -> Request<RequestBody> {
        if let Some(trace) = self.trace {
            trace.insert_into(&mut self.parts.headers);
        }
        Request::from_parts(self.parts, self.body)
    }
}

/// What is kept of a request to send it once more. Few requests need it, so that it is a list of fields and not a map, in the
/// place that the request before had.
pub(super) struct Replay<'a> {
    method: Method,
    uri: Uri,
    fields: Vec<(HeaderName, HeaderValue)>,
    body: RequestBody,
    trace: Option<TraceField>,
    space: &'a ReplaySpace,
}

/// The place for the fields of a [`Replay`], which one request leaves to the next.
#[derive(Default)]
pub(super) struct ReplaySpace(Cell<Vec<(HeaderName, HeaderValue)>>);

impl<'a> Replay<'a> {
    /// `None` if the body cannot be sent once more.
    pub(super) fn of(request: &OutgoingRequest, space: &'a ReplaySpace) -> Option<Self> {
        let body = request.body.replay_copy()?;
        let parts = &request.parts;
        let mut fields = space.0.take();
        let each = parts.headers.iter();
        fields.extend(each.map(|(name, value)| (name.clone(), value.clone())));
        Some(Self {
            method: parts.method.clone(),
            uri: parts.uri.clone(),
            fields,
            body,
            trace: request.trace,
            space,
        })
    }

    /// The request; `None` if the body cannot be sent once more.
    pub(super) fn request(&self) -> Option<Box<OutgoingRequest>> {
        let body = self.body.replay_copy()?;
        let (mut parts, ()) = Request::new(()).into_parts();
        parts.method.clone_from(&self.method);
        parts.uri.clone_from(&self.uri);
        for (name, value) in &self.fields {
            parts.headers.append(name, value.clone());
        }
        Some(Box::new(OutgoingRequest {
            parts,
            body,
            trace: self.trace,
        }))
    }
}

impl Drop for Replay<'_> {
    fn drop(&mut self) {
        // The values are of one request alone.
        self.fields.clear();
        self.space.0.set(std::mem::take(&mut self.fields));
    }
}

impl ReplaySpace {
    /// Lets go of it.
    pub(super) fn rest(&self) {
        self.0.take();
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::HeaderMap;

    use super::*;

    fn request(fields: &[(&'static str, &'static str)]) -> Box<OutgoingRequest> {
        let mut request = Request::new(RequestBody::own(Bytes::from_static(b"text")));
        *request.method_mut() = Method::PUT;
        *request.uri_mut() = Uri::from_static("/path?query");
        for (name, value) in fields {
            let value = HeaderValue::from_static(value);
            request.headers_mut().append(*name, value);
        }
        OutgoingRequest::boxed(request)
    }

    #[test]
    fn a_request_is_repeated_as_it_was() {
        let space = ReplaySpace::default();
        let mut sent = request(&[("accept", "a"), ("x-one", "1"), ("accept", "b")]);
        let replay = Replay::of(&sent, &space).unwrap();
        // What becomes of the request does not change what is kept.
        let before = std::mem::take(&mut sent.parts.headers);
        for _ in 0..2 {
            let again = replay.request().unwrap();
            assert_eq!(again.parts.method, Method::PUT);
            assert_eq!(again.parts.uri, "/path?query");
            assert_eq!(again.parts.headers, before);
        }
    }

    #[test]
    fn the_next_request_has_the_space_and_no_field_of_the_one_before() {
        let space = ReplaySpace::default();
        drop(Replay::of(&request(&[("x-secret", "1")]), &space));
        let kept = space.0.take();
        assert!(kept.is_empty() && kept.capacity() > 0);
        space.0.set(kept);
        let replay = Replay::of(&request(&[]), &space).unwrap();
        assert_eq!(replay.request().unwrap().parts.headers, HeaderMap::new());
        // One beside it has its own.
        let beside = Replay::of(&request(&[("x-other", "1")]), &space).unwrap();
        assert_eq!(beside.request().unwrap().parts.headers.len(), 1);
    }
}
