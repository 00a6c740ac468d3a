//! Streams that the HTTP/2 library refuses before there is a request: their heads are malformed, or larger than allowed. It
//! says nothing of them, so that they are known by the frames that it writes.

use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use h2::Reason;
use http::StatusCode;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::refusal::Refusal;
use crate::transfer::SendGate;

/// Length of the head of a frame (RFC 9113 4.1).
const FRAME_HEAD: usize = 9;
/// Length of a frame of the type `RST_STREAM` (RFC 9113 6.4).
const RESET_LENGTH: usize = FRAME_HEAD + 4;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const END_STREAM: u8 = 1;

/// What became of the streams of a connection.
#[derive(Default)]
pub(super) struct StreamLedger {
    known: Cell<RecentStreams>,
    /// Streams that were ended and are not known. They may be about to be accepted.
    ended: RefCell<Vec<(u32, HeadRefusal)>>,
    has_ended: Cell<bool>,
}

/// The newest stream that is known, and which of those before it are.
#[derive(Clone, Copy, Default)]
struct RecentStreams {
    newest: u32,
    /// A bit for each stream, from the newest on.
    bits: u128,
}

/// How the library refused a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HeadRefusal {
    /// By a 431 response.
    TooLarge,
    /// By a reset.
    Malformed,
}

impl HeadRefusal {
    /// The refusal, and the status that the client got.
    pub(super) fn told(self) -> (Refusal, Option<StatusCode>) {
        match self {
            Self::TooLarge => (
                Refusal::HeadTooLarge,
                Some(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE),
            ),
            Self::Malformed => (Refusal::MalformedHead, None),
        }
    }
}

impl RecentStreams {
    fn insert(&mut self, id: u32) {
        if id > self.newest {
            self.bits = self.bits.checked_shl((id - self.newest) / 2).unwrap_or(0) | 1;
            self.newest = id;
        } else {
            self.bits |= 1_u128.checked_shl((self.newest - id) / 2).unwrap_or(0);
        }
    }

    /// Whether a stream is known. One that is much older than the newest is taken to be.
    fn contains(self, id: u32) -> bool {
        let back = self.newest.saturating_sub(id) / 2;
        id <= self.newest && self.bits.checked_shr(back).is_none_or(|bits| bits & 1 == 1)
    }
}

impl StreamLedger {
    /// Records that the head of a stream has been handed to the gateway.
    pub(super) fn accepted(&self, id: u32) {
        let mut known = self.known.get();
        known.insert(id);
        self.known.set(known);
    }

    /// Takes the streams that were refused, when all that the library accepted have been handed over.
    pub(super) fn refused(&self) -> Vec<HeadRefusal> {
        if !self.has_ended.take() {
            return Vec::new();
        }
        let mut refused = Vec::new();
        for (id, refusal) in self.ended.take() {
            if !self.known.get().contains(id) {
                self.accepted(id);
                refused.push(refusal);
            }
        }
        refused
    }

    fn ended(&self, id: u32, refusal: HeadRefusal) {
        if !self.known.get().contains(id) {
            self.ended.borrow_mut().push((id, refusal));
            self.has_ended.set(true);
        }
    }
}

/// How far the frames that are written have been read.
#[derive(Default)]
struct FrameScan {
    /// The beginning of the current frame, as far as it is of interest.
    begun: [u8; RESET_LENGTH],
    length: usize,
    /// Bytes that are left of the current frame beyond that.
    left: usize,
}

impl FrameScan {
    fn read(&mut self, mut bytes: &[u8], ledger: &StreamLedger) {
        loop {
            let skipped = self.left.min(bytes.len());
            (self.left, bytes) = (self.left - skipped, &bytes[skipped..]);
            if bytes.is_empty() {
                return;
            }
            let wanted = self.wanted() - self.length;
            let taken = wanted.min(bytes.len());
            self.begun[self.length..self.length + taken].copy_from_slice(&bytes[..taken]);
            self.length += taken;
            bytes = &bytes[taken..];
            if self.length == self.wanted() {
                self.complete(ledger);
            }
        }
    }

    /// How much of the current frame is of interest.
    fn wanted(&self) -> usize {
        let is_reset = self.length >= FRAME_HEAD && self.begun[3] == RST_STREAM;
        if is_reset { RESET_LENGTH } else { FRAME_HEAD }
    }

    fn complete(&mut self, ledger: &StreamLedger) {
        let [high, middle, low, kind, flags, id @ ..] = self.begun;
        let word = |at: usize| u32::from_be_bytes([id[at], id[at + 1], id[at + 2], id[at + 3]]);
        let size = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
        self.left = (FRAME_HEAD + size).saturating_sub(self.length);
        self.length = 0;
        match kind {
            HEADERS if flags & END_STREAM != 0 => ledger.ended(word(0), HeadRefusal::TooLarge),
            RST_STREAM if word(4) == u32::from(Reason::PROTOCOL_ERROR) => {
                ledger.ended(word(0), HeadRefusal::Malformed);
            }
            _ => {}
        }
    }
}

/// A stream that reads along in what the library writes, and tells whether it is taken.
pub(super) struct LedgerStream<S> {
    stream: S,
    scan: FrameScan,
    ledger: Rc<StreamLedger>,
    gate: Rc<SendGate>,
}

impl<S> LedgerStream<S> {
    pub(super) fn new(stream: S, ledger: Rc<StreamLedger>, gate: Rc<SendGate>) -> Self {
        Self {
            stream,
            scan: FrameScan::default(),
            ledger,
            gate,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for LedgerStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for LedgerStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let Self {
            stream,
            scan,
            ledger,
            gate,
        } = &mut *self;
        let written = Pin::new(stream).poll_write(cx, buf);
        gate.wrote(&written);
        if let Poll::Ready(Ok(count)) = written {
            scan.read(&buf[..count], ledger);
        }
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let Self {
            stream,
            scan,
            ledger,
            gate,
        } = &mut *self;
        let written = Pin::new(stream).poll_write_vectored(cx, bufs);
        gate.wrote(&written);
        if let Poll::Ready(Ok(mut left)) = written {
            for buf in bufs {
                let count = left.min(buf.len());
                scan.read(&buf[..count], ledger);
                left -= count;
            }
        }
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, id: u32, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let mut frame = length[1..].to_vec();
        frame.extend([kind, flags]);
        frame.extend(id.to_be_bytes());
        frame.extend(payload);
        frame
    }

    fn reset(id: u32, code: u32) -> Vec<u8> {
        frame(RST_STREAM, 0, id, &code.to_be_bytes())
    }

    #[test]
    fn streams_that_end_without_a_request_were_refused_in_any_pieces() {
        let written = [
            frame(4, 0, 0, &[0; 12]),
            // Of a stream that is accepted: a response, and data that looks like a reset.
            frame(HEADERS, 5, 1, &[0x88]),
            frame(HEADERS, 4, 3, &[0x88]),
            frame(0, 1, 3, &reset(5, 1)),
            reset(7, 1),
            // A 431 is followed by a reset of the same stream.
            frame(HEADERS, 5, 9, &[0x08]),
            reset(9, 1),
            // More streams than agreed is another matter.
            reset(11, 7),
            // Accepted later.
            reset(13, 1),
        ]
        .concat();
        for piece in 1..=written.len() {
            let (ledger, mut scan) = (StreamLedger::default(), FrameScan::default());
            ledger.accepted(1);
            ledger.accepted(3);
            for bytes in written.chunks(piece) {
                scan.read(bytes, &ledger);
            }
            ledger.accepted(13);
            let refused = ledger.refused();
            assert_eq!(refused, [HeadRefusal::Malformed, HeadRefusal::TooLarge]);
            assert!(ledger.refused().is_empty());
        }
    }

    #[test]
    fn the_streams_of_a_long_connection_are_known() {
        let mut recent = RecentStreams::default();
        assert!(!recent.contains(1));
        for id in (1..2000).step_by(2).filter(|id| id % 7 != 0) {
            recent.insert(id);
        }
        for id in (1800..2000).filter(|id| id % 2 == 1) {
            assert_eq!(recent.contains(id), id % 7 != 0, "{id}");
        }
        assert!(recent.contains(7), "it is too old to tell");
        recent.insert(u32::MAX);
        recent.insert(7);
        assert!(!recent.contains(u32::MAX - 2));
    }
}
