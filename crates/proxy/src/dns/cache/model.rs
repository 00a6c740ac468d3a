//! Random sequences of operations against a model that is simple because it never forgets: it keeps the history of each
//! name and works out from it what a lookup has to give.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::dns::failure::Failure;

const NAMES: usize = 6;

#[derive(Clone, Debug)]
enum Operation {
    Lookup(usize),
    Renew(usize),
    Touch(usize),
    Keep(usize),
    /// Ends the oldest flight of the name, if it has one.
    End(usize, Ending),
    /// Ends what is late of the name, with an address or with a failure.
    Merge(usize, Option<u8>),
    Wait(u64),
    Sweep(usize),
    Flush(Option<usize>),
    Change(Change),
}

#[derive(Clone, Debug)]
enum Ending {
    /// Whether there is more to come.
    Found(u8, u64, bool),
    Failed(Failure, Option<u64>),
}

#[derive(Clone, Debug)]
enum Change {
    StaleFor(u64),
    MaxTtl(u64),
    MaxHosts(usize),
    MaxPending(usize),
}

fn operation() -> impl Strategy<Value = Operation> {
    let ending = prop_oneof![
        3 => (any::<u8>(), 0..90_u64, any::<bool>())
            .prop_map(|(host, ttl, early)| Ending::Found(host, ttl, early)),
        1 => proptest::option::of(0..60_u64).prop_map(|ttl| Ending::Failed(Failure::NxDomain, ttl)),
        1 => Just(Ending::Failed(Failure::Timeout, None)),
        1 => Just(Ending::Failed(Failure::ServFail, None)),
    ];
    let change = prop_oneof![
        prop_oneof![Just(0), 1..300_u64].prop_map(Change::StaleFor),
        (1..60_u64).prop_map(Change::MaxTtl),
        (1..NAMES).prop_map(Change::MaxHosts),
        (1..4_usize).prop_map(Change::MaxPending),
    ];
    prop_oneof![
        8 => (0..NAMES).prop_map(Operation::Lookup),
        1 => (0..NAMES).prop_map(Operation::Renew),
        2 => (0..NAMES).prop_map(Operation::Touch),
        1 => (0..NAMES).prop_map(Operation::Keep),
        6 => (0..NAMES, ending).prop_map(|(name, ending)| Operation::End(name, ending)),
        1 => (0..NAMES, proptest::option::of(any::<u8>()))
            .prop_map(|(name, host)| Operation::Merge(name, host)),
        4 => prop_oneof![0..2_000_u64, 0..100_000_u64].prop_map(Operation::Wait),
        1 => (0..4_usize).prop_map(Operation::Sweep),
        1 => proptest::option::of(0..NAMES).prop_map(Operation::Flush),
        1 => change.prop_map(Operation::Change),
    ]
}

/// Addresses and their TTL, or a failure and the TTL of its SOA record; in seconds.
type Answer = Result<(Vec<IpAddr>, u64), (Failure, Option<u64>)>;

/// What happened to one name since it was last forgotten.
#[derive(Default)]
struct History {
    /// When the last answer or remembered failure came, and what it was.
    last: Option<(Instant, Answer)>,
    /// When refreshes of that answer failed, in a row.
    failures: Vec<Instant>,
    used: u64,
    used_at: Option<Instant>,
}

#[derive(Default)]
struct Model {
    names: BTreeMap<usize, History>,
    /// In the air: whether as a refresh, and whether a request wants it.
    flights: BTreeMap<usize, (Flight, bool, bool)>,
    /// The late parts of answers, oldest first, and whether the answer is still the last of its name.
    late: BTreeMap<usize, Vec<(Late, bool)>>,
    uses: u64,
}

fn address(host: u8) -> IpAddr {
    [192, 0, 2, host].into()
}

fn name(index: usize) -> DnsName {
    format!("n{index}.test").parse().unwrap()
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

impl Model {
    fn running(&self, refresh: bool) -> usize {
        self.flights
            .values()
            .filter(|flight| flight.1 == refresh)
            .count()
    }

    fn flying(&self) -> (usize, usize, usize) {
        (self.running(false), self.running(true), self.late_count())
    }

    fn touch(&mut self, index: usize, now: Instant) {
        self.uses += 1;
        if let Some(history) = self.names.get_mut(&index) {
            (history.used, history.used_at) = (self.uses, Some(now));
        }
    }

    fn refresh(&mut self, index: usize, flight: Option<Flight>) {
        if let Some(flight) = flight {
            self.flights.insert(index, (flight, true, false));
        }
    }

    /// What is late belongs to an answer that is known no more.
    fn outdate(&mut self, index: usize) {
        for late in self.late.entry(index).or_default() {
            late.1 = false;
        }
    }

    fn late_count(&self) -> usize {
        self.late.values().map(Vec::len).sum()
    }

    fn has_more(&self, index: usize) -> bool {
        let late = self.late.get(&index);
        late.is_some_and(|late| late.iter().any(|(_, current)| *current))
    }

    fn forget_oldest(&mut self) {
        let oldest = self.names.iter().min_by_key(|(_, history)| history.used);
        if let Some(oldest) = oldest.map(|(&index, _)| index) {
            self.names.remove(&oldest);
            self.outdate(oldest);
        }
    }

    /// Checks what a lookup gave against the history of the name.
    fn check(
        &mut self,
        index: usize,
        got: Lookup,
        settings: &ResolverSettings,
        now: Instant,
    ) -> Result<(), TestCaseError> {
        let (pending, refreshing) = (self.running(false), self.running(true));
        let flying = self.flights.contains_key(&index);
        let more_expected = self.has_more(index);
        self.touch(index, now);
        let history = self.names.get(&index);
        if let Some((at, last)) = history.and_then(|history| history.last.as_ref()) {
            let age = now - *at;
            match last {
                Ok((addresses, ttl)) => {
                    let ttl = seconds(*ttl).max(settings.min_ttl).min(settings.max_ttl);
                    let failures = history.map_or(&[][..], |history| &history.failures);
                    let room = !flying && refreshing < settings.max_pending;
                    if age < ttl {
                        let Lookup::Hit(Served {
                            addresses: given,
                            refresh,
                            more,
                            service: None,
                        }) = got
                        else {
                            return Err(TestCaseError::fail(format!("fresh: {got:?}")));
                        };
                        prop_assert_eq!(&*given, &**addresses);
                        prop_assert_eq!(more.is_some(), more_expected);
                        check_ahead((age, ttl), failures, now, room, refresh.is_some())?;
                        self.refresh(index, refresh);
                        return Ok(());
                    }
                    if age < ttl + settings.stale_for {
                        let Lookup::Stale(Served {
                            addresses: given,
                            refresh,
                            more,
                            service: None,
                        }) = got
                        else {
                            return Err(TestCaseError::fail(format!("stale: {got:?}")));
                        };
                        prop_assert_eq!(&*given, &**addresses);
                        prop_assert_eq!(more.is_some(), more_expected);
                        check_back_off(failures, now, room, refresh.is_some())?;
                        self.refresh(index, refresh);
                        return Ok(());
                    }
                }
                Err((failure, ttl)) => {
                    let ttl = match failure {
                        Failure::NxDomain | Failure::NoData => {
                            settings.negative_ttl.min(ttl.map_or(seconds(1), seconds))
                        }
                        _ => seconds(1),
                    };
                    if age < ttl {
                        prop_assert!(
                            matches!(&got, Lookup::Negative(given) if given == failure),
                            "{got:?}"
                        );
                        return Ok(());
                    }
                }
            }
        }
        match got {
            Lookup::Join(()) => {
                prop_assert!(flying);
                self.flights
                    .entry(index)
                    .and_modify(|flight| flight.2 = true);
            }
            Lookup::Start(flight) => {
                prop_assert!(!flying && pending < settings.max_pending);
                self.flights.insert(index, (flight, false, true));
            }
            Lookup::Overloaded => prop_assert!(!flying && pending >= settings.max_pending),
            got => return Err(TestCaseError::fail(format!("nothing servable: {got:?}"))),
        }
        Ok(())
    }

    /// Checks whether using the name without a need of the answer had to start a query.
    fn check_touch(
        &mut self,
        index: usize,
        flight: Option<Flight>,
        settings: &ResolverSettings,
        now: Instant,
    ) -> Result<(), TestCaseError> {
        let given = flight.is_some();
        let room = !self.flights.contains_key(&index) && self.running(true) < settings.max_pending;
        self.touch(index, now);
        let history = self.names.get(&index);
        match history.and_then(|history| history.last.as_ref().map(|last| (history, last))) {
            Some((history, (at, Ok((_, ttl))))) => {
                let ttl = seconds(*ttl).max(settings.min_ttl).min(settings.max_ttl);
                let age = now - *at;
                if age < ttl {
                    check_ahead((age, ttl), &history.failures, now, room, given)?;
                } else if age < ttl + settings.stale_for {
                    check_back_off(&history.failures, now, room, given)?;
                } else {
                    prop_assert_eq!(given, room);
                }
            }
            Some((_, (at, Err((failure, ttl))))) => {
                let ttl = ttl.filter(|_| failure.is_answer()).unwrap_or(1);
                let least = seconds(ttl).min(settings.negative_ttl).max(seconds(5));
                prop_assert_eq!(given, room && now - *at >= least);
            }
            None => prop_assert!(!given),
        }
        self.refresh(index, flight);
        Ok(())
    }

    /// The same for a name that is asked for even if nothing is known of it.
    fn check_keep(
        &mut self,
        index: usize,
        flight: Option<Flight>,
        settings: &ResolverSettings,
        now: Instant,
    ) -> Result<(), TestCaseError> {
        if self.names.contains_key(&index) {
            return self.check_touch(index, flight, settings, now);
        }
        let room = !self.flights.contains_key(&index) && self.running(true) < settings.max_pending;
        prop_assert_eq!(flight.is_some(), room);
        self.refresh(index, flight);
        self.flights
            .entry(index)
            .and_modify(|flight| flight.2 = true);
        Ok(())
    }

    fn end(
        &mut self,
        index: usize,
        ending: Ending,
        cache: &mut Cache,
        (settings, now): (&ResolverSettings, Instant),
    ) -> Result<(), TestCaseError> {
        let Some((flight, _, wanted)) = self.flights.remove(&index) else {
            return Ok(());
        };
        let known = self.names.contains_key(&index);
        let history = self.names.entry(index).or_default();
        let early = matches!(ending, Ending::Found(_, _, true));
        let (outcome, last, keep) = match ending {
            Ending::Found(host, ttl, early) => {
                let addresses = vec![address(host)];
                let outcome = Outcome::Found {
                    addresses: addresses.clone(),
                    ttl: seconds(ttl),
                    service: None,
                    rest: if early {
                        Rest::Addresses
                    } else {
                        Rest::Nothing
                    },
                };
                (outcome, Ok((addresses, ttl)), false)
            }
            Ending::Failed(failure, ttl) => {
                let servable = history.last.as_ref().and_then(|(at, last)| {
                    let (_, ttl) = last.as_ref().ok()?;
                    let ttl = seconds(*ttl).max(settings.min_ttl).min(settings.max_ttl);
                    (now - *at < ttl + settings.stale_for).then_some(())
                });
                let keep = failure != Failure::NxDomain && servable.is_some();
                let outcome = Outcome::Failed {
                    failure: failure.clone(),
                    ttl: ttl.map(seconds),
                };
                (outcome, Err((failure, ttl)), keep)
            }
        };
        let told = last
            .clone()
            .map(|(addresses, _)| addresses)
            .map_err(|(failure, _)| failure);
        let landed = cache.complete(flight, outcome, settings, now);
        if keep {
            history.failures.push(now);
            let kept = history
                .last
                .as_ref()
                .and_then(|(_, last)| last.as_ref().ok());
            prop_assert_eq!(
                landed.told.as_deref().ok(),
                kept.map(|(addresses, _)| &**addresses)
            );
            return Ok(());
        }
        prop_assert_eq!(landed.told.map(|addresses| addresses.to_vec()), told);
        history.last = Some((now, last));
        history.failures.clear();
        self.outdate(index);
        let room = self.late_count() < settings.max_pending;
        prop_assert_eq!(landed.late.is_some(), early && room);
        let current = known || wanted;
        let late = landed.late.map(|late| (late, current));
        self.late.entry(index).or_default().extend(late);
        if !known && wanted {
            self.touch(index, now);
            while self.names.len() > settings.max_hosts {
                self.forget_oldest();
            }
        } else if !known {
            self.names.remove(&index);
        }
        Ok(())
    }

    fn merge(
        &mut self,
        index: usize,
        host: Option<u8>,
        cache: &mut Cache,
    ) -> Result<(), TestCaseError> {
        let late = self.late.entry(index).or_default();
        if late.is_empty() {
            return Ok(());
        }
        let (late, current) = late.remove(0);
        let brought = host.map(|host| [address(host)]);
        let brought = brought
            .as_ref()
            .map(|addresses| (&addresses[..], seconds(30)));
        let merged = cache.merge(&late, brought);
        cache.end(late);
        prop_assert_eq!(merged.is_some(), current && host.is_some());
        let (Some(merged), Some(host)) = (merged, host) else {
            return Ok(());
        };
        let last = self
            .names
            .get_mut(&index)
            .and_then(|history| history.last.as_mut());
        if let Some((_, Ok((addresses, ttl)))) = last {
            *ttl = 30;
            if !addresses.contains(&address(host)) {
                addresses.push(address(host));
            }
            prop_assert_eq!(&*merged, &**addresses);
        }
        Ok(())
    }

    fn sweep(&mut self, settings: &ResolverSettings, now: Instant, limit: usize) -> usize {
        let mut removed = 0;
        while removed < limit {
            let oldest = self.names.values().min_by_key(|history| history.used);
            let idle = oldest
                .and_then(|oldest| oldest.used_at)
                .is_some_and(|at| now - at >= settings.idle_ttl);
            if !idle && self.names.len() <= settings.max_hosts {
                break;
            }
            self.forget_oldest();
            removed += 1;
        }
        removed
    }
}

/// A fresh answer is not asked for again before 80 % of its time, and from 95 % on as a stale one is.
fn check_ahead(
    (age, ttl): (Duration, Duration),
    failures: &[Instant],
    now: Instant,
    room: bool,
    given: bool,
) -> Result<(), TestCaseError> {
    if age < ttl * 4 / 5 {
        prop_assert!(!given);
    }
    if given || age >= ttl * 19 / 20 {
        check_back_off(failures, now, room, given)?;
    }
    Ok(())
}

/// A refresh comes neither before the back-off of the failures in a row, nor later than a quarter after it.
fn check_back_off(
    failures: &[Instant],
    now: Instant,
    room: bool,
    given: bool,
) -> Result<(), TestCaseError> {
    let Some(last) = failures.last() else {
        prop_assert_eq!(given, room);
        return Ok(());
    };
    let doublings = u32::try_from(failures.len() - 1).unwrap_or(u32::MAX).min(5);
    let least = seconds(1 << doublings).min(seconds(30));
    let since = now - *last;
    prop_assert!(!given || (room && since >= least));
    prop_assert!(given || !room || since < least + least / 4);
    Ok(())
}

fn change(settings: &mut ResolverSettings, change: &Change) {
    match *change {
        Change::StaleFor(count) => settings.stale_for = seconds(count),
        Change::MaxTtl(count) => settings.max_ttl = seconds(count),
        Change::MaxHosts(count) => settings.max_hosts = count,
        Change::MaxPending(count) => settings.max_pending = count,
    }
}

fn run(operations: Vec<Operation>) -> Result<(), TestCaseError> {
    let mut now = crate::clock::now();
    let mut settings = ResolverSettings {
        stale_for: seconds(120),
        max_hosts: 4,
        max_pending: 2,
        ..ResolverSettings::default()
    };
    let mut cache = Cache::new(42);
    let mut model = Model::default();
    for operation in operations {
        match operation {
            Operation::Lookup(index) => {
                let got = cache.lookup(&name(index), false, &settings, now);
                model.check(index, got, &settings, now)?;
            }
            Operation::Renew(index) => {
                let room = !model.flights.contains_key(&index)
                    && model.running(true) < settings.max_pending;
                let flight = cache.renew(&name(index), &settings);
                prop_assert_eq!(flight.is_some(), room);
                model.refresh(index, flight);
            }
            Operation::Touch(index) => {
                let flight = cache.touch(&name(index), &settings, now);
                model.check_touch(index, flight, &settings, now)?;
            }
            Operation::Keep(index) => {
                let flight = cache.keep(&name(index), &settings, now);
                model.check_keep(index, flight, &settings, now)?;
            }
            Operation::End(index, ending) => {
                model.end(index, ending, &mut cache, (&settings, now))?
            }
            Operation::Merge(index, host) => model.merge(index, host, &mut cache)?,
            Operation::Wait(millis) => now += Duration::from_millis(millis),
            Operation::Sweep(limit) => {
                let swept = cache.sweep(&settings, now, limit);
                prop_assert_eq!(swept.removed, model.sweep(&settings, now, limit));
            }
            Operation::Flush(None) => {
                prop_assert_eq!(cache.flush(), model.names.len());
                model.names.clear();
                (0..NAMES).for_each(|index| model.outdate(index));
            }
            Operation::Flush(Some(index)) => {
                prop_assert_eq!(
                    cache.flush_one(&name(index)),
                    model.names.remove(&index).is_some()
                );
                model.outdate(index);
            }
            Operation::Change(to) => change(&mut settings, &to),
        }
        prop_assert_eq!(cache.len(), model.names.len());
        prop_assert_eq!(cache.flying(), model.flying());
    }
    // Whatever happened, every flight can still come back, and then nothing is left in the air.
    for (_, (flight, _, _)) in std::mem::take(&mut model.flights) {
        cache.complete(
            flight,
            Outcome::Failed {
                failure: Failure::Timeout,
                ttl: None,
            },
            &settings,
            now,
        );
    }
    for (late, _) in std::mem::take(&mut model.late).into_values().flatten() {
        cache.end(late);
    }
    prop_assert_eq!(cache.flying(), (0, 0, 0));
    prop_assert!(
        cache
            .list(&settings, now)
            .iter()
            .all(|listed| !listed.resolving)
    );
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn behaves_like_the_model(operations in proptest::collection::vec(operation(), 1..120)) {
        run(operations)?;
    }
}
