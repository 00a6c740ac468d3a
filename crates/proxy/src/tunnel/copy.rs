//! Octets between two streams of any kind, by way of this process.
//!
//! What is read goes through one buffer that all tunnels of a worker share, and is written from there at once. Only what
//! the other side does not take is kept, so that a tunnel that is quiet holds no buffer at all.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::buffers::Scratch;
use super::relay::{Mover, SHARE, State, Turn};
use crate::exchange::TunnelBytes;

/// Two streams that are to be joined.
pub(crate) struct Copied<C, U> {
    client: C,
    upstream: U,
    up: Pump,
    down: Pump,
}

/// One direction.
struct Pump {
    /// Read, and not taken yet by the other side.
    kept: Vec<u8>,
    /// How much of that has been taken.
    taken: usize,
    state: State,
    moved: u64,
    /// Something was written since the last flush.
    unflushed: bool,
}

impl<C, U> Copied<C, U> {
    /// `early` is what was read of each stream before.
    pub(crate) fn new((client, early_up): (C, Bytes), (upstream, early_down): (U, Bytes)) -> Self {
        Self {
            client,
            upstream,
            up: Pump::new(&early_up),
            down: Pump::new(&early_down),
        }
    }
}

impl<C, U> Mover for Copied<C, U>
where
    C: AsyncRead + AsyncWrite + Unpin,
    U: AsyncRead + AsyncWrite + Unpin,
{
    fn up(&mut self, scratch: &Scratch, cx: &mut Context<'_>) -> Turn {
        let (client, upstream) = (Pin::new(&mut self.client), Pin::new(&mut self.upstream));
        self.up.turn(client, upstream, &mut scratch.buffer(), cx)
    }

    fn down(&mut self, scratch: &Scratch, cx: &mut Context<'_>) -> Turn {
        let (client, upstream) = (Pin::new(&mut self.client), Pin::new(&mut self.upstream));
        self.down.turn(upstream, client, &mut scratch.buffer(), cx)
    }

    fn are_open(&self) -> (bool, bool) {
        let is_open = |pump: &Pump| pump.state == State::Open;
        (is_open(&self.up), is_open(&self.down))
    }

    fn moved(&self) -> TunnelBytes {
        TunnelBytes {
            up: self.up.moved,
            down: self.down.moved,
        }
    }
}

impl Pump {
    fn new(early: &[u8]) -> Self {
        Self {
            kept: early.to_vec(),
            taken: 0,
            state: State::Open,
            moved: 0,
            unflushed: false,
        }
    }

    fn turn(
        &mut self,
        mut from: Pin<&mut impl AsyncRead>,
        mut to: Pin<&mut impl AsyncWrite>,
        scratch: &mut [u8],
        cx: &mut Context<'_>,
    ) -> Turn {
        for _ in 0..SHARE {
            if let Some(turn) = self.write_kept(to.as_mut(), cx) {
                return turn;
            }
            match self.state {
                State::Open => {}
                State::Ending => {
                    if to.as_mut().poll_shutdown(cx).is_pending() {
                        return Turn::Pressed;
                    }
                    // One that cannot be told any more is gone, as was to be told.
                    self.state = State::Ended;
                    return Turn::Ended;
                }
                State::Ended => return Turn::Ended,
                State::Broken => return Turn::ReceiverLost,
            }
            let mut read = ReadBuf::new(scratch);
            match from.as_mut().poll_read(cx, &mut read) {
                Poll::Pending => return self.wait(to, cx),
                Poll::Ready(Err(_)) => return Turn::SenderLost,
                Poll::Ready(Ok(())) if read.filled().is_empty() => self.state = State::Ending,
                Poll::Ready(Ok(())) => {
                    let written = to.as_mut().poll_write(cx, read.filled());
                    let count = if written.is_pending() {
                        0
                    } else if let Some(count) = self.wrote(written) {
                        count
                    } else {
                        return Turn::ReceiverLost;
                    };
                    self.kept.extend_from_slice(&read.filled()[count..]);
                }
            }
        }
        Turn::More
    }

    /// Writes what is kept. Nothing to say when all of it is gone.
    fn write_kept(
        &mut self,
        mut to: Pin<&mut impl AsyncWrite>,
        cx: &mut Context<'_>,
    ) -> Option<Turn> {
        while self.taken < self.kept.len() {
            let written = to.as_mut().poll_write(cx, &self.kept[self.taken..]);
            if written.is_pending() {
                return Some(Turn::Pressed);
            }
            match self.wrote(written) {
                Some(count) => self.taken += count,
                None => return Some(Turn::ReceiverLost),
            }
        }
        self.kept.clear();
        self.taken = 0;
        None
    }

    fn wrote(&mut self, written: Poll<std::io::Result<usize>>) -> Option<usize> {
        if let Poll::Ready(Ok(count @ 1..)) = written {
            self.moved += count as u64;
            self.unflushed = true;
            return Some(count);
        }
        self.kept = Vec::new();
        self.taken = 0;
        self.state = State::Broken;
        None
    }

    /// Nothing more is there now: what was written has to leave, and the buffer is not needed.
    fn wait(&mut self, to: Pin<&mut impl AsyncWrite>, cx: &mut Context<'_>) -> Turn {
        self.kept = Vec::new();
        if self.unflushed && to.poll_flush(cx).is_ready() {
            self.unflushed = false;
        }
        Turn::Waits
    }
}

#[cfg(test)]
mod tests;
