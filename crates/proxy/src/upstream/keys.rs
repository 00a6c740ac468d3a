//! Fetches the keys of tokens, by requests of the gateway's own.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use egret_config::policy::jwt_auth::{JwtAuth, KeySet, KeySetError, RemoteKeys};
use egret_config::snapshot::{Snapshot, WeightedBackend};
use http::header::{ACCEPT, HeaderValue};
use http::{Request, StatusCode};
use tokio::time::{sleep, timeout};

use super::call::AnswerError;
use super::upstreams::Upstreams;
use crate::clock;
use crate::policy::credentials::CredentialStore;
use crate::policy::jwt_auth::FetchTurn;
use crate::task;

/// The longest time that the server may take for an answer, and that a request waits for keys.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest answer in bytes.
const MAX_KEYS: usize = 1024 * 1024;

/// Why keys cannot be fetched.
#[derive(Debug, thiserror::Error)]
enum KeyFetchError {
    #[error("the server is not configured")]
    NoService,
    #[error("not a URL")]
    Url,
    #[error("the server answers {0}")]
    Status(StatusCode),
    #[error(transparent)]
    Answer(#[from] AnswerError),
    #[error("the answer is {0}")]
    Keys(#[from] KeySetError),
}

impl Upstreams {
    /// What is known of credentials beside the configuration.
    pub(crate) fn credentials(&self) -> &CredentialStore {
        &self.shared.credentials
    }

    /// Begins to fetch the keys for which it is time, and drops those that no rule needs.
    pub(crate) fn fetch_due_keys(self: &Rc<Self>, snapshot: &Arc<Snapshot>) {
        self.credentials().keys.keep(&snapshot.remote_keys);
        for remote in &snapshot.remote_keys {
            let slot = self.credentials().keys.slot(remote);
            if let Some(turn) = slot.begin_due(remote, clock::now()) {
                self.begin_fetch(snapshot, remote, turn);
            }
        }
    }

    /// Has the keys of a policy fetched for a request that misses one, and waits for them. They may be the same as before.
    pub(crate) async fn renew_keys(self: &Rc<Self>, snapshot: &Arc<Snapshot>, jwt: &JwtAuth) {
        let renewed = async {
            for remote in jwt.remote_keys() {
                let slot = self.credentials().keys.slot(remote);
                let mut ended = slot.ended();
                match slot.begin_asked(remote, clock::now()) {
                    Some(turn) => self.begin_fetch(snapshot, remote, turn),
                    None if !slot.is_running() => continue,
                    None => {}
                }
                // The sender is in the slot.
                let _ = ended.changed().await;
            }
        };
        // Who waits longer is told that there are no keys.
        let _ = timeout(FETCH_TIMEOUT, renewed).await;
    }

    /// Fetches keys in a task of its own, which no client can break off.
    fn begin_fetch(
        self: &Rc<Self>,
        snapshot: &Arc<Snapshot>,
        remote: &Arc<RemoteKeys>,
        turn: FetchTurn,
    ) {
        let upstreams = Rc::clone(self);
        let service = snapshot.services.get(&remote.service).cloned();
        let remote = Arc::clone(remote);
        task::spawn(async move {
            // Boxed, because it is large.
            match Box::pin(upstreams.fetch(&remote, service.as_deref())).await {
                Ok(keys) => turn.succeeded(keys),
                Err(error) if turn.is_first_to_fail() => {
                    let RemoteKeys { service, url, .. } = &*remote;
                    tracing::warn!("{service}: no keys from {url}: {error}");
                }
                Err(_) => {}
            }
        });
    }

    async fn fetch(
        self: &Rc<Self>,
        remote: &RemoteKeys,
        service: Option<&WeightedBackend>,
    ) -> Result<KeySet, KeyFetchError> {
        let service = service.ok_or(KeyFetchError::NoService)?;
        let (mut pause, longest) = remote.back_off;
        let mut left = remote.retries;
        loop {
            match self.fetch_once(remote, service).await {
                Err(_) if left > 0 => {
                    left -= 1;
                    sleep(pause).await;
                    pause = pause.saturating_mul(2).min(longest);
                }
                outcome => return outcome,
            }
        }
    }

    async fn fetch_once(
        self: &Rc<Self>,
        remote: &RemoteKeys,
        service: &WeightedBackend,
    ) -> Result<KeySet, KeyFetchError> {
        let request = Request::get(&remote.url)
            .header(ACCEPT, HeaderValue::from_static("application/json"))
            .body(Bytes::new())
            .map_err(|_| KeyFetchError::Url)?;
        let answer = self.ask(service, request, FETCH_TIMEOUT, MAX_KEYS).await?;
        if answer.status() != StatusCode::OK {
            return Err(KeyFetchError::Status(answer.status()));
        }
        let text = String::from_utf8_lossy(&answer.body().data);
        Ok(KeySet::parse(&text)?)
    }
}
