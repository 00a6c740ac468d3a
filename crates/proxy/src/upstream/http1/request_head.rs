//! The head of a request, and the framing of its body (RFC 9112 6.3).

use std::io::Write as _;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::request::Parts;
use http::{HeaderMap, HeaderValue};
use http_body::{Body as _, Frame};

use super::outbox::Outbox;
use crate::message::field_lines;
use crate::message::number::number;
use crate::message::trace::TRACEPARENT;
use crate::upstream::outgoing::OutgoingRequest;
use crate::upstream::request_body::{RequestBody, RequestBodyError};

/// How a body is written.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum BodyEncoder {
    /// Bytes that are still to come.
    Length(u64),
    Chunked,
}

/// Writes the head of a request, whose fields are final but for its framing. `None` if it has no body.
pub(super) fn write(request: &mut OutgoingRequest, to: &mut Vec<u8>) -> Option<BodyEncoder> {
    let encoder = frame(&mut request.parts.headers, &request.body);
    write_line(&request.parts, to);
    let fields = &request.parts.headers;
    match &request.trace {
        None => field_lines::write(fields, to),
        Some(trace) => {
            to.extend_from_slice(b"traceparent: ");
            to.extend_from_slice(trace.as_bytes());
            to.extend_from_slice(b"\r\n");
            let others = fields.iter().filter(|(name, _)| **name != TRACEPARENT);
            field_lines::write(others, to);
        }
    }
    encoder
}

/// Sees that the fields say how the body is framed. Those that say it already are right.
fn frame(fields: &mut HeaderMap, body: &RequestBody) -> Option<BodyEncoder> {
    if body.is_end_stream() {
        fields.remove(TRANSFER_ENCODING);
        return None;
    }
    if fields.contains_key(TRANSFER_ENCODING) {
        fields.remove(CONTENT_LENGTH);
        return Some(BodyEncoder::Chunked);
    }
    let said = fields.get(CONTENT_LENGTH);
    let said = said.and_then(|length| number(length.as_bytes()));
    if let Some(length) = said {
        return Some(BodyEncoder::Length(length));
    }
    Some(match body.size_hint().exact() {
        Some(length) => {
            fields.insert(CONTENT_LENGTH, length.into());
            BodyEncoder::Length(length)
        }
        None => {
            let chunked = HeaderValue::from_static("chunked");
            fields.insert(TRANSFER_ENCODING, chunked);
            fields.remove(CONTENT_LENGTH);
            BodyEncoder::Chunked
        }
    })
}

fn write_line(parts: &Parts, to: &mut Vec<u8>) {
    to.extend_from_slice(parts.method.as_str().as_bytes());
    to.push(b' ');
    let uri = &parts.uri;
    match uri.path_and_query() {
        Some(path) if uri.authority().is_none() => to.extend_from_slice(path.as_str().as_bytes()),
        // A vector takes all of it.
        _ => _ = write!(to, "{uri}"),
    }
    to.extend_from_slice(b" HTTP/1.1\r\n");
}

impl BodyEncoder {
    /// Writes a frame of the body. Returns whether the body has ended with it.
    ///
    /// # Errors
    /// If the body is longer than its head says.
    pub(super) fn write(
        &mut self,
        frame: Frame<Bytes>,
        to: &mut Outbox,
    ) -> Result<bool, RequestBodyError> {
        match (self, frame.into_data()) {
            // An empty chunk would be the last one.
            (_, Ok(data)) if data.is_empty() => Ok(false),
            (Self::Length(left), Ok(data)) => {
                let less = left.checked_sub(data.len() as u64);
                *left = less.ok_or(RequestBodyError::Length)?;
                to.push(data);
                Ok(false)
            }
            (Self::Chunked, Ok(data)) => {
                // A vector takes all of it.
                _ = write!(to.last(), "{:x}\r\n", data.len());
                to.push(data);
                to.last().extend_from_slice(b"\r\n");
                Ok(false)
            }
            (Self::Chunked, Err(other)) => Ok(match other.into_trailers() {
                Ok(trailers) => {
                    to.last().extend_from_slice(b"0\r\n");
                    field_lines::write(&trailers, to.last());
                    true
                }
                Err(_) => false,
            }),
            // There is no place for trailers.
            (Self::Length(_), Err(_)) => Ok(false),
        }
    }

    /// Writes the end of a body without trailers.
    ///
    /// # Errors
    /// If the body is shorter than its head says.
    pub(super) fn end(&self, to: &mut Outbox) -> Result<(), RequestBodyError> {
        match self {
            Self::Length(0) => {}
            Self::Length(_) => return Err(RequestBodyError::Length),
            Self::Chunked => to.last().extend_from_slice(b"0\r\n\r\n"),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use http::{Method, Request, Uri};

    use super::*;
    use crate::message::trace::{Trace, TracePropagation};

    const BODY: &[u8] = b"text";

    fn head(
        method: Method,
        uri: &'static str,
        fields: &[(&'static str, &'static str)],
        body: &'static [u8],
    ) -> (String, Option<BodyEncoder>) {
        let mut request = Request::new(RequestBody::own(Bytes::from_static(body)));
        *request.method_mut() = method;
        *request.uri_mut() = Uri::from_static(uri);
        for (name, value) in fields {
            let value = HeaderValue::from_static(value);
            request.headers_mut().append(*name, value);
        }
        let mut written = Vec::new();
        let encoder = write(&mut OutgoingRequest::boxed(request), &mut written);
        (String::from_utf8(written).unwrap(), encoder)
    }

    #[test]
    fn a_head_has_its_target_its_fields_and_one_framing() {
        type Fields = &'static [(&'static str, &'static str)];
        type Case = (
            Method,
            &'static str,
            Fields,
            &'static [u8],
            &'static str,
            Option<BodyEncoder>,
        );
        let cases: [Case; 6] = [
            (
                Method::GET,
                "/a?b=c",
                &[("host", "a.example"), ("x-a", "1"), ("x-a", "2")],
                b"",
                "GET /a?b=c HTTP/1.1\r\nhost: a.example\r\nx-a: 1\r\nx-a: 2\r\n\r\n",
                None,
            ),
            (
                Method::OPTIONS,
                "*",
                &[("transfer-encoding", "chunked")],
                b"",
                "OPTIONS * HTTP/1.1\r\n\r\n",
                None,
            ),
            (
                Method::GET,
                "http://a.example/b",
                &[("content-length", "0")],
                b"",
                "GET http://a.example/b HTTP/1.1\r\ncontent-length: 0\r\n\r\n",
                None,
            ),
            (
                Method::POST,
                "/",
                &[],
                BODY,
                "POST / HTTP/1.1\r\ncontent-length: 4\r\n\r\n",
                Some(BodyEncoder::Length(4)),
            ),
            (
                Method::POST,
                "/",
                &[("content-length", "9")],
                BODY,
                "POST / HTTP/1.1\r\ncontent-length: 9\r\n\r\n",
                Some(BodyEncoder::Length(9)),
            ),
            (
                Method::GET,
                "/",
                &[("transfer-encoding", "chunked"), ("content-length", "4")],
                BODY,
                "GET / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n",
                Some(BodyEncoder::Chunked),
            ),
        ];
        for (method, uri, fields, body, expected, encoder) in cases {
            assert_eq!(
                head(method, uri, fields, body),
                (expected.to_owned(), encoder)
            );
        }
    }

    #[test]
    fn a_trace_is_told_in_place_of_any_that_was() {
        const FIELD: &str =
            "traceparent: 00-01010101010101010101010101010101-0202020202020202-01\r\n";
        let trace = Trace {
            id: [1; 16],
            span: [2; 8],
            parent: None,
            upstream_span: None,
            is_sampled: true,
            is_allowed: true,
        };
        for fields in [&["accept"][..], &["traceparent", "accept"]] {
            let mut request = OutgoingRequest::boxed(Request::new(RequestBody::own(Bytes::new())));
            for name in fields {
                let value = HeaderValue::from_static("other");
                request.parts.headers.insert(*name, value);
            }
            let headers = &mut request.parts.headers;
            request.trace = trace.inject(TracePropagation::default(), headers);
            let mut written = Vec::new();
            write(&mut request, &mut written);
            let written = String::from_utf8(written).unwrap();
            let expected = format!("GET / HTTP/1.1\r\n{FIELD}accept: other\r\n\r\n");
            assert_eq!(written, expected);
        }
    }

    /// What is written of frames, and whether all is well.
    fn body(mut encoder: BodyEncoder, frames: Vec<Frame<Bytes>>) -> Option<String> {
        let mut outbox = Outbox::default();
        let mut has_ended = false;
        for frame in frames {
            has_ended |= encoder.write(frame, &mut outbox).ok()?;
        }
        if !has_ended {
            encoder.end(&mut outbox).ok()?;
        }
        Some(String::from_utf8(outbox.last().clone()).unwrap())
    }

    #[test]
    fn a_body_is_written_as_its_head_says() {
        let data = |text: &'static str| Frame::data(Bytes::from_static(text.as_bytes()));
        let trailers = || {
            let mut fields = HeaderMap::new();
            fields.insert("x-sum", HeaderValue::from_static("1"));
            Frame::trailers(fields)
        };
        let length = BodyEncoder::Length;
        let cases = [
            (length(5), vec![data("te"), data("xt!")], Some("text!")),
            (length(4), vec![data("text"), trailers()], Some("text")),
            (length(4), vec![data("te"), data("xt!")], None),
            (length(5), vec![data("text")], None),
            (
                BodyEncoder::Chunked,
                vec![data("0123456789abcdef"), data(""), data("x")],
                Some("10\r\n0123456789abcdef\r\n1\r\nx\r\n0\r\n\r\n"),
            ),
            (
                BodyEncoder::Chunked,
                vec![data("x"), trailers()],
                Some("1\r\nx\r\n0\r\nx-sum: 1\r\n\r\n"),
            ),
            (BodyEncoder::Chunked, vec![], Some("0\r\n\r\n")),
        ];
        for (encoder, frames, expected) in cases {
            assert_eq!(body(encoder, frames).as_deref(), expected);
        }
    }
}
