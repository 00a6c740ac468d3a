//! Which address of a destination is tried first: each in its turn, and those that failed to connect last.
//!
//! One worker's memory of what it has seen. The clock is an argument.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use lru::LruCache;

use super::pool::Destination;

/// Destinations whose turn is remembered.
const MAX_TURNS: NonZeroUsize = NonZeroUsize::new(4096).expect("not zero");
/// Addresses whose failures are remembered.
const MAX_FAILING: NonZeroUsize = NonZeroUsize::new(4096).expect("not zero");
/// How long an address goes last after its first failure; doubles with each further one in a row.
const FIRST_PENALTY: Duration = Duration::from_secs(1);
/// The longest it gets.
const LONGEST_PENALTY: Duration = Duration::from_secs(30);

/// Turns and failures.
pub(crate) struct Balance(RefCell<State>);

struct State {
    turns: LruCache<Destination, usize>,
    failing: LruCache<SocketAddr, Failing>,
}

struct Failing {
    in_a_row: u32,
    until: Instant,
}

impl Default for Balance {
    fn default() -> Self {
        Self(RefCell::new(State {
            turns: LruCache::new(MAX_TURNS),
            failing: LruCache::new(MAX_FAILING),
        }))
    }
}

impl Balance {
    /// The order in which to try `addresses`: within a family each begins in its turn, the families alternate from the
    /// one that came first (RFC 8305 4), and what has failed lately comes after all that has not.
    pub(crate) fn order<A: Copy>(
        &self,
        destination: &Destination,
        addresses: &[A],
        socket: impl Fn(A) -> SocketAddr,
        now: Instant,
    ) -> VecDeque<A> {
        let turn = self.turn(destination);
        let (failing, healthy): (Vec<_>, Vec<_>) = addresses
            .iter()
            .partition(|address| self.is_failing(socket(**address), now));
        let is_v6 = |address: A| socket(address).is_ipv6();
        let mut order = interleave(healthy, turn, is_v6);
        order.extend(interleave(failing, turn, is_v6));
        order
    }

    /// An attempt failed, or another one was faster although this had a head start.
    pub(crate) fn failed(&self, address: SocketAddr, now: Instant) {
        let failing = &mut self.0.borrow_mut().failing;
        let in_a_row = failing
            .get(&address)
            .map_or(1, |before| before.in_a_row.saturating_add(1));
        let doubled =
            FIRST_PENALTY.saturating_mul(1_u32.checked_shl(in_a_row - 1).unwrap_or(u32::MAX));
        let until = now + doubled.min(LONGEST_PENALTY);
        failing.put(address, Failing { in_a_row, until });
    }

    /// An attempt succeeded.
    pub(crate) fn succeeded(&self, address: SocketAddr) {
        self.0.borrow_mut().failing.pop(&address);
    }

    /// Begins anywhere, so that workers and processes do not all begin with the same address.
    fn turn(&self, destination: &Destination) -> usize {
        let turns = &mut self.0.borrow_mut().turns;
        if let Some(turn) = turns.get_mut(destination) {
            *turn = turn.wrapping_add(1);
            return *turn;
        }
        let turn = rand::random_range(0..usize::MAX);
        turns.put(destination.clone(), turn);
        turn
    }

    fn is_failing(&self, address: SocketAddr, now: Instant) -> bool {
        self.0
            .borrow()
            .failing
            .peek(&address)
            .is_some_and(|failing| now < failing.until)
    }
}

fn interleave<A: Copy>(addresses: Vec<A>, turn: usize, is_v6: impl Fn(A) -> bool) -> VecDeque<A> {
    let Some(first) = addresses.first().map(|address| is_v6(*address)) else {
        return VecDeque::new();
    };
    let (mut these, mut others): (Vec<_>, Vec<_>) = addresses
        .into_iter()
        .partition(|address| is_v6(*address) == first);
    rotate(&mut these, turn);
    rotate(&mut others, turn);
    let (mut these, mut others) = (VecDeque::from(these), VecDeque::from(others));
    let mut mixed = VecDeque::with_capacity(these.len() + others.len());
    while !these.is_empty() || !others.is_empty() {
        mixed.extend(these.pop_front());
        mixed.extend(others.pop_front());
    }
    mixed
}

fn rotate<A>(addresses: &mut [A], turn: usize) {
    if !addresses.is_empty() {
        let turn = turn % addresses.len();
        addresses.rotate_left(turn);
    }
}

#[cfg(test)]
mod tests {
    use egret_config::name::Port;
    use egret_config::snapshot::{ResolverId, Scheme};

    use super::*;
    use crate::telemetry::clock;

    fn destination(name: &str) -> Destination {
        Destination {
            scheme: Scheme::Http,
            host: name.parse().unwrap(),
            port: Port::HTTP,
            resolver: ResolverId::System,
        }
    }

    fn address(text: &str) -> SocketAddr {
        SocketAddr::new(text.parse().unwrap(), 80)
    }

    fn addresses<const N: usize>(texts: [&str; N]) -> Vec<SocketAddr> {
        texts.map(address).into()
    }

    fn order(
        balance: &Balance,
        name: &str,
        addresses: &[SocketAddr],
        now: Instant,
    ) -> Vec<SocketAddr> {
        balance
            .order(&destination(name), addresses, |address| address, now)
            .into()
    }

    #[test]
    fn every_address_is_first_in_its_turn_whatever_happens_elsewhere() {
        let (balance, now) = (Balance::default(), clock::now());
        let all = addresses(["192.0.2.1", "192.0.2.2", "192.0.2.3"]);
        let mut firsts: Vec<_> = (0..6)
            .map(|_| {
                // In step with another destination, as a page and its images are.
                order(&balance, "other.example", &all, now);
                order(&balance, "a.example", &all, now)[0]
            })
            .collect();
        assert_eq!(firsts[..3], firsts[3..]);
        firsts.sort_unstable();
        firsts.dedup();
        assert_eq!(firsts, all);
    }

    #[test]
    fn families_alternate_from_the_preferred_one() {
        let (balance, now) = (Balance::default(), clock::now());
        let all = addresses([
            "2001:db8::1",
            "2001:db8::2",
            "192.0.2.1",
            "192.0.2.2",
            "192.0.2.3",
        ]);
        for _ in 0..6 {
            let families: Vec<_> = order(&balance, "a.example", &all, now)
                .iter()
                .map(SocketAddr::is_ipv6)
                .collect();
            assert_eq!(families, [true, false, true, false, false]);
        }
    }

    #[test]
    fn what_failed_goes_last_until_its_time_is_over_and_longer_each_time() {
        let (balance, mut now) = (Balance::default(), clock::now());
        let all = addresses(["192.0.2.1", "192.0.2.2"]);
        let is_last = |now| (0..2).all(|_| order(&balance, "a.example", &all, now)[1] == all[0]);
        assert!(!is_last(now));
        for seconds in [1, 2, 4, 8, 16, 30, 30] {
            balance.failed(all[0], now);
            let over = now + Duration::from_secs(seconds);
            assert!(is_last(over - Duration::from_millis(1)), "{seconds}");
            assert!(!is_last(over), "{seconds}");
            now = over;
        }
        balance.succeeded(all[0]);
        balance.failed(all[0], now);
        assert!(!is_last(now + Duration::from_secs(1)));
    }

    #[test]
    fn when_all_have_failed_all_are_tried() {
        let (balance, now) = (Balance::default(), clock::now());
        let all = addresses(["192.0.2.1", "2001:db8::1"]);
        all.iter().for_each(|address| balance.failed(*address, now));
        assert_eq!(order(&balance, "a.example", &all, now).len(), 2);
        assert!(order(&balance, "a.example", &[], now).is_empty());
    }
}
