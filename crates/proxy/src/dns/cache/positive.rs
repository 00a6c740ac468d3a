//! A positive answer, which is one with addresses, and how long it may be served.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use egret_config::snapshot::ResolverSettings;

use super::backoff::{self, JitterSource};
use crate::dns::failure::DnsFailure;
use crate::dns::query::HttpsRecord;

/// The state of an entry at a point in time.
pub(super) enum CacheState {
    /// The addresses may be served.
    Usable {
        addresses: Arc<[IpAddr]>,
        https_record: Option<Arc<HttpsRecord>>,
        /// The query that brought the addresses.
        query_id: u64,
        /// Whether the addresses are within their TTL.
        fresh: bool,
        /// Whether the name should be queried again: the TTL is over or nearly so, and no refresh has failed just now.
        refresh_due: bool,
    },
    /// The failure is remembered.
    Failed(DnsFailure),
    /// The name has to be queried.
    Unusable,
}

/// An answer with addresses.
#[derive(Debug)]
pub(super) struct PositiveAnswer {
    /// The query that brought the addresses.
    pub(super) query_id: u64,
    pub(super) addresses: Arc<[IpAddr]>,
    /// The TTL of the records, not clamped yet.
    pub(super) ttl: Duration,
    /// Where in the last part of the TTL the name is queried again if it is in use; see
    /// [`PositiveAnswer::refresh_age`].
    pub(super) refresh_jitter: u8,
    /// Whether HTTPS records were queried.
    pub(super) https: bool,
    /// The HTTPS record of the highest priority.
    pub(super) https_record: Option<Arc<HttpsRecord>>,
    /// Set while refreshes fail. Boxed because it is rare.
    pub(super) backoff: Option<Box<RefreshBackoff>>,
}

/// The state of refreshes that fail.
#[derive(Debug)]
pub(super) struct RefreshBackoff {
    /// How many refreshes failed in a row.
    failures: u32,
    not_before: Instant,
    pub(super) error: DnsFailure,
}

impl PositiveAnswer {
    /// The state of the answer at this age; `https` says whether the name is used with HTTPS records.
    pub(super) fn state(
        &self,
        age: Duration,
        https: bool,
        (settings, now): (&ResolverSettings, Instant),
    ) -> CacheState {
        if age >= self.max_age(settings) {
            return CacheState::Unusable;
        }
        let backoff = self.backoff.as_ref();
        let allowed = backoff.is_none_or(|backoff| now >= backoff.not_before);
        let lacks_https = https && settings.https_records && !self.https;
        CacheState::Usable {
            addresses: self.addresses.clone(),
            https_record: self.https_record.clone(),
            query_id: self.query_id,
            fresh: age < self.clamped_ttl(settings),
            refresh_due: allowed && (lacks_https || age >= self.refresh_age(settings)),
        }
    }

    /// Records that a refresh has failed: the next one waits.
    pub(super) fn back_off(
        &mut self,
        failure: &DnsFailure,
        jitter: &mut JitterSource,
        now: Instant,
    ) {
        let failures = self.backoff.as_ref().map_or(0, |backoff| backoff.failures);
        let failures = failures.saturating_add(1);
        self.backoff = Some(Box::new(RefreshBackoff {
            failures,
            not_before: now + backoff::delay(failures, jitter),
            error: failure.clone(),
        }));
    }

    /// The age at which the answer expires: its TTL within the bounds of the settings.
    pub(super) fn clamped_ttl(&self, settings: &ResolverSettings) -> Duration {
        // Not `clamp`, which panics when the bounds are the wrong way round.
        self.ttl.max(settings.min_ttl).min(settings.max_ttl)
    }

    /// The age from which a name in use is queried again: 80 % to 95 % of the TTL, different for each answer, so that
    /// names answered together are not refreshed together.
    fn refresh_age(&self, settings: &ResolverSettings) -> Duration {
        // Divided first, because a TTL from the configuration can be of any length.
        let step = self.clamped_ttl(settings) / 20;
        step * 16 + step * 3 / 255 * u32::from(self.refresh_jitter)
    }

    /// The age at which the answer may no longer be served at all (RFC 8767 5, the maximum stale timer).
    pub(super) fn max_age(&self, settings: &ResolverSettings) -> Duration {
        self.clamped_ttl(settings)
            .saturating_add(settings.stale_for)
    }
}
