//! How often something happened in each of the last sixty minutes.

/// The minutes that are kept, the running one among them.
pub(crate) const MINUTES: usize = 60;

/// Counts by the minute, of the last hour.
#[derive(Clone, Debug)]
pub(crate) struct MinuteCounts {
    /// The newest minute that was counted in, since the beginning of Unix time.
    newest: u64,
    /// By the minute modulo their number.
    counts: [u32; MINUTES],
}

impl Default for MinuteCounts {
    fn default() -> Self {
        Self {
            newest: 0,
            counts: [0; MINUTES],
        }
    }
}

impl MinuteCounts {
    /// Counts one more in a minute.
    pub(super) fn increment(&mut self, minute: u64) {
        self.begin(minute);
        let count = &mut self.counts[place(minute)];
        *count = count.saturating_add(1);
    }

    /// Forgets what is an hour older than this minute.
    fn begin(&mut self, minute: u64) {
        let passed = minute.saturating_sub(self.newest);
        for gone in 0..passed.min(MINUTES as u64) {
            self.counts[place(minute - gone)] = 0;
        }
        self.newest = self.newest.max(minute);
    }

    /// Adds the counts of another.
    pub(super) fn add(&mut self, other: &Self) {
        self.begin(other.newest);
        let counts = other.until(self.newest);
        for (count, minute) in counts.into_iter().rev().zip((0..=self.newest).rev()) {
            let sum = &mut self.counts[place(minute)];
            *sum = sum.saturating_add(count);
        }
    }

    /// The counts of the hour that this minute ends, the oldest first.
    pub(crate) fn until(&self, minute: u64) -> [u32; MINUTES] {
        let first = (minute + 1).saturating_sub(MINUTES as u64);
        let oldest = (self.newest + 1).saturating_sub(MINUTES as u64);
        std::array::from_fn(|index| {
            let at = first + index as u64;
            let is_known = (oldest..=self.newest).contains(&at);
            if is_known { self.counts[place(at)] } else { 0 }
        })
    }
}

fn place(minute: u64) -> usize {
    // The remainder fits.
    usize::try_from(minute % MINUTES as u64).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A minute of some day.
    const BEGIN: u64 = 29_000_000;

    fn counts_at(minutes: &[u64]) -> MinuteCounts {
        let mut counts = MinuteCounts::default();
        minutes
            .iter()
            .for_each(|minute| counts.increment(BEGIN + minute));
        counts
    }

    #[test]
    fn the_last_hour_is_kept() {
        let counts = counts_at(&[0, 0, 1, 58]);
        let mut hour = [0; MINUTES];
        (hour[0], hour[1], hour[58]) = (2, 1, 1);
        assert_eq!(counts.until(BEGIN + 59), hour);
        hour.rotate_left(1);
        hour[59] = 0;
        assert_eq!(counts.until(BEGIN + 60), hour);
        assert_eq!(counts.until(BEGIN + 200), [0; MINUTES]);
    }

    #[test]
    fn what_is_an_hour_old_is_overwritten() {
        let counts = counts_at(&[0, 30, 60]);
        let hour = counts.until(BEGIN + 60);
        assert_eq!((hour[29], hour[59]), (1, 1));
        assert_eq!(hour.iter().sum::<u32>(), 2);
        assert_eq!(counts_at(&[0, 500]).until(BEGIN + 500)[..59], [0; 59]);
    }

    #[test]
    fn the_minutes_of_two_workers_are_added() {
        let (early, late) = (counts_at(&[0, 5]), counts_at(&[5, 62]));
        for (one, other) in [(&early, &late), (&late, &early)] {
            let mut sum = one.clone();
            sum.add(other);
            let hour = sum.until(BEGIN + 62);
            assert_eq!((hour[2], hour[59]), (2, 1));
            assert_eq!(hour.iter().sum::<u32>(), 3);
        }
    }
}
