//! Relays bytes between two streams in both directions, until both directions have ended or the idle timeout expires.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::time::sleep_until;

use super::buffers::TunnelBuffers;
use crate::clock;
use crate::exchange::TunnelBytes;
use crate::record::TunnelEnd;

/// Reads of one direction before the other direction, and then other tasks, get their step.
pub(super) const COPY_BUDGET: usize = 8;

/// Two joined streams, and the way bytes are copied between them.
pub(crate) trait DuplexRelay {
    /// Copies from the client to the upstream as far as possible without waiting.
    fn copy_up(&mut self, buffers: &TunnelBuffers, cx: &mut Context<'_>) -> CopyStep;
    /// Copies from the upstream to the client as far as possible without waiting.
    fn copy_down(&mut self, buffers: &TunnelBuffers, cx: &mut Context<'_>) -> CopyStep;
    /// Whether more bytes may come from the client, and whether from the upstream.
    fn open_directions(&self) -> (bool, bool);
    /// The bytes written so far, by direction.
    fn moved(&self) -> TunnelBytes;
    /// Until when a part of a ClientHello waits for the rest; `None` if none does.
    fn held_until(&self) -> Option<Instant>;
    /// Waits no longer for the rest of a ClientHello.
    fn give_up_hello(&mut self);
    /// Tells the client, as far as that is possible without waiting, that its ClientHello is refused.
    fn refuse_client(&mut self, cx: &mut Context<'_>);
}

/// The state of one direction of a tunnel.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum DirectionState {
    /// The sender may send more.
    Open,
    /// The sender has ended its direction; pending bytes and the end have yet to be forwarded.
    Ending,
    /// The end has been forwarded to the receiver.
    Ended,
    /// The receiver has closed its connection.
    Broken,
    /// The ClientHello of the sender is refused.
    Refused,
}

/// Why copying in one direction has stopped for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CopyStep {
    /// The sender has nothing to read.
    ReadPending,
    /// The receiver's buffer is full.
    WritePending,
    /// The direction has used up [`COPY_BUDGET`].
    BudgetSpent,
    /// The end of the direction has been forwarded.
    Ended,
    /// The sender's connection failed, without an orderly end.
    SenderLost,
    /// The receiver's connection failed.
    ReceiverLost,
    /// The sender's ClientHello is refused.
    Refused,
}

/// Relays bytes until the tunnel ends. `on_progress` gets the totals whenever they grow; `closed` completes when nothing
/// more can be sent to the client.
pub(crate) async fn run(
    relay: &mut (impl DuplexRelay + ?Sized),
    buffers: &TunnelBuffers,
    idle_timeout: Duration,
    closed: impl Future<Output = ()>,
    mut on_progress: impl FnMut(TunnelBytes),
) -> TunnelEnd {
    let mut moved = TunnelBytes::default();
    let mut first = None;
    let mut last_progress = clock::now();
    let mut timer = pin!(sleep_until((last_progress + idle_timeout).into()));
    let mut closed = pin!(closed);
    let mut is_closed = false;
    let mut held_until = None;
    poll_fn(|cx| {
        let end = poll(relay, &mut first, buffers, cx);
        let so_far = relay.moved();
        if so_far != moved {
            moved = so_far;
            last_progress = clock::now();
            on_progress(moved);
        }
        if end.is_ready() {
            return end;
        }
        is_closed = is_closed || closed.as_mut().poll(cx).is_ready();
        if is_closed && relay.open_directions().1 {
            // The upstream's end was not forwarded, so the client has closed first.
            return Poll::Ready(TunnelEnd::ClientClosed);
        }
        if relay.held_until() != held_until {
            held_until = relay.held_until();
            timer
                .as_mut()
                .reset(next_deadline(last_progress + idle_timeout, held_until));
        }
        // Progress does not reset the timer. When it fires, the deadline is computed from the last progress.
        while timer.as_mut().poll(cx).is_ready() {
            let (now, idle) = (clock::now(), last_progress + idle_timeout);
            if held_until.is_some_and(|until| now >= until) {
                relay.give_up_hello();
                held_until = None;
                cx.waker().wake_by_ref();
            }
            if now >= idle {
                return Poll::Ready(TunnelEnd::Idle);
            }
            timer.as_mut().reset(next_deadline(idle, held_until));
        }
        Poll::Pending
    })
    .await
}

/// The end of the idle timeout, or of the wait for a ClientHello if that is earlier.
fn next_deadline(idle: Instant, held_until: Option<Instant>) -> tokio::time::Instant {
    held_until.map_or(idle, |until| until.min(idle)).into()
}

/// Copies once in both directions. `first` keeps which side was the first to end its direction.
fn poll(
    relay: &mut (impl DuplexRelay + ?Sized),
    first: &mut Option<TunnelEnd>,
    buffers: &TunnelBuffers,
    cx: &mut Context<'_>,
) -> Poll<TunnelEnd> {
    let up = relay.copy_up(buffers, cx);
    if up == CopyStep::Refused {
        relay.refuse_client(cx);
        return Poll::Ready(TunnelEnd::SniMismatch);
    }
    if !relay.open_directions().0 {
        first.get_or_insert_with(|| end_of_upward(up));
    }
    let down = relay.copy_down(buffers, cx);
    if !relay.open_directions().1 {
        first.get_or_insert_with(|| end_of_downward(down));
    }
    let is_over = match (up, down) {
        // A reset is for both directions.
        (CopyStep::SenderLost, _) | (_, CopyStep::SenderLost) => true,
        // A side that no longer reads may have written before, and that is still forwarded.
        (CopyStep::ReceiverLost, other) | (other, CopyStep::ReceiverLost) => {
            !matches!(other, CopyStep::WritePending | CopyStep::BudgetSpent)
        }
        (up, down) => up == CopyStep::Ended && down == CopyStep::Ended,
    };
    if is_over {
        let end = first.unwrap_or(match up {
            CopyStep::SenderLost => TunnelEnd::ClientClosed,
            _ => TunnelEnd::UpstreamClosed,
        });
        return Poll::Ready(end);
    }
    if [up, down].contains(&CopyStep::BudgetSpent) {
        cx.waker().wake_by_ref();
    }
    Poll::Pending
}

/// The end of a tunnel whose upward direction has ended with this step.
fn end_of_upward(step: CopyStep) -> TunnelEnd {
    match step {
        CopyStep::ReceiverLost => TunnelEnd::UpstreamClosed,
        _ => TunnelEnd::ClientClosed,
    }
}

/// The end of a tunnel whose downward direction has ended with this step.
fn end_of_downward(step: CopyStep) -> TunnelEnd {
    match step {
        CopyStep::ReceiverLost => TunnelEnd::ClientClosed,
        _ => TunnelEnd::UpstreamClosed,
    }
}
