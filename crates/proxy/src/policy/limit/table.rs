//! The buckets of one limit: one for each key, such as a client.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::rate::{FullAt, TokenRate};

/// The parts that are locked apart from each other.
const SHARDS: usize = 16;
/// The most buckets in a part. When that many are in use, further keys share one bucket.
const MAX_BUCKETS: usize = 65_536;
/// How long after a search for unused buckets the next one is made at the earliest.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);
/// The key of the bucket that is shared by keys for which there is no place.
const SHARED: u64 = 0;

/// The buckets of one limit. Keys are hashes by a secret key, so that a client cannot choose whose bucket it shares.
#[derive(Default)]
pub(crate) struct LimitTable {
    shards: [Mutex<LimitShard>; SHARDS],
}

/// How much a limit allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LimitRule {
    pub(crate) rate: Option<TokenRate>,
    pub(crate) max_concurrent: Option<u32>,
}

/// Why a limit lets no request through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LimitReached {
    /// There is no token, and there will be one after this time.
    Tokens(Duration),
    /// So many requests are open already.
    Concurrency,
}

/// The bucket that a request took from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TakenFrom(u64);

#[derive(Default)]
struct LimitShard {
    buckets: HashMap<u64, Bucket, BuildHasherDefault<HashIsKey>>,
    rate: Option<TokenRate>,
    swept: Option<Duration>,
}

#[derive(Clone, Copy, Default)]
struct Bucket {
    full_at: FullAt,
    open: u32,
}

/// The keys are hashes already.
#[derive(Default)]
struct HashIsKey(u64);

impl Hasher for HashIsKey {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("the keys are numbers")
    }

    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }
}

impl LimitTable {
    /// Lets a request through and counts it, or says why not.
    pub(crate) fn take(
        &self,
        key: u64,
        rule: LimitRule,
        now: Duration,
    ) -> Result<TakenFrom, LimitReached> {
        let mut shard = self.shard(key);
        shard.adopt(rule.rate, now);
        let key = shard.place_for(key, now);
        let bucket = shard.buckets.entry(key).or_default();
        if rule.max_concurrent.is_some_and(|most| bucket.open >= most) {
            return Err(LimitReached::Concurrency);
        }
        if let Some(rate) = rule.rate {
            let taken = bucket.full_at.take(rate, now);
            taken.map_err(LimitReached::Tokens)?;
        }
        bucket.open += u32::from(rule.max_concurrent.is_some());
        Ok(TakenFrom(key))
    }

    /// Puts a token back: the request was refused for another reason.
    pub(crate) fn give_back(&self, key: u64, from: TakenFrom) {
        let mut shard = self.shard(key);
        let rate = shard.rate;
        if let (Some(bucket), Some(rate)) = (shard.buckets.get_mut(&from.0), rate) {
            bucket.full_at.give_back(rate);
        }
    }

    /// A request has ended that was counted as open.
    pub(crate) fn closed(&self, key: u64, from: TakenFrom) {
        if let Some(bucket) = self.shard(key).buckets.get_mut(&from.0) {
            bucket.open = bucket.open.saturating_sub(1);
        }
    }

    fn shard(&self, key: u64) -> MutexGuard<'_, LimitShard> {
        // The map uses the other end of the hash.
        let index = (key >> 32) as usize % SHARDS;
        self.shards[index]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether nothing needs to be remembered.
    pub(crate) fn is_unused(&self, now: Duration) -> bool {
        (0..SHARDS).all(|index| {
            let shard = self.shards[index].lock();
            let shard = shard.unwrap_or_else(PoisonError::into_inner);
            shard.buckets.values().all(|bucket| bucket.is_unused(now))
        })
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        let lens = self
            .shards
            .iter()
            .map(|shard| shard.lock().unwrap().buckets.len());
        lens.sum()
    }
}

impl LimitShard {
    /// Goes over to another rate, if the configuration has changed.
    fn adopt(&mut self, rate: Option<TokenRate>, now: Duration) {
        if self.rate == rate {
            return;
        }
        if let (Some(old), Some(new)) = (self.rate, rate) {
            for bucket in self.buckets.values_mut() {
                bucket.full_at = bucket.full_at.at_rate(old, new, now);
            }
        }
        self.rate = rate;
    }

    /// The key itself, or that of the shared bucket if there is no place for one more.
    fn place_for(&mut self, key: u64, now: Duration) -> u64 {
        if self.buckets.len() < MAX_BUCKETS || self.buckets.contains_key(&key) {
            return key;
        }
        if self.swept.is_none_or(|swept| now >= swept + SWEEP_INTERVAL) {
            self.swept = Some(now);
            self.buckets.retain(|_, bucket| !bucket.is_unused(now));
        }
        if self.buckets.len() < MAX_BUCKETS {
            key
        } else {
            SHARED
        }
    }
}

impl Bucket {
    fn is_unused(&self, now: Duration) -> bool {
        self.open == 0 && self.full_at.is_full(now)
    }
}

#[cfg(test)]
mod tests {
    use egret_config::policy::limit::TokenBucket;
    use proptest::prelude::*;

    use super::*;

    const NOW: Duration = Duration::from_secs(10);

    fn rate(max_tokens: u32, seconds: u64) -> TokenRate {
        TokenRate::from(TokenBucket {
            max_tokens,
            tokens_per_fill: 1,
            fill_interval: Duration::from_secs(seconds),
        })
    }

    fn tokens(max_tokens: u32) -> LimitRule {
        LimitRule {
            rate: Some(rate(max_tokens, 1)),
            max_concurrent: None,
        }
    }

    #[test]
    fn each_key_has_its_own_bucket() {
        let table = LimitTable::default();
        for key in [1, 2, 1 << 40] {
            assert!(table.take(key, tokens(1), NOW).is_ok());
            let refused = table.take(key, tokens(1), NOW);
            assert_eq!(refused, Err(LimitReached::Tokens(Duration::from_secs(1))));
        }
    }

    #[test]
    fn what_is_open_is_counted_until_it_ends() {
        let table = LimitTable::default();
        let rule = LimitRule {
            rate: None,
            max_concurrent: Some(2),
        };
        let first = table.take(7, rule, NOW).unwrap();
        table.take(7, rule, NOW).unwrap();
        assert_eq!(table.take(7, rule, NOW), Err(LimitReached::Concurrency));
        assert!(!table.is_unused(NOW));
        table.closed(7, first);
        assert!(table.take(7, rule, NOW).is_ok());
    }

    #[test]
    fn a_request_beyond_the_concurrency_takes_no_token() {
        let table = LimitTable::default();
        let rule = LimitRule {
            rate: Some(rate(2, 60)),
            max_concurrent: Some(1),
        };
        let first = table.take(7, rule, NOW).unwrap();
        assert_eq!(table.take(7, rule, NOW), Err(LimitReached::Concurrency));
        table.closed(7, first);
        assert!(table.take(7, rule, NOW).is_ok());
    }

    #[test]
    fn a_token_goes_back_to_where_it_was_taken_from() {
        let table = LimitTable::default();
        let taken = table.take(7, tokens(1), NOW).unwrap();
        table.give_back(7, taken);
        assert!(table.is_unused(NOW));
        assert!(table.take(7, tokens(1), NOW).is_ok());
    }

    #[test]
    fn a_changed_rate_keeps_what_was_taken() {
        let table = LimitTable::default();
        for _ in 0..3 {
            table.take(7, tokens(3), NOW).unwrap();
        }
        // Nothing was left of three, so nothing is left of five.
        assert!(table.take(7, tokens(5), NOW).is_err());
        assert!(
            table
                .take(7, tokens(5), NOW + Duration::from_secs(1))
                .is_ok()
        );
    }

    /// However many keys there are, memory is bounded, and no key is without a limit.
    #[test]
    fn keys_without_a_place_share_a_bucket() {
        let table = LimitTable::default();
        // All in one shard.
        for key in 1..=MAX_BUCKETS as u64 {
            table.take(key, tokens(1), NOW).unwrap();
        }
        assert!(table.take(1 << 20, tokens(1), NOW).is_ok());
        assert!(table.take(1 << 21, tokens(1), NOW).is_err());
        assert_eq!(table.len(), MAX_BUCKETS + 1);
        // Once they are full again, they make room.
        let later = NOW + Duration::from_secs(2);
        assert!(table.take(1 << 21, tokens(1), later).is_ok());
        assert_eq!(table.len(), 1);
    }

    /// The memory of the buckets, as their maps have it now: a place for each entry and a byte beside it.
    fn memory(table: &LimitTable) -> usize {
        let of_shard = |shard: &Mutex<LimitShard>| {
            // The map holds up to 7/8 of its places.
            let places = shard.lock().unwrap().buckets.capacity() * 8 / 7;
            places * (size_of::<(u64, Bucket)>() + 1)
        };
        table.shards.iter().map(of_shard).sum()
    }

    /// A number whose bits are as good as random (SplitMix64), as those of a hash are.
    fn hash(number: u64) -> u64 {
        let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    #[test]
    fn a_million_buckets_take_less_than_64_mib() {
        const KEYS: u64 = 1_000_000;
        let table = LimitTable::default();
        let mut most = 0;
        for key in 1..=KEYS {
            table.take(hash(key), tokens(2), NOW).unwrap();
            if key % 1000 == 0 {
                most = most.max(memory(&table));
            }
        }
        assert_eq!(table.len(), 1_000_000, "each has its own");
        // A map that grows has its old places too for the moment, and one grows at a time.
        let growing = memory(&table) / SHARDS / 2;
        assert!(most + growing < 64 << 20, "{most} and {growing} bytes");
        // As many again share what there is, and none is let through without a bucket.
        for key in KEYS + 1..=2 * KEYS {
            let _ = table.take(hash(key), tokens(2), NOW);
        }
        assert!(table.len() <= SHARDS * (MAX_BUCKETS + 1));
        assert!(memory(&table) + growing < 64 << 20, "{}", memory(&table));
        // The bucket of the first ones is still theirs.
        assert!(table.take(hash(1), tokens(2), NOW).is_ok());
        assert!(table.take(hash(1), tokens(2), NOW).is_err());
    }

    /// Four workers, each of which asks three times in a millisecond.
    #[test]
    fn four_workers_admit_what_the_rate_says() {
        const SECONDS: u64 = 10;
        let rule = LimitRule {
            rate: Some(TokenRate::from(TokenBucket {
                max_tokens: 20,
                tokens_per_fill: 1000,
                fill_interval: Duration::from_secs(1),
            })),
            max_concurrent: None,
        };
        let table = LimitTable::default();
        let together = std::sync::Barrier::new(4);
        let admitted: usize = std::thread::scope(|scope| {
            let worker = || {
                let mut admitted = 0;
                for millis in 0..SECONDS * 1000 {
                    together.wait();
                    let now = NOW + Duration::from_millis(millis);
                    let asked = (0..3).filter(|_| table.take(7, rule, now).is_ok());
                    admitted += asked.count();
                }
                admitted
            };
            let workers: Vec<_> = (0..4).map(|_| scope.spawn(worker)).collect();
            workers.into_iter().map(|it| it.join().unwrap()).sum()
        });
        let expected = usize::try_from(SECONDS * 1000).unwrap();
        let within = expected * 98 / 100..=expected * 102 / 100;
        assert!(within.contains(&admitted), "{admitted}");
    }

    proptest! {
        /// Workers whose clocks differ a little, in any order and at any load above the rate.
        #[test]
        fn workers_together_are_within_two_percent(
            per_second in 200u32..5000,
            skews in prop::collection::vec(0u64..3, 4),
            order in prop::collection::vec(0usize..4, 20_000..20_001),
        ) {
            // All ask twice as often as there are tokens.
            let step = 500_000_000 / u64::from(per_second);
            let bucket = TokenBucket {
                max_tokens: per_second / 100,
                tokens_per_fill: per_second,
                fill_interval: Duration::from_secs(1),
            };
            let rule = LimitRule { rate: Some(bucket.into()), max_concurrent: None };
            let table = LimitTable::default();
            let mut admitted = 0;
            for (at, worker) in (0u64..).zip(&order) {
                let skew = Duration::from_millis(skews[*worker]);
                let now = NOW + Duration::from_nanos(at * step) + skew;
                admitted += u32::from(table.take(7, rule, now).is_ok());
            }
            // 20000 times half a token.
            prop_assert!((9_800..=10_200 + 52).contains(&admitted), "{admitted}");
        }
    }
}
