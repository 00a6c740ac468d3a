//! gRPC over HTTP/2: detects gRPC requests among others, and makes calls of the gateway's own, of [one message](unary) or [several](stream).

use http::header::CONTENT_TYPE;
use http::{HeaderMap, Version};

pub(crate) mod health;
pub(crate) mod stream;
pub(crate) mod unary;

/// The content type of gRPC messages.
pub(crate) const GRPC: &str = "application/grpc";

/// Whether a request is a gRPC request, which is always HTTP/2.
pub(crate) fn is_asked_for(version: Version, headers: &HeaderMap) -> bool {
    version == Version::HTTP_2
        && headers
            .get(CONTENT_TYPE)
            .is_some_and(|value| is_grpc(value.as_bytes()))
}

/// Whether a content type is `application/grpc`, with or without a suffix for the message format. `application/grpc-web` is
/// another protocol.
fn is_grpc(content_type: &[u8]) -> bool {
    let head = content_type.get(..GRPC.len());
    head.is_some_and(|head| head.eq_ignore_ascii_case(GRPC.as_bytes()))
        && matches!(
            content_type.get(GRPC.len()),
            None | Some(b'+' | b';' | b' ')
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_types_are_told_apart() {
        for (content_type, expected) in [
            ("application/grpc", true),
            ("Application/GRPC+proto", true),
            ("application/grpc; charset=x", true),
            ("application/grpc-web", false),
            ("application/grpcx", false),
            ("application/json", false),
            ("", false),
        ] {
            assert_eq!(is_grpc(content_type.as_bytes()), expected, "{content_type}");
        }
    }
}
