//! The response to a refused client as bytes, for a connection on which no HTTP server runs.

use http::Response;
use http::header::{CONNECTION, CONTENT_LENGTH, HeaderValue};
use hyper::ext::ReasonPhrase;

use super::{Refusal, RefusalSubject};

impl Refusal {
    /// The whole HTTP/1.1 response, after which the connection closes.
    pub(crate) fn encoded(&self) -> Vec<u8> {
        let mut response: Response<String> = self.response(&RefusalSubject::default());
        let length = HeaderValue::from(response.body().len());
        let headers = response.headers_mut();
        headers.insert(CONTENT_LENGTH, length);
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        let phrase = response.extensions().get::<ReasonPhrase>();
        let phrase = phrase.map_or(&b"Refused"[..], ReasonPhrase::as_bytes);
        let mut bytes = format!("HTTP/1.1 {} ", response.status().as_str()).into_bytes();
        bytes.extend_from_slice(phrase);
        bytes.extend_from_slice(b"\r\n");
        for (name, value) in response.headers() {
            bytes.extend_from_slice(name.as_str().as_bytes());
            bytes.extend_from_slice(b": ");
            bytes.extend_from_slice(value.as_bytes());
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(response.body().as_bytes());
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_is_a_whole_response() {
        let bytes = Refusal::TooManyConnections.encoded();
        let text = str::from_utf8(&bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with(
            "HTTP/1.1 503 Service Unavailable: the listener has too many connections\r\n"
        ));
        assert!(head.contains("\r\nproxy-status: egret; error=connection_limit_reached; "));
        assert!(head.contains("\r\nconnection: close"));
        assert!(head.contains(&format!("\r\ncontent-length: {}", body.len())));
        assert_eq!(body, "egret: the listener has too many connections\n");
    }
}
