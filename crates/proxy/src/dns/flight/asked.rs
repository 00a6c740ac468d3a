//! What is asked about one name, and what has come of it so far.

use std::sync::Arc;
use std::time::Duration;

use egret_config::name::DnsName;
use tokio::time::timeout;

use super::combine::{combined, early, single, with_service};
use super::landing::Landing;
use super::slot::{Asking, Slot};
use crate::clock;
use crate::dns::cache::{Outcome, Rest};
use crate::dns::failure::Failure;
use crate::dns::family::wanted;
use crate::dns::query::{QueryError, Records, Service, Services};
use crate::dns::resolver::{Setup, Shared};

pub(super) struct Asked {
    /// The preferred family, or the only one.
    preferred: Slot<Records>,
    other: Slot<Records>,
    services: Slot<Services>,
    /// The least of what has been taken from here.
    pub(super) ttl: Duration,
}

impl Asked {
    /// Asks for everything at once, within `query_timeout` and the time that is left.
    pub(super) fn ask(landing: &Landing, name: &DnsName, left: Duration) -> Self {
        let (shared, setup) = (&landing.shared, &landing.setup);
        let mut families = wanted(setup.settings.family).iter().map(|&family| {
            let query = setup.query.query(name.clone(), family);
            Slot::Awaited(addresses(shared, bounded(shared, setup, left, query)))
        });
        Self {
            preferred: families.next().unwrap_or(Slot::Unasked),
            other: families.next().unwrap_or(Slot::Unasked),
            services: if landing.https {
                let query = setup.query.services(name.clone());
                Slot::Awaited(services(shared, bounded(shared, setup, left, query)))
            } else {
                Slot::Unasked
            },
            ttl: Duration::MAX,
        }
    }

    /// Waits for one more answer.
    pub(super) async fn next(&mut self) {
        tokio::select! {
            biased;
            () = self.preferred.arrive() => {}
            () = self.other.arrive() => {}
            () = self.services.arrive() => {}
        }
    }

    pub(super) fn has_addresses(&self) -> bool {
        self.preferred.found().is_some() || self.other.found().is_some()
    }

    /// Whether nothing that comes could change what is told.
    pub(super) fn is_complete(&self) -> bool {
        let families = !self.preferred.is_awaited() && !self.other.is_awaited();
        families && !(self.has_addresses() && self.services.is_awaited())
    }

    /// Whether every answer has come.
    pub(super) fn is_all_here(&self) -> bool {
        let awaited = self.preferred.is_awaited() || self.other.is_awaited();
        !awaited && !self.services.is_awaited()
    }

    /// Whether those who wait can do with what there is; `over` when they have waited for the rest.
    pub(super) fn is_enough(&self, over: bool) -> bool {
        let preferred = self.preferred.found().is_some() && !self.services.is_awaited();
        preferred || (over && self.has_addresses())
    }

    /// What has come so far.
    pub(super) fn outcome(&mut self) -> Outcome {
        let rest = if self.preferred.is_awaited() || self.other.is_awaited() {
            Rest::Addresses
        } else if self.services.is_awaited() {
            Rest::Service
        } else {
            Rest::Nothing
        };
        let addresses = match (self.take_family(), self.take_family()) {
            (Some(one), Some(other)) => combined(one, other),
            (Some(only), None) if rest == Rest::Addresses => early(only),
            (Some(only), None) => single(only),
            // Without a family: there is no such setting.
            (None, _) => single(Err(Failure::NoData.into())),
        };
        with_service(addresses, self.take_service(), rest)
    }

    /// The answer of a family that has come, once each.
    pub(super) fn take_family(&mut self) -> Option<Result<Records, QueryError>> {
        let answer = self.preferred.take().or_else(|| self.other.take())?;
        if let Ok(records) = &answer {
            self.ttl = self.ttl.min(records.ttl);
        }
        Some(answer)
    }

    /// The best of the HTTPS records and their TTL, once, if there are any.
    pub(super) fn take_service(&mut self) -> Option<(Arc<Service>, Duration)> {
        let Services { services, ttl } = self.services.take()?.ok()?;
        let best = services.into_iter().next()?;
        self.ttl = self.ttl.min(ttl);
        Some((Arc::new(best), ttl))
    }
}

/// No addresses are as good as the answer that there are none.
fn addresses(shared: &Arc<Shared>, asking: Asking<Records>) -> Asking<Records> {
    let shared = Arc::clone(shared);
    Box::pin(async move {
        let answer = match asking.await {
            Ok(records) if records.addresses.is_empty() => Err(Failure::NoData.into()),
            answer => answer,
        };
        if let Err(error) = &answer {
            shared.stats.query_failures[error.failure.kind()].increment();
        }
        answer
    })
}

/// That a name has no HTTPS records is usual, and counts as no failure.
fn services(shared: &Arc<Shared>, asking: Asking<Services>) -> Asking<Services> {
    let shared = Arc::clone(shared);
    Box::pin(async move {
        let answer = asking.await;
        if let Err(QueryError { failure, .. }) = &answer
            && !failure.is_answer()
        {
            shared.stats.query_failures[failure.kind()].increment();
        }
        answer
    })
}

/// One query, counted.
fn bounded<T: Send + 'static>(
    shared: &Arc<Shared>,
    setup: &Setup,
    left: Duration,
    query: Asking<T>,
) -> Asking<T> {
    let shared = Arc::clone(shared);
    let limit = setup.settings.query_timeout.min(left);
    Box::pin(async move {
        let start = clock::now();
        shared.stats.queries.increment();
        let answer = timeout(limit, query).await;
        let answer = answer.unwrap_or_else(|_| Err(QueryError::from(Failure::Timeout)));
        let took = clock::now().saturating_duration_since(start);
        shared.stats.query_duration.observe(took);
        answer
    })
}
