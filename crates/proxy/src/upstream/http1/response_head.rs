//! The head of a response, and what frames its body (RFC 9112 6.3).

use std::mem::MaybeUninit;

use bytes::BytesMut;
use http::header::{
    CONNECTION, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, TRANSFER_ENCODING,
};
use http::{Method, Response, StatusCode, Version};
use httparse::{EMPTY_HEADER, Header, ParserConfig, Status};
use hyper::ext::ReasonPhrase;

use super::error::Http1Error;
use super::response_framing::{BodyDecoder, FramingFields};

/// Bytes that a head may have.
pub(super) const MAX_HEAD: usize = 60 * 1024;
/// Fields that a head may have if nothing is configured.
const MAX_FIELDS: usize = 100;

/// What the framing of a response depends on besides its head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RequestKind {
    Head,
    Connect,
    Other,
}

impl RequestKind {
    pub(super) fn of(method: &Method) -> Self {
        match *method {
            Method::HEAD => Self::Head,
            Method::CONNECT => Self::Connect,
            _ => Self::Other,
        }
    }
}

/// Reads heads off a connection.
pub(super) struct HeadReader {
    max_fields: Option<usize>,
    /// Where the fields of a head stand in it.
    places: Vec<FieldPlace>,
    /// Bytes of an unfinished head that were looked at.
    seen: usize,
}

/// Where a field stands.
struct FieldPlace {
    name: (usize, usize),
    value: (usize, usize),
}

/// The line that a response begins with.
struct StatusLine {
    status: StatusCode,
    version: Version,
    /// The phrase, where it is not that of the status.
    reason: Option<ReasonPhrase>,
    /// Bytes of all of the head.
    size: usize,
}

/// The head of a response.
#[derive(Debug)]
pub(super) struct ReceivedHead {
    pub(super) response: Response<()>,
    pub(super) body: BodyDecoder,
    /// Whether the connection can be used after it.
    pub(super) is_reusable: bool,
}

impl ReceivedHead {
    /// Whether it is an interim response (RFC 9110 15.2), which another follows. A 101 is final: what follows it is no HTTP.
    pub(super) fn is_interim(&self) -> bool {
        let status = self.response.status();
        status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS
    }
}

impl HeadReader {
    pub(super) fn new(max_fields: Option<usize>) -> Self {
        Self {
            max_fields,
            places: Vec::new(),
            seen: 0,
        }
    }

    /// Takes the head off what was received; `None` if more of it has to come. The `space` of its fields is an empty map.
    ///
    /// # Errors
    /// [`Http1Error::HeadTooLarge`] and [`Http1Error::Malformed`].
    pub(super) fn take(
        &mut self,
        received: &mut BytesMut,
        request: RequestKind,
        space: &mut HeaderMap,
    ) -> Result<Option<ReceivedHead>, Http1Error> {
        // A head that comes in many pieces is not read again with each of them.
        let may_end = self.seen == 0 || has_end(received, self.seen);
        self.seen = received.len();
        let line = if may_end { self.parse(received)? } else { None };
        let Some(line) = line else {
            return if received.len() < MAX_HEAD {
                Ok(None)
            } else {
                Err(Http1Error::HeadTooLarge)
            };
        };
        self.seen = 0;
        if line.size > MAX_HEAD {
            return Err(Http1Error::HeadTooLarge);
        }
        self.build(line, received, request, std::mem::take(space))
            .map(Some)
    }

    /// Finds the line and the fields of the head; `None` if its end is not there.
    fn parse(&mut self, received: &[u8]) -> Result<Option<StatusLine>, Http1Error> {
        let mut few = [const { MaybeUninit::uninit() }; MAX_FIELDS];
        let mut many = Vec::new();
        let fields: &mut [MaybeUninit<Header<'_>>] = match self.max_fields {
            Some(most) if most > MAX_FIELDS => {
                many.resize(most, MaybeUninit::new(EMPTY_HEADER));
                &mut many
            }
            Some(most) => &mut few[..most],
            None => &mut few,
        };
        let mut config = ParserConfig::default();
        // A proxy removes the blank (RFC 9112 5.1).
        config.allow_spaces_after_header_name_in_responses(true);
        let mut head = httparse::Response::new(&mut []);
        let parsed = config.parse_response_with_uninit_headers(&mut head, received, fields);
        let Status::Complete(size) = parsed? else {
            return Ok(None);
        };
        self.places.clear();
        let places = head.headers.iter().map(|field| FieldPlace {
            name: place(received, field.name.as_bytes()),
            value: place(received, field.value),
        });
        self.places.extend(places);
        let status = StatusCode::from_u16(head.code.unwrap_or_default())
            .map_err(|_| Http1Error::Malformed("its status"))?;
        let reason = head.reason.unwrap_or_default();
        let version = match head.version {
            Some(1) => Version::HTTP_11,
            _ => Version::HTTP_10,
        };
        Ok(Some(StatusLine {
            reason: unusual_phrase(reason, status),
            status,
            version,
            size,
        }))
    }

    fn build(
        &self,
        line: StatusLine,
        received: &mut BytesMut,
        request: RequestKind,
        mut fields: HeaderMap,
    ) -> Result<ReceivedHead, Http1Error> {
        let head = received.split_to(line.size).freeze();
        let mut framing = FramingFields::new(line.version);
        fields.reserve(self.places.len());
        for FieldPlace { name, value } in &self.places {
            let name = HeaderName::from_bytes(&head[name.0..name.1])
                .map_err(|_| Http1Error::Malformed("the name of a field"))?;
            let value = HeaderValue::from_maybe_shared(head.slice(value.0..value.1))
                .map_err(|_| Http1Error::Malformed("the value of a field"))?;
            match name {
                CONNECTION => framing.connection(&value),
                TRANSFER_ENCODING => framing.transfer_encoding(&value),
                CONTENT_LENGTH => framing.content_length(&value),
                _ => {}
            }
            fields
                .try_append(name, value)
                .map_err(|_| Http1Error::HeadTooLarge)?;
        }
        let body = framing.body(line.status, request)?;
        let mut response = Response::new(());
        *response.status_mut() = line.status;
        *response.version_mut() = line.version;
        *response.headers_mut() = fields;
        if let Some(reason) = line.reason {
            response.extensions_mut().insert(reason);
        }
        Ok(ReceivedHead {
            is_reusable: framing.is_reusable(&body, line.status),
            response,
            body,
        })
    }
}

/// Where a part stands within the whole.
fn place(whole: &[u8], part: &[u8]) -> (usize, usize) {
    let begin = part.as_ptr().addr() - whole.as_ptr().addr();
    (begin, begin + part.len())
}

/// Whether there is an empty line that was not all there when so many bytes were.
fn has_end(received: &[u8], seen: usize) -> bool {
    let new = &received[seen.saturating_sub(3)..];
    new.windows(2).any(|two| two == b"\n\n") || new.windows(3).any(|three| three == b"\n\r\n")
}

fn unusual_phrase(reason: &str, status: StatusCode) -> Option<ReasonPhrase> {
    let usual = status.canonical_reason().unwrap_or_default();
    if reason == usual {
        return None;
    }
    ReasonPhrase::try_from(reason.as_bytes()).ok()
}

impl From<httparse::Error> for Http1Error {
    fn from(error: httparse::Error) -> Self {
        match error {
            httparse::Error::TooManyHeaders => Self::HeadTooLarge,
            httparse::Error::HeaderName => Self::Malformed("the name of a field"),
            httparse::Error::HeaderValue => Self::Malformed("the value of a field"),
            httparse::Error::NewLine => Self::Malformed("the end of a line"),
            httparse::Error::Status => Self::Malformed("its status"),
            httparse::Error::Token => Self::Malformed("its reason phrase"),
            httparse::Error::Version => Self::Malformed("its version"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, most: Option<usize>) -> Result<Option<ReceivedHead>, Http1Error> {
        let mut received = BytesMut::from(text);
        let read =
            HeadReader::new(most).take(&mut received, RequestKind::Other, &mut HeaderMap::new());
        if let Ok(Some(_)) = &read {
            assert_eq!(received, "rest");
        }
        read
    }

    #[test]
    fn a_head_is_taken_off_and_nothing_else() {
        let text = "HTTP/1.1 404 Gone Fishing\r\nServer: \"a\"\r\nx-a : 1\r\nX-A:2\r\ncontent-length: 4\r\n\r\nrest";
        let head = read(text, None).unwrap().unwrap();
        assert_eq!(head.response.status(), 404);
        assert_eq!(head.response.version(), Version::HTTP_11);
        let phrase = head.response.extensions().get::<ReasonPhrase>();
        assert_eq!(phrase.unwrap().as_bytes(), b"Gone Fishing");
        let fields = head.response.headers();
        let of_a: Vec<_> = fields.get_all("x-a").iter().collect();
        assert_eq!(of_a, ["1", "2"]);
        assert_eq!(fields["server"], "\"a\"");
        assert_eq!(
            (head.body, head.is_reusable),
            (BodyDecoder::Length(4), true)
        );
        // A phrase that every client knows is not kept.
        let plain = read("HTTP/1.0 200 OK\r\n\r\nrest", None).unwrap().unwrap();
        assert!(plain.response.extensions().is_empty());
        assert_eq!(
            (plain.body, plain.is_reusable),
            (BodyDecoder::UntilClose, false)
        );
        assert!(
            read("HTTP/1.1 103 \r\n\r\nrest", None)
                .unwrap()
                .unwrap()
                .is_interim()
        );
        assert!(
            !read("HTTP/1.1 101 \r\n\r\nrest", None)
                .unwrap()
                .unwrap()
                .is_interim()
        );
    }

    #[test]
    fn a_head_may_come_in_any_pieces() {
        let text = "HTTP/1.1 200 OK\r\nserver: a\r\nx-b: c\r\n\r\nrest";
        let whole = text.len() - "rest".len();
        for piece in 1..text.len() {
            let (mut reader, mut received) = (HeadReader::new(None), BytesMut::new());
            for part in text.as_bytes().chunks(piece) {
                received.extend_from_slice(part);
                let read = reader.take(&mut received, RequestKind::Other, &mut HeaderMap::new());
                if let Some(head) = read.unwrap() {
                    assert_eq!(head.response.headers().len(), 2);
                    break;
                }
                assert!(received.len() < whole);
            }
            assert!(text.as_bytes()[whole..].starts_with(&received), "{piece}");
        }
    }

    #[test]
    fn what_is_too_large_or_no_head_is_an_error() {
        let fields = |count: usize| {
            let each = (0..count).map(|at| format!("x-{at}: 1\r\n"));
            format!(
                "HTTP/1.1 204 No Content\r\n{}\r\nrest",
                each.collect::<String>()
            )
        };
        for (count, most, fits) in [
            (100, None, true),
            (101, None, false),
            (3, Some(3), true),
            (4, Some(3), false),
            (500, Some(500), true),
        ] {
            let read = read(&fields(count), most);
            assert_eq!(read.is_ok(), fits, "{count}");
            assert!(fits || matches!(read, Err(Http1Error::HeadTooLarge)));
        }
        let long = format!("HTTP/1.1 200 OK\r\nx: {}", "y".repeat(MAX_HEAD));
        for end in ["", "\r\n\r\nrest"] {
            let read = read(&format!("{long}{end}"), None);
            assert!(matches!(read, Err(Http1Error::HeadTooLarge)));
        }
        for text in [
            "SSH-2.0-server\r\n",
            "HTTP/2.0 200 OK\r\n\r\n",
            "HTTP/1.1 20 OK\r\n\r\n",
            "HTTP/1.1 099 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\nno field\r\n\r\n",
            "HTTP/1.1 200 OK\r\na: b\r\n c\r\n\r\n",
            "HTTP/1.1 200 OK\r\na: b\x01\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 1, 2\r\n\r\n",
        ] {
            let read = read(text, None);
            assert!(matches!(read, Err(Http1Error::Malformed(_))), "{text}");
        }
    }
}
