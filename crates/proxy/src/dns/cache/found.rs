//! An answer with addresses, and how long it is good for.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use egret_config::snapshot::ResolverSettings;

use super::backoff::{self, Jitter};
use super::entry::Known;
use crate::dns::failure::Failure;
use crate::dns::query::Service;

#[derive(Debug)]
pub(super) struct Found {
    /// The flight that brought them.
    pub(super) flight: u64,
    pub(super) addresses: Arc<[IpAddr]>,
    /// Of the records, not clamped yet.
    pub(super) ttl: Duration,
    /// Where in the last part of its time the answer is asked for again if it is in use; see [`Found::ahead`].
    pub(super) ahead: u8,
    /// Whether HTTPS records were asked for.
    pub(super) https: bool,
    /// The best of them.
    pub(super) service: Option<Arc<Service>>,
    /// Boxed because it is rare.
    pub(super) retry: Option<Box<Retry>>,
}

/// Set while refreshes fail.
#[derive(Debug)]
pub(super) struct Retry {
    /// In a row.
    failures: u32,
    not_before: Instant,
    pub(super) error: Failure,
}

impl Found {
    pub(super) fn consult(
        &self,
        age: Duration,
        https: bool,
        (settings, now): (&ResolverSettings, Instant),
    ) -> Known {
        if age >= self.end(settings) {
            return Known::Nothing;
        }
        let retry = self.retry.as_ref();
        let allowed = retry.is_none_or(|retry| now >= retry.not_before);
        let lacking = https && settings.https_records && !self.https;
        Known::Served {
            addresses: self.addresses.clone(),
            service: self.service.clone(),
            flight: self.flight,
            fresh: age < self.clamped(settings),
            due: allowed && (lacking || age >= self.ahead(settings)),
        }
    }

    /// A refresh has failed: the next one waits.
    pub(super) fn put_off(&mut self, failure: &Failure, jitter: &mut Jitter, now: Instant) {
        let failures = self.retry.as_ref().map_or(0, |retry| retry.failures);
        let failures = failures.saturating_add(1);
        self.retry = Some(Box::new(Retry {
            failures,
            not_before: now + backoff::delay(failures, jitter),
            error: failure.clone(),
        }));
    }

    /// The age at which the answer expires.
    pub(super) fn clamped(&self, settings: &ResolverSettings) -> Duration {
        // Not `clamp`, which panics when the bounds are the wrong way round.
        self.ttl.max(settings.min_ttl).min(settings.max_ttl)
    }

    /// The age from which an answer that is in use is asked for again: from 80 % to 95 % of its time, different for each
    /// answer, so that names answered together do not stay in step.
    fn ahead(&self, settings: &ResolverSettings) -> Duration {
        // Divided first: a time from the configuration can be any length.
        let step = self.clamped(settings) / 20;
        step * 16 + step * 3 / 255 * u32::from(self.ahead)
    }

    /// The age at which the answer may no longer be served at all (RFC 8767 5, the maximum stale timer).
    pub(super) fn end(&self, settings: &ResolverSettings) -> Duration {
        self.clamped(settings).saturating_add(settings.stale_for)
    }
}
