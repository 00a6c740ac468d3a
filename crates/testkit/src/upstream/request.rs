//! Requests as a fake HTTP server received them.

use http::{HeaderMap, Method, Request, Version};
use serde_json::json;

/// How many bytes of a body are recorded.
const KEPT: usize = 64 * 1024;

/// A received request. Its body fields grow while the body arrives.
#[derive(Clone, Debug)]
pub struct RecordedRequest {
    /// The method.
    pub method: Method,
    /// The request target: `/path?query` or `http://authority/path`. Over HTTP/2 it always has the second form.
    pub target: String,
    /// The HTTP version.
    pub version: Version,
    /// The header fields. Fields of one name are in order.
    pub headers: HeaderMap,
    /// The length of the received body in bytes.
    pub body_length: u64,
    /// The first 64 KiB of the body.
    pub body: Vec<u8>,
    /// The trailer fields.
    pub trailers: HeaderMap,
    /// Whether the whole body has arrived.
    pub complete: bool,
    /// The number of the connection, counted from 1.
    pub connection: usize,
    /// The number of the request on its connection, counted from 1.
    pub nth: usize,
}

impl RecordedRequest {
    pub(super) fn new<B>(request: &Request<B>, connection: usize, nth: usize) -> Self {
        Self {
            method: request.method().clone(),
            target: request.uri().to_string(),
            version: request.version(),
            headers: request.headers().clone(),
            body_length: 0,
            body: Vec::new(),
            trailers: HeaderMap::new(),
            complete: false,
            connection,
            nth,
        }
    }

    /// The first value of a header field as text, or an empty string if the value is not visible ASCII.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let value = self.headers.get(name)?;
        Some(value.to_str().unwrap_or_default())
    }

    /// The authority of the request: that of its target, or else the `Host` field.
    #[must_use]
    pub fn authority(&self) -> Option<&str> {
        let target = self.target.split_once("://");
        let authority = target.and_then(|(_, rest)| rest.split('/').next());
        authority.or_else(|| self.header("host"))
    }

    pub(super) fn push(&mut self, data: &[u8]) {
        self.body_length += data.len() as u64;
        let room = KEPT - self.body.len();
        self.body.extend_from_slice(&data[..data.len().min(room)]);
    }

    /// The JSON text of the echo answer.
    pub(super) fn echo(&self, server: &str) -> String {
        let path = self.target.find("://").map_or(self.target.as_str(), |at| {
            let rest = &self.target[at + 3..];
            rest.find('/').map_or("/", |at| &rest[at..])
        });
        let whole = self.body.len() as u64 == self.body_length;
        let echo = json!({
            "server": server,
            "connection": self.connection,
            "method": self.method.as_str(),
            "target": self.target,
            "path": path,
            "version": format!("{:?}", self.version),
            "headers": list(&self.headers),
            "trailers": list(&self.trailers),
            "body_length": self.body_length,
            "body": whole.then(|| String::from_utf8_lossy(&self.body)),
        });
        format!("{echo:#}\n")
    }
}

fn list(headers: &HeaderMap) -> Vec<[String; 2]> {
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    headers
        .iter()
        .map(|(name, value)| [name.as_str().to_owned(), text(value.as_bytes())])
        .collect()
}
