//! Writes the statuses of a report, each only if it differs from the live one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use egret_config::report::{ObjectReport, Report};
use egret_config::resources::{Kind, ObjectRef};
use futures_util::StreamExt;
use futures_util::stream;
use kube::Client;
use kube::core::DynamicObject;
use serde_json::Value;
use tokio::time::Instant;

use super::api::StatusApi;
use super::desired::DesiredStatus;
use super::fault::WriteFault;
use super::gateways::GatewayAddresses;
use super::object::{ObjectOutcome, StatusJob};
use super::unreadable;
use crate::backoff::{Retries, WriteFailure};
use crate::clock;
use crate::reader::ClusterObjects;

/// The field manager of what Egret writes.
pub const FIELD_MANAGER: &str = "egret";

/// How many objects are written at the same time.
const CONCURRENCY: usize = 8;

/// Writes statuses to a cluster.
pub struct StatusWriter {
    client: Client,
    controller: String,
    /// The fields of a status that the installed CRD of a kind does not have.
    undeclared: BTreeMap<Kind, BTreeSet<String>>,
    retries: Retries<ObjectRef>,
    began: Instant,
    /// Objects that were written since the reader saw them.
    ahead: BTreeMap<ObjectRef, WrittenObject>,
}

/// An object that was written, until the reader sees it.
struct WrittenObject {
    /// The version that the reader had.
    seen: Option<String>,
    written: Arc<DynamicObject>,
}

/// The status of an object that was brought up to date, or could not be.
struct FinishedJob {
    object: ObjectRef,
    job: StatusJob,
    outcome: ObjectOutcome,
}

/// What a pass over all statuses did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatusPass {
    /// The number of objects whose statuses were written.
    pub written: usize,
    /// The objects whose statuses could not be written, each with the reason.
    pub failed: Vec<(ObjectRef, String)>,
    /// When another pass is worth the while, although nothing may have changed: after a failure.
    pub retry_in: Option<Duration>,
}

/// The objects that a pass is about, as they were read.
pub(super) trait LiveObjects {
    /// An object as it was read, with its status.
    fn live(&self, object: &ObjectRef) -> Option<&Arc<DynamicObject>>;

    /// All objects that may have entries of Egret in their status.
    fn all(&self) -> impl Iterator<Item = (&ObjectRef, &Arc<DynamicObject>)>;
}

impl LiveObjects for ClusterObjects {
    fn live(&self, object: &ObjectRef) -> Option<&Arc<DynamicObject>> {
        self.raw(object)
    }

    fn all(&self) -> impl Iterator<Item = (&ObjectRef, &Arc<DynamicObject>)> {
        self.all_raw()
    }
}

impl StatusWriter {
    /// A writer with the name of the controller, which is in every entry that it writes.
    #[must_use]
    pub fn new(client: Client, controller: impl Into<String>) -> Self {
        Self {
            client,
            controller: controller.into(),
            undeclared: BTreeMap::new(),
            retries: Retries::default(),
            began: clock::now(),
            ahead: BTreeMap::new(),
        }
    }

    /// Writes the statuses that differ: those of the report, which is of these objects, and those of the objects that
    /// cannot be read. Entries of Egret go from the objects that are none of its any more.
    ///
    /// A leader that has lost its lease drops this future.
    pub async fn write(
        &mut self,
        objects: &ClusterObjects,
        report: &Report,
        gateways: &GatewayAddresses,
    ) -> StatusPass {
        let spec = |object: &ObjectRef| {
            let spec = objects.raw(object)?.data.get("spec");
            Some(spec.unwrap_or(&Value::Null))
        };
        let unreadable = unreadable::reports(objects.problems(), report, &self.controller, spec);
        let replaced: BTreeSet<&ObjectRef> = unreadable.iter().map(|entry| &entry.object).collect();
        let readable = report.objects.iter();
        let readable = readable.filter(|entry| !replaced.contains(&entry.object));
        let entries: Vec<&ObjectReport> = readable.chain(&unreadable).collect();
        let at = clock::now().duration_since(self.began);
        self.write_all(objects, &entries, gateways, at).await
    }

    /// Tries at once what has failed: the reason may be gone, because the API server is back or this controller leads anew.
    pub fn begin_anew(&mut self) {
        self.retries.begin_anew();
    }

    /// The fields of statuses that cannot be written, because the installed CRDs do not have them.
    pub fn undeclared(&self) -> impl Iterator<Item = (Kind, &str)> {
        let kinds = self.undeclared.iter();
        kinds.flat_map(|(kind, fields)| fields.iter().map(|field| (*kind, field.as_str())))
    }

    /// Writes the statuses that differ. The report is of these objects; `at` is the time on a clock that only goes
    /// forward.
    pub(super) async fn write_all(
        &mut self,
        objects: &impl LiveObjects,
        report: &[&ObjectReport],
        gateways: &GatewayAddresses,
        at: Duration,
    ) -> StatusPass {
        self.ahead.retain(|object, ahead| {
            let live = objects.live(object);
            live.is_some_and(|live| live.metadata.resource_version == ahead.seen)
        });
        self.retries.retain(|object| objects.live(object).is_some());
        let jobs = self.jobs(objects, report, gateways, at);
        let now = jiff::Timestamp::now();
        let now = now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let controller = self.controller.clone();
        let runs = jobs.into_iter().map(|(object, mut job)| {
            let (controller, now) = (controller.as_str(), now.as_str());
            async move {
                let outcome = job.run(controller, FIELD_MANAGER, now).await;
                FinishedJob {
                    object,
                    job,
                    outcome,
                }
            }
        });
        let mut runs = stream::iter(runs).buffer_unordered(CONCURRENCY);
        let mut pass = StatusPass::default();
        while let Some(finished) = runs.next().await {
            self.settle(finished, at, &mut pass);
        }
        pass.failed.sort();
        pass.retry_in = self.retries.next_in(at);
        pass
    }

    /// The objects whose statuses may differ, but for those that failed lately.
    fn jobs(
        &self,
        objects: &impl LiveObjects,
        report: &[&ObjectReport],
        gateways: &GatewayAddresses,
        at: Duration,
    ) -> Vec<(ObjectRef, StatusJob)> {
        let mut reported = BTreeSet::new();
        let mut desired = Vec::new();
        for entry in report {
            reported.insert(&entry.object);
            if let Some(live) = objects.live(&entry.object) {
                desired.push((&entry.object, live, DesiredStatus::of(entry, gateways)));
            }
        }
        for (object, live) in objects.all() {
            if !reported.contains(object)
                && let Some(status) = DesiredStatus::of_others(object.kind, live, &self.controller)
            {
                desired.push((object, live, status));
            }
        }
        let is_due = |object: &ObjectRef, live: &DynamicObject| {
            self.retries.is_due(object, live.metadata.generation, at)
        };
        let due = desired
            .into_iter()
            .filter(|(object, live, _)| is_due(object, live));
        let job = |(object, live, desired): (&ObjectRef, &Arc<DynamicObject>, _)| {
            let ahead = self.ahead.get(object).map(|ahead| &ahead.written);
            let undeclared = self.undeclared.get(&object.kind);
            let job = StatusJob {
                api: StatusApi::of(&self.client, object, live, FIELD_MANAGER),
                reported: live.clone(),
                seen: ahead.unwrap_or(live).clone(),
                desired,
                undeclared: undeclared.cloned().unwrap_or_default(),
            };
            (object.clone(), job)
        };
        due.map(job).collect()
    }

    fn settle(&mut self, finished: FinishedJob, at: Duration, pass: &mut StatusPass) {
        let FinishedJob {
            object,
            job,
            outcome,
        } = finished;
        let reported = &job.reported.metadata;
        let known = self.undeclared.entry(object.kind).or_default();
        for field in job.undeclared {
            let kind = object.kind;
            if known.insert(field.clone()) {
                tracing::warn!(%kind, field, "the installed CRD does not have this field of the status; it is left out");
            }
        }
        match outcome {
            ObjectOutcome::Unchanged | ObjectOutcome::Superseded => self.retries.forget(&object),
            ObjectOutcome::Written(written) => {
                self.retries.forget(&object);
                pass.written += 1;
                let written = WrittenObject {
                    seen: reported.resource_version.clone(),
                    written: Arc::from(written),
                };
                self.ahead.insert(object, written);
            }
            // The reader will tell that it is gone, unless it is the kind that the API server does not know for a moment.
            ObjectOutcome::Missing => {
                let failure = WriteFailure::Passing;
                self.retries
                    .failed(&object, reported.generation, failure, at);
            }
            ObjectOutcome::Failed(fault) => {
                let (message, failure) = match fault {
                    WriteFault::Unavailable(message) => (message, WriteFailure::Passing),
                    WriteFault::Refused(message) => (message, WriteFailure::Refused),
                    other => (format!("{other:?}"), WriteFailure::Refused),
                };
                tracing::warn!(%object, message, "the status could not be written");
                self.retries
                    .failed(&object, reported.generation, failure, at);
                pass.failed.push((object, message));
            }
        }
    }
}
