//! The calls of one source: lists it, watches it, and tells the stores.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use egret_config::report::ReportProblem;
use egret_config::resources::{Kind, ObjectRef};
use futures_util::StreamExt as _;
use kube::api::{Api, DynamicObject, WatchEvent};
use kube::{Client, Error};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::Shared;
use super::course::{Course, FailureCause, NextStep, Step, Verdict};
use super::source::{Source, SourcePart};
use crate::connection::{ConnectionState, returned};
use crate::resource;

/// How long a call may take, apart from the events of a watch.
const CALL: Duration = Duration::from_secs(12);
/// How many objects are listed at once.
const PAGE: u32 = 500;
/// How long the server lets a watch last. At each end, the version of the server is checked.
const WATCH: u32 = 280;
/// A watch without an event for longer is broken: the server ends it earlier.
const SILENCE: Duration = Duration::from_secs(300);
/// A watch that lasts longer has begun well, even if nothing happens.
const SETTLED: Duration = Duration::from_secs(5);

/// What the server answers while it prepares the storage of a kind.
const PREPARES: &str = "storage is (re)initializing";

pub(super) struct Feed {
    pub(super) client: Client,
    pub(super) source: Source,
    pub(super) shared: Arc<Shared>,
    pub(super) connection: watch::Receiver<ConnectionState>,
}

/// A call that has failed.
#[derive(Debug)]
struct CallFailure {
    cause: FailureCause,
    message: String,
    source: FailureSource,
}

/// What a failure comes from, and so who tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FailureSource {
    /// The server is away, which the probe tells once for all kinds.
    Absence,
    /// The server starts, or prepares kinds that have been installed, which is told once for all of them.
    Preparation,
    /// The server itself has said no.
    Answer,
}

/// How a watch has ended.
struct WatchEnd {
    failure: Option<CallFailure>,
    was_alive: bool,
}

/// A feed while it runs.
struct Run {
    feed: Feed,
    /// The version of the kind that the server has.
    version: &'static str,
    /// The version of the collection that was seen last.
    revision: String,
    course: Course,
    /// The failure that was told last.
    told: Option<String>,
}

impl Feed {
    /// Runs until it is dropped.
    pub(super) async fn run(self) {
        let versions = self.source.kind.versions();
        let mut run = Run {
            version: versions.first().copied().unwrap_or_default(),
            feed: self,
            revision: String::new(),
            course: Course::default(),
            told: None,
        };
        let mut next = NextStep::now(Step::List { trusted: true });
        loop {
            if !next.after.is_zero() {
                sleep(next.after).await;
            }
            next = match next.step {
                Step::List { trusted } => run.list(trusted).await,
                Step::Check => run.check().await,
                Step::Watch => run.watch().await,
            };
        }
    }
}

impl Run {
    async fn list(&mut self, trusted: bool) -> NextStep {
        let failure = match self.list_any_version(trusted).await {
            Ok(revision) => {
                self.revision = revision;
                self.told_well();
                return self.course.listed();
            }
            Err(failure) => failure,
        };
        let source = &self.feed.source;
        let is_part = source.part != SourcePart::All;
        // What may be read of a kind is decided when the gateway is installed. Without its policies nothing is served.
        let cause = match failure.cause {
            FailureCause::Forbidden if !is_part => FailureCause::Trouble,
            FailureCause::Absent | FailureCause::Forbidden if self.is_away() => {
                FailureCause::Trouble
            }
            cause => cause,
        };
        let (verdict, next) = self.course.not_listed(cause, trusted, rand::random());
        match verdict {
            Verdict::Nothing => {
                let problem = is_part.then(|| not_permitted(source));
                self.feed
                    .shared
                    .update(|stores| stores.nothing(source, problem));
            }
            Verdict::Stays => self.feed.shared.update(|stores| stores.abandon(source)),
        }
        self.tell(&failure);
        next
    }

    /// Whether the server is known to be away, or not to be ready: it may deny what it has and what it permits.
    fn is_away(&self) -> bool {
        matches!(*self.feed.connection.borrow(), ConnectionState::Away(_))
    }

    /// Lists the objects in the version that the server has, and tells the version of the collection.
    async fn list_any_version(&mut self, trusted: bool) -> Result<String, CallFailure> {
        let versions = self.feed.source.kind.versions();
        let known = std::iter::once(self.version);
        let others = versions
            .iter()
            .copied()
            .filter(|other| *other != self.version);
        let mut absent = None;
        for version in known.chain(others).collect::<Vec<_>>() {
            match self.list_version(version, trusted).await {
                Err(failure) if failure.cause == FailureCause::Absent => {
                    absent.get_or_insert(failure);
                }
                outcome => {
                    self.version = version;
                    return outcome;
                }
            }
        }
        Err(absent.unwrap_or_else(|| CallFailure {
            cause: FailureCause::Absent,
            message: "no version of the kind is known".to_owned(),
            source: FailureSource::Answer,
        }))
    }

    async fn list_version(&self, version: &str, trusted: bool) -> Result<String, CallFailure> {
        let Feed { source, shared, .. } = &self.feed;
        let api = self.api(version);
        let mut params = source.list_params().limit(PAGE);
        shared.update(|stores| stores.begin(source, trusted));
        loop {
            let page = call(api.list(&params)).await?;
            shared.update(|stores| stores.fill(source, page.items));
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => params.continue_token = Some(token),
                None => {
                    shared.update(|stores| stores.complete(source));
                    return Ok(page.metadata.resource_version.unwrap_or_default());
                }
            }
        }
    }

    async fn check(&mut self) -> NextStep {
        let params = self.feed.source.list_params().limit(1);
        match call(self.api(self.version).list(&params)).await {
            Ok(page) => {
                let now = page.metadata.resource_version.unwrap_or_default();
                let is_older = resource::is_older(&now, &self.revision);
                if is_older {
                    let (source, seen) = (&self.feed.source, &self.revision);
                    tracing::warn!(
                        "the API server is older than it was ({now} after {seen}); reading all {source} again"
                    );
                }
                self.course.checked(is_older)
            }
            Err(failure) => {
                self.tell(&failure);
                self.course.not_checked(failure.cause, rand::random())
            }
        }
    }

    async fn watch(&mut self) -> NextStep {
        let WatchEnd { failure, was_alive } = self.watch_to_the_end().await;
        let cause = failure.as_ref().map(|failure| failure.cause);
        if let Some(failure) = failure.filter(|failure| failure.cause != FailureCause::Expired) {
            self.tell(&failure);
        }
        self.course.watched(cause, was_alive, rand::random())
    }

    async fn watch_to_the_end(&mut self) -> WatchEnd {
        let params = self.feed.source.watch_params().timeout(WATCH);
        let api = self.api(self.version);
        let stream = match call(api.watch(&params, &self.revision)).await {
            Ok(stream) => stream,
            Err(failure) => return WatchEnd::failed(failure, false),
        };
        let mut stream = pin!(stream);
        let mut settled = pin!(sleep(SETTLED));
        let mut returned = pin!(returned(self.feed.connection.clone()));
        let mut was_alive = false;
        loop {
            let event = tokio::select! {
                biased;
                event = timeout(SILENCE, stream.next()) => event,
                () = &mut settled, if !was_alive => {
                    was_alive = true;
                    self.told_well();
                    continue;
                }
                () = &mut returned => {
                    let (failure, was_alive) = (None, true);
                    return WatchEnd { failure, was_alive };
                }
            };
            let failure = match event {
                Ok(Some(Ok(event))) => match self.take(event) {
                    Ok(()) => {
                        was_alive = true;
                        continue;
                    }
                    Err(failure) => failure,
                },
                // One object costs only itself.
                Ok(Some(Err(Error::SerdeError(error)))) => {
                    let source = &self.feed.source;
                    tracing::warn!("an event of {source} cannot be read: {error}");
                    continue;
                }
                Ok(Some(Err(error))) => error.into(),
                Ok(None) => {
                    let failure = None;
                    return WatchEnd { failure, was_alive };
                }
                Err(_) => CallFailure {
                    cause: FailureCause::Trouble,
                    message: format!("the watch is silent for {SILENCE:?}"),
                    source: FailureSource::Absence,
                },
            };
            return WatchEnd::failed(failure, was_alive);
        }
    }

    fn take(&mut self, event: WatchEvent<DynamicObject>) -> Result<(), CallFailure> {
        let Feed { source, shared, .. } = &self.feed;
        match event {
            WatchEvent::Added(object) | WatchEvent::Modified(object) => {
                self.revision = version(&object, &self.revision);
                shared.update(|stores| stores.applied(source, object));
            }
            WatchEvent::Deleted(object) => {
                self.revision = version(&object, &self.revision);
                shared.update(|stores| stores.deleted(source, &object));
            }
            WatchEvent::Bookmark(bookmark) => self.revision = bookmark.metadata.resource_version,
            WatchEvent::Error(status) => return Err(Error::Api(status).into()),
        }
        Ok(())
    }

    fn api(&self, version: &str) -> Api<DynamicObject> {
        let Feed { client, source, .. } = &self.feed;
        resource::api(client.clone(), source.kind, version, source.namespace())
    }

    /// Tells a failure, unless it was the last that was told.
    fn tell(&mut self, failure: &CallFailure) {
        let CallFailure {
            cause,
            message,
            source: told_by,
        } = failure;
        let source = &self.feed.source;
        match told_by {
            // The probe has told it.
            _ if *told_by == FailureSource::Absence || self.is_away() => {
                tracing::debug!("cannot read {source}: {message}");
                return;
            }
            FailureSource::Preparation => {
                tracing::debug!("cannot read {source} yet: {message}");
                if !self.feed.shared.has_told_preparation.swap(true, Relaxed) {
                    tracing::info!(
                        "the API server is not ready to be read yet, or prepares kinds that have just been installed"
                    );
                }
                return;
            }
            FailureSource::Absence | FailureSource::Answer => {}
        }
        if self.told.as_ref() == Some(message) {
            return;
        }
        match cause {
            FailureCause::Absent => tracing::info!("there are no {source}: {message}"),
            _ => tracing::warn!("cannot read {source}: {message}"),
        }
        self.told = Some(message.clone());
    }

    fn told_well(&mut self) {
        if self.told.take().is_some() {
            tracing::info!("{} are read again", self.feed.source);
        }
    }
}

impl WatchEnd {
    fn failed(failure: CallFailure, was_alive: bool) -> Self {
        let failure = Some(failure);
        Self { failure, was_alive }
    }
}

/// Waits for a call, within its time limit.
async fn call<T>(call: impl Future<Output = Result<T, Error>>) -> Result<T, CallFailure> {
    match timeout(CALL, call).await {
        Ok(outcome) => outcome.map_err(Into::into),
        Err(_) => Err(CallFailure {
            cause: FailureCause::Trouble,
            message: format!("no answer within {CALL:?}"),
            source: FailureSource::Absence,
        }),
    }
}

fn version(object: &DynamicObject, before: &str) -> String {
    let version = object.metadata.resource_version.as_deref();
    version.unwrap_or(before).to_owned()
}

fn not_permitted(source: &Source) -> ReportProblem {
    let object = match &source.part {
        SourcePart::Named { namespace, name } => Some(ObjectRef::new(source.kind, namespace, name)),
        SourcePart::All | SourcePart::Labelled { .. } => None,
    };
    let message = match &object {
        Some(_) => "not permitted to be read, or not there".to_owned(),
        None => format!("{source}: not permitted to be read"),
    };
    ReportProblem {
        file: "".into(),
        line: 0,
        object,
        field: String::new(),
        message,
    }
}

impl From<Error> for CallFailure {
    fn from(error: Error) -> Self {
        let cause = match &error {
            Error::Api(status) => match status.code {
                403 => FailureCause::Forbidden,
                404 => FailureCause::Absent,
                410 => FailureCause::Expired,
                _ => FailureCause::Trouble,
            },
            _ => FailureCause::Trouble,
        };
        Self {
            cause,
            message: error.to_string(),
            source: match &error {
                Error::Api(status) if status.code == 503 || status.message.contains(PREPARES) => {
                    FailureSource::Preparation
                }
                Error::Api(_) => FailureSource::Answer,
                _ => FailureSource::Absence,
            },
        }
    }
}

/// The kinds of which every object is read.
pub(super) fn kinds_of_all(follows_references: bool) -> impl Iterator<Item = Kind> {
    Kind::all()
        .filter(|kind| !kind.versions().is_empty())
        .filter(move |kind| {
            let is_followed = matches!(
                kind,
                Kind::Secret | Kind::ConfigMap | Kind::Service | Kind::EndpointSlice
            );
            !(follows_references && is_followed)
        })
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    #[test]
    fn what_is_told_of_a_failure_depends_on_where_it_comes_from() {
        let answer = |code, message| {
            let status = Status::failure(message, "").with_code(code).boxed();
            let failure = CallFailure::from(Error::Api(status));
            (failure.cause, failure.source)
        };
        let trouble = FailureCause::Trouble;
        for (code, message, expected) in [
            (429, PREPARES, (trouble, FailureSource::Preparation)),
            (503, "too early", (trouble, FailureSource::Preparation)),
            (429, "slow down", (trouble, FailureSource::Answer)),
            (500, "etcd", (trouble, FailureSource::Answer)),
            (403, "no", (FailureCause::Forbidden, FailureSource::Answer)),
        ] {
            assert_eq!(answer(code, message), expected, "{code} {message}");
        }
        let broken = CallFailure::from(Error::LinesCodecMaxLineLengthExceeded);
        assert_eq!(broken.source, FailureSource::Absence);
    }
}
