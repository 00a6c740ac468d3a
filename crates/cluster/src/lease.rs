//! Leadership: of several controllers one writes, the one that holds a Lease (`coordination.k8s.io`).
//!
//! The lease is written with the version that was read, so that of two candidates one wins. A leader that cannot renew it
//! stops leading before another can take it.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::jiff::Timestamp;
use kube::Client;
use kube::api::{Api, PostParams};
use kube::core::ObjectMeta;
use tokio::time::{Instant, timeout};

use crate::call::CALL_TIMEOUT;
use crate::clock;
use crate::status::FIELD_MANAGER;

mod election;

use election::Election;
pub use election::LeaseTimes;

/// A candidate for the leadership.
pub struct LeaderLease<S = LeaseApi> {
    store: S,
    name: String,
    times: LeaseTimes,
    election: Election,
    /// The lease as it was read or written last.
    known: Option<Lease>,
    /// Whether it was told that the lease cannot be read or written.
    has_told: bool,
    began: Instant,
}

/// A Lease at the API server.
pub struct LeaseApi(Api<Lease>);

/// Where the lease is.
pub(crate) trait LeaseStore {
    /// Reads the lease; `None` if it does not exist.
    fn read(&self, name: &str) -> impl Future<Output = Result<Option<Lease>, LeaseFault>> + Send;

    /// Creates the lease, or replaces the one of its `resourceVersion`.
    fn write(&self, lease: &Lease) -> impl Future<Output = Result<Lease, LeaseFault>> + Send;
}

/// Why the lease was not read or written.
#[derive(Debug)]
pub(crate) enum LeaseFault {
    /// Another candidate has written it.
    Stale,
    /// The API server cannot be reached, or refuses.
    Unavailable(String),
}

impl LeaderLease {
    /// A candidate for the lease of this namespace and name. No other candidate may have the same identity.
    #[must_use]
    pub fn new(
        client: Client,
        (namespace, name): (&str, &str),
        identity: impl Into<String>,
        times: LeaseTimes,
    ) -> Self {
        let store = LeaseApi(Api::namespaced(client, namespace));
        Self::of(store, name, identity.into(), times)
    }
}

#[expect(
    private_bounds,
    reason = "only tests have another store than the API server"
)]
impl<S: LeaseStore> LeaderLease<S> {
    fn of(store: S, name: &str, identity: String, times: LeaseTimes) -> Self {
        Self {
            store,
            name: name.to_owned(),
            times,
            election: Election::new(identity, times),
            known: None,
            has_told: false,
            began: clock::now(),
        }
    }

    /// Waits until this candidate leads.
    pub async fn acquired(&mut self) {
        loop {
            self.attempt(CALL_TIMEOUT).await;
            if self.election.leads_until(self.now()).is_some() {
                return;
            }
            tokio::time::sleep(self.times.retry).await;
        }
    }

    /// Renews the lease, until it is lost. The leader's work must end when this returns; as calls of at most 4 s that it
    /// has begun may still arrive, another cannot lead for 5 s from then.
    pub async fn lost(&mut self) {
        while let Some(until) = self.election.leads_until(self.now()) {
            let left = until.saturating_sub(self.now());
            tokio::time::sleep(self.times.retry.min(left)).await;
            let left = until.saturating_sub(self.now());
            self.attempt(CALL_TIMEOUT.min(left)).await;
        }
    }

    /// Gives the lease up, if this candidate leads, so that another need not wait.
    pub async fn release(&mut self) {
        let is_leader = self.election.leads_until(self.now()).is_some();
        let freed = self.election.released(Timestamp::now());
        let known = self.known.take();
        if let (true, Some(spec), Some(mut lease)) = (is_leader, freed, known) {
            lease.spec = Some(spec);
            let outcome = timeout(CALL_TIMEOUT, self.store.write(&lease)).await;
            if !matches!(outcome, Ok(Ok(_))) {
                tracing::warn!("the lease could not be given up; it runs out");
            }
        }
    }

    /// One attempt to take or to renew the lease, within a time.
    async fn attempt(&mut self, within: Duration) {
        let outcome = timeout(within, self.read_and_write_again()).await;
        let why = match outcome {
            // Another was faster; the next attempt reads what it wrote.
            Ok(Ok(()) | Err(LeaseFault::Stale)) => {
                self.has_told = false;
                return;
            }
            Ok(Err(LeaseFault::Unavailable(message))) => message,
            Err(_) => format!("no answer within {within:?}"),
        };
        match std::mem::replace(&mut self.has_told, true) {
            true => tracing::debug!("the lease can still not be read or written: {why}"),
            false => tracing::warn!("the lease cannot be read or written: {why}"),
        }
    }

    /// Reads and writes, and once more if the lease is not the one that is known. It may be this candidate's own write, of
    /// which it has had no answer.
    async fn read_and_write_again(&mut self) -> Result<(), LeaseFault> {
        match self.read_and_write().await {
            Err(LeaseFault::Stale) => {
                self.known = None;
                self.read_and_write().await
            }
            outcome => outcome,
        }
    }

    async fn read_and_write(&mut self) -> Result<(), LeaseFault> {
        let is_leader = self.election.leads_until(self.now()).is_some();
        // A leader knows the lease: nobody else writes it.
        if !is_leader || self.known.is_none() {
            self.known = self.store.read(&self.name).await?;
            let spec = self
                .known
                .as_ref()
                .map(|lease| lease.spec.clone().unwrap_or_default());
            self.election.saw(spec.as_ref(), self.now());
        }
        let began = self.now();
        let Some(spec) = self.election.to_write(began, Timestamp::now()) else {
            return Ok(());
        };
        let mut lease = self.known.clone().unwrap_or_else(|| Lease {
            metadata: ObjectMeta {
                name: Some(self.name.clone()),
                ..ObjectMeta::default()
            },
            spec: None,
        });
        lease.spec = Some(spec);
        let written = self.store.write(&lease).await?;
        self.election
            .wrote(&written.spec.clone().unwrap_or_default(), began);
        self.known = Some(written);
        Ok(())
    }

    fn now(&self) -> Duration {
        clock::now().duration_since(self.began)
    }
}

impl LeaseStore for LeaseApi {
    async fn read(&self, name: &str) -> Result<Option<Lease>, LeaseFault> {
        Ok(self.0.get_opt(name).await?)
    }

    async fn write(&self, lease: &Lease) -> Result<Lease, LeaseFault> {
        let params = PostParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PostParams::default()
        };
        let name = lease.metadata.name.as_deref().unwrap_or_default();
        let written = match lease.metadata.resource_version {
            None => self.0.create(&params, lease).await,
            Some(_) => self.0.replace(name, &params, lease).await,
        };
        Ok(written?)
    }
}

impl From<kube::Error> for LeaseFault {
    fn from(error: kube::Error) -> Self {
        match error {
            // 404: it was deleted in the meantime.
            kube::Error::Api(answer) if matches!(answer.code, 404 | 409) => Self::Stale,
            error => Self::Unavailable(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests;
