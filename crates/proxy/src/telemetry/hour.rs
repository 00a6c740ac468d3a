//! What happened in each minute of the last hour, and since the start.

use std::ops::AddAssign;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::destinations::{MINUTES, latency_of};
use super::epoch::Epoch;
use super::outcome::{ExchangeOutcome, OutcomeKind};
use crate::meter::{DurationBucket, HistogramSnapshot};
use crate::record::Record;

/// The minutes of one worker. Only the admin server takes the lock beside it.
#[derive(Debug)]
pub(crate) struct HourTable(Mutex<Hour>);

#[derive(Debug)]
struct Hour {
    epoch: Epoch,
    total: ExchangeSums,
    /// By the minute modulo their number.
    minutes: Vec<Minute>,
}

/// What happened in one minute.
#[derive(Clone, Debug, Default)]
pub(crate) struct Minute {
    /// Since the beginning of Unix time.
    pub(crate) number: u64,
    pub(crate) sums: ExchangeSums,
    pub(crate) phases: PhaseDurations,
}

/// Sums over exchanges that have ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ExchangeSums {
    pub(crate) requests: u64,
    /// Those that a policy refused.
    pub(crate) refused: u64,
    /// Those that failed.
    pub(crate) failed: u64,
    /// Bytes towards destinations.
    pub(crate) bytes_sent: u64,
    /// Bytes from destinations.
    pub(crate) bytes_received: u64,
}

/// How long requests waited for each step.
#[derive(Clone, Debug, Default)]
pub(crate) struct PhaseDurations {
    pub(crate) dns: HistogramSnapshot,
    pub(crate) connect: HistogramSnapshot,
    pub(crate) tls: HistogramSnapshot,
    pub(crate) first_byte: HistogramSnapshot,
    pub(crate) total: HistogramSnapshot,
}

impl Default for HourTable {
    fn default() -> Self {
        Self::since(Epoch::begin())
    }
}

impl HourTable {
    fn since(epoch: Epoch) -> Self {
        Self(Mutex::new(Hour {
            epoch,
            total: ExchangeSums::default(),
            minutes: vec![Minute::default(); MINUTES],
        }))
    }

    /// Counts an exchange that has ended now.
    pub(super) fn count(
        &self,
        record: &Record<'_>,
        outcome: Option<ExchangeOutcome>,
        now: Instant,
    ) {
        self.hour().count(record, outcome, now);
    }

    /// Adds what happened since the start, and in these minutes, which follow each other.
    pub(crate) fn add_to(&self, total: &mut ExchangeSums, minutes: &mut [Minute]) {
        let hour = self.hour();
        *total += hour.total;
        for sum in minutes {
            let known = &hour.minutes[place(sum.number)];
            if known.number == sum.number {
                sum.sums += known.sums;
                sum.phases += &known.phases;
            }
        }
    }

    fn hour(&self) -> MutexGuard<'_, Hour> {
        // Sums are whole at every step, so that a poisoned lock is harmless.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Hour {
    fn count(&mut self, record: &Record<'_>, outcome: Option<ExchangeOutcome>, now: Instant) {
        let number = self.epoch.unix_millis(now) / 60_000;
        let minute = &mut self.minutes[place(number)];
        if minute.number != number {
            *minute = Minute {
                number,
                ..Minute::default()
            };
        }
        let sums = ExchangeSums::of(record, outcome);
        minute.sums += sums;
        self.total += sums;
        minute.phases.observe(record);
    }
}

impl Minute {
    /// The minutes up to this one, without anything in them: an hour, or as many as there have been since the first.
    pub(crate) fn hour_until(last: u64, first: u64) -> Vec<Self> {
        let oldest = (last + 1).saturating_sub(MINUTES as u64);
        let numbers = oldest.max(first).min(last)..=last;
        let minute = |number| Self {
            number,
            ..Self::default()
        };
        numbers.map(minute).collect()
    }
}

impl ExchangeSums {
    fn of(record: &Record<'_>, outcome: Option<ExchangeOutcome>) -> Self {
        let is = |kind| outcome.is_some_and(|outcome| outcome.kind == kind);
        Self {
            requests: 1,
            refused: u64::from(is(OutcomeKind::Refused)),
            failed: u64::from(is(OutcomeKind::Failed)),
            bytes_sent: record.request_bytes,
            bytes_received: record.response_bytes,
        }
    }
}

impl AddAssign for ExchangeSums {
    fn add_assign(&mut self, other: Self) {
        self.requests += other.requests;
        self.refused += other.refused;
        self.failed += other.failed;
        self.bytes_sent = self.bytes_sent.saturating_add(other.bytes_sent);
        self.bytes_received = self.bytes_received.saturating_add(other.bytes_received);
    }
}

impl PhaseDurations {
    fn observe(&mut self, record: &Record<'_>) {
        let dns = record.resolution.map(|(_, took)| took);
        for (phase, took) in [
            (&mut self.dns, dns),
            (&mut self.connect, record.connect),
            (&mut self.tls, record.tls),
            (&mut self.first_byte, record.first_byte),
            (&mut self.total, latency_of(record)),
        ] {
            if let Some(took) = took {
                phase.observe(DurationBucket::of(took));
            }
        }
    }
}

impl AddAssign<&Self> for PhaseDurations {
    fn add_assign(&mut self, other: &Self) {
        self.dns += &other.dns;
        self.connect += &other.connect;
        self.tls += &other.tls;
        self.first_byte += &other.first_byte;
        self.total += &other.total;
    }
}

fn place(minute: u64) -> usize {
    // The remainder fits.
    usize::try_from(minute % MINUTES as u64).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::clock;
    use crate::dns::AnswerSource;
    use crate::record::ExchangeEnd;
    use crate::refusal::Reason;

    /// The first minute of these tests.
    const BEGIN: u64 = 29_000_000;

    /// A table whose clock stands half a minute into the first minute now.
    fn table(now: Instant) -> HourTable {
        let wall = SystemTime::UNIX_EPOCH + Duration::from_secs(BEGIN * 60 + 30);
        HourTable::since(Epoch::at(now, wall))
    }

    fn count(table: &HourTable, reason: Option<Reason>, now: Instant) {
        let end = reason.map(ExchangeEnd::Refused);
        let record = Record {
            duration: Duration::from_millis(8),
            connect: Some(Duration::from_millis(3)),
            resolution: Some((AnswerSource::Miss, Duration::from_millis(2))),
            request_bytes: 10,
            response_bytes: 100,
            end,
            ..Record::default()
        };
        table.count(&record, end.and_then(ExchangeOutcome::of), now);
    }

    /// The requests of each minute up to this one.
    fn requests(tables: &[&HourTable], last: u64) -> (u64, Vec<u64>) {
        let mut total = ExchangeSums::default();
        let mut minutes = Minute::hour_until(BEGIN + last, BEGIN);
        tables
            .iter()
            .for_each(|table| table.add_to(&mut total, &mut minutes));
        let requests = minutes.iter().map(|minute| minute.sums.requests);
        (total.requests, requests.collect())
    }

    #[test]
    fn exchanges_are_in_the_minute_in_which_they_end() {
        let now = clock::now();
        let (one, other) = (table(now), table(now));
        let after = |seconds| now + Duration::from_secs(seconds);
        count(&one, None, after(29));
        count(&one, None, after(30));
        count(&other, None, after(31));
        count(&other, None, after(149));
        assert_eq!(requests(&[&one, &other], 3), (4, vec![1, 2, 1, 0]));
        // An hour later only the last minute is left, and the sum since the start.
        assert_eq!(requests(&[&one, &other], 61).1.len(), MINUTES);
        let (total, hour) = requests(&[&one, &other], 61);
        assert_eq!((total, hour.iter().sum::<u64>(), hour[0]), (4, 1, 1));
        count(&one, None, after(60 * 60));
        let (total, hour) = requests(&[&one, &other], 60);
        assert_eq!((total, hour[0], hour[59]), (5, 2, 1));
    }

    #[test]
    fn a_minute_tells_outcomes_bytes_and_phases() {
        let now = clock::now();
        let table = table(now);
        count(&table, None, now);
        count(&table, Some(Reason::EgressPolicy), now);
        count(&table, Some(Reason::DnsError), now);
        let (mut total, mut minutes) = (ExchangeSums::default(), Minute::hour_until(BEGIN, BEGIN));
        table.add_to(&mut total, &mut minutes);
        let expected = ExchangeSums {
            requests: 3,
            refused: 1,
            failed: 1,
            bytes_sent: 30,
            bytes_received: 300,
        };
        let [minute] = &minutes[..] else {
            panic!("{minutes:?}");
        };
        assert_eq!((total, minute.sums), (expected, expected));
        let PhaseDurations {
            dns,
            connect,
            tls,
            first_byte,
            total,
        } = &minute.phases;
        let counts = [dns, connect, tls, first_byte, total].map(HistogramSnapshot::count);
        assert_eq!(counts, [3, 3, 0, 0, 3]);
    }
}
