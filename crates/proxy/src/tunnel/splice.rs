//! Octets between two sockets, which leave the kernel only while they are few.
//!
//! A direction that carries much goes through a pipe ([`Pipe`]); one that carries little is cheaper through the buffer:
//! there a short read says that the socket is empty, which costs a question more with a pipe.

use std::io;
use std::net::Shutdown;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::buffers::Scratch;
use super::pipe::Pipe;
use super::relay::{Mover, SHARE, State, Turn};
use crate::exchange::TunnelBytes;

/// A read of as many octets is followed by more, and they go through a pipe.
const MUCH: usize = 32 * 1024;
/// As few, and they go through the buffer again.
const LITTLE: usize = 16 * 1024;

/// Two sockets that are to be joined.
pub(crate) struct Spliced {
    client: TcpStream,
    upstream: TcpStream,
    up: Lane,
    down: Lane,
}

/// One direction.
struct Lane {
    /// Read into this process, and not taken yet by the other side.
    kept: Bytes,
    /// There while something is in it.
    pipe: Option<Pipe>,
    /// Whether much comes at a time.
    bulk: bool,
    state: State,
    moved: u64,
}

impl Spliced {
    /// `early` is what was read of each socket before.
    pub(crate) fn new(
        (client, early_up): (TcpStream, Bytes),
        (upstream, early_down): (TcpStream, Bytes),
    ) -> Self {
        Self {
            client,
            upstream,
            up: Lane::new(early_up),
            down: Lane::new(early_down),
        }
    }
}

impl Mover for Spliced {
    fn up(&mut self, scratch: &Scratch, cx: &mut Context<'_>) -> Turn {
        self.up
            .turn(&mut self.client, &mut self.upstream, scratch, cx)
    }

    fn down(&mut self, scratch: &Scratch, cx: &mut Context<'_>) -> Turn {
        self.down
            .turn(&mut self.upstream, &mut self.client, scratch, cx)
    }

    fn are_open(&self) -> (bool, bool) {
        let is_open = |lane: &Lane| lane.state == State::Open;
        (is_open(&self.up), is_open(&self.down))
    }

    fn moved(&self) -> TunnelBytes {
        TunnelBytes {
            up: self.up.moved,
            down: self.down.moved,
        }
    }
}

impl Lane {
    fn new(early: Bytes) -> Self {
        Self {
            kept: early,
            pipe: None,
            bulk: false,
            state: State::Open,
            moved: 0,
        }
    }

    fn turn(
        &mut self,
        from: &mut TcpStream,
        to: &mut TcpStream,
        scratch: &Scratch,
        cx: &mut Context<'_>,
    ) -> Turn {
        for _ in 0..SHARE {
            match self.send(to, cx) {
                Poll::Pending => return Turn::Pressed,
                Poll::Ready(Err(_)) => {
                    self.kept = Bytes::new();
                    self.pipe = None;
                    self.state = State::Broken;
                }
                Poll::Ready(Ok(())) => self.give_back(scratch),
            }
            match self.state {
                State::Open => {}
                State::Ending => {
                    // One that cannot be told any more is gone, as was to be told.
                    let _ = SockRef::from(&*to).shutdown(Shutdown::Write);
                    self.state = State::Ended;
                    return Turn::Ended;
                }
                State::Ended => return Turn::Ended,
                State::Broken => return Turn::ReceiverLost,
            }
            match self.receive(from, to, scratch, cx) {
                Poll::Pending => {
                    self.give_back(scratch);
                    return Turn::Waits;
                }
                Poll::Ready(Err(_)) if self.state == State::Broken => return Turn::ReceiverLost,
                Poll::Ready(Err(_)) => return Turn::SenderLost,
                Poll::Ready(Ok(0)) => self.state = State::Ending,
                Poll::Ready(Ok(_)) => {}
            }
        }
        Turn::More
    }

    fn give_back(&mut self, scratch: &Scratch) {
        if let Some(pipe) = self.pipe.take() {
            scratch.give_back(pipe);
        }
    }

    /// Sends what was received. Ready when all of it is gone.
    fn send(&mut self, to: &TcpStream, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.kept.is_empty() {
            let count = ready!(when_writable(to, cx, || to.try_write(&self.kept)))?;
            self.moved += count as u64;
            self.kept.advance(count);
        }
        self.kept = Bytes::new();
        while let Some(pipe) = self.pipe.as_mut().filter(|pipe| !pipe.is_empty()) {
            let count = ready!(when_writable(to, cx, || pipe.drain(to)))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.moved += count as u64;
        }
        Poll::Ready(Ok(()))
    }

    /// Receives what there is, to be sent next; zero is the end.
    fn receive(
        &mut self,
        from: &mut TcpStream,
        to: &mut TcpStream,
        scratch: &Scratch,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let pipe = self.bulk.then(|| scratch.pipe()).flatten();
        if let Some(pipe) = pipe {
            let pipe = self.pipe.insert(pipe);
            let count = ready!(when_readable(from, cx, || pipe.fill(from)))?;
            self.bulk = count > LITTLE;
            return Poll::Ready(Ok(count));
        }
        let mut buffer = scratch.buffer();
        let mut read = ReadBuf::new(&mut buffer);
        ready!(Pin::new(from).poll_read(cx, &mut read))?;
        let read = read.filled();
        self.bulk = read.len() >= MUCH;
        // At once, so that what the other side takes is not copied again.
        let sent = match Pin::new(to).poll_write(cx, read) {
            Poll::Ready(Ok(sent)) => sent,
            Poll::Pending => 0,
            Poll::Ready(Err(error)) => {
                self.state = State::Broken;
                return Poll::Ready(Err(error));
            }
        };
        self.moved += sent as u64;
        self.kept = Bytes::copy_from_slice(&read[sent..]);
        Poll::Ready(Ok(read.len()))
    }
}

/// Does it once there is something to read.
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

/// Does it once there is room to write.
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
