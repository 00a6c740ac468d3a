//! Fake services that speak gRPC: one message each way, or [streams](stream) of them.

use std::net::IpAddr;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Response};

use crate::port;
use crate::protobuf::Written;
use crate::upstream::{Http2Options, RecordedRequest, Upstream};

pub mod stream;

/// What a service answers.
#[derive(Clone, Debug)]
pub enum GrpcAnswer {
    /// A message.
    Message(Written),
    /// No message, but a status of gRPC.
    Status(u32),
    /// Something else, which may be no gRPC.
    Other(Response<Bytes>),
}

/// Starts a service that answers the message of every call. The calls are the requests of the upstream.
#[must_use]
pub fn start(answer: impl Fn(&[u8]) -> GrpcAnswer + Send + Sync + 'static) -> Upstream {
    start_on_port(port::LOOPBACK, 0, answer)
}

/// As [`start`], on a given address and port.
///
/// # Panics
/// If the port is in use.
#[must_use]
pub fn start_on_port(
    ip: impl Into<IpAddr>,
    port: u16,
    answer: impl Fn(&[u8]) -> GrpcAnswer + Send + Sync + 'static,
) -> Upstream {
    let upstream = Upstream::start_http2_on_port(ip, port, Http2Options::default());
    upstream.answering(move |request| Some(reply(answer(message(request)))))
}

/// The message of a call.
///
/// # Panics
/// If it is not one whole message.
#[must_use]
pub fn message(request: &RecordedRequest) -> &[u8] {
    let (prefix, message) = request.body.split_at(5);
    assert_eq!(prefix[0], 0, "compressed");
    let length: [u8; 4] = prefix[1..].try_into().expect("four bytes");
    assert_eq!(u32::from_be_bytes(length) as usize, message.len());
    message
}

/// A message as the body of an answer has it.
#[must_use]
pub fn framed(message: &[u8]) -> Bytes {
    let length = u32::try_from(message.len()).expect("a short message");
    [&[0], &length.to_be_bytes()[..], message].concat().into()
}

fn reply(answer: GrpcAnswer) -> Response<Bytes> {
    let mut trailers = HeaderMap::new();
    let mut response = Response::new(Bytes::new());
    let code = match answer {
        GrpcAnswer::Other(response) => return response,
        GrpcAnswer::Message(message) => {
            *response.body_mut() = framed(&message.into_bytes());
            0
        }
        GrpcAnswer::Status(code) => code,
    };
    trailers.insert("grpc-status", code.into());
    response.extensions_mut().insert(trailers);
    let grpc = HeaderValue::from_static("application/grpc");
    response.headers_mut().insert(CONTENT_TYPE, grpc);
    response
}
