//! Connecting to the first address that answers (Happy Eyeballs, RFC 8305), and the one door to the network.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use egret_config::snapshot::TcpKeepalive;
use nix::errno::Errno;
use socket2::SockRef;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, Sleep, sleep_until, timeout, timeout_at};

use super::egress::Permitted;
use super::failure::ConnectFailure;
use crate::clock;
use crate::meter::LabelValue;

/// How long one attempt has before the next starts beside it (RFC 8305 5, "Connection Attempt Delay").
pub(crate) const STAGGER: Duration = Duration::from_millis(250);

/// How one address is connected to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner {
    /// How long one attempt may take.
    pub timeout: Duration,
    /// Probes on the connection while it is quiet.
    pub keepalive: Option<TcpKeepalive>,
}

/// How a race went.
#[derive(Debug)]
pub(crate) struct Raced<S, A> {
    /// The connection and its address, or the failure that says most about why there is none.
    pub outcome: Result<(S, A), ConnectFailure>,
    /// Every address that was tried, and what came of it.
    pub attempts: Vec<(A, Attempt)>,
}

/// What came of one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attempt {
    /// The connection that is used.
    Connected,
    /// None.
    Failed(ConnectFailure),
    /// Another was faster, in spite of a head start of [`STAGGER`].
    Overtaken,
    /// Another was faster, before this one had its time.
    Abandoned,
}

impl Attempt {
    /// Whether it speaks against the address.
    #[must_use]
    pub(crate) fn is_lost(self) -> bool {
        match self {
            Self::Failed(failure) => failure != ConnectFailure::NoDescriptors,
            Self::Overtaken => true,
            Self::Connected | Self::Abandoned => false,
        }
    }
}

impl LabelValue for Attempt {
    const ALL: &'static [Self] = &[
        Self::Connected,
        Self::Failed(ConnectFailure::Refused),
        Self::Failed(ConnectFailure::Terminated),
        Self::Failed(ConnectFailure::Unreachable),
        Self::Failed(ConnectFailure::Timeout),
        Self::Failed(ConnectFailure::NoDescriptors),
        Self::Overtaken,
        Self::Abandoned,
    ];

    fn index(self) -> usize {
        match self {
            Self::Connected => 0,
            Self::Failed(failure) => 1 + failure.index(),
            Self::Overtaken => 1 + ConnectFailure::ALL.len(),
            Self::Abandoned => 2 + ConnectFailure::ALL.len(),
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::Failed(failure) => failure.as_str(),
            Self::Overtaken => "overtaken",
            Self::Abandoned => "abandoned",
        }
    }
}

/// Addresses that may still come; empty if none do.
pub(crate) type Late<'a, A> = Pin<Box<dyn Future<Output = VecDeque<A>> + 'a>>;

/// Connects to one of `addresses`, which are raced in their order; those of `late` join the race when they come. At
/// `until` it is over.
pub(crate) async fn connect(
    addresses: VecDeque<Permitted<SocketAddr>>,
    late: Option<Late<'_, Permitted<SocketAddr>>>,
    manner: Manner,
    until: std::time::Instant,
) -> Raced<TcpStream, Permitted<SocketAddr>> {
    race(addresses, late, until, |address| dial(address, manner)).await
}

/// The door.
async fn dial(address: Permitted<SocketAddr>, manner: Manner) -> io::Result<TcpStream> {
    let address = address.get();
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    socket.set_nodelay(true)?;
    if let Some(keepalive) = manner.keepalive {
        SockRef::from(&socket).set_tcp_keepalive(&probes(keepalive))?;
    }
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one door to the network, and the address is permitted"
    )]
    let connecting = socket.connect(address);
    timeout(manner.timeout, connecting).await?
}

/// As the socket takes it.
pub(crate) fn probes(keepalive: TcpKeepalive) -> socket2::TcpKeepalive {
    let TcpKeepalive {
        time,
        interval,
        probes,
    } = keepalive;
    let mut settings = socket2::TcpKeepalive::new();
    if let Some(time) = time {
        settings = settings.with_time(time);
    }
    if let Some(interval) = interval {
        settings = settings.with_interval(interval);
    }
    if let Some(probes) = probes {
        settings = settings.with_retries(probes);
    }
    settings
}

/// Starts an attempt at once, one more whenever [`STAGGER`] has passed or an attempt failed; the first success wins.
async fn race<A, F, S>(
    addresses: VecDeque<A>,
    late: Option<Late<'_, A>>,
    until: std::time::Instant,
    dial: impl Fn(A) -> F,
) -> Raced<S, A>
where
    A: Copy + PartialEq,
    F: Future<Output = io::Result<S>>,
{
    let mut stagger = pin!(sleep_until(Instant::from_std(clock::now() + STAGGER)));
    let mut race = Race {
        waiting: addresses,
        late,
        running: Vec::new(),
        failure: ConnectFailure::Unreachable,
        ended: Vec::new(),
        dial,
    };
    race.start_next();
    let racing = poll_fn(|cx| race.poll(cx, stagger.as_mut()));
    let outcome = timeout_at(until.into(), racing).await;
    let failure = worse(race.failure, ConnectFailure::Timeout);
    race.end(outcome.unwrap_or(Err(failure)))
}

struct Race<'a, A, F, D> {
    waiting: VecDeque<A>,
    late: Option<Late<'a, A>>,
    running: Vec<Running<A, F>>,
    ended: Vec<(A, Attempt)>,
    failure: ConnectFailure,
    dial: D,
}

struct Running<A, F> {
    address: A,
    since: std::time::Instant,
    connecting: Pin<Box<F>>,
}

impl<A, F, D, S> Race<'_, A, F, D>
where
    A: Copy + PartialEq,
    F: Future<Output = io::Result<S>>,
    D: Fn(A) -> F,
{
    fn start_next(&mut self) {
        if let Some(address) = self.waiting.pop_front() {
            let connecting = Box::pin((self.dial)(address));
            self.running.push(Running {
                address,
                since: clock::now(),
                connecting,
            });
        }
    }

    fn end(self, outcome: Result<(S, A), ConnectFailure>) -> Raced<S, A> {
        let now = clock::now();
        let mut attempts = self.ended;
        attempts.extend(self.running.iter().map(|running| {
            let overtaken = now - running.since >= STAGGER;
            let attempt = if overtaken {
                Attempt::Overtaken
            } else {
                Attempt::Abandoned
            };
            (running.address, attempt)
        }));
        Raced { outcome, attempts }
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        mut stagger: Pin<&mut Sleep>,
    ) -> Poll<Result<(S, A), ConnectFailure>> {
        loop {
            self.poll_late(cx);
            let mut start = match self.poll_running(cx) {
                Poll::Ready(Ok(winner)) => return Poll::Ready(Ok(winner)),
                Poll::Ready(Err(())) => true,
                Poll::Pending => false,
            };
            if self.waiting.is_empty() {
                let over = self.running.is_empty() && self.late.is_none();
                return if over {
                    Poll::Ready(Err(self.failure))
                } else {
                    Poll::Pending
                };
            }
            start |= stagger.as_mut().poll(cx).is_ready();
            if !start {
                return Poll::Pending;
            }
            self.start_next();
            stagger
                .as_mut()
                .reset(Instant::from_std(clock::now() + STAGGER));
        }
    }

    /// Those that come late are of the other family than those that are waiting: they take turns with them, and begin,
    /// because what is running is of that family too.
    fn poll_late(&mut self, cx: &mut Context<'_>) {
        let Some(late) = &mut self.late else { return };
        let Poll::Ready(mut come) = late.as_mut().poll(cx) else {
            return;
        };
        self.late = None;
        let tried: Vec<A> = self.ended.iter().map(|(address, _)| *address).collect();
        let running = |address: &A| self.running.iter().any(|one| one.address == *address);
        come.retain(|address| {
            !tried.contains(address) && !running(address) && !self.waiting.contains(address)
        });
        let mut waiting = std::mem::take(&mut self.waiting);
        while !come.is_empty() || !waiting.is_empty() {
            self.waiting.extend(come.pop_front());
            self.waiting.extend(waiting.pop_front());
        }
    }

    /// Ready with the winner, or with an error if at least one attempt failed.
    fn poll_running(&mut self, cx: &mut Context<'_>) -> Poll<Result<(S, A), ()>> {
        let mut failed = self.running.is_empty();
        let mut index = 0;
        while let Some(running) = self.running.get_mut(index) {
            match running.connecting.as_mut().poll(cx) {
                Poll::Ready(Ok(stream)) => {
                    let Running { address, .. } = self.running.swap_remove(index);
                    self.ended.push((address, Attempt::Connected));
                    return Poll::Ready(Ok((stream, address)));
                }
                Poll::Ready(Err(error)) => {
                    let failure = classify(&error);
                    self.failure = worse(self.failure, failure);
                    let Running { address, .. } = self.running.swap_remove(index);
                    self.ended.push((address, Attempt::Failed(failure)));
                    failed = true;
                }
                Poll::Pending => index += 1,
            }
        }
        if failed {
            Poll::Ready(Err(()))
        } else {
            Poll::Pending
        }
    }
}

fn classify(error: &io::Error) -> ConnectFailure {
    if is_out_of_descriptors(error) {
        return ConnectFailure::NoDescriptors;
    }
    match error.kind() {
        io::ErrorKind::ConnectionRefused => ConnectFailure::Refused,
        io::ErrorKind::TimedOut => ConnectFailure::Timeout,
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => {
            ConnectFailure::Terminated
        }
        _ => ConnectFailure::Unreachable,
    }
}

/// Whether this process, or the whole node, may not open another descriptor.
pub(crate) fn is_out_of_descriptors(error: &io::Error) -> bool {
    const ERRORS: [i32; 2] = [Errno::EMFILE as i32, Errno::ENFILE as i32];
    error
        .raw_os_error()
        .is_some_and(|errno| ERRORS.contains(&errno))
}

/// Of two failures the one to tell: what we lack ourselves, because nothing is known of the host then; and a host that
/// did something is more telling than a family that this node lacks.
const fn worse(one: ConnectFailure, other: ConnectFailure) -> ConnectFailure {
    const fn weight(failure: ConnectFailure) -> u8 {
        match failure {
            ConnectFailure::Unreachable => 0,
            ConnectFailure::Timeout => 1,
            ConnectFailure::Terminated => 2,
            ConnectFailure::Refused => 3,
            ConnectFailure::NoDescriptors => 4,
        }
    }
    if weight(one) >= weight(other) {
        one
    } else {
        other
    }
}

#[cfg(test)]
mod tests;
