//! Unary calls of gRPC ("gRPC over HTTP2"): one message each way, and a status at the end. Pure: who sends the request and
//! reads the whole response is elsewhere.

use std::borrow::Cow;
use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use http::header::{CONTENT_TYPE, HeaderValue, TE};
use http::response::Parts;
use http::{HeaderMap, HeaderName, Request, StatusCode, Version};
use percent_encoding::percent_decode;
use prost::Message;

use super::{GRPC, is_grpc};

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");
/// What comes before a message: whether it is compressed, and its length.
pub(super) const PREFIX: usize = 5;
/// The status of a service that cannot answer now.
const UNAVAILABLE: u32 = 14;
/// Most bytes of the text that comes with a status.
const MAX_STATUS_TEXT: usize = 200;
/// The most that eight digits can say.
const MAX_TIMEOUT: u128 = 99_999_999;

/// Why a response is no answer to a call.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum GrpcError {
    #[error("the answer has the HTTP status {0}")]
    Http(StatusCode),
    #[error("the answer is not gRPC")]
    NotGrpc,
    #[error("the answer has no status of gRPC")]
    NoStatus,
    #[error("the answer has the status {code} of gRPC: {message}")]
    Status { code: u32, message: String },
    #[error("the answer is not one message: {0}")]
    Framing(&'static str),
    #[error("the message cannot be read: {0}")]
    Message(#[from] prost::DecodeError),
}

impl GrpcError {
    /// Whether the same call may be answered a moment later.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::Http(status) => status.is_server_error(),
            Self::Status { code, .. } => *code == UNAVAILABLE,
            Self::NotGrpc | Self::NoStatus | Self::Framing(_) | Self::Message(_) => false,
        }
    }
}

/// The request of a call of this method, a path, which may take so long.
///
/// # Errors
/// If the authority or the method is none.
pub(crate) fn request(
    authority: &str,
    method: &str,
    message: &impl Message,
    timeout: Duration,
) -> Result<Request<Bytes>, http::Error> {
    let millis = timeout.as_millis().clamp(1, MAX_TIMEOUT);
    Request::post(format!("http://{authority}{method}"))
        .version(Version::HTTP_2)
        .header(CONTENT_TYPE, HeaderValue::from_static(GRPC))
        .header(TE, HeaderValue::from_static("trailers"))
        .header(GRPC_TIMEOUT, format!("{millis}m"))
        .body(framed(message))
}

/// A message as a body has it.
pub(crate) fn framed(message: &impl Message) -> Bytes {
    let length = message.encoded_len();
    let mut frame = BytesMut::with_capacity(PREFIX + length);
    frame.put_u8(0);
    // Nothing that the gateway says is as long as 4 GiB.
    frame.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
    frame.put(&*message.encode_to_vec());
    frame.freeze()
}

/// The message of a whole response.
///
/// # Errors
/// Why it is no answer.
pub(crate) fn answer<M: Message + Default>(
    head: &Parts,
    body: &[u8],
    trailers: &HeaderMap,
) -> Result<M, GrpcError> {
    succeeded(head, trailers)?;
    Ok(M::decode(message(body)?)?)
}

/// Whether a whole response says that the call succeeded, whatever its messages are. The status is in the trailers, or in
/// the head of a response without a message ("Trailers-Only").
///
/// # Errors
/// Why it did not.
pub(crate) fn succeeded(head: &Parts, trailers: &HeaderMap) -> Result<(), GrpcError> {
    begun(head)?;
    let at_end = [trailers, &head.headers];
    let at_end = at_end.into_iter().find(|it| it.contains_key(&GRPC_STATUS));
    let at_end = at_end.ok_or(GrpcError::NoStatus)?;
    match code(&at_end[&GRPC_STATUS]).ok_or(GrpcError::NoStatus)? {
        0 => Ok(()),
        code => Err(GrpcError::Status {
            code,
            message: status_text(at_end.get(GRPC_MESSAGE)),
        }),
    }
}

/// Whether the head of a response is one of gRPC.
///
/// # Errors
/// What it is in place of that.
pub(crate) fn begun(head: &Parts) -> Result<(), GrpcError> {
    if head.status != StatusCode::OK {
        return Err(GrpcError::Http(head.status));
    }
    let content_type = head.headers.get(CONTENT_TYPE);
    if content_type.is_some_and(|value| is_grpc(value.as_bytes())) {
        Ok(())
    } else {
        Err(GrpcError::NotGrpc)
    }
}

fn code(value: &HeaderValue) -> Option<u32> {
    value.to_str().ok()?.parse().ok()
}

/// The text of a status, shortened, and without what is not visible.
fn status_text(value: Option<&HeaderValue>) -> String {
    let encoded = value.map(HeaderValue::as_bytes).unwrap_or_default();
    let text: Cow<'_, str> = percent_decode(encoded).decode_utf8_lossy();
    let visible = text.chars().filter(|char| !char.is_control());
    visible.take(MAX_STATUS_TEXT).collect()
}

/// The bytes of the only message.
fn message(body: &[u8]) -> Result<&[u8], GrpcError> {
    let (prefix, message) = body
        .split_first_chunk::<PREFIX>()
        .ok_or(GrpcError::Framing("it is empty or cut off"))?;
    let [compressed, length @ ..] = *prefix;
    if compressed != 0 {
        return Err(GrpcError::Framing("it is compressed, unasked"));
    }
    if u64::from(u32::from_be_bytes(length)) != message.len() as u64 {
        return Err(GrpcError::Framing("its length is another"));
    }
    Ok(message)
}

#[cfg(test)]
mod tests {
    use http::Response;

    use super::*;

    #[derive(Clone, PartialEq, Eq, Message)]
    struct Text {
        #[prost(string, tag = "1")]
        text: String,
    }

    /// What a response says at its head, in its body, and at its end.
    type Said<'a> = (u16, &'a str, &'a [u8], &'a str);

    fn fields(text: &str) -> HeaderMap {
        let fields = text.split_terminator(';').map(|field| {
            let (name, value) = field.split_once('=').unwrap();
            (name.parse().unwrap(), value.parse().unwrap())
        });
        fields.collect()
    }

    fn read((status, head, body, end): Said<'_>) -> Result<String, GrpcError> {
        let (mut parts, ()) = Response::new(()).into_parts();
        parts.status = StatusCode::from_u16(status).unwrap();
        parts.headers = fields(head);
        answer(&parts, body, &fields(end)).map(|Text { text }| text)
    }

    #[test]
    fn a_call_is_one_message_with_its_length() {
        let text = "hi".to_owned();
        let call = request(
            "a.test:80",
            "/p.S/M",
            &Text { text },
            Duration::from_millis(100),
        );
        let call = call.unwrap();
        assert_eq!(call.uri(), "http://a.test:80/p.S/M");
        assert_eq!(call.method(), "POST");
        let expected = "content-type=application/grpc;te=trailers;grpc-timeout=100m;";
        assert_eq!(call.headers(), &fields(expected));
        assert_eq!(call.body().as_ref(), b"\0\0\0\0\x04\x0a\x02hi");
        let soon = request("a", "/", &Text::default(), Duration::from_nanos(1)).unwrap();
        assert_eq!(soon.headers()["grpc-timeout"], "1m");
    }

    #[test]
    fn an_answer_is_one_message_and_a_status() {
        const HEAD: &str = "content-type=application/grpc";
        const HI: &[u8] = b"\0\0\0\0\x04\x0a\x02hi";
        const OK: &str = "grpc-status=0";
        let framing = |what| Err(GrpcError::Framing(what));
        let status = |code, message: &str| {
            let message = message.to_owned();
            Err(GrpcError::Status { code, message })
        };
        let empty = || framing("it is empty or cut off");
        let cases: [(Said<'_>, Result<&str, GrpcError>); 15] = [
            ((200, HEAD, HI, OK), Ok("hi")),
            (
                (200, "content-type=application/grpc+proto", HI, OK),
                Ok("hi"),
            ),
            ((200, HEAD, b"\0\0\0\0\0", OK), Ok("")),
            (
                (503, HEAD, HI, OK),
                Err(GrpcError::Http(StatusCode::SERVICE_UNAVAILABLE)),
            ),
            (
                (200, "content-type=text/html", HI, OK),
                Err(GrpcError::NotGrpc),
            ),
            ((200, "", HI, OK), Err(GrpcError::NotGrpc)),
            ((200, HEAD, HI, ""), Err(GrpcError::NoStatus)),
            ((200, HEAD, HI, "grpc-status=x"), Err(GrpcError::NoStatus)),
            (
                (200, HEAD, b"", "grpc-status=14;grpc-message=50%25%0A"),
                status(14, "50%"),
            ),
            (
                (200, "content-type=application/grpc;grpc-status=7", b"", ""),
                status(7, ""),
            ),
            ((200, HEAD, b"", OK), empty()),
            ((200, HEAD, &HI[..3], OK), empty()),
            ((200, HEAD, &HI[..8], OK), framing("its length is another")),
            (
                (200, HEAD, &[HI, HI].concat(), OK),
                framing("its length is another"),
            ),
            (
                (200, HEAD, b"\x01\0\0\0\0", OK),
                framing("it is compressed, unasked"),
            ),
        ];
        for (said, expected) in cases {
            assert_eq!(read(said), expected.map(str::to_owned), "{said:?}");
        }
        let garbage = read((200, HEAD, b"\0\0\0\0\x02\x0a\xff", OK));
        assert!(matches!(garbage, Err(GrpcError::Message(_))), "{garbage:?}");
        let long = format!("grpc-status=2;grpc-message={}", "x".repeat(1000));
        let shortened = read((200, HEAD, b"", &long));
        assert_eq!(shortened, status(2, &"x".repeat(200)).map(str::to_owned));
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        let status = |code| GrpcError::Status {
            code,
            message: String::new(),
        };
        assert!(status(14).may_pass());
        assert!(GrpcError::Http(StatusCode::BAD_GATEWAY).may_pass());
        assert!(!status(7).may_pass());
        assert!(!GrpcError::NotGrpc.may_pass());
    }
}
