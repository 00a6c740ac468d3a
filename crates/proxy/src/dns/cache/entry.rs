//! What is known about one name.
//!
//! Ages are compared, not points in time: a duration from the configuration can be any length and never overflows.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use egret_config::name::DnsName;
use egret_config::snapshot::{LookupFamily, ResolverSettings};

use super::FAILURE_TTL;
use super::found::Found;
use super::kept::Kept;
use crate::dns::failure::Failure;
use crate::dns::family::{arrange, wanted};
use crate::dns::listing::{Listed, State};
use crate::dns::query::Service;

/// How long a failure without addresses to serve is left alone by those who do not wait: requests that wait are not held
/// back by it, but names in use that fail must not keep a server busy.
const UNHURRIED: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct Entry {
    /// When the answer came.
    received: Instant,
    pub(super) last_used: Instant,
    pub(super) hits: u64,
    /// Whether a request wanted HTTPS records: then they are asked for with every refresh.
    pub(super) https: bool,
    /// The setting that the answer was asked for and arranged under.
    pub(super) family: LookupFamily,
    answer: Answer,
}

#[derive(Debug)]
enum Answer {
    Found(Found),
    /// `ttl` is the SOA record's.
    Failed {
        failure: Failure,
        ttl: Option<Duration>,
    },
}

/// An answer with addresses.
pub(super) struct Brought {
    pub(super) flight: u64,
    pub(super) https: bool,
    pub(super) addresses: Vec<IpAddr>,
    pub(super) ttl: Duration,
    pub(super) service: Option<Arc<Service>>,
}

/// What an entry is worth at a point in time.
pub(super) enum Known {
    /// These addresses, brought by this flight. `due` when they have expired or nearly have, unless a refresh has just
    /// failed.
    Served {
        addresses: Arc<[IpAddr]>,
        service: Option<Arc<Service>>,
        flight: u64,
        fresh: bool,
        due: bool,
    },
    Failed(Failure),
    Nothing,
}

impl Entry {
    /// An answer with addresses. When none of them is of a wanted family, that is as good as none. `ahead` is a draw of
    /// the jitter.
    pub(super) fn found(
        brought: Brought,
        ahead: u8,
        settings: &ResolverSettings,
        now: Instant,
    ) -> Self {
        let Brought { https, ttl, .. } = brought;
        let addresses = arrange(&brought.addresses, settings.family);
        if addresses.is_empty() {
            return Self::failed(Failure::NoData, Some(ttl), https, (settings, now));
        }
        let found = Found {
            flight: brought.flight,
            addresses,
            ttl,
            ahead,
            https,
            service: brought.service,
            retry: None,
        };
        Self::new(Answer::Found(found), https, settings, now)
    }

    pub(super) fn failed(
        failure: Failure,
        ttl: Option<Duration>,
        https: bool,
        (settings, now): (&ResolverSettings, Instant),
    ) -> Self {
        Self::new(Answer::Failed { failure, ttl }, https, settings, now)
    }

    fn new(answer: Answer, https: bool, settings: &ResolverSettings, now: Instant) -> Self {
        Self {
            received: now,
            last_used: now,
            hits: 0,
            https,
            family: settings.family,
            answer,
        }
    }

    /// What those who wait for this answer are told.
    pub(super) fn told(&self) -> Result<Arc<[IpAddr]>, Failure> {
        match &self.answer {
            Answer::Found(found) => Ok(found.addresses.clone()),
            Answer::Failed { failure, .. } => Err(failure.clone()),
        }
    }

    /// What another process answered. `None` when it may no longer serve.
    pub(super) fn restored(
        kept: Kept,
        ahead: u8,
        settings: &ResolverSettings,
        now: Instant,
    ) -> Option<Self> {
        let found = Found {
            // Flights have numbers from 1.
            flight: 0,
            addresses: kept.addresses,
            ttl: kept.ttl,
            ahead,
            https: false,
            service: None,
            retry: None,
        };
        if kept.age >= found.end(settings) {
            return None;
        }
        Some(Self {
            received: now.checked_sub(kept.age)?,
            last_used: now.checked_sub(kept.idle)?,
            hits: 0,
            https: false,
            family: kept.family,
            answer: Answer::Found(found),
        })
    }

    /// What another process can go on with, if it may still serve.
    pub(super) fn kept(
        &self,
        name: &DnsName,
        settings: &ResolverSettings,
        now: Instant,
    ) -> Option<Kept> {
        let age = now.saturating_duration_since(self.received);
        match &self.answer {
            Answer::Found(found) if age < found.end(settings) => Some(Kept {
                name: name.clone(),
                addresses: Arc::clone(&found.addresses),
                family: self.family,
                ttl: found.ttl,
                age,
                idle: now.saturating_duration_since(self.last_used),
            }),
            Answer::Found(_) | Answer::Failed { .. } => None,
        }
    }

    /// How it says that it is reached over TLS.
    pub(super) fn service(&self) -> Option<Arc<Service>> {
        match &self.answer {
            Answer::Found(found) => found.service.clone(),
            Answer::Failed { .. } => None,
        }
    }

    /// What a request gets from it, one that wants HTTPS records or not. Counts as a use.
    pub(super) fn consult(
        &mut self,
        https: bool,
        settings: &ResolverSettings,
        now: Instant,
    ) -> Known {
        self.https |= https;
        let known = self.look(settings, now);
        if !matches!(known, Known::Nothing) {
            self.hits += 1;
        }
        known
    }

    /// Counts as a use by somebody who needs no answer now, but may soon. Returns whether it should be asked for again.
    pub(super) fn touch(&mut self, settings: &ResolverSettings, now: Instant) -> bool {
        match (self.look(settings, now), &self.answer) {
            (Known::Served { due, .. }, _) => due,
            (Known::Failed(_), _) => false,
            (Known::Nothing, Answer::Found(_)) => true,
            (Known::Nothing, Answer::Failed { .. }) => {
                now.saturating_duration_since(self.received) >= UNHURRIED
            }
        }
    }

    fn look(&mut self, settings: &ResolverSettings, now: Instant) -> Known {
        self.last_used = self.last_used.max(now);
        if self.family != settings.family {
            self.rearrange(settings.family);
        }
        let age = now.saturating_duration_since(self.received);
        match &self.answer {
            Answer::Found(found) => found.consult(age, self.https, (settings, now)),
            Answer::Failed { failure, ttl } if age < remembered(failure, *ttl, settings) => {
                Known::Failed(failure.clone())
            }
            Answer::Failed { .. } => Known::Nothing,
        }
    }

    /// The addresses, if they may still be served.
    pub(super) fn servable(
        &mut self,
        settings: &ResolverSettings,
        now: Instant,
    ) -> Option<&mut Found> {
        let age = now.saturating_duration_since(self.received);
        match &mut self.answer {
            Answer::Found(found) if age < found.end(settings) => Some(found),
            Answer::Found(_) | Answer::Failed { .. } => None,
        }
    }

    /// Whether there is nothing to be served: no addresses were answered, or they are too old.
    pub(super) fn is_over(&self, settings: &ResolverSettings, now: Instant) -> bool {
        let age = now.saturating_duration_since(self.received);
        match &self.answer {
            Answer::Found(found) => age >= found.end(settings),
            Answer::Failed { .. } => true,
        }
    }

    /// The addresses, if this flight brought them.
    pub(super) fn addresses_of(&mut self, flight: u64) -> Option<&mut Found> {
        match &mut self.answer {
            Answer::Found(found) if found.flight == flight => Some(found),
            Answer::Found(_) | Answer::Failed { .. } => None,
        }
    }

    /// The setting has changed since the answer came. What is still wanted serves on; what was never asked for is asked
    /// for at the next chance, because the answer counts as expired from here on.
    fn rearrange(&mut self, family: LookupFamily) {
        let asked = wanted(self.family);
        let complete = wanted(family).iter().all(|family| asked.contains(family));
        self.family = family;
        match &mut self.answer {
            Answer::Found(found) => {
                found.addresses = arrange(&found.addresses, family);
                if found.addresses.is_empty() {
                    self.answer = Answer::nothing();
                } else if !complete {
                    found.ttl = Duration::ZERO;
                }
            }
            Answer::Failed { .. } if complete => {}
            Answer::Failed { .. } => self.answer = Answer::nothing(),
        }
    }

    pub(super) fn listed(
        &self,
        name: &DnsName,
        resolving: bool,
        settings: &ResolverSettings,
        now: Instant,
    ) -> Listed {
        let age = now.saturating_duration_since(self.received);
        let (ttl, state, addresses, error) = match &self.answer {
            Answer::Found(found) => {
                let ttl = found.clamped(settings);
                let state = match age {
                    age if age < ttl => State::Fresh,
                    age if age < found.end(settings) => State::Stale,
                    _ => State::Expired,
                };
                let error = found.retry.as_ref().map(|retry| retry.error.clone());
                (ttl, state, Some(found.addresses.clone()), error)
            }
            Answer::Failed { failure, ttl } => {
                let ttl = remembered(failure, *ttl, settings);
                let state = if age < ttl {
                    State::Negative
                } else {
                    State::Expired
                };
                (ttl, state, None, Some(failure.clone()))
            }
        };
        Listed {
            name: name.clone(),
            state,
            resolving,
            addresses,
            service: self.service(),
            age,
            ttl_left: ttl.saturating_sub(age),
            idle: now.saturating_duration_since(self.last_used),
            error,
            hits: self.hits,
        }
    }
}

impl Answer {
    /// Worth nothing from the start.
    fn nothing() -> Self {
        Self::Failed {
            failure: Failure::NoData,
            ttl: Some(Duration::ZERO),
        }
    }
}

/// How long a failure is remembered. A negative answer without an SOA record should not be cached (RFC 2308 5), and is
/// held only as long as a failure, to spare the server.
fn remembered(failure: &Failure, ttl: Option<Duration>, settings: &ResolverSettings) -> Duration {
    if failure.is_answer() {
        settings.negative_ttl.min(ttl.unwrap_or(FAILURE_TTL))
    } else {
        FAILURE_TTL
    }
}
