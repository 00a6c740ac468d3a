//! Where a response's body ends (RFC 9112, section 6.3).

use std::io;

use super::response::{Headers, Response, invalid};
use super::wire::Wire;

/// How the end of a body is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    None,
    Length(u64),
    Chunked,
    ToClose,
}

impl Framing {
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

    /// Gives `sink` the body piece by piece, and returns the trailers.
    pub(super) fn read(self, wire: &mut Wire, mut sink: impl FnMut(&[u8])) -> io::Result<Headers> {
        match self {
            Self::None => {}
            Self::Length(length) => wire.read_through(length, &mut sink)?,
            Self::Chunked => return read_chunks(wire, &mut sink),
            Self::ToClose => loop {
                let piece = wire.read_some()?;
                if piece.is_empty() {
                    break;
                }
                sink(&piece);
            },
        }
        Ok(Headers::default())
    }
}

fn read_chunks(wire: &mut Wire, sink: &mut impl FnMut(&[u8])) -> io::Result<Headers> {
    loop {
        let line = wire.read_line()?;
        let size = line.split(';').next().unwrap_or_default();
        let length = u64::from_str_radix(size, 16)
            .map_err(|_| invalid(&format!("the chunk size {line:?}")))?;
        if length == 0 {
            break;
        }
        wire.read_through(length, sink)?;
        if !wire.read_line()?.is_empty() {
            return Err(invalid("a chunk longer than its size"));
        }
    }
    let mut trailers = String::new();
    loop {
        let line = wire.read_line()?;
        if line.is_empty() {
            return Headers::parse(&trailers);
        }
        trailers.push_str(&line);
        trailers.push_str("\r\n");
    }
}
