//! Decides how long a name is not queried again after a refresh has failed.

use std::time::Duration;

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(30);

/// A source of pseudo-random numbers, so that names which were answered or failed together are not all queried
/// together. The generator is SplitMix64: not secret, and the same for the same seed.
#[derive(Clone, Debug)]
pub(super) struct JitterSource(u64);

impl JitterSource {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number from 0 to 255, evenly distributed.
    pub(super) fn draw(&mut self) -> u8 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed >> 56) as u8
    }
}

/// The delay after the `failures`th failure in a row: 1 s, doubling up to 30 s, and up to a quarter more.
pub(super) fn delay(failures: u32, jitter: &mut JitterSource) -> Duration {
    let doublings = failures.saturating_sub(1).min(5);
    let delay = (FIRST * (1 << doublings)).min(LONGEST);
    delay + delay / 4 * u32::from(jitter.draw()) / 255
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_to_thirty_seconds_with_a_quarter_of_jitter() {
        let mut jitter = JitterSource::new(7);
        for (failures, seconds) in [
            (1, 1),
            (2, 2),
            (3, 4),
            (4, 8),
            (5, 16),
            (6, 30),
            (7, 30),
            (u32::MAX, 30),
        ] {
            let least = Duration::from_secs(seconds);
            for _ in 0..1000 {
                let delay = delay(failures, &mut jitter);
                assert!(
                    delay >= least && delay <= least + least / 4,
                    "{failures}: {delay:?}"
                );
            }
        }
    }

    #[test]
    fn differs_from_time_to_time_and_repeats_for_a_seed() {
        let delays = |seed| -> Vec<Duration> {
            let mut jitter = JitterSource::new(seed);
            (0..10).map(|_| delay(1, &mut jitter)).collect()
        };
        assert_eq!(delays(1), delays(1));
        assert_ne!(delays(1), delays(2));
        assert_ne!(delays(1)[0], delays(1)[1]);
    }
}
