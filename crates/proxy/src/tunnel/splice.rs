//! Moves bytes between two sockets, with splice(2) while there are many of them.
//!
//! A direction with bulk traffic is spliced through a [`SplicePipe`]. A direction with little traffic is cheaper to copy
//! through the shared buffer: a short read tells that the socket is empty, where splice(2) needs one more call.

use std::io;
use std::net::Shutdown;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::{Buf, Bytes};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::buffers::TunnelBuffers;
use super::pipe::SplicePipe;
use super::relay::{COPY_BUDGET, CopyStep, DirectionState, DuplexRelay};
use super::sni_gate::{ACCESS_DENIED, GateStep, SniGate, UpwardGate};
use crate::exchange::TunnelBytes;

/// A read of at least this many bytes makes the direction use splice(2).
const SPLICE_THRESHOLD: usize = 32 * 1024;
/// A splice of at most this many bytes makes the direction use the buffer again.
const COPY_THRESHOLD: usize = 16 * 1024;

/// Two joined sockets.
pub(crate) struct SocketSplice {
    client: TcpStream,
    upstream: TcpStream,
    up: SpliceDirection,
    down: SpliceDirection,
}

/// One direction of a [`SocketSplice`].
struct SpliceDirection {
    /// Bytes that were read into user space and not written yet.
    pending: Bytes,
    /// The pipe in use; `None` while no bytes are in one.
    pipe: Option<SplicePipe>,
    /// Whether the last read was large enough for splice(2).
    is_bulk: bool,
    state: DirectionState,
    moved: u64,
    /// What the first bytes of the client have to pass.
    gate: UpwardGate,
}

impl SocketSplice {
    /// Joins two sockets, each with the bytes that were already read from it.
    pub(crate) fn new(
        (client, early_up): (TcpStream, Bytes),
        (upstream, early_down): (TcpStream, Bytes),
    ) -> Self {
        Self {
            client,
            upstream,
            up: SpliceDirection::new(early_up),
            down: SpliceDirection::new(early_down),
        }
    }

    /// Puts a gate before what the client sends, the bytes that were already read included.
    pub(crate) fn behind(mut self, gate: Option<SniGate>) -> Self {
        self.up.gate = UpwardGate::new(gate);
        let early = std::mem::take(&mut self.up.pending);
        if !early.is_empty() {
            let step = self.up.gate.pass(&early);
            self.up.take(step, &early);
        }
        self
    }
}

impl DuplexRelay for SocketSplice {
    fn copy_up(&mut self, buffers: &TunnelBuffers, cx: &mut Context<'_>) -> CopyStep {
        self.up
            .copy(&mut self.client, &mut self.upstream, buffers, cx)
    }

    fn copy_down(&mut self, buffers: &TunnelBuffers, cx: &mut Context<'_>) -> CopyStep {
        self.down
            .copy(&mut self.upstream, &mut self.client, buffers, cx)
    }

    fn open_directions(&self) -> (bool, bool) {
        let is_open = |direction: &SpliceDirection| direction.state == DirectionState::Open;
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

    fn refuse_client(&mut self, _cx: &mut Context<'_>) {
        if self.down.moved == 0 {
            // The client learns the cause if it can be written at once.
            let _ = self.client.try_write(&ACCESS_DENIED);
        }
    }
}

impl SpliceDirection {
    fn new(early: Bytes) -> Self {
        Self {
            pending: early,
            pipe: None,
            is_bulk: false,
            state: DirectionState::Open,
            moved: 0,
            gate: UpwardGate::default(),
        }
    }

    /// Takes what the gate lets pass of these bytes.
    fn take(&mut self, step: GateStep, bytes: &[u8]) {
        match step {
            GateStep::Forward => self.pending = Bytes::copy_from_slice(bytes),
            GateStep::ForwardHeld(held) => self.pending = held,
            GateStep::Hold => {}
            GateStep::Refuse => self.state = DirectionState::Refused,
        }
    }

    fn copy(
        &mut self,
        from: &mut TcpStream,
        to: &mut TcpStream,
        buffers: &TunnelBuffers,
        cx: &mut Context<'_>,
    ) -> CopyStep {
        for _ in 0..COPY_BUDGET {
            match self.send(to, cx) {
                Poll::Pending => return CopyStep::WritePending,
                Poll::Ready(Err(_)) => {
                    self.pending = Bytes::new();
                    self.pipe = None;
                    self.state = DirectionState::Broken;
                }
                Poll::Ready(Ok(())) => self.release_pipe(buffers),
            }
            match self.state {
                DirectionState::Open => {}
                DirectionState::Ending => {
                    // If the shutdown fails, the receiver has closed already.
                    let _ = SockRef::from(&*to).shutdown(Shutdown::Write);
                    self.state = DirectionState::Ended;
                    return CopyStep::Ended;
                }
                DirectionState::Ended => return CopyStep::Ended,
                DirectionState::Broken => return CopyStep::ReceiverLost,
                DirectionState::Refused => return CopyStep::Refused,
            }
            match self.receive(from, to, buffers, cx) {
                Poll::Pending => {
                    self.release_pipe(buffers);
                    return CopyStep::ReadPending;
                }
                Poll::Ready(Err(_)) if self.state == DirectionState::Broken => {
                    return CopyStep::ReceiverLost;
                }
                Poll::Ready(Err(_)) => return CopyStep::SenderLost,
                Poll::Ready(Ok(0)) => {
                    self.state = DirectionState::Ending;
                    let step = self.gate.pass(&[]);
                    self.take(step, &[]);
                }
                Poll::Ready(Ok(_)) => {}
            }
        }
        CopyStep::BudgetSpent
    }

    fn release_pipe(&mut self, buffers: &TunnelBuffers) {
        if let Some(pipe) = self.pipe.take() {
            buffers.release_pipe(pipe);
        }
    }

    /// Sends the bytes that were received. Ready when all of them have been sent.
    fn send(&mut self, to: &TcpStream, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.pending.is_empty() {
            let count = ready!(when_writable(to, cx, || to.try_write(&self.pending)))?;
            self.moved += count as u64;
            self.pending.advance(count);
        }
        self.pending = Bytes::new();
        while let Some(pipe) = self.pipe.as_mut().filter(|pipe| !pipe.is_empty()) {
            let count = ready!(when_writable(to, cx, || pipe.drain(to)))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.moved += count as u64;
        }
        Poll::Ready(Ok(()))
    }

    /// Receives the bytes that are available and returns their number; zero is the end of the stream.
    fn receive(
        &mut self,
        from: &mut TcpStream,
        to: &mut TcpStream,
        buffers: &TunnelBuffers,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let is_spliced = self.is_bulk && !self.gate.is_closed();
        let pipe = is_spliced.then(|| buffers.pipe()).flatten();
        if let Some(pipe) = pipe {
            let pipe = self.pipe.insert(pipe);
            let count = ready!(when_readable(from, cx, || pipe.fill(from)))?;
            self.is_bulk = count > COPY_THRESHOLD;
            return Poll::Ready(Ok(count));
        }
        let mut buffer = buffers.buffer();
        let mut read = ReadBuf::new(&mut buffer);
        ready!(Pin::new(from).poll_read(cx, &mut read))?;
        let read = read.filled();
        self.is_bulk = read.len() >= SPLICE_THRESHOLD;
        if self.gate.is_closed() && !read.is_empty() {
            let step = self.gate.pass(read);
            self.take(step, read);
            return Poll::Ready(Ok(read.len()));
        }
        // Writing at once avoids a copy of the bytes that the receiver accepts.
        let sent = match Pin::new(to).poll_write(cx, read) {
            Poll::Ready(Ok(sent)) => sent,
            Poll::Pending => 0,
            Poll::Ready(Err(error)) => {
                self.state = DirectionState::Broken;
                return Poll::Ready(Err(error));
            }
        };
        self.moved += sent as u64;
        self.pending = Bytes::copy_from_slice(&read[sent..]);
        Poll::Ready(Ok(read.len()))
    }
}

/// Runs a read operation once the socket is readable.
fn when_readable<T>(
    stream: &TcpStream,
    cx: &mut Context<'_>,
    mut operation: impl FnMut() -> io::Result<T>,
) -> Poll<io::Result<T>> {
    loop {
        ready!(stream.poll_read_ready(cx))?;
        match operation() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            done => return Poll::Ready(done),
        }
    }
}

/// Runs a write operation once the socket is writable.
fn when_writable<T>(
    stream: &TcpStream,
    cx: &mut Context<'_>,
    mut operation: impl FnMut() -> io::Result<T>,
) -> Poll<io::Result<T>> {
    loop {
        ready!(stream.poll_write_ready(cx))?;
        match operation() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            done => return Poll::Ready(done),
        }
    }
}

#[cfg(test)]
mod tests;
