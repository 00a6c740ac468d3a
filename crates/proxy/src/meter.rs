//! The instruments of metrics: counters, gauges and histograms. Each worker has instruments of its own, which no other
//! core writes.

use std::marker::PhantomData;
use std::ops::AddAssign;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

/// A counter, which only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

/// A gauge, which goes up and down. One worker's gauge may be negative; only the sum over all workers has a meaning.
#[derive(Debug, Default)]
pub(crate) struct Gauge(AtomicI64);

/// A histogram of durations, with the buckets of [`BOUNDS`].
#[derive(Debug, Default)]
pub(crate) struct Histogram {
    buckets: [Counter; BOUNDS.len() + 1],
    nanos: Counter,
}

/// The values of a histogram, or the sums of several.
#[derive(Clone, Debug, Default)]
pub(crate) struct HistogramSnapshot {
    /// Observations in each bucket of [`BOUNDS`], and in the one beyond; not cumulative.
    pub buckets: [u64; BOUNDS.len() + 1],
    /// The sum of all durations, in nanoseconds.
    pub nanos: u64,
}

/// A duration, as histograms count it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DurationBucket {
    bucket: usize,
    nanos: u64,
}

/// The last observation in each bucket of a histogram that belongs to a trace which is kept.
#[derive(Debug, Default)]
pub(crate) struct Exemplars(Mutex<BucketExemplars>);

/// One for each bucket, as far as there are any.
pub(crate) type BucketExemplars = [Option<Exemplar>; BOUNDS.len() + 1];

/// An observation, and the trace that it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Exemplar {
    pub(crate) trace_id: [u8; 16],
    pub(crate) duration: Duration,
    /// When it was made.
    pub(crate) at: SystemTime,
}

/// Upper bounds of the buckets of a histogram, in seconds; one more bucket has none.
pub(crate) const BOUNDS: [f64; 14] = [
    0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0,
];

impl Counter {
    /// Adds one.
    pub(crate) fn increment(&self) {
        self.add(1);
    }

    /// Adds `count`.
    pub(crate) fn add(&self, count: u64) {
        self.0.fetch_add(count, Relaxed);
    }

    /// The current value.
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// One more in a gauge until the guard is dropped.
#[derive(Debug)]
pub(crate) struct GaugeGuard<'a>(&'a Gauge);

impl Drop for GaugeGuard<'_> {
    fn drop(&mut self) {
        self.0.add(-1);
    }
}

impl Gauge {
    /// Adds one until the returned guard is dropped.
    pub(crate) fn hold(&self) -> GaugeGuard<'_> {
        self.add(1);
        GaugeGuard(self)
    }

    /// Adds `change`, which may be negative.
    pub(crate) fn add(&self, change: i64) {
        self.0.fetch_add(change, Relaxed);
    }

    /// The current value.
    pub(crate) fn get(&self) -> i64 {
        self.0.load(Relaxed)
    }
}

impl Histogram {
    /// Adds one observation.
    pub(crate) fn observe(&self, duration: Duration) {
        let DurationBucket { bucket, nanos } = DurationBucket::of(duration);
        self.buckets[bucket].increment();
        self.nanos.add(nanos);
    }

    /// The current values.
    #[must_use]
    pub(crate) fn snapshot(&self) -> HistogramSnapshot {
        HistogramSnapshot {
            buckets: std::array::from_fn(|bucket| self.buckets[bucket].get()),
            nanos: self.nanos.get(),
        }
    }
}

impl Exemplars {
    /// Takes the place of the last one in its bucket.
    pub(crate) fn note(&self, exemplar: Exemplar) {
        let DurationBucket { bucket, .. } = DurationBucket::of(exemplar.duration);
        self.buckets()[bucket] = Some(exemplar);
    }

    /// Takes those that are later than what is there.
    pub(crate) fn add_to(&self, latest: &mut BucketExemplars) {
        for (latest, own) in latest.iter_mut().zip(self.buckets().iter()) {
            if own.map(|own| own.at) > latest.map(|latest| latest.at) {
                *latest = *own;
            }
        }
    }

    fn buckets(&self) -> MutexGuard<'_, BucketExemplars> {
        // They are whole at every step, so that a poisoned lock is harmless.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DurationBucket {
    /// The bucket of a duration.
    pub(crate) fn of(duration: Duration) -> Self {
        let seconds = duration.as_secs_f64();
        Self {
            bucket: BOUNDS.partition_point(|bound| *bound < seconds),
            nanos: u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX),
        }
    }
}

impl HistogramSnapshot {
    /// Adds one observation.
    pub(crate) fn observe(&mut self, DurationBucket { bucket, nanos }: DurationBucket) {
        self.buckets[bucket] += 1;
        self.nanos = self.nanos.saturating_add(nanos);
    }

    /// The number of observations.
    #[must_use]
    pub(crate) fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// The mean, in seconds; 0 without observations.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        reason = "means are for people, and in floating point"
    )]
    pub(crate) fn mean(&self) -> f64 {
        match self.count() {
            0 => 0.0,
            count => self.nanos as f64 / 1e9 / count as f64,
        }
    }

    /// The mean, in nanoseconds.
    #[must_use]
    pub(crate) fn mean_nanos(&self) -> u64 {
        self.nanos.checked_div(self.count()).unwrap_or_default()
    }

    /// The value in seconds that this share of the observations does not exceed, as if those of a bucket were spread evenly
    /// over it; 0 without observations. What is beyond the last bound counts as at it.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        reason = "quantiles of buckets are estimates"
    )]
    pub(crate) fn quantile(&self, share: f64) -> f64 {
        let rank = share * self.count() as f64;
        let (mut below, mut lower) = (0.0, 0.0);
        for (count, upper) in self.buckets.iter().zip(BOUNDS) {
            let count = *count as f64;
            if count > 0.0 && below + count >= rank {
                return lower + (upper - lower) * (rank - below) / count;
            }
            (below, lower) = (below + count, upper);
        }
        if below < rank { lower } else { 0.0 }
    }
}

impl AddAssign for HistogramSnapshot {
    fn add_assign(&mut self, other: Self) {
        *self += &other;
    }
}

impl AddAssign<&Self> for HistogramSnapshot {
    fn add_assign(&mut self, other: &Self) {
        for (sum, count) in self.buckets.iter_mut().zip(other.buckets) {
            *sum += count;
        }
        self.nanos = self.nanos.saturating_add(other.nanos);
    }
}

/// The values of a metric label. The set is closed, so that a counter for each value is found by its index.
pub(crate) trait LabelValue: Copy + 'static {
    /// Every value once, in the order of [`LabelValue::index`].
    const ALL: &'static [Self];

    /// The position in [`LabelValue::ALL`].
    fn index(self) -> usize;

    /// The text of the value in the exported metric.
    fn as_str(self) -> &'static str;
}

/// Defines an enum whose variants are the values of a metric label.
macro_rules! label_values {
    (
        $(#[$meta:meta])*
        $visibility:vis enum $name:ident {
            $($(#[$variant_meta:meta])* $variant:ident = $text:literal,)+
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        $visibility enum $name {
            $($(#[$variant_meta])* $variant,)+
        }

        impl $crate::meter::LabelValue for $name {
            const ALL: &'static [Self] = &[$(Self::$variant,)+];

            fn index(self) -> usize {
                self as usize
            }

            fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }
        }
    };
}

pub(crate) use label_values;

/// One counter for each value of a label.
#[derive(Debug)]
pub(crate) struct CountersByLabel<L> {
    counters: Box<[Counter]>,
    label: PhantomData<L>,
}

impl<L: LabelValue> Default for CountersByLabel<L> {
    fn default() -> Self {
        Self {
            counters: L::ALL.iter().map(|_| Counter::default()).collect(),
            label: PhantomData,
        }
    }
}

impl<L: LabelValue> CountersByLabel<L> {
    /// Adds one to the counter of a value.
    pub(crate) fn increment(&self, value: L) {
        self.counter(value).increment();
    }

    /// The counter of a value.
    #[must_use]
    pub(crate) fn counter(&self, value: L) -> &Counter {
        &self.counters[value.index()]
    }
}

/// Asserts that a type keeps the contract of [`LabelValue`]: indexes in order, and distinct texts.
#[cfg(test)]
pub(crate) fn assert_is_label<L: LabelValue + std::fmt::Debug>() {
    for (position, value) in L::ALL.iter().enumerate() {
        assert_eq!(value.index(), position, "{value:?}");
        let same = L::ALL
            .iter()
            .filter(|other| other.as_str() == value.as_str());
        assert_eq!(same.count(), 1, "{value:?}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_hold_what_is_not_over_their_bound() {
        let histogram = Histogram::default();
        for micros in [0, 500, 501, 60_000_000, 60_000_001] {
            histogram.observe(Duration::from_micros(micros));
        }
        let HistogramSnapshot { buckets, nanos } = histogram.snapshot();
        assert_eq!(
            (
                buckets[0],
                buckets[1],
                buckets[BOUNDS.len() - 1],
                buckets[BOUNDS.len()]
            ),
            (2, 1, 1, 1)
        );
        assert_eq!(nanos, 120_001_002_000);
    }

    #[test]
    fn quantiles_are_within_their_bucket() {
        let mut histogram = HistogramSnapshot::default();
        assert_eq!((histogram.mean(), histogram.quantile(0.5)), (0.0, 0.0));
        let mut observe = |millis, count| {
            for _ in 0..count {
                histogram.observe(DurationBucket::of(Duration::from_millis(millis)));
            }
        };
        observe(4, 90);
        observe(80, 9);
        observe(90_000, 1);
        let near = |value: f64, wanted: f64| (value - wanted).abs() < 1e-9;
        assert!(near(histogram.mean(), 0.9108));
        // Half of all are five ninths of the bucket from 2.5 to 5 ms.
        assert!(near(histogram.quantile(0.5), 0.002_5 + 0.002_5 * 5.0 / 9.0));
        assert!(near(histogram.quantile(0.99), 0.1));
        assert!(near(histogram.quantile(1.0), 60.0));
    }
}
