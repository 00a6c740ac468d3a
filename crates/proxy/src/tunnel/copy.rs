//! Copies bytes between two streams of any kind through user space.
//!
//! Bytes are read into one buffer that all tunnels of a worker share, and written from there at once. Only what the
//! receiver does not accept is kept, so that an idle tunnel holds no buffer.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::buffers::TunnelBuffers;
use super::relay::{COPY_BUDGET, CopyStep, DirectionState, DuplexRelay};
use super::sni_gate::{ACCESS_DENIED, GateStep, SniGate, UpwardGate};
use crate::exchange::TunnelBytes;

/// Two joined streams of any kind.
pub(crate) struct StreamCopy<C, U> {
    client: C,
    upstream: U,
    up: CopyDirection,
    down: CopyDirection,
}

/// One direction of a [`StreamCopy`].
struct CopyDirection {
    /// Bytes that were read, and not all of which have been written yet.
    pending: Vec<u8>,
    /// How many bytes of `pending` have been written.
    written: usize,
    state: DirectionState,
    moved: u64,
    /// Whether bytes were written since the last flush.
    unflushed: bool,
    /// What the first bytes of the client have to pass.
    gate: UpwardGate,
}

impl<C, U> StreamCopy<C, U> {
    /// Joins two streams, each with the bytes that were already read from it.
    pub(crate) fn new((client, early_up): (C, Bytes), (upstream, early_down): (U, Bytes)) -> Self {
        Self {
            client,
            upstream,
            up: CopyDirection::new(&early_up),
            down: CopyDirection::new(&early_down),
        }
    }

    /// Puts a gate before what the client sends, the bytes that were already read included.
    pub(crate) fn behind(mut self, gate: Option<SniGate>) -> Self {
        self.up.gate = UpwardGate::new(gate);
        let early = std::mem::take(&mut self.up.pending);
        if !early.is_empty() {
            self.up.receive(&early);
        }
        self
    }
}

impl<C, U> DuplexRelay for StreamCopy<C, U>
where
    C: AsyncRead + AsyncWrite + Unpin,
    U: AsyncRead + AsyncWrite + Unpin,
{
    fn copy_up(&mut self, buffers: &TunnelBuffers, cx: &mut Context<'_>) -> CopyStep {
        let (client, upstream) = (Pin::new(&mut self.client), Pin::new(&mut self.upstream));
        self.up.copy(client, upstream, &mut buffers.buffer(), cx)
    }

    fn copy_down(&mut self, buffers: &TunnelBuffers, cx: &mut Context<'_>) -> CopyStep {
        let (client, upstream) = (Pin::new(&mut self.client), Pin::new(&mut self.upstream));
        self.down.copy(upstream, client, &mut buffers.buffer(), cx)
    }

    fn open_directions(&self) -> (bool, bool) {
        let is_open = |direction: &CopyDirection| direction.state == DirectionState::Open;
        (is_open(&self.up), is_open(&self.down))
    }

    fn moved(&self) -> TunnelBytes {
        TunnelBytes {
            up: self.up.moved,
            down: self.down.moved,
        }
    }

    fn held_until(&self) -> Option<Instant> {
        self.up.gate.held_until()
    }

    fn give_up_hello(&mut self) {
        let step = self.up.gate.give_up();
        self.up.take(step, &[]);
    }

    fn refuse_client(&mut self, cx: &mut Context<'_>) {
        if self.down.moved == 0 {
            // The client learns the cause if it can be written at once.
            let _ = Pin::new(&mut self.client).poll_write(cx, &ACCESS_DENIED);
            let _ = Pin::new(&mut self.client).poll_flush(cx);
        }
    }
}

impl CopyDirection {
    fn new(early: &[u8]) -> Self {
        Self {
            pending: early.to_vec(),
            written: 0,
            state: DirectionState::Open,
            moved: 0,
            unflushed: false,
            gate: UpwardGate::default(),
        }
    }

    /// Takes bytes from the sender through the gate.
    fn receive(&mut self, bytes: &[u8]) {
        let step = self.gate.pass(bytes);
        self.take(step, bytes);
    }

    fn take(&mut self, step: GateStep, bytes: &[u8]) {
        match step {
            GateStep::Forward => self.pending.extend_from_slice(bytes),
            GateStep::ForwardHeld(held) => self.pending.extend_from_slice(&held),
            GateStep::Hold => {}
            GateStep::Refuse => self.state = DirectionState::Refused,
        }
    }

    fn copy(
        &mut self,
        mut from: Pin<&mut impl AsyncRead>,
        mut to: Pin<&mut impl AsyncWrite>,
        buffer: &mut [u8],
        cx: &mut Context<'_>,
    ) -> CopyStep {
        for _ in 0..COPY_BUDGET {
            if let Some(step) = self.write_pending(to.as_mut(), cx) {
                return step;
            }
            match self.state {
                DirectionState::Open => {}
                DirectionState::Ending => {
                    if to.as_mut().poll_shutdown(cx).is_pending() {
                        return CopyStep::WritePending;
                    }
                    // If the shutdown fails, the receiver has closed already.
                    self.state = DirectionState::Ended;
                    return CopyStep::Ended;
                }
                DirectionState::Ended => return CopyStep::Ended,
                DirectionState::Broken => return CopyStep::ReceiverLost,
                DirectionState::Refused => return CopyStep::Refused,
            }
            let mut read = ReadBuf::new(buffer);
            match from.as_mut().poll_read(cx, &mut read) {
                Poll::Pending => return self.wait(to, cx),
                Poll::Ready(Err(_)) => return CopyStep::SenderLost,
                Poll::Ready(Ok(())) if read.filled().is_empty() => {
                    self.state = DirectionState::Ending;
                    self.receive(&[]);
                }
                Poll::Ready(Ok(())) if self.gate.is_closed() => self.receive(read.filled()),
                Poll::Ready(Ok(())) => {
                    let written = to.as_mut().poll_write(cx, read.filled());
                    let count = if written.is_pending() {
                        0
                    } else if let Some(count) = self.wrote(written) {
                        count
                    } else {
                        return CopyStep::ReceiverLost;
                    };
                    self.pending.extend_from_slice(&read.filled()[count..]);
                }
            }
        }
        CopyStep::BudgetSpent
    }

    /// Writes the pending bytes. `None` when all of them have been written.
    fn write_pending(
        &mut self,
        mut to: Pin<&mut impl AsyncWrite>,
        cx: &mut Context<'_>,
    ) -> Option<CopyStep> {
        while self.written < self.pending.len() {
            let written = to.as_mut().poll_write(cx, &self.pending[self.written..]);
            if written.is_pending() {
                return Some(CopyStep::WritePending);
            }
            match self.wrote(written) {
                Some(count) => self.written += count,
                None => return Some(CopyStep::ReceiverLost),
            }
        }
        self.pending.clear();
        self.written = 0;
        None
    }

    fn wrote(&mut self, written: Poll<std::io::Result<usize>>) -> Option<usize> {
        if let Poll::Ready(Ok(count @ 1..)) = written {
            self.moved += count as u64;
            self.unflushed = true;
            return Some(count);
        }
        self.pending = Vec::new();
        self.written = 0;
        self.state = DirectionState::Broken;
        None
    }

    /// Flushes what was written and frees the buffer, because the sender has nothing to read now.
    fn wait(&mut self, to: Pin<&mut impl AsyncWrite>, cx: &mut Context<'_>) -> CopyStep {
        self.pending = Vec::new();
        if self.unflushed && to.poll_flush(cx).is_ready() {
            self.unflushed = false;
        }
        CopyStep::ReadPending
    }
}

#[cfg(test)]
mod tests;
