//! Finds where the body of a response ends (RFC 9112, section 6.3).

use std::io;

use super::buffered::BufferedStream;
use super::response::{HeaderFields, Response, invalid};

/// How the end of a body is determined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyFraming {
    None,
    Length(u64),
    Chunked,
    ToClose,
}

impl BodyFraming {
    pub(super) fn of(method: Option<&str>, response: &Response) -> io::Result<Self> {
        let bodiless = matches!(response.status, 100..200 | 204 | 304);
        let tunnel = method == Some("CONNECT") && (200..300).contains(&response.status);
        if bodiless || tunnel || method == Some("HEAD") {
            return Ok(Self::None);
        }
        let length = response.header("content-length");
        match (response.header("transfer-encoding"), length) {
            (Some(_), Some(_)) => Err(invalid("two framings")),
            (Some(coding), None) if coding.eq_ignore_ascii_case("chunked") => Ok(Self::Chunked),
            (Some(coding), None) => Err(invalid(&format!("the transfer coding {coding:?}"))),
            (None, Some(length)) if response.headers.all("content-length").count() == 1 => length
                .parse()
                .map(Self::Length)
                .map_err(|_| invalid(&format!("the length {length:?}"))),
            (None, Some(_)) => Err(invalid("two lengths")),
            (None, None) => Ok(Self::ToClose),
        }
    }

    /// Passes the body to `sink` piece by piece, and returns the trailers.
    pub(super) fn read(
        self,
        stream: &mut BufferedStream,
        mut sink: impl FnMut(&[u8]),
    ) -> io::Result<HeaderFields> {
        match self {
            Self::None => {}
            Self::Length(length) => stream.read_through(length, &mut sink)?,
            Self::Chunked => return read_chunks(stream, &mut sink),
            Self::ToClose => loop {
                let piece = stream.read_some()?;
                if piece.is_empty() {
                    break;
                }
                sink(&piece);
            },
        }
        Ok(HeaderFields::default())
    }
}

fn read_chunks(
    stream: &mut BufferedStream,
    sink: &mut impl FnMut(&[u8]),
) -> io::Result<HeaderFields> {
    loop {
        let line = stream.read_line()?;
        let size = line.split(';').next().unwrap_or_default();
        let length = u64::from_str_radix(size, 16)
            .map_err(|_| invalid(&format!("the chunk size {line:?}")))?;
        if length == 0 {
            break;
        }
        stream.read_through(length, sink)?;
        if !stream.read_line()?.is_empty() {
            return Err(invalid("a chunk longer than its size"));
        }
    }
    let mut trailers = String::new();
    loop {
        let line = stream.read_line()?;
        if line.is_empty() {
            return HeaderFields::parse(&trailers);
        }
        trailers.push_str(&line);
        trailers.push_str("\r\n");
    }
}
