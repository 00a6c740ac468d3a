//! The consumers of exchange records: the access log, and the metrics of exchanges.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use egret_config::access_log::{AccessLog, LogPath};
use egret_config::snapshot::Snapshot;
use http::StatusCode;
use tokio::time::sleep;

use crate::drain::DrainSignal;
use crate::record::{ExchangeForm, Record};
use crate::task;
use access_log::{FLUSH_INTERVAL, WorkerLogs};
use outbox::{Outbox, OutboxAddress};

pub(crate) mod access_log;
mod destinations;
pub(crate) mod envoy_log;
mod epoch;
mod exchanges;
mod hour;
pub(crate) mod local_reply;
pub(crate) mod otlp;
pub(crate) mod outbox;
mod outcome;
mod refusals;
mod series;
mod space_saving;
pub(crate) mod traces;

use destinations::host_of;
pub(crate) use destinations::{Destination, DestinationCounts, MINUTES};
pub(crate) use exchanges::ExchangeMetrics;
pub(crate) use hour::{ExchangeSums, Minute, PhaseDurations};
pub(crate) use outcome::ExchangeOutcome;
pub(crate) use refusals::{RefusalEntry, RefusalKey, RefusalLog};
use series::ResponseCounters;
pub(crate) use series::{CountersByDecision, DecisionLabels, SeriesLabels};
use traces::TracedRequest;

/// The access logs and the exchange metrics of one worker.
pub(crate) struct WorkerTelemetry {
    pub(crate) metrics: Arc<ExchangeMetrics>,
    responses: ResponseCounters,
    readers: RecordReaders,
    drain: Arc<DrainSignal>,
    generation: Arc<AtomicU64>,
}

/// Where what records say is kept, or is sent from.
pub(crate) struct RecordReaders {
    pub(crate) logs: WorkerLogs,
    /// What was refused lately.
    pub(crate) refusals: Arc<RefusalLog>,
    /// What waits to be told to services.
    pub(crate) outbox: Outbox,
}

impl WorkerTelemetry {
    pub(crate) fn new(
        metrics: Arc<ExchangeMetrics>,
        readers: RecordReaders,
        drain: Arc<DrainSignal>,
        generation: Arc<AtomicU64>,
    ) -> Rc<Self> {
        Rc::new(Self {
            responses: ResponseCounters::new(Arc::clone(&metrics.responses)),
            metrics,
            readers,
            drain,
            generation,
        })
    }

    /// What waits to be told to services.
    pub(crate) fn outbox(&self) -> &Outbox {
        &self.readers.outbox
    }

    /// Tells everybody of an exchange that has ended now: also this log, and whoever collects traces.
    pub(crate) fn tell(
        self: &Rc<Self>,
        record: &Record<'_>,
        now: Instant,
        log: Option<&AccessLog>,
        traced: Option<&TracedRequest>,
    ) {
        self.count(record, now);
        if let Some(log) = log {
            self.log(log, record);
        }
        if let Some(traced) = traced {
            self.metrics.exemplify(record, traced.trace.id);
            self.trace(traced, record);
        }
    }

    /// Counts an exchange that has ended now.
    pub(crate) fn count(&self, record: &Record<'_>, now: Instant) {
        let host = host_of(record);
        let outcome = record.end.and_then(ExchangeOutcome::of);
        self.metrics.count(record, host.as_deref(), outcome, now);
        if let Some(outcome) = outcome {
            self.readers
                .refusals
                .count(record, host.as_deref(), outcome, now);
        }
        let listener = record.listener.map(|listener| &listener.full_name);
        match record.status {
            _ if record.form == ExchangeForm::Tls => {}
            Some(status) => {
                let labels = DecisionLabels::of(listener, record.verdict.as_ref())
                    .towards(record.rule, record.backend);
                self.responded(status, labels);
            }
            None => self.metrics.unanswered.increment(),
        }
    }

    /// Counts a response.
    pub(crate) fn responded(&self, status: StatusCode, labels: DecisionLabels<'_>) {
        let code = status.as_u16();
        // Others are no status codes (RFC 9110 15).
        if (100..600).contains(&code) {
            self.responses.increment(code, labels);
        }
    }

    /// Adds a record to an access log, which is written with the next batch.
    pub(crate) fn log(self: &Rc<Self>, log: &AccessLog, record: &Record<'_>) {
        let is_first = self.readers.logs.write(log, record, &self.readers.outbox);
        if self.drain.is_draining() {
            // The runtime may be shutting down, so that a spawned task might never run.
            self.readers.logs.flush();
        } else if is_first {
            let telemetry = Rc::clone(self);
            task::spawn(async move {
                sleep(FLUSH_INTERVAL).await;
                telemetry.readers.logs.flush();
            });
        }
    }

    /// Posts the spans of a request that is traced.
    fn trace(&self, traced: &TracedRequest, record: &Record<'_>) {
        let to = OutboxAddress::Traces(Arc::clone(traced.tracing()));
        for span in traced.spans(record) {
            self.readers.outbox.post(&to, span);
        }
    }

    /// The generation of the configuration that is served.
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Relaxed)
    }

    /// Whether the process breaks off what has not finished.
    pub(crate) fn is_cut_off(&self) -> bool {
        self.drain.is_cut_off()
    }

    /// Hands the buffered lines over to the writer.
    pub(crate) fn flush(&self) {
        self.readers.logs.flush();
    }

    /// Lets go of the log files that the configuration does not name any more.
    pub(crate) fn close_unused_logs(&self, snapshot: &Snapshot) {
        let is_wanted = |path: &LogPath| {
            let mut listeners = snapshot
                .sockets
                .values()
                .flat_map(|socket| &socket.listeners);
            listeners.any(|listener| {
                let mut sinks = listener.access_log.sinks().iter();
                sinks.any(|sink| sink.path == *path)
            })
        };
        self.readers.logs.keep_only(is_wanted);
    }
}

#[cfg(test)]
mod tests;
