//! Streaming calls of gRPC ("gRPC over HTTP2"): messages each way, and a status at the end. Pure: who sends them and reads
//! what comes is elsewhere.

use bytes::{Buf as _, Bytes, BytesMut};
use http::header::{CONTENT_TYPE, HeaderValue, TE};
use http::{Request, Version};

use super::GRPC;
use super::unary::{GrpcError, PREFIX};

/// Finds the messages in what comes of a body.
pub(crate) struct MessageReader {
    read: BytesMut,
    /// The longest message in bytes.
    longest: usize,
}

/// The head of the request of a call of this method, a path. Its body is the messages.
///
/// # Errors
/// If the authority or the method is none.
pub(crate) fn request(authority: &str, method: &str) -> Result<Request<()>, http::Error> {
    Request::post(format!("http://{authority}{method}"))
        .version(Version::HTTP_2)
        .header(CONTENT_TYPE, HeaderValue::from_static(GRPC))
        .header(TE, HeaderValue::from_static("trailers"))
        .body(())
}

impl MessageReader {
    pub(crate) fn new(longest: usize) -> Self {
        Self {
            read: BytesMut::new(),
            longest,
        }
    }

    /// Takes more of the body.
    pub(crate) fn give(&mut self, data: &[u8]) {
        self.read.extend_from_slice(data);
    }

    /// The next whole message; `None` if more is needed.
    ///
    /// # Errors
    /// If a message is compressed, or too long: that is known before it has come.
    pub(crate) fn next(&mut self) -> Result<Option<Bytes>, GrpcError> {
        let Some(([compressed, length @ ..], rest)) = self.read.split_first_chunk::<PREFIX>()
        else {
            return Ok(None);
        };
        if *compressed != 0 {
            return Err(GrpcError::Framing("it is compressed, unasked"));
        }
        let length = u32::from_be_bytes(*length);
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length > self.longest {
            return Err(GrpcError::Framing("it is too long"));
        }
        if rest.len() < length {
            return Ok(None);
        }
        self.read.advance(PREFIX);
        Ok(Some(self.read.split_to(length).freeze()))
    }

    /// Whether what came ends with a whole message.
    pub(crate) fn is_at_boundary(&self) -> bool {
        self.read.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(reader: &mut MessageReader, data: &[u8]) -> Result<Vec<Bytes>, GrpcError> {
        reader.give(data);
        let mut found = Vec::new();
        while let Some(message) = reader.next()? {
            found.push(message);
        }
        Ok(found)
    }

    #[test]
    fn messages_are_found_however_they_come() {
        let data = b"\0\0\0\0\x02hi\0\0\0\0\0\0\0\0\0\x01!";
        for piece in [1, 3, 7, data.len()] {
            let mut reader = MessageReader::new(2);
            let mut found = Vec::new();
            for piece in data.chunks(piece) {
                found.extend(messages(&mut reader, piece).unwrap());
            }
            assert_eq!(found, ["hi", "", "!"], "{piece}");
            assert!(reader.is_at_boundary());
        }
        let mut reader = MessageReader::new(2);
        assert!(messages(&mut reader, &data[..6]).unwrap().is_empty());
        assert!(!reader.is_at_boundary());
    }

    #[test]
    fn what_is_no_message_is_known_by_its_beginning() {
        let framing = |what| Err(GrpcError::Framing(what));
        for (data, expected) in [
            (b"\x01\0\0\0\x01", framing("it is compressed, unasked")),
            (b"\0\0\0\0\x03", framing("it is too long")),
            (b"\0\xff\xff\xff\xff", framing("it is too long")),
        ] {
            assert_eq!(messages(&mut MessageReader::new(2), data), expected);
        }
    }

    #[test]
    fn the_request_of_a_call_has_no_end_in_time() {
        let request = request("a.test:80", "/p.S/M").unwrap();
        assert_eq!(request.uri(), "http://a.test:80/p.S/M");
        assert_eq!(request.headers().len(), 2);
    }
}
