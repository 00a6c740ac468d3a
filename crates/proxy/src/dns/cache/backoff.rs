//! How long to leave a server alone after it failed to refresh a name.

use std::time::Duration;

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(30);

/// A source of small differences, so that names that were answered or that failed together are not all asked for
/// together. SplitMix64: no secret, and the same for the same seed.
#[derive(Clone, Debug)]
pub(super) struct Jitter(u64);

impl Jitter {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Evenly from 0 to 255.
    pub(super) fn draw(&mut self) -> u8 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed >> 56) as u8
    }
}

/// The delay after the `failures`th failure in a row: from 1 s, doubling, to 30 s, and up to a quarter more.
pub(super) fn delay(failures: u32, jitter: &mut Jitter) -> Duration {
    let doublings = failures.saturating_sub(1).min(5);
    let delay = (FIRST * (1 << doublings)).min(LONGEST);
    delay + delay / 4 * u32::from(jitter.draw()) / 255
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_to_thirty_seconds_with_a_quarter_of_jitter() {
        let mut jitter = Jitter::new(7);
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
            let mut jitter = Jitter::new(seed);
            (0..10).map(|_| delay(1, &mut jitter)).collect()
        };
        assert_eq!(delays(1), delays(1));
        assert_ne!(delays(1), delays(2));
        assert_ne!(delays(1)[0], delays(1)[1]);
    }
}
