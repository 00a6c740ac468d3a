//! Content codings (RFC 9110 8.4): bodies are compressed and decompressed piece by piece, in memory that does not depend on
//! how much they expand.

use std::io;

use bytes::Bytes;
use compression_codecs::brotli::params::EncoderParams;
use compression_codecs::core::Level;
use compression_codecs::core::util::{PartialBuffer, WriteBuffer};
use compression_codecs::flate::params::FlateEncoderParams;
use compression_codecs::zstd::params::{CParameter, DParameter};
use compression_codecs::{
    BrotliDecoder, BrotliEncoder, DecodeV2, EncodeV2, GzipDecoder, GzipEncoder, ZstdDecoder,
    ZstdEncoder,
};
use egret_config::policy::compression::ContentCoding;

/// The most bytes that are made in one step.
const STEP: usize = 16 * 1024;

/// Compresses a body.
pub(crate) struct BodyEncoder {
    codec: Box<dyn EncodeV2>,
    /// Whether the codec may hold back some of what it was given.
    holds: bool,
}

/// Decompresses a body.
pub(crate) struct BodyDecoder {
    codec: Box<dyn DecodeV2>,
    input: Bytes,
    /// Whether there may be more output without more input.
    is_full: bool,
    progress: DecodeProgress,
}

/// How far a body is decompressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DecodeProgress {
    /// Nothing was read.
    New,
    /// In the midst of it.
    Begun,
    /// At the end of a compressed text, after which another one may follow.
    Ended,
}

impl BodyEncoder {
    pub(crate) fn new(coding: ContentCoding) -> Self {
        let codec: Box<dyn EncodeV2> = match coding {
            ContentCoding::Gzip => {
                Box::new(GzipEncoder::new(FlateEncoderParams::from(Level::Default)))
            }
            ContentCoding::Brotli => {
                Box::new(BrotliEncoder::new(EncoderParams::default().quality(BROTLI)))
            }
            ContentCoding::Zstd => Box::new(ZstdEncoder::new_with_params(
                ZSTD_LEVEL,
                &[CParameter::window_log(ZSTD_WINDOW)],
            )),
        };
        Self {
            codec,
            holds: false,
        }
    }

    /// Whether some of what was given may not have come out yet.
    pub(crate) fn holds(&self) -> bool {
        self.holds
    }

    /// Compresses more. What comes out may be empty.
    pub(crate) fn encode(&mut self, data: &[u8]) -> io::Result<Bytes> {
        let mut input = PartialBuffer::new(data);
        self.holds = true;
        collect(|output| {
            self.codec.encode(&mut input, output)?;
            Ok(input.unwritten().is_empty())
        })
    }

    /// Everything that was given so far and has not come out.
    pub(crate) fn flush(&mut self) -> io::Result<Bytes> {
        self.holds = false;
        collect(|output| self.codec.flush(output))
    }

    /// The end.
    pub(crate) fn finish(&mut self) -> io::Result<Bytes> {
        self.holds = false;
        collect(|output| self.codec.finish(output))
    }
}

/// The quality of Brotli: the best ones are too slow for content that is made anew for each request.
const BROTLI: Level = Level::Precise(4);
const ZSTD_LEVEL: i32 = 3;
/// The logarithm of zstd's window, which is memory at both ends.
const ZSTD_WINDOW: u32 = 18;
/// That of the largest window that a content may ask for, 8 MB (RFC 9659).
const ZSTD_LARGEST_WINDOW: u32 = 23;

/// The output of a step that is repeated until it says that it is done.
fn collect(mut step: impl FnMut(&mut WriteBuffer<'_>) -> io::Result<bool>) -> io::Result<Bytes> {
    let mut out = Vec::new();
    let mut space = vec![0; STEP];
    loop {
        let mut output = WriteBuffer::new_initialized(&mut space);
        let is_done = step(&mut output)?;
        out.extend_from_slice(output.written());
        if is_done {
            return Ok(out.into());
        }
    }
}

impl BodyDecoder {
    pub(crate) fn new(coding: ContentCoding) -> Self {
        let codec: Box<dyn DecodeV2> = match coding {
            ContentCoding::Gzip => Box::new(GzipDecoder::new()),
            ContentCoding::Brotli => Box::new(BrotliDecoder::new()),
            ContentCoding::Zstd => {
                Box::new(ZstdDecoder::new_with_params(&[DParameter::window_log_max(
                    ZSTD_LARGEST_WINDOW,
                )]))
            }
        };
        Self {
            codec,
            input: Bytes::new(),
            is_full: false,
            progress: DecodeProgress::New,
        }
    }

    /// Gives more compressed data. What was given before has been used up.
    pub(crate) fn give(&mut self, data: Bytes) {
        debug_assert!(self.input.is_empty(), "what was given before is used first");
        self.input = data;
    }

    /// The next piece of the content; `None` if more data is needed.
    ///
    /// # Errors
    /// If the data is not of this coding.
    pub(crate) fn next(&mut self) -> io::Result<Option<Bytes>> {
        let mut space = vec![0; STEP];
        while !self.input.is_empty() || self.is_full {
            if self.progress == DecodeProgress::Ended {
                if self.input.is_empty() {
                    break;
                }
                self.codec.reinit()?;
            }
            let mut input = PartialBuffer::new(&*self.input);
            let mut output = WriteBuffer::new_initialized(&mut space);
            let ended = self.codec.decode(&mut input, &mut output)?;
            let (used, made) = (input.written_len(), output.written_len());
            self.is_full = !ended && made == STEP;
            self.progress = match ended {
                true => DecodeProgress::Ended,
                false => DecodeProgress::Begun,
            };
            self.input = self.input.slice(used..);
            if made > 0 {
                space.truncate(made);
                return Ok(Some(space.into()));
            }
            if used == 0 && !ended && !self.input.is_empty() {
                return Err(io::ErrorKind::InvalidData.into());
            }
        }
        Ok(None)
    }

    /// Whether the data may end here.
    pub(crate) fn may_end(&self) -> bool {
        self.input.is_empty() && self.progress == DecodeProgress::Ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [ContentCoding; 3] = [
        ContentCoding::Gzip,
        ContentCoding::Brotli,
        ContentCoding::Zstd,
    ];

    fn decode(coding: ContentCoding, data: &[u8], piece: usize) -> io::Result<Vec<u8>> {
        let mut decoder = BodyDecoder::new(coding);
        let mut out = Vec::new();
        for piece in data.chunks(piece) {
            decoder.give(Bytes::copy_from_slice(piece));
            while let Some(more) = decoder.next()? {
                assert!(more.len() <= STEP);
                out.extend_from_slice(&more);
            }
        }
        if decoder.may_end() {
            Ok(out)
        } else {
            Err(io::ErrorKind::UnexpectedEof.into())
        }
    }

    #[test]
    fn what_is_compressed_in_pieces_comes_out_again() {
        let text: Vec<u8> = (0..200_000_u32)
            .flat_map(|n| (n / 7).to_le_bytes())
            .collect();
        for coding in ALL {
            let mut encoder = BodyEncoder::new(coding);
            let mut out = Vec::new();
            for piece in text.chunks(10_000) {
                out.extend_from_slice(&encoder.encode(piece).unwrap());
            }
            out.extend_from_slice(&encoder.finish().unwrap());
            assert!(out.len() < text.len() / 2, "{coding:?}: {}", out.len());
            for piece in [1, 1000, out.len()] {
                assert!(decode(coding, &out, piece).unwrap() == text, "{coding:?}");
            }
            let short = decode(coding, &out[..out.len() - 1], 1000);
            assert!(short.is_err(), "{coding:?}");
        }
    }

    #[test]
    fn what_is_flushed_can_be_read_at_once() {
        for coding in ALL {
            let mut encoder = BodyEncoder::new(coding);
            let mut out = encoder.encode(b"hello").unwrap().to_vec();
            assert!(encoder.holds());
            out.extend_from_slice(&encoder.flush().unwrap());
            assert!(!encoder.holds());
            let mut decoder = BodyDecoder::new(coding);
            decoder.give(out.into());
            assert_eq!(decoder.next().unwrap().unwrap(), "hello", "{coding:?}");
            assert!(!decoder.may_end());
        }
    }

    #[test]
    fn little_that_expands_to_much_comes_in_small_pieces() {
        let zeros = vec![0; 10_000_000];
        for coding in ALL {
            let mut encoder = BodyEncoder::new(coding);
            let mut out = encoder.encode(&zeros).unwrap().to_vec();
            out.extend_from_slice(&encoder.finish().unwrap());
            assert_eq!(decode(coding, &out, out.len()).unwrap().len(), zeros.len());
        }
    }

    /// No client makes the gateway hold more (RFC 9659).
    #[test]
    fn a_window_of_zstd_beyond_8_mb_is_an_error() {
        for (window_log, expected) in [(23, true), (24, false)] {
            let long = CParameter::window_log(window_log);
            let mut codec = ZstdEncoder::new_with_params(1, &[long]);
            let zeros = vec![0; 20_000_000];
            let mut input = PartialBuffer::new(&*zeros);
            let encode = |output: &mut WriteBuffer<'_>| {
                codec.encode(&mut input, output)?;
                Ok(input.unwritten().is_empty())
            };
            let mut out = collect(encode).unwrap().to_vec();
            out.extend_from_slice(&collect(|output| codec.finish(output)).unwrap());
            let decoded = decode(ContentCoding::Zstd, &out, out.len());
            assert_eq!(decoded.is_ok(), expected, "{window_log}");
        }
    }

    #[test]
    fn what_is_not_compressed_is_an_error() {
        for coding in ALL {
            assert!(decode(coding, &[0xfe; 100], 100).is_err(), "{coding:?}");
        }
    }
}
