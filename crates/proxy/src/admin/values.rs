//! Times and durations, as the answers have them.

use std::time::{Duration, SystemTime};

use serde::{Serialize, Serializer};

use crate::clock;
use crate::meter::HistogramSnapshot;

/// A distribution of durations, in milliseconds.
#[derive(Serialize)]
pub(super) struct LatencyJson {
    mean: f64,
    p50: f64,
    p99: f64,
}

/// A time of day, in milliseconds of Unix time.
pub(super) struct TimeJson(pub(super) u64);

impl From<&HistogramSnapshot> for LatencyJson {
    fn from(durations: &HistogramSnapshot) -> Self {
        let millis = |seconds: f64| (seconds * 1e6).round() / 1e3;
        Self {
            mean: millis(durations.mean()),
            p50: millis(durations.quantile(0.5)),
            p99: millis(durations.quantile(0.99)),
        }
    }
}

impl TimeJson {
    /// The current time.
    pub(super) fn now() -> Self {
        clock::wall().into()
    }

    /// So long ago.
    pub(super) fn before(age: Duration) -> Self {
        clock::wall()
            .checked_sub(age)
            .unwrap_or(SystemTime::UNIX_EPOCH)
            .into()
    }
}

/// Writes RFC 3339, UTC, with milliseconds.
impl Serialize for TimeJson {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let millis = i64::try_from(self.0).unwrap_or(i64::MAX);
        let at = jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::MAX);
        to.collect_str(&format_args!("{at:.3}"))
    }
}

impl From<SystemTime> for TimeJson {
    fn from(at: SystemTime) -> Self {
        let since = at
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        Self(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }
}
