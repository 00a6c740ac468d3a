//! Interim responses (RFC 9110 15.2) on their way to an HTTP/1.1 client. hyper cannot send them, so that the stream beneath it
//! does, between two of its messages.

use std::cell::Cell;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use super::watch::ConnectionWatch;
use crate::message::field_lines;

/// Interim responses that are yet to be sent.
#[derive(Default)]
pub(crate) struct InterimQueue {
    waits: Cell<bool>,
    bytes: Cell<Vec<u8>>,
}

impl InterimQueue {
    /// Adds the head of an interim response, and has the task of the connection send it.
    pub(crate) fn push(&self, status: StatusCode, fields: &HeaderMap, watch: &ConnectionWatch) {
        let mut bytes = self.bytes.take();
        encode(status, fields, &mut bytes);
        self.bytes.set(bytes);
        self.waits.set(true);
        watch.wake();
    }

    /// Whether there are any.
    pub(super) fn waits(&self) -> bool {
        self.waits.get()
    }

    /// Takes all of them.
    pub(super) fn take(&self) -> Bytes {
        self.waits.set(false);
        self.bytes.take().into()
    }
}

fn encode(status: StatusCode, fields: &HeaderMap, bytes: &mut Vec<u8>) {
    let phrase = status.canonical_reason().unwrap_or("Interim");
    bytes.extend_from_slice(format!("HTTP/1.1 {} {phrase}\r\n", status.as_str()).as_bytes());
    field_lines::write(fields, bytes);
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use http::HeaderValue;

    use super::super::watch::HttpConnection;
    use super::*;

    #[test]
    fn heads_follow_each_other() {
        #[expect(clippy::disallowed_methods, reason = "any time will do")]
        let watch = ConnectionWatch::new(HttpConnection::Http1, Instant::now());
        let queue = InterimQueue::default();
        let mut fields = HeaderMap::new();
        queue.push(StatusCode::PROCESSING, &fields, &watch);
        fields.append("link", HeaderValue::from_static("</a>"));
        fields.append("link", HeaderValue::from_static("</b>"));
        let early_hints = StatusCode::from_u16(103).unwrap();
        queue.push(early_hints, &fields, &watch);
        assert!(queue.waits());
        assert_eq!(
            queue.take(),
            "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\nlink: </b>\r\n\r\n"
        );
        assert!(!queue.waits());
    }
}
