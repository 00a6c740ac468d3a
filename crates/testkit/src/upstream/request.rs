//! A request as the server received it.

use http::{HeaderMap, Method, Request, Version};
use serde_json::json;

/// How much of a body is kept.
const KEPT: usize = 64 * 1024;

/// One request; its body fields grow while the body arrives.
#[derive(Clone, Debug)]
pub struct RecordedRequest {
    /// The method.
    pub method: Method,
    /// The target: `/path?query` or `http://authority/path`; that is all of HTTP/2.
    pub target: String,
    /// The version.
    pub version: Version,
    /// The header fields; those of one name stand together, in order.
    pub headers: HeaderMap,
    /// How many bytes of body arrived.
    pub body_length: u64,
    /// The first 64 KiB of the body.
    pub body: Vec<u8>,
    /// The trailer fields.
    pub trailers: HeaderMap,
    /// Whether the body arrived to its end.
    pub complete: bool,
    /// On which connection it came, counted from 1.
    pub connection: usize,
    /// Which request of its connection it is, counted from 1.
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

    /// The first value of a header field as text; a name that came without one is empty.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let value = self.headers.get(name)?;
        Some(value.to_str().unwrap_or_default())
    }

    /// Whom it is for: the authority of its target, or else `Host`.
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

    /// The request as the echo answers it.
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
