//! How the body of a response is framed, and its bytes without that (RFC 9112 6.3 and 7.1).

use bytes::{Buf as _, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Version};

use super::error::Http1Error;
use super::response_head::{MAX_HEAD, RequestKind};
use crate::message::elements::elements_of;
use crate::message::number::number;

/// Bytes that the extensions of all chunks of a body may have; they say nothing that a proxy needs (RFC 9112 7.1.1).
const MAX_EXTENSIONS: usize = 16 * 1024;
/// Bytes of a chunk's size whose line has no end yet. The largest size has 16 digits; others begin with zeros.
const MAX_SIZE_LINE: usize = 1024;
/// Trailer fields of a response.
const MAX_TRAILERS: usize = 100;

/// What the fields of a response say about its framing and its connection.
pub(super) struct FramingFields {
    version: Version,
    says_close: bool,
    says_keep_alive: bool,
    /// Whether the last transfer coding is `chunked`, if there is one.
    is_chunked: Option<bool>,
    length: ContentLength,
}

#[derive(Clone, Copy)]
enum ContentLength {
    Absent,
    Says(u64),
    Invalid,
}

/// Takes the bytes of a body out of those of the connection.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum BodyDecoder {
    /// The body is over, or there is none.
    Ended,
    /// Bytes that are still to come.
    Length(u64),
    Chunked(Chunks),
    /// All until the connection ends.
    UntilClose,
}

/// A body in chunks.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Chunks {
    part: ChunkPart,
    /// Bytes of extensions so far.
    extensions: usize,
}

/// What comes next of a body in chunks.
#[derive(Debug, Default, PartialEq, Eq)]
enum ChunkPart {
    #[default]
    Size,
    /// Bytes of the chunk that are still to come.
    Data(u64),
    /// The line ending after the data of a chunk.
    DataEnd,
    Trailers,
}

/// What was found of a body.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Decoded {
    Data(Bytes),
    Trailers(HeaderMap),
    /// It is over.
    End,
    /// More has to come.
    Partial,
}

impl FramingFields {
    pub(super) fn new(version: Version) -> Self {
        Self {
            version,
            says_close: false,
            says_keep_alive: false,
            is_chunked: None,
            length: ContentLength::Absent,
        }
    }

    pub(super) fn connection(&mut self, value: &HeaderValue) {
        for option in elements_of(value) {
            self.says_close |= option.eq_ignore_ascii_case(b"close");
            self.says_keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
        }
    }

    pub(super) fn transfer_encoding(&mut self, value: &HeaderValue) {
        let last = elements_of(value).last().unwrap_or_default();
        self.is_chunked = Some(last.eq_ignore_ascii_case(b"chunked"));
    }

    /// Several lengths are one if they are equal (RFC 9112 6.3, 5.).
    pub(super) fn content_length(&mut self, value: &HeaderValue) {
        for item in elements_of(value) {
            self.length = match (number(item), self.length) {
                (Some(length), ContentLength::Absent) => ContentLength::Says(length),
                (Some(length), ContentLength::Says(before)) if length == before => self.length,
                _ => ContentLength::Invalid,
            };
        }
    }

    /// The body that follows the head.
    ///
    /// # Errors
    /// If the framing is ambiguous.
    pub(super) fn body(
        &self,
        status: StatusCode,
        request: RequestKind,
    ) -> Result<BodyDecoder, Http1Error> {
        let has_none = status.is_informational()
            || [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&status)
            || request == RequestKind::Head
            || request == RequestKind::Connect && status.is_success();
        if has_none {
            return Ok(BodyDecoder::Ended);
        }
        match (self.is_chunked, self.length) {
            (Some(_), _) if self.version == Version::HTTP_10 => {
                Err(Http1Error::Malformed("a transfer coding in HTTP/1.0"))
            }
            (Some(true), _) => Ok(BodyDecoder::Chunked(Chunks::default())),
            (None, ContentLength::Says(0)) => Ok(BodyDecoder::Ended),
            (None, ContentLength::Says(length)) => Ok(BodyDecoder::Length(length)),
            (None, ContentLength::Invalid) => Err(Http1Error::Malformed("its length")),
            (Some(false), _) | (None, ContentLength::Absent) => Ok(BodyDecoder::UntilClose),
        }
    }

    /// Whether the connection stays open after the body.
    pub(super) fn is_reusable(&self, body: &BodyDecoder, status: StatusCode) -> bool {
        let persists = self.version == Version::HTTP_11 || self.says_keep_alive;
        persists
            && !self.says_close
            && *body != BodyDecoder::UntilClose
            && status != StatusCode::SWITCHING_PROTOCOLS
    }
}

impl BodyDecoder {
    /// Whether nothing more comes.
    pub(super) fn has_ended(&self) -> bool {
        *self == Self::Ended
    }

    /// Bytes that are still to come, if that is known.
    pub(super) fn left(&self) -> Option<u64> {
        match self {
            Self::Ended => Some(0),
            Self::Length(left) => Some(*left),
            Self::Chunked(_) | Self::UntilClose => None,
        }
    }

    /// Takes the next part off what was received.
    ///
    /// # Errors
    /// If the framing of chunks is broken.
    pub(super) fn take(&mut self, received: &mut BytesMut) -> Result<Decoded, Http1Error> {
        match self {
            Self::Ended => Ok(Decoded::End),
            _ if received.is_empty() => Ok(Decoded::Partial),
            Self::UntilClose => Ok(Decoded::Data(received.split().freeze())),
            Self::Length(left) => {
                let data = take_up_to(received, left);
                if *left == 0 {
                    *self = Self::Ended;
                }
                Ok(Decoded::Data(data))
            }
            Self::Chunked(chunks) => {
                let decoded = chunks.take(received)?;
                if matches!(decoded, Decoded::End | Decoded::Trailers(_)) {
                    *self = Self::Ended;
                }
                Ok(decoded)
            }
        }
    }

    /// The connection has ended.
    ///
    /// # Errors
    /// If the body has not.
    pub(super) fn end(&mut self) -> Result<(), Http1Error> {
        if !matches!(self, Self::Ended | Self::UntilClose) {
            return Err(Http1Error::Incomplete);
        }
        *self = Self::Ended;
        Ok(())
    }
}

impl Chunks {
    fn take(&mut self, received: &mut BytesMut) -> Result<Decoded, Http1Error> {
        loop {
            match &mut self.part {
                ChunkPart::Size => match self.take_size(received)? {
                    None => return Ok(Decoded::Partial),
                    Some(0) => self.part = ChunkPart::Trailers,
                    Some(size) => self.part = ChunkPart::Data(size),
                },
                ChunkPart::Data(_) if received.is_empty() => return Ok(Decoded::Partial),
                ChunkPart::Data(left) => {
                    let data = take_up_to(received, left);
                    if *left == 0 {
                        self.part = ChunkPart::DataEnd;
                    }
                    return Ok(Decoded::Data(data));
                }
                ChunkPart::DataEnd => match &received[..] {
                    [b'\r', b'\n', ..] => {
                        received.advance(2);
                        self.part = ChunkPart::Size;
                    }
                    [] | [b'\r'] => return Ok(Decoded::Partial),
                    _ => return Err(Http1Error::Malformed("the end of a chunk")),
                },
                ChunkPart::Trailers => return take_trailers(received),
            }
        }
    }

    /// Takes the line of a chunk's size off; `None` if more of it has to come.
    fn take_size(&mut self, received: &mut BytesMut) -> Result<Option<u64>, Http1Error> {
        const FAULT: Http1Error = Http1Error::Malformed("the size of a chunk");
        let left = MAX_EXTENSIONS - self.extensions;
        let Some(end) = received.iter().position(|byte| *byte == b'\n') else {
            return if received.len() <= MAX_SIZE_LINE + left {
                Ok(None)
            } else {
                Err(FAULT)
            };
        };
        let line = received[..end].strip_suffix(b"\r").ok_or(FAULT)?;
        let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit());
        let (size, extension) = line.split_at(digits.count());
        let is_extension = matches!(extension.trim_ascii_start(), [] | [b';', ..]);
        if !is_extension || extension.len() > left {
            return Err(FAULT);
        }
        self.extensions += extension.len();
        // Without a digit it is no number.
        let size = std::str::from_utf8(size).map_err(|_| FAULT)?;
        let size = u64::from_str_radix(size, 16).map_err(|_| FAULT)?;
        received.advance(end + 1);
        Ok(Some(size))
    }
}

/// At most so many bytes, which then are not left any more.
fn take_up_to(received: &mut BytesMut, left: &mut u64) -> Bytes {
    let most = usize::try_from(*left).unwrap_or(usize::MAX);
    let data = received.split_to(received.len().min(most)).freeze();
    *left -= data.len() as u64;
    data
}

/// Takes the trailers off, and the empty line after them.
fn take_trailers(received: &mut BytesMut) -> Result<Decoded, Http1Error> {
    const FAULT: Http1Error = Http1Error::Malformed("its trailers");
    let mut space = [httparse::EMPTY_HEADER; MAX_TRAILERS];
    let (size, fields) = match httparse::parse_headers(received, &mut space) {
        Ok(httparse::Status::Complete(found)) => found,
        Ok(httparse::Status::Partial) if received.len() < MAX_HEAD => return Ok(Decoded::Partial),
        _ => return Err(FAULT),
    };
    let mut trailers = HeaderMap::new();
    for field in fields {
        let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| FAULT)?;
        let value = HeaderValue::from_bytes(field.value).map_err(|_| FAULT)?;
        trailers.append(name, value);
    }
    received.advance(size);
    Ok(if trailers.is_empty() {
        Decoded::End
    } else {
        Decoded::Trailers(trailers)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    type Fields = &'static [(&'static str, &'static str)];

    fn framing(version: Version, fields: Fields) -> FramingFields {
        let mut framing = FramingFields::new(version);
        for (name, value) in fields {
            let value = HeaderValue::from_static(value);
            match *name {
                "connection" => framing.connection(&value),
                "te" => framing.transfer_encoding(&value),
                _ => framing.content_length(&value),
            }
        }
        framing
    }

    #[test]
    fn a_body_is_framed_as_the_status_the_request_and_the_fields_say() {
        use RequestKind::{Connect, Head, Other};
        let chunked = || BodyDecoder::Chunked(Chunks::default());
        let cases: &[(u16, RequestKind, Fields, Option<BodyDecoder>)] = &[
            (200, Other, &[], Some(BodyDecoder::UntilClose)),
            (200, Other, &[("cl", "7")], Some(BodyDecoder::Length(7))),
            (200, Other, &[("cl", "0")], Some(BodyDecoder::Ended)),
            (
                200,
                Other,
                &[("cl", "7, 7"), ("cl", "7")],
                Some(BodyDecoder::Length(7)),
            ),
            (200, Other, &[("cl", "7"), ("cl", "8")], None),
            (200, Other, &[("cl", "+7")], None),
            (200, Other, &[("cl", "")], None),
            (200, Other, &[("cl", "7,")], None),
            (200, Other, &[("cl", "99999999999999999999")], None),
            (200, Other, &[("te", "chunked")], Some(chunked())),
            (
                200,
                Other,
                &[("te", "gzip, Chunked"), ("cl", "x")],
                Some(chunked()),
            ),
            (
                200,
                Other,
                &[("te", "chunked"), ("te", "gzip")],
                Some(BodyDecoder::UntilClose),
            ),
            (204, Other, &[("cl", "7")], Some(BodyDecoder::Ended)),
            (304, Other, &[("te", "chunked")], Some(BodyDecoder::Ended)),
            (101, Other, &[("cl", "7")], Some(BodyDecoder::Ended)),
            (200, Head, &[("cl", "7")], Some(BodyDecoder::Ended)),
            (200, Connect, &[("cl", "7")], Some(BodyDecoder::Ended)),
            (403, Connect, &[("cl", "7")], Some(BodyDecoder::Length(7))),
        ];
        for (status, request, fields, expected) in cases {
            let status = StatusCode::from_u16(*status).unwrap();
            let body = framing(Version::HTTP_11, fields).body(status, *request);
            assert_eq!(body.ok(), *expected, "{status} {fields:?}");
        }
        let old = framing(Version::HTTP_10, &[("te", "chunked")]);
        assert!(old.body(StatusCode::OK, Other).is_err());
    }

    #[test]
    fn a_connection_persists_as_its_version_and_its_options_say() {
        let cases: [(Version, Fields, bool); 6] = [
            (Version::HTTP_11, &[], true),
            (Version::HTTP_11, &[("connection", "Upgrade, Close")], false),
            (
                Version::HTTP_11,
                &[("connection", "close"), ("connection", "keep-alive")],
                false,
            ),
            (Version::HTTP_10, &[], false),
            (Version::HTTP_10, &[("connection", "Keep-Alive")], true),
            (
                Version::HTTP_10,
                &[("connection", "keep-alive, close")],
                false,
            ),
        ];
        for (version, fields, expected) in cases {
            let framing = framing(version, fields);
            let length = BodyDecoder::Length(1);
            assert_eq!(
                framing.is_reusable(&length, StatusCode::OK),
                expected,
                "{fields:?}"
            );
            assert!(!framing.is_reusable(&BodyDecoder::UntilClose, StatusCode::OK));
            let switch = StatusCode::SWITCHING_PROTOCOLS;
            assert!(!framing.is_reusable(&BodyDecoder::Ended, switch));
        }
    }

    /// All that a decoder finds in bytes that come in pieces of this size: the data, and the trailers.
    fn decode(
        mut decoder: BodyDecoder,
        bytes: &[u8],
        piece: usize,
    ) -> Result<(String, HeaderMap, usize), Http1Error> {
        let (mut received, mut data, mut trailers) =
            (BytesMut::new(), Vec::new(), HeaderMap::new());
        for part in bytes.chunks(piece) {
            received.extend_from_slice(part);
            loop {
                match decoder.take(&mut received)? {
                    Decoded::Data(more) => data.extend_from_slice(&more),
                    Decoded::Trailers(fields) => trailers = fields,
                    Decoded::Partial | Decoded::End => break,
                }
            }
        }
        decoder.end()?;
        Ok((String::from_utf8(data).unwrap(), trailers, received.len()))
    }

    #[test]
    fn the_bytes_of_a_body_come_out_in_any_pieces() {
        let chunked = || BodyDecoder::Chunked(Chunks::default());
        let text = b"4\r\ntext\r\n0A ; a=\"b\"\r\n0123456789\r\n000\r\nx-sum: 1\r\n\r\nrest";
        let plain = b"4;\r\ntext\r\n0\r\n\r\nrest";
        for piece in 1..=text.len() {
            let (data, trailers, left) = decode(chunked(), text, piece).unwrap();
            assert_eq!((&*data, trailers.len(), left), ("text0123456789", 1, 4));
            let (data, trailers, left) = decode(chunked(), plain, piece).unwrap();
            assert_eq!((&*data, trailers.len(), left), ("text", 0, 4));
            let (data, _, left) = decode(BodyDecoder::Length(6), b"bodyisrest", piece).unwrap();
            assert_eq!((&*data, left), ("bodyis", 4));
            let (data, _, left) = decode(BodyDecoder::UntilClose, b"all of it", piece).unwrap();
            assert_eq!((&*data, left), ("all of it", 0));
        }
    }

    #[test]
    fn broken_chunks_and_bodies_that_end_early_are_errors() {
        let chunked = || BodyDecoder::Chunked(Chunks::default());
        let long = format!("1;{}", "x".repeat(MAX_EXTENSIONS + MAX_SIZE_LINE));
        // Many short ones are as bad as a long one.
        let many = "1;01234567\r\na\r\n".repeat(MAX_EXTENSIONS / 8);
        let zeros = "0".repeat(MAX_EXTENSIONS + MAX_SIZE_LINE + 1);
        for bytes in [
            "\r\n\r\n",
            ";\r\n\r\n",
            "x\r\n",
            "+1\r\na\r\n0\r\n\r\n",
            " 1\r\na\r\n0\r\n\r\n",
            "1\na\r\n0\r\n\r\n",
            "1;a\nb\r\na\r\n0\r\n\r\n",
            "1\r\nab\r\n0\r\n\r\n",
            "1\r\na\n0\r\n\r\n",
            "10000000000000000\r\n",
            "0\r\nno field\r\n\r\n",
            &long,
            &many,
            &zeros,
        ] {
            let found = decode(chunked(), bytes.as_bytes(), bytes.len());
            assert!(matches!(found, Err(Http1Error::Malformed(_))), "{bytes}");
        }
        for (decoder, bytes) in [
            (chunked(), "4\r\nte"),
            (chunked(), "4\r\ntext\r\n0\r\n"),
            (BodyDecoder::Length(4), "tex"),
        ] {
            let found = decode(decoder, bytes.as_bytes(), 1);
            assert!(matches!(found, Err(Http1Error::Incomplete)), "{bytes}");
        }
    }
}
