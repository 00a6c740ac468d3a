//! Load balancing: which address of a destination is tried first, and in which order the others follow.
//!
//! Pure: the state of the addresses, the turn and the random numbers are arguments.

use std::collections::VecDeque;

use egret_config::snapshot::LoadBalancing;

use crate::dns::family::AddressFamily;
use crate::plan::affinity::AffinityKey;

/// The state of an address, in order of preference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum EndpointStatus {
    /// Nothing is known against the address.
    Healthy,
    /// A connection failed a while ago. No request should have to find out whether it still does.
    Unproven,
    /// A connection failed just now, or the address is ejected.
    Unhealthy,
    /// This request has already attempted the address.
    Attempted,
}

/// An address that may be chosen, with what the choice depends on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EndpointCandidate<A> {
    pub(crate) address: A,
    pub(crate) family: AddressFamily,
    pub(crate) status: EndpointStatus,
    /// Requests in progress to the address.
    pub(crate) active: u32,
    /// How well the address suits the request, where the same requests go to the same address.
    pub(crate) score: Option<u64>,
    /// Its share of the requests, in thousandths of that of an address that is not new.
    pub(crate) share: u16,
}

/// The share of an address that is not new.
pub(crate) const FULL_SHARE: u16 = 1000;

/// The criteria of a choice between equally good addresses.
pub(crate) struct EndpointChoice<'a> {
    pub(crate) load_balancing: LoadBalancing,
    /// The family that is tried first.
    pub(crate) leading: AddressFamily,
    /// A counter that grows by one with each choice.
    pub(crate) turn: usize,
    /// Draws a number below its argument.
    pub(crate) draw: &'a mut dyn FnMut(usize) -> usize,
}

impl<A> EndpointCandidate<A> {
    /// Builds a candidate that nothing is known of.
    pub(crate) fn unknown(address: A) -> Self {
        Self {
            address,
            family: AddressFamily::V4,
            status: EndpointStatus::Healthy,
            active: 0,
            score: None,
            share: FULL_SHARE,
        }
    }

    /// Whether the session of the request goes there, and may: it goes elsewhere rather than nowhere.
    fn has_session(&self) -> bool {
        self.score == Some(AffinityKey::OF_SESSION) && self.status < EndpointStatus::Unhealthy
    }
}

impl EndpointChoice<'_> {
    /// Chooses one of the candidates of the best status, of the leading family if it has any of these.
    pub(crate) fn first<A: Copy>(&mut self, candidates: &[EndpointCandidate<A>]) -> Option<A> {
        if let [only] = candidates {
            return Some(only.address);
        }
        if let Some(one) = candidates.iter().find(|one| one.has_session()) {
            return Some(one.address);
        }
        let best = candidates.iter().map(|one| one.status).min()?;
        let is_best = |one: &&EndpointCandidate<A>| one.status == best;
        if self.load_balancing == LoadBalancing::Hash {
            // The family that works better may be another at another time.
            let group: Vec<_> = candidates.iter().filter(is_best).collect();
            return Some(group[self.pick(&group)].address);
        }
        let leading = self.leading;
        let led = |one: &&EndpointCandidate<A>| is_best(one) && one.family == leading;
        let family = if candidates.iter().any(|one| led(&one)) {
            leading
        } else {
            leading.other()
        };
        let group: Vec<_> = candidates
            .iter()
            .filter(|one| is_best(one) && one.family == family)
            .collect();
        Some(group[self.pick(&group)].address)
    }

    /// Orders all candidates: the chosen one first, then the others by status, with alternating families (RFC 8305 4).
    pub(crate) fn order<A: Copy + PartialEq>(
        &mut self,
        candidates: &[EndpointCandidate<A>],
    ) -> VecDeque<A> {
        let Some(first) = self.first(candidates) else {
            return VecDeque::new();
        };
        let mut order = VecDeque::with_capacity(candidates.len());
        let mut last = candidates.iter().find(|one| one.address == first);
        order.push_back(first);
        for status in [
            EndpointStatus::Healthy,
            EndpointStatus::Unproven,
            EndpointStatus::Unhealthy,
            EndpointStatus::Attempted,
        ] {
            let left = candidates
                .iter()
                .filter(|one| one.status == status && one.address != first);
            let (mut v4, mut v6): (Vec<&EndpointCandidate<A>>, Vec<_>) =
                left.partition(|one| one.family == AddressFamily::V4);
            rotate(&mut v4, self.turn);
            rotate(&mut v6, self.turn);
            let (mut v4, mut v6) = (v4.into_iter(), v6.into_iter());
            while let Some(next) = match last.map(|last| last.family) {
                Some(AddressFamily::V4) => v6.next().or_else(|| v4.next()),
                Some(AddressFamily::V6) | None => v4.next().or_else(|| v6.next()),
            } {
                order.push_back(next.address);
                last = Some(next);
            }
        }
        order
    }

    fn pick<A>(&mut self, group: &[&EndpointCandidate<A>]) -> usize {
        let picked = self.pick_by_turn(group);
        self.warm_one(picked, group)
    }

    /// The picked one, as often as its share says, or else one after it.
    fn warm_one<A>(&mut self, picked: usize, group: &[&EndpointCandidate<A>]) -> usize {
        let most = group
            .iter()
            .map(|one| one.share)
            .max()
            .unwrap_or(FULL_SHARE);
        let mut at = picked;
        for _ in 0..group.len() {
            let share = group[at].share;
            if share == most || (self.draw)(usize::from(most)) < usize::from(share) {
                return at;
            }
            at = (at + 1) % group.len();
        }
        picked
    }

    fn pick_by_turn<A>(&mut self, group: &[&EndpointCandidate<A>]) -> usize {
        match self.load_balancing {
            LoadBalancing::RoundRobin => self.turn % group.len(),
            LoadBalancing::Hash => {
                let scored = group.iter().map(|one| one.score).enumerate();
                match scored.max_by_key(|(_, score)| *score) {
                    Some((best, Some(_))) => best,
                    _ => (self.draw)(group.len()),
                }
            }
            LoadBalancing::Random => (self.draw)(group.len()),
            LoadBalancing::LeastRequest { choices } => {
                let mut best = (self.draw)(group.len());
                for _ in 1..choices.max(2) {
                    let other = (self.draw)(group.len());
                    if group[other].active < group[best].active {
                        best = other;
                    }
                }
                best
            }
        }
    }
}

fn rotate<T>(list: &mut [T], turn: usize) {
    if !list.is_empty() {
        let turn = turn % list.len();
        list.rotate_left(turn);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEALTHY: EndpointStatus = EndpointStatus::Healthy;
    const UNHEALTHY: EndpointStatus = EndpointStatus::Unhealthy;
    const ATTEMPTED: EndpointStatus = EndpointStatus::Attempted;

    /// Addresses by name: those that begin with `6` are IPv6.
    fn candidates(
        list: &[(&'static str, EndpointStatus, u32)],
    ) -> Vec<EndpointCandidate<&'static str>> {
        list.iter()
            .map(|&(address, status, active)| EndpointCandidate {
                address,
                family: if address.starts_with('6') {
                    AddressFamily::V6
                } else {
                    AddressFamily::V4
                },
                status,
                active,
                score: None,
                share: FULL_SHARE,
            })
            .collect()
    }

    fn well(names: &[&'static str]) -> Vec<EndpointCandidate<&'static str>> {
        let list: Vec<_> = names.iter().map(|name| (*name, HEALTHY, 0)).collect();
        candidates(&list)
    }

    fn order(turn: usize, candidates: &[EndpointCandidate<&'static str>]) -> Vec<&'static str> {
        let mut choice = EndpointChoice {
            load_balancing: LoadBalancing::RoundRobin,
            leading: AddressFamily::V6,
            turn,
            draw: &mut |_| unreachable!("nobody throws dice here"),
        };
        choice.order(candidates).into()
    }

    #[test]
    fn each_is_first_in_its_turn() {
        let all = well(&["a", "b", "c"]);
        let firsts: Vec<_> = (0..6).map(|turn| order(turn, &all)[0]).collect();
        assert_eq!(firsts, ["a", "b", "c", "a", "b", "c"]);
    }

    #[test]
    fn families_alternate_from_the_leading_one() {
        let all = well(&["6a", "6b", "6c", "x", "y"]);
        assert_eq!(order(0, &all), ["6a", "x", "6b", "y", "6c"]);
        assert_eq!(order(1, &all), ["6b", "y", "6c", "x", "6a"]);
        // All of one family before the last of the other has its turn.
        assert_eq!(order(0, &well(&["x", "6a"])), ["6a", "x"]);
    }

    #[test]
    fn what_is_unwell_goes_last_and_what_was_tried_after_it() {
        let some = candidates(&[
            ("6a", UNHEALTHY, 0),
            ("6b", ATTEMPTED, 0),
            ("x", HEALTHY, 0),
            ("y", UNHEALTHY, 0),
        ]);
        assert_eq!(order(0, &some), ["x", "6a", "y", "6b"]);
        // Nothing is left out when nothing is well.
        let none = candidates(&[("6a", UNHEALTHY, 0), ("x", ATTEMPTED, 0)]);
        assert_eq!(order(0, &none), ["6a", "x"]);
        assert_eq!(order(0, &[]), [""; 0]);
    }

    #[test]
    fn the_turn_passes_over_what_is_unwell() {
        let some = candidates(&[("a", HEALTHY, 0), ("b", UNHEALTHY, 0), ("c", HEALTHY, 0)]);
        let firsts: Vec<_> = (0..4).map(|turn| order(turn, &some)[0]).collect();
        assert_eq!(firsts, ["a", "c", "a", "c"]);
    }

    /// The first choice with dice that show these numbers.
    fn drawn(load_balancing: LoadBalancing, dice: &[usize]) -> &'static str {
        let mut dice = dice.iter().copied();
        let mut choice = EndpointChoice {
            load_balancing,
            leading: AddressFamily::V4,
            turn: 0,
            draw: &mut |below| {
                let number = dice.next().expect("as many throws as dice");
                assert!(number < below);
                number
            },
        };
        let some = candidates(&[
            ("a", HEALTHY, 3),
            ("b", HEALTHY, 1),
            ("c", HEALTHY, 2),
            ("6", HEALTHY, 0),
        ]);
        let first = choice.first(&some).expect("a choice");
        assert_eq!(dice.next(), None);
        first
    }

    #[test]
    fn random_is_any_and_least_request_the_idlest_of_those_drawn() {
        assert_eq!(drawn(LoadBalancing::Random, &[2]), "c");
        let least = |choices| LoadBalancing::LeastRequest { choices };
        assert_eq!(drawn(least(2), &[0, 2]), "c");
        assert_eq!(drawn(least(2), &[2, 0]), "c");
        assert_eq!(drawn(least(3), &[0, 2, 1]), "b");
        // Fewer than two would be no choice.
        assert_eq!(drawn(least(0), &[0, 1]), "b");
    }

    #[test]
    fn a_new_address_gets_its_share_and_no_more() {
        let mut some = well(&["a", "b"]);
        some[1].share = 250;
        let mut dice = (0..1000).cycle();
        let mut choice = EndpointChoice {
            load_balancing: LoadBalancing::RoundRobin,
            leading: AddressFamily::V4,
            turn: 0,
            draw: &mut |below| dice.next().unwrap() % below,
        };
        let mut of_new = 0;
        for turn in 0..2000 {
            choice.turn = turn;
            of_new += usize::from(choice.first(&some) == Some("b"));
        }
        // A quarter of the turns that it would have.
        assert_eq!(of_new, 250);
        some[0].share = 250;
        choice.turn = 1;
        // All are as new.
        assert_eq!(choice.first(&some), Some("b"));
    }

    #[test]
    fn the_same_request_goes_to_the_address_that_suits_it_while_that_is_well() {
        let mut some = well(&["a", "6b", "c"]);
        for (one, score) in some.iter_mut().zip([3, 9, 5]) {
            one.score = Some(score);
        }
        let mut choice = EndpointChoice {
            load_balancing: LoadBalancing::Hash,
            leading: AddressFamily::V4,
            turn: 0,
            draw: &mut |_| unreachable!("there is nothing to draw"),
        };
        assert_eq!(choice.first(&some), Some("6b"));
        some[1].status = UNHEALTHY;
        assert_eq!(choice.first(&some), Some("c"));
        assert_eq!(Vec::from(choice.order(&some)), ["c", "a", "6b"]);
    }

    #[test]
    fn a_request_without_a_key_may_go_anywhere() {
        assert_eq!(drawn(LoadBalancing::Hash, &[3]), "6");
    }
}
