//! Connecting to the first address that answers (Happy Eyeballs, RFC 8305), and the one door to the network.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, Sleep, sleep_until, timeout};

use super::egress::Permitted;
use crate::refusal::ConnectFailure;
use crate::telemetry::clock;

/// How long one attempt has before the next starts beside it (RFC 8305 5, "Connection Attempt Delay").
pub const STAGGER: Duration = Duration::from_millis(250);
/// How long one attempt may take.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How a race went.
#[derive(Debug)]
pub struct Raced<S, A> {
    /// The connection and its address, or the failure that says most about why there is none.
    pub outcome: Result<(S, A), ConnectFailure>,
    /// The addresses that failed, or lost in spite of a head start of [`STAGGER`].
    pub lost: Vec<A>,
}

/// Connects to one of `addresses`, which are raced in their order.
pub async fn connect(
    addresses: VecDeque<Permitted<SocketAddr>>,
) -> Raced<TcpStream, Permitted<SocketAddr>> {
    race(addresses, dial).await
}

/// The door.
async fn dial(address: Permitted<SocketAddr>) -> io::Result<TcpStream> {
    let address = address.get();
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    socket.set_nodelay(true)?;
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one door to the network, and the address is permitted"
    )]
    let connecting = socket.connect(address);
    timeout(CONNECT_TIMEOUT, connecting).await?
}

/// Starts an attempt at once, one more whenever [`STAGGER`] has passed or an attempt failed; the first success wins.
async fn race<A, F, S>(addresses: VecDeque<A>, dial: impl Fn(A) -> F) -> Raced<S, A>
where
    A: Copy,
    F: Future<Output = io::Result<S>>,
{
    let mut stagger = pin!(sleep_until(Instant::from_std(clock::now() + STAGGER)));
    let mut race = Race {
        waiting: addresses,
        running: Vec::new(),
        failure: ConnectFailure::Unreachable,
        lost: Vec::new(),
        dial,
    };
    race.start_next();
    let outcome = poll_fn(|cx| race.poll(cx, stagger.as_mut())).await;
    race.end(outcome)
}

struct Race<A, F, D> {
    waiting: VecDeque<A>,
    running: Vec<Attempt<A, F>>,
    lost: Vec<A>,
    failure: ConnectFailure,
    dial: D,
}

struct Attempt<A, F> {
    address: A,
    since: std::time::Instant,
    connecting: Pin<Box<F>>,
}

impl<A, F, D, S> Race<A, F, D>
where
    A: Copy,
    F: Future<Output = io::Result<S>>,
    D: Fn(A) -> F,
{
    fn start_next(&mut self) {
        if let Some(address) = self.waiting.pop_front() {
            let connecting = Box::pin((self.dial)(address));
            self.running.push(Attempt {
                address,
                since: clock::now(),
                connecting,
            });
        }
    }

    fn end(self, outcome: Result<(S, A), ConnectFailure>) -> Raced<S, A> {
        let now = clock::now();
        let mut lost = self.lost;
        let overtaken = self
            .running
            .iter()
            .filter(|attempt| now - attempt.since >= STAGGER);
        lost.extend(overtaken.map(|attempt| attempt.address));
        Raced { outcome, lost }
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        mut stagger: Pin<&mut Sleep>,
    ) -> Poll<Result<(S, A), ConnectFailure>> {
        loop {
            let mut start = match self.poll_running(cx) {
                Poll::Ready(Ok(winner)) => return Poll::Ready(Ok(winner)),
                Poll::Ready(Err(())) => true,
                Poll::Pending => false,
            };
            if self.waiting.is_empty() {
                let over = self.running.is_empty();
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

    /// Ready with the winner, or with an error if at least one attempt failed.
    fn poll_running(&mut self, cx: &mut Context<'_>) -> Poll<Result<(S, A), ()>> {
        let mut failed = self.running.is_empty();
        let mut index = 0;
        while let Some(attempt) = self.running.get_mut(index) {
            match attempt.connecting.as_mut().poll(cx) {
                Poll::Ready(Ok(stream)) => {
                    let Attempt { address, .. } = self.running.swap_remove(index);
                    return Poll::Ready(Ok((stream, address)));
                }
                Poll::Ready(Err(error)) => {
                    self.failure = worse(self.failure, classify(&error));
                    self.lost.push(self.running.swap_remove(index).address);
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
    match error.kind() {
        io::ErrorKind::ConnectionRefused => ConnectFailure::Refused,
        io::ErrorKind::TimedOut => ConnectFailure::Timeout,
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => {
            ConnectFailure::Terminated
        }
        _ => ConnectFailure::Unreachable,
    }
}

/// Of two failures the one to tell: a host that did something is more telling than a family that this node lacks.
const fn worse(one: ConnectFailure, other: ConnectFailure) -> ConnectFailure {
    const fn weight(failure: ConnectFailure) -> u8 {
        match failure {
            ConnectFailure::Unreachable => 0,
            ConnectFailure::Timeout => 1,
            ConnectFailure::Terminated => 2,
            ConnectFailure::Refused => 3,
        }
    }
    if weight(one) >= weight(other) {
        one
    } else {
        other
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    /// Runs a race of scripted attempts: (milliseconds, outcome). Gives how it went, when it was over, and when each
    /// attempt started.
    async fn raced(
        script: &[(u64, Result<(), io::ErrorKind>)],
    ) -> (Raced<(), usize>, u64, Vec<u64>) {
        let begin = clock::now();
        let millis = || u64::try_from((clock::now() - begin).as_millis()).unwrap();
        let starts = RefCell::new(Vec::new());
        let raced = race((0..script.len()).collect(), |index| {
            starts.borrow_mut().push(millis());
            let (delay, outcome) = script[index];
            async move {
                tokio::time::sleep(Duration::from_millis(delay)).await;
                outcome.map_err(io::Error::from)
            }
        })
        .await;
        (raced, millis(), starts.into_inner())
    }

    async fn run(
        script: &[(u64, Result<(), io::ErrorKind>)],
    ) -> (Result<usize, ConnectFailure>, u64, Vec<u64>) {
        let (raced, ended, starts) = raced(script).await;
        (raced.outcome.map(|((), winner)| winner), ended, starts)
    }

    const REFUSED: Result<(), io::ErrorKind> = Err(io::ErrorKind::ConnectionRefused);
    const NEVER: u64 = 3_600_000;

    #[tokio::test(start_paused = true)]
    async fn a_live_first_address_wins_alone() {
        assert_eq!(
            run(&[(20, Ok(())), (0, Ok(()))]).await,
            (Ok(0), 20, vec![0])
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_first_address_that_swallows_packets_costs_one_stagger() {
        assert_eq!(
            run(&[(NEVER, Ok(())), (20, Ok(()))]).await,
            (Ok(1), 270, vec![0, 250])
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_first_address_that_refuses_costs_nothing_more() {
        assert_eq!(
            run(&[(10, REFUSED), (20, Ok(()))]).await,
            (Ok(1), 30, vec![0, 10])
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_first_address_may_still_win() {
        assert_eq!(
            run(&[(300, Ok(())), (100, Ok(()))]).await,
            (Ok(0), 300, vec![0, 250])
        );
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_failure_the_next_stagger_starts_anew() {
        let script = [(100, REFUSED), (NEVER, Ok(())), (50, Ok(()))];
        assert_eq!(run(&script).await, (Ok(2), 400, vec![0, 100, 350]));
    }

    #[tokio::test(start_paused = true)]
    async fn all_failed_tells_the_most_telling_failure() {
        let script = [
            (10, Err(io::ErrorKind::NetworkUnreachable)),
            (10, REFUSED),
            (10, Err(io::ErrorKind::TimedOut)),
        ];
        assert_eq!(run(&script).await.0, Err(ConnectFailure::Refused));
        let script = [
            (10, Err(io::ErrorKind::TimedOut)),
            (10, Err(io::ErrorKind::HostUnreachable)),
        ];
        assert_eq!(run(&script).await.0, Err(ConnectFailure::Timeout));
    }

    #[tokio::test(start_paused = true)]
    async fn the_losers_are_those_that_failed_or_had_a_head_start() {
        let script = [
            (NEVER, Ok(())),
            (10, REFUSED),
            (300, Ok(())),
            (NEVER, Ok(())),
        ];
        let (raced, ended, starts) = raced(&script).await;
        assert_eq!(
            (raced.outcome.map(|((), winner)| winner), ended),
            (Ok(2), 560)
        );
        assert_eq!(starts, [0, 250, 260, 510]);
        assert_eq!(raced.lost, [1, 0]);
    }
}
