//! Connects to the first address that accepts (Happy Eyeballs, RFC 8305). Outgoing connections are opened here and
//! nowhere else, and only to addresses that the egress check has permitted.

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
pub(crate) const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// The options of a connection attempt.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConnectOptions {
    /// The time limit of one attempt.
    pub(crate) timeout: Duration,
    /// TCP keepalive on the connection.
    pub(crate) keepalive: Option<TcpKeepalive>,
}

/// The outcome of a race.
#[derive(Debug)]
pub(crate) struct RaceOutcome<S, A> {
    /// The connection and its address, or the failure that says most about the destination.
    pub(crate) result: Result<(S, A), ConnectFailure>,
    /// Every address that was tried, and the outcome of the attempt.
    pub(crate) attempts: Vec<(A, AttemptOutcome)>,
}

/// The outcome of one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AttemptOutcome {
    /// The attempt made the connection that is used.
    Connected,
    /// The attempt failed.
    Failed(ConnectFailure),
    /// Another attempt was faster, although this one had started at least [`ATTEMPT_DELAY`] ago.
    Overtaken,
    /// Another attempt was faster, before this one had run for [`ATTEMPT_DELAY`].
    Abandoned,
}

/// The address that is told with the failure of a race: one that failed so, or the first.
pub(crate) fn blamed<A: Copy>(
    attempts: &[(A, AttemptOutcome)],
    failure: ConnectFailure,
) -> Option<A> {
    let failed = |(_, outcome): &&(A, AttemptOutcome)| *outcome == AttemptOutcome::Failed(failure);
    let attempt = attempts.iter().find(failed).or_else(|| attempts.first());
    attempt.map(|(address, _)| *address)
}

impl AttemptOutcome {
    /// Whether the outcome suggests that the address does not work.
    #[must_use]
    pub(crate) fn counts_against_address(self) -> bool {
        match self {
            Self::Failed(failure) => failure != ConnectFailure::NoDescriptors,
            Self::Overtaken => true,
            Self::Connected | Self::Abandoned => false,
        }
    }
}

impl LabelValue for AttemptOutcome {
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

/// The future of addresses that come while the race is running; empty if none do.
pub(crate) type LateAddresses<'a, A> = Pin<Box<dyn Future<Output = VecDeque<A>> + 'a>>;

/// Connects to one of `addresses`, which are raced in their order. Those of `late` join the race when they come. The
/// race ends at `until`.
pub(crate) async fn connect(
    addresses: VecDeque<Permitted<SocketAddr>>,
    late: Option<LateAddresses<'_, Permitted<SocketAddr>>>,
    options: ConnectOptions,
    until: std::time::Instant,
) -> RaceOutcome<TcpStream, Permitted<SocketAddr>> {
    race(addresses, late, until, |address| dial(address, options)).await
}

/// Opens a connection.
async fn dial(address: Permitted<SocketAddr>, options: ConnectOptions) -> io::Result<TcpStream> {
    let address = address.get();
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    socket.set_nodelay(true)?;
    if let Some(keepalive) = options.keepalive {
        SockRef::from(&socket).set_tcp_keepalive(&socket_keepalive(keepalive))?;
    }
    #[expect(
        clippy::disallowed_methods,
        reason = "outgoing connections are opened here alone, and the address is permitted"
    )]
    let connecting = socket.connect(address);
    timeout(options.timeout, connecting).await?
}

/// The keepalive settings in the form that the socket takes.
pub(crate) fn socket_keepalive(keepalive: TcpKeepalive) -> socket2::TcpKeepalive {
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

/// Starts one attempt at once, and one more whenever [`ATTEMPT_DELAY`] has passed or an attempt has failed. The first
/// success wins.
async fn race<A, F, S>(
    addresses: VecDeque<A>,
    late: Option<LateAddresses<'_, A>>,
    until: std::time::Instant,
    dial: impl Fn(A) -> F,
) -> RaceOutcome<S, A>
where
    A: Copy + PartialEq,
    F: Future<Output = io::Result<S>>,
{
    let mut delay = pin!(sleep_until(Instant::from_std(clock::now() + ATTEMPT_DELAY)));
    let mut race = AddressRace {
        waiting: addresses,
        late,
        running: Vec::new(),
        failure: ConnectFailure::Unreachable,
        ended: Vec::new(),
        dial,
    };
    race.start_next();
    let racing = poll_fn(|cx| race.poll(cx, delay.as_mut()));
    let result = timeout_at(until.into(), racing).await;
    let failure = worse(race.failure, ConnectFailure::Timeout);
    race.end(result.unwrap_or(Err(failure)))
}

struct AddressRace<'a, A, F, D> {
    waiting: VecDeque<A>,
    late: Option<LateAddresses<'a, A>>,
    running: Vec<RunningAttempt<A, F>>,
    ended: Vec<(A, AttemptOutcome)>,
    failure: ConnectFailure,
    dial: D,
}

struct RunningAttempt<A, F> {
    address: A,
    since: std::time::Instant,
    connecting: Pin<Box<F>>,
}

impl<A, F, D, S> AddressRace<'_, A, F, D>
where
    A: Copy + PartialEq,
    F: Future<Output = io::Result<S>>,
    D: Fn(A) -> F,
{
    fn start_next(&mut self) {
        if let Some(address) = self.waiting.pop_front() {
            let connecting = Box::pin((self.dial)(address));
            self.running.push(RunningAttempt {
                address,
                since: clock::now(),
                connecting,
            });
        }
    }

    fn end(self, result: Result<(S, A), ConnectFailure>) -> RaceOutcome<S, A> {
        let now = clock::now();
        let mut attempts = self.ended;
        attempts.extend(self.running.iter().map(|running| {
            let overtaken = now - running.since >= ATTEMPT_DELAY;
            let attempt = if overtaken {
                AttemptOutcome::Overtaken
            } else {
                AttemptOutcome::Abandoned
            };
            (running.address, attempt)
        }));
        RaceOutcome { result, attempts }
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        mut delay: Pin<&mut Sleep>,
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
            start |= delay.as_mut().poll(cx).is_ready();
            if !start {
                return Poll::Pending;
            }
            self.start_next();
            delay
                .as_mut()
                .reset(Instant::from_std(clock::now() + ATTEMPT_DELAY));
        }
    }

    /// Takes the late addresses, which are of the other family than the waiting ones. The two alternate, late addresses
    /// first, because the attempts that are running are of the family of the waiting ones.
    fn poll_late(&mut self, cx: &mut Context<'_>) {
        let Some(late) = &mut self.late else { return };
        let Poll::Ready(mut arrived) = late.as_mut().poll(cx) else {
            return;
        };
        self.late = None;
        let tried: Vec<A> = self.ended.iter().map(|(address, _)| *address).collect();
        let running = |address: &A| self.running.iter().any(|one| one.address == *address);
        arrived.retain(|address| {
            !tried.contains(address) && !running(address) && !self.waiting.contains(address)
        });
        let mut waiting = std::mem::take(&mut self.waiting);
        while !arrived.is_empty() || !waiting.is_empty() {
            self.waiting.extend(arrived.pop_front());
            self.waiting.extend(waiting.pop_front());
        }
    }

    /// Polls the attempts: ready with the winner, or with an error if at least one attempt has failed.
    fn poll_running(&mut self, cx: &mut Context<'_>) -> Poll<Result<(S, A), ()>> {
        let mut failed = self.running.is_empty();
        let mut index = 0;
        while let Some(running) = self.running.get_mut(index) {
            match running.connecting.as_mut().poll(cx) {
                Poll::Ready(Ok(stream)) => {
                    let RunningAttempt { address, .. } = self.running.swap_remove(index);
                    self.ended.push((address, AttemptOutcome::Connected));
                    return Poll::Ready(Ok((stream, address)));
                }
                Poll::Ready(Err(error)) => {
                    let failure = classify(&error);
                    self.failure = worse(self.failure, failure);
                    let RunningAttempt { address, .. } = self.running.swap_remove(index);
                    self.ended.push((address, AttemptOutcome::Failed(failure)));
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

/// Whether the error is that this process, or the whole node, may not open another descriptor.
pub(crate) fn is_out_of_descriptors(error: &io::Error) -> bool {
    const ERRORS: [i32; 2] = [Errno::EMFILE as i32, Errno::ENFILE as i32];
    error
        .raw_os_error()
        .is_some_and(|errno| ERRORS.contains(&errno))
}

/// The failure to report of two. A lack of descriptors comes first, because nothing is known about the destination
/// then; a response of the destination says more than a family which this node does not have.
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
