//! The arithmetic of token buckets, with the time as an argument.
//!
//! A bucket is one number: the moment at which it will be full again if nothing more is taken. Taking a token puts that
//! moment off by the time that one token takes to come (the generic cell rate algorithm, ITU-T I.371).

use std::time::Duration;

use egret_config::policy::limit::TokenBucket;

/// The latest moment that is reckoned with, in nanoseconds: no sum of two such numbers overflows.
const MAX_NANOS: u64 = u64::MAX / 4;

/// How fast a bucket is filled, and how much it holds, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TokenRate {
    per_token: u64,
    capacity: u64,
}

/// When a bucket will be full, in nanoseconds since the process began. The default is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct FullAt(u64);

impl From<TokenBucket> for TokenRate {
    fn from(bucket: TokenBucket) -> Self {
        let TokenBucket {
            max_tokens,
            tokens_per_fill,
            fill_interval,
        } = bucket;
        let per_token = nanos(fill_interval) / u64::from(tokens_per_fill.max(1));
        let per_token = per_token.clamp(1, MAX_NANOS / u64::from(max_tokens.max(1)));
        Self {
            per_token,
            capacity: per_token * u64::from(max_tokens),
        }
    }
}

impl FullAt {
    /// Takes a token.
    ///
    /// # Errors
    /// The time until there is one.
    pub(crate) fn take(&mut self, rate: TokenRate, now: Duration) -> Result<(), Duration> {
        let now = nanos(now);
        let full_at = self.0.max(now) + rate.per_token;
        match (full_at - now).checked_sub(rate.capacity) {
            None | Some(0) => {
                self.0 = full_at;
                Ok(())
            }
            Some(early) => Err(Duration::from_nanos(early)),
        }
    }

    /// Puts a token back that was taken.
    pub(crate) fn give_back(&mut self, rate: TokenRate) {
        self.0 = self.0.saturating_sub(rate.per_token);
    }

    /// Whether the bucket is full, so that nothing needs to be remembered of it.
    pub(crate) fn is_full(self, now: Duration) -> bool {
        self.0 <= nanos(now)
    }

    /// The bucket at another rate: it has what was left, but no more than it holds.
    pub(crate) fn at_rate(self, old: TokenRate, new: TokenRate, now: Duration) -> Self {
        let now = nanos(now);
        let left = old.capacity.saturating_sub(self.0.saturating_sub(now)) / old.per_token;
        let left = left.saturating_mul(new.per_token).min(new.capacity);
        Self(now + (new.capacity - left))
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).map_or(MAX_NANOS, |nanos| nanos.min(MAX_NANOS))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rate(max_tokens: u32, tokens_per_fill: u32, fill_millis: u64) -> TokenRate {
        TokenRate::from(TokenBucket {
            max_tokens,
            tokens_per_fill,
            fill_interval: Duration::from_millis(fill_millis),
        })
    }

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn a_bucket_begins_full_and_is_filled_continuously() {
        let rate = rate(2, 4, 1000);
        let mut bucket = FullAt::default();
        let start = ms(5000);
        assert!(bucket.is_full(start));
        assert_eq!(bucket.take(rate, start), Ok(()));
        assert_eq!(bucket.take(rate, start), Ok(()));
        assert_eq!(bucket.take(rate, start), Err(ms(250)));
        assert_eq!(bucket.take(rate, start + ms(249)), Err(ms(1)));
        assert_eq!(bucket.take(rate, start + ms(250)), Ok(()));
        assert_eq!(bucket.take(rate, start + ms(250)), Err(ms(250)));
        assert!(!bucket.is_full(start + ms(749)));
        assert!(bucket.is_full(start + ms(750)));
    }

    #[test]
    fn a_token_that_is_given_back_is_there() {
        let rate = rate(1, 1, 1000);
        let mut bucket = FullAt::default();
        assert_eq!(bucket.take(rate, ms(10)), Ok(()));
        bucket.give_back(rate);
        assert_eq!(bucket.take(rate, ms(10)), Ok(()));
        assert_eq!(bucket.take(rate, ms(10)), Err(ms(1000)));
    }

    #[test]
    fn a_changed_bucket_has_the_lesser_of_what_was_left_and_what_it_holds() {
        let (old, now) = (rate(10, 1, 1000), ms(100_000));
        let mut bucket = FullAt::default();
        for _ in 0..4 {
            assert_eq!(bucket.take(old, now), Ok(()));
        }
        for (new, left) in [(rate(3, 1, 100), 3), (rate(50, 1, 60_000), 6)] {
            let mut changed = bucket.at_rate(old, new, now);
            let taken = (0..100).take_while(|_| changed.take(new, now).is_ok());
            assert_eq!(taken.count(), left);
        }
    }

    #[test]
    fn the_longest_interval_and_the_largest_bucket_are_counted_without_overflow() {
        let rate = TokenRate::from(TokenBucket {
            max_tokens: u32::MAX,
            tokens_per_fill: 1,
            fill_interval: Duration::from_secs(99_999 * 3600),
        });
        let mut bucket = FullAt::default();
        for _ in 0..1000 {
            assert_eq!(bucket.take(rate, ms(1)), Ok(()));
        }
    }

    proptest! {
        /// In any time no more is taken than the bucket held and got.
        #[test]
        fn no_more_is_taken_than_the_bucket_held_and_got(
            max in 1u32..50, per_fill in 1u32..20, fill in 50u64..2000, steps in prop::collection::vec(0u64..500, 1..200)
        ) {
            let rate = rate(max, per_fill, fill);
            let mut bucket = FullAt::default();
            let (mut now, mut taken) = (0u64, 0u64);
            for step in steps {
                now += step;
                taken += u64::from(bucket.take(rate, ms(now)).is_ok());
                let got = now * u64::from(per_fill) / fill;
                // The time of a token is rounded down to a nanosecond.
                prop_assert!(taken <= u64::from(max) + got + 1);
            }
        }
    }
}
