//! Octets both ways between two streams, until both have ended or nothing moves any more.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::sleep_until;

use super::buffers::Scratch;
use crate::clock;
use crate::exchange::TunnelBytes;
use crate::record::TunnelEnd;

/// How often one direction may move octets before the other, and then other tasks, have their turn.
pub(super) const SHARE: usize = 8;

/// Two streams that are to be joined, and the way octets go between them.
pub(crate) trait Mover {
    /// Moves what the client sends, as far as it goes now.
    fn up(&mut self, scratch: &Scratch, cx: &mut Context<'_>) -> Turn;
    /// Moves what the upstream sends.
    fn down(&mut self, scratch: &Scratch, cx: &mut Context<'_>) -> Turn;
    /// Whether more may come from the client, and from the upstream.
    fn are_open(&self) -> (bool, bool);
    /// What has been moved.
    fn moved(&self) -> TunnelBytes;
}

/// How far a direction has come.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Open,
    /// Nothing more comes; what is kept has to go, and then the end.
    Ending,
    /// The end has been passed on.
    Ended,
    /// The receiver is gone.
    Broken,
}

/// Why a direction stops for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
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

/// Moves octets to the end. `told` hears of every progress; `closed` ends when the client takes no more.
pub(crate) async fn run(
    mut mover: impl Mover,
    scratch: &Scratch,
    idle: Duration,
    closed: impl Future<Output = ()>,
    mut told: impl FnMut(TunnelBytes),
) -> TunnelEnd {
    let mut moved = TunnelBytes::default();
    let mut first = None;
    let mut last = clock::now();
    let mut timer = pin!(sleep_until((last + idle).into()));
    let mut closed = pin!(closed);
    let mut is_closed = false;
    poll_fn(|cx| {
        let over = poll(&mut mover, &mut first, scratch, cx);
        let so_far = mover.moved();
        if so_far != moved {
            moved = so_far;
            last = clock::now();
            told(moved);
        }
        if over.is_ready() {
            return over;
        }
        is_closed = is_closed || closed.as_mut().poll(cx).is_ready();
        if is_closed && mover.are_open().1 {
            // It was not told of an end.
            return Poll::Ready(TunnelEnd::ClientClosed);
        }
        // The timer is not set anew for every octet: it looks again when the first of them would have been too old.
        while timer.as_mut().poll(cx).is_ready() {
            let end = last + idle;
            if clock::now() >= end {
                return Poll::Ready(TunnelEnd::Idle);
            }
            timer.as_mut().reset(end.into());
        }
        Poll::Pending
    })
    .await
}

/// `first` is who was the first to end.
fn poll(
    mover: &mut impl Mover,
    first: &mut Option<TunnelEnd>,
    scratch: &Scratch,
    cx: &mut Context<'_>,
) -> Poll<TunnelEnd> {
    let up = mover.up(scratch, cx);
    if !mover.are_open().0 {
        first.get_or_insert_with(|| end_of_upward(up));
    }
    let down = mover.down(scratch, cx);
    if !mover.are_open().1 {
        first.get_or_insert_with(|| end_of_downward(down));
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
        let lost = first.unwrap_or(match up {
            Turn::SenderLost => TunnelEnd::ClientClosed,
            _ => TunnelEnd::UpstreamClosed,
        });
        return Poll::Ready(lost);
    }
    if [up, down].contains(&Turn::More) {
        cx.waker().wake_by_ref();
    }
    Poll::Pending
}

/// Who ended what the client sends.
fn end_of_upward(turn: Turn) -> TunnelEnd {
    match turn {
        Turn::ReceiverLost => TunnelEnd::UpstreamClosed,
        _ => TunnelEnd::ClientClosed,
    }
}

/// Who ended what the upstream sends.
fn end_of_downward(turn: Turn) -> TunnelEnd {
    match turn {
        Turn::ReceiverLost => TunnelEnd::ClientClosed,
        _ => TunnelEnd::UpstreamClosed,
    }
}
