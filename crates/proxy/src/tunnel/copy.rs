//! Octets both ways between two streams, until both have ended or nothing moves any more.
//!
//! What is read goes through one buffer that all tunnels of a worker share, and is written from there at once. Only what
//! the other side does not take is kept, so that a tunnel that is quiet holds no buffer at all.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::sleep_until;

use super::End;
use crate::telemetry::clock;

/// Octets that are read at once, and the most that is kept of one direction.
const BUFFER: usize = 64 * 1024;
/// How often one direction may read before the other, and then other tasks, have their turn.
const SHARE: usize = 8;

/// The buffer of a worker's tunnels.
pub(crate) struct Scratch(RefCell<Box<[u8]>>);

/// Two streams that are to be joined.
pub(crate) struct Between<C, U> {
    client: C,
    upstream: U,
    up: Pump,
    down: Pump,
    /// Who was the first to end.
    first: Option<End>,
}

/// Octets that have been written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Moved {
    /// To the upstream.
    pub(crate) up: u64,
    /// To the client.
    pub(crate) down: u64,
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

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// Nothing more comes; what is kept has to go, and then the end.
    Ending,
    /// The end has been passed on.
    Ended,
    /// The receiver is gone.
    Broken,
}

/// Why a direction stops for now.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// There is nothing to read.
    Waits,
    /// The other side takes no more.
    Pressed,
    /// It has had its share.
    More,
    /// Its end has been passed on.
    Ended,
    /// Its sender is gone, and not by an orderly end.
    SenderLost,
    /// Its receiver is gone.
    ReceiverLost,
}

impl Default for Scratch {
    fn default() -> Self {
        Self(RefCell::new(vec![0; BUFFER].into()))
    }
}

impl<C, U> Between<C, U>
where
    C: AsyncRead + AsyncWrite + Unpin,
    U: AsyncRead + AsyncWrite + Unpin,
{
    /// `early` is what was read of each stream before.
    pub(crate) fn new((client, early_up): (C, Bytes), (upstream, early_down): (U, Bytes)) -> Self {
        Self {
            client,
            upstream,
            up: Pump::new(&early_up),
            down: Pump::new(&early_down),
            first: None,
        }
    }

    /// Moves octets to the end. `told` hears of every progress.
    pub(crate) async fn run(
        mut self,
        scratch: &Scratch,
        idle: Duration,
        mut told: impl FnMut(Moved),
    ) -> End {
        let mut moved = Moved::default();
        let mut last = clock::now();
        let mut timer = pin!(sleep_until((last + idle).into()));
        poll_fn(|cx| {
            let over = self.poll(&mut scratch.0.borrow_mut(), cx);
            let so_far = self.moved();
            if so_far != moved {
                moved = so_far;
                last = clock::now();
                told(moved);
            }
            if over.is_ready() {
                return over;
            }
            // The timer is not set anew for every octet: it looks again when the first of them would have been too old.
            while timer.as_mut().poll(cx).is_ready() {
                let end = last + idle;
                if clock::now() >= end {
                    return Poll::Ready(End::Idle);
                }
                timer.as_mut().reset(end.into());
            }
            Poll::Pending
        })
        .await
    }

    fn moved(&self) -> Moved {
        Moved {
            up: self.up.moved,
            down: self.down.moved,
        }
    }

    fn poll(&mut self, scratch: &mut [u8], cx: &mut Context<'_>) -> Poll<End> {
        let (client, upstream) = (Pin::new(&mut self.client), Pin::new(&mut self.upstream));
        let up = self.up.turn(client, upstream, scratch, cx);
        if self.up.state != State::Open {
            self.first.get_or_insert_with(|| End::of_upward(up));
        }
        let (client, upstream) = (Pin::new(&mut self.client), Pin::new(&mut self.upstream));
        let down = self.down.turn(upstream, client, scratch, cx);
        if self.down.state != State::Open {
            self.first.get_or_insert_with(|| End::of_downward(down));
        }
        let over = match (up, down) {
            // A reset is for both directions.
            (Turn::SenderLost, _) | (_, Turn::SenderLost) => true,
            // Who takes no more may have said something before, and it is passed on.
            (Turn::ReceiverLost, other) | (other, Turn::ReceiverLost) => {
                !matches!(other, Turn::Pressed | Turn::More)
            }
            (up, down) => up == Turn::Ended && down == Turn::Ended,
        };
        if over {
            let lost = self.first.unwrap_or(match up {
                Turn::SenderLost => End::ClientClosed,
                _ => End::UpstreamClosed,
            });
            return Poll::Ready(lost);
        }
        if [up, down].contains(&Turn::More) {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }
}

impl End {
    /// Who ended what the client sends.
    fn of_upward(turn: Turn) -> Self {
        match turn {
            Turn::ReceiverLost => Self::UpstreamClosed,
            _ => Self::ClientClosed,
        }
    }

    /// Who ended what the upstream sends.
    fn of_downward(turn: Turn) -> Self {
        match turn {
            Turn::ReceiverLost => Self::ClientClosed,
            _ => Self::UpstreamClosed,
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
