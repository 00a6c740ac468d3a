//! The counts of exchanges by destination.
//!
//! Clients choose the names, so that memory is bounded. Each worker keeps the destinations with the most traffic
//! ([`SpaceSaving`]); what was counted for others goes to their registrable domain, and what was counted for domains that
//! find no place either, and for exchanges without a destination, to one count of the rest. The sums over everything are
//! those of all exchanges.
//!
//! A worker counts in tables of its own, behind a lock that only the admin server takes beside it.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use egret_config::name::{Authority, Host};

use super::epoch::Epoch;
use super::outcome::{ExchangeOutcome, OutcomeKind};
use super::space_saving::SpaceSaving;
use crate::meter::{DurationBucket, HistogramSnapshot};
use crate::record::{ExchangeForm, Record};
use minutes::MinuteCounts;

mod minutes;

pub(crate) use minutes::MINUTES;

/// The most destinations that all workers keep together; with their counts a name takes about 600 bytes.
const MAX_DESTINATIONS: u32 = 20_480;
/// The most that one worker keeps.
const MAX_OF_WORKER: u32 = MAX_DESTINATIONS / 2;
/// The least that one worker keeps.
const MIN_OF_WORKER: u32 = 48;
/// One worker keeps so many fewer domains than names.
const NAMES_PER_DOMAIN: u32 = 8;
/// Bytes that weigh as much as one more exchange, when destinations compete for their places: a tunnel with much traffic is
/// worth knowing, although it is one exchange.
const BYTES_PER_EXCHANGE: u64 = 64 * 1024;

/// The counts of one worker's exchanges by destination.
#[derive(Debug)]
pub(crate) struct DestinationTable(Mutex<Tables>);

#[derive(Debug)]
struct Tables {
    epoch: Epoch,
    names: SpaceSaving<Host, Destination>,
    domains: SpaceSaving<Arc<str>, DestinationCounts>,
    rest: DestinationCounts,
}

/// What is kept of one destination.
#[derive(Clone, Debug, Default)]
pub(crate) struct Destination {
    pub(crate) counts: DestinationCounts,
    pub(crate) seen: Seen,
    pub(crate) minutes: MinuteCounts,
}

/// When exchanges with one destination ended, in milliseconds of Unix time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) first: u64,
    pub(crate) last: u64,
}

/// The counts of exchanges with one destination, or with several.
#[derive(Clone, Debug, Default)]
pub(crate) struct DestinationCounts {
    /// Requests, tunnels, and TLS connections that were routed by their server name.
    pub(crate) requests: u64,
    /// Those that a policy refused.
    pub(crate) refused: u64,
    /// Those that failed.
    pub(crate) failed: u64,
    /// Both by the words of the access log.
    pub(crate) reasons: Vec<(&'static str, u64)>,
    /// Bytes towards the destination.
    pub(crate) bytes_sent: u64,
    /// Bytes from it.
    pub(crate) bytes_received: u64,
    /// From the head of a request to the end of its response, or to the answer that makes a tunnel.
    pub(crate) latency: HistogramSnapshot,
}

/// The destinations of one worker, at one time.
#[derive(Debug)]
pub(crate) struct DestinationList {
    /// With how much each weighs.
    pub(crate) names: Vec<(Host, u64, DestinationCounts)>,
    pub(crate) domains: Vec<(Arc<str>, DestinationCounts)>,
    pub(crate) rest: DestinationCounts,
}

impl Default for DestinationTable {
    /// The table of the only worker.
    fn default() -> Self {
        Self::of_worker_among(1)
    }
}

impl DestinationTable {
    /// The table of one of so many workers.
    pub(crate) fn of_worker_among(workers: usize) -> Self {
        Self::with_capacity(capacity_among(workers))
    }

    pub(super) fn with_capacity(names: u32) -> Self {
        Self(Mutex::new(Tables {
            epoch: Epoch::begin(),
            names: SpaceSaving::new(names),
            domains: SpaceSaving::new(names / NAMES_PER_DOMAIN),
            rest: DestinationCounts::default(),
        }))
    }

    /// Counts an exchange that has ended now.
    pub(super) fn count(
        &self,
        record: &Record<'_>,
        host: Option<&Host>,
        outcome: Option<ExchangeOutcome>,
        now: Instant,
    ) {
        self.tables().count(record, host, outcome, now);
    }

    /// All destinations.
    pub(crate) fn list(&self) -> DestinationList {
        let tables = self.tables();
        let names = tables.names.iter();
        let domains = tables.domains.iter();
        DestinationList {
            names: names
                .map(|(host, weight, known)| (host.clone(), weight, known.counts.clone()))
                .collect(),
            domains: domains
                .map(|(domain, _, counts)| (Arc::clone(domain), counts.clone()))
                .collect(),
            rest: tables.rest.clone(),
        }
    }

    /// What is known of some destinations, in their order.
    pub(crate) fn get_all<'a>(
        &self,
        hosts: impl IntoIterator<Item = &'a Host>,
    ) -> Vec<Option<Destination>> {
        let tables = self.tables();
        let known = |host| tables.names.get(host).cloned();
        hosts.into_iter().map(known).collect()
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        // Counts are whole at every step, so that a poisoned lock is harmless.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The most destinations that one of so many workers keeps.
fn capacity_among(workers: usize) -> u32 {
    let workers = u32::try_from(workers.max(1)).unwrap_or(u32::MAX);
    (MAX_DESTINATIONS / workers).clamp(MIN_OF_WORKER, MAX_OF_WORKER)
}

impl Tables {
    fn count(
        &mut self,
        record: &Record<'_>,
        host: Option<&Host>,
        outcome: Option<ExchangeOutcome>,
        now: Instant,
    ) {
        let Some(host) = host else {
            return self.rest.count(record, outcome);
        };
        let bytes = record.request_bytes.saturating_add(record.response_bytes);
        let weight = 1 + bytes / BYTES_PER_EXCHANGE;
        let (known, evicted) = self.names.add(host, weight);
        known.count(record, outcome, self.epoch.unix_millis(now));
        if let Some((host, gone)) = evicted {
            self.roll_up(&host, &gone.counts);
        }
    }

    /// Counts for its domain what was counted for a destination.
    fn roll_up(&mut self, host: &Host, counts: &DestinationCounts) {
        let Some(domain) = host.registrable_domain().map(Arc::from) else {
            return self.rest.add(counts);
        };
        let (sums, evicted) = self.domains.add(&domain, counts.requests);
        sums.add(counts);
        if let Some((_, gone)) = evicted {
            self.rest.add(&gone);
        }
    }
}

impl Destination {
    fn count(&mut self, record: &Record<'_>, outcome: Option<ExchangeOutcome>, at: u64) {
        if self.counts.requests == 0 {
            self.seen.first = at;
        }
        self.seen.last = at;
        self.minutes.increment(at / 60_000);
        self.counts.count(record, outcome);
    }
}

impl DestinationCounts {
    fn count(&mut self, record: &Record<'_>, outcome: Option<ExchangeOutcome>) {
        self.requests += 1;
        self.bytes_sent = self.bytes_sent.saturating_add(record.request_bytes);
        self.bytes_received = self.bytes_received.saturating_add(record.response_bytes);
        if let Some(latency) = latency_of(record) {
            self.latency.observe(DurationBucket::of(latency));
        }
        if let Some(ExchangeOutcome { kind, reason }) = outcome {
            match kind {
                OutcomeKind::Refused => self.refused += 1,
                OutcomeKind::Failed => self.failed += 1,
            }
            self.add_reason(reason, 1);
        }
    }

    /// Adds the counts of other exchanges.
    pub(crate) fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.refused += other.refused;
        self.failed += other.failed;
        self.bytes_sent = self.bytes_sent.saturating_add(other.bytes_sent);
        self.bytes_received = self.bytes_received.saturating_add(other.bytes_received);
        self.latency += &other.latency;
        for (reason, count) in &other.reasons {
            self.add_reason(reason, *count);
        }
    }

    /// The reasons are few, because they are words of the code.
    fn add_reason(&mut self, reason: &'static str, count: u64) {
        match self.reasons.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, sum)) => *sum += count,
            None => self.reasons.push((reason, count)),
        }
    }

    /// Those that were not served.
    pub(crate) const fn errors(&self) -> u64 {
        self.refused + self.failed
    }

    /// Bytes in both directions.
    pub(crate) const fn bytes(&self) -> u64 {
        self.bytes_sent.saturating_add(self.bytes_received)
    }
}

impl Destination {
    /// Adds what another worker knows.
    pub(crate) fn add(&mut self, other: &Self) {
        self.seen = match (self.counts.requests, other.counts.requests) {
            (_, 0) => self.seen,
            (0, _) => other.seen,
            _ => Seen {
                first: self.seen.first.min(other.seen.first),
                last: self.seen.last.max(other.seen.last),
            },
        };
        self.counts.add(&other.counts);
        self.minutes.add(&other.minutes);
    }
}

/// The host that an exchange was with, or was to be with: where it was sent, or else what the client named.
pub(super) fn host_of<'a>(record: &Record<'a>) -> Option<Cow<'a, Host>> {
    if let Some((host, _)) = record.destination {
        return Some(Cow::Borrowed(host));
    }
    let named = record.authority.map(|it| Authority::parse(it.as_bytes()));
    match (named, record.sni) {
        (Some(Ok(authority)), _) => Some(Cow::Owned(authority.host)),
        (_, Some(name)) => Some(Cow::Owned(Host::Name(name.clone()))),
        _ => None,
    }
}

/// How long the client waited for the whole of a response, or for a tunnel.
pub(super) fn latency_of(record: &Record<'_>) -> Option<Duration> {
    match record.form {
        ExchangeForm::Messages => Some(record.duration),
        ExchangeForm::Tunnel | ExchangeForm::Tls => record.first_byte,
    }
}

#[cfg(test)]
mod tests;
