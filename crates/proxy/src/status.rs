//! The status of the configuration: which generation is served, and what is wrong with the newest files.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use egret_config::report::Report;
use egret_config::resources::Resources;
use egret_config::snapshot::BindAddress;
use serde::Serialize;

use crate::listen::BindError;

mod history;

pub(crate) use history::{ChangedObject, GenerationEntry, ObjectHistory};

/// The status of the configuration. The control side writes it, and the admin server reads it.
#[derive(Debug, Default)]
pub(crate) struct ConfigStatus {
    facts: Mutex<StatusFacts>,
    history: ObjectHistory,
}

/// Where the configuration comes from, and whether it can be asked for a newer one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SourceState {
    /// Files, which are always there.
    #[default]
    Files,
    /// An API server that answers.
    Connected,
    /// An API server that does not answer, and why: changes are not known, and the last configuration is served.
    Away(String),
}

/// The facts behind [`ConfigStatus`].
#[derive(Debug, Default)]
struct StatusFacts {
    generation: u64,
    applied: Option<SystemTime>,
    report: Report,
    source: SourceState,
    /// The errors for which the newest files are not served; empty if they are served.
    rejected: Vec<String>,
    /// The listeners that could not be bound, with the reason.
    unbound: Vec<String>,
    /// The addresses of the listeners that are bound.
    listening: BTreeSet<BindAddress>,
    /// The first of the listeners that could not be bound and that are not served elsewhere.
    not_served: Option<String>,
    /// Why listeners refuse every request until an EgressPolicy is bound to them.
    unprotected: Vec<String>,
    /// The number of configurations that were rejected as a whole.
    rejections: u64,
}

/// The JSON of `/report`.
#[derive(Debug, Serialize)]
struct ReportJson<'a> {
    generation: u64,
    #[serde(rename = "appliedAt", skip_serializing_if = "Option::is_none")]
    applied: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<SourceJson<'a>>,
    /// The lines that were also printed on stderr.
    errors: &'a [String],
    unbound: &'a [String],
    #[serde(flatten)]
    report: &'a Report,
}

/// `source` of `/report`.
#[derive(Debug, Serialize)]
struct SourceJson<'a> {
    connected: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}

impl SourceState {
    /// Whether the source answers; `None` if it is files.
    pub(crate) fn is_connected(&self) -> Option<bool> {
        match self {
            Self::Files => None,
            Self::Connected => Some(true),
            Self::Away(_) => Some(false),
        }
    }

    /// Why nothing newer is known.
    pub(crate) fn error(&self) -> Option<&str> {
        match self {
            Self::Files | Self::Connected => None,
            Self::Away(why) => Some(why),
        }
    }
}

impl ConfigStatus {
    /// Records whether the source of the configuration is there.
    pub(crate) fn has_source(&self, source: SourceState) {
        self.lock().source = source;
    }

    /// Whether the source of the configuration is there.
    pub(crate) fn source(&self) -> SourceState {
        self.lock().source.clone()
    }

    /// Records that a configuration has been applied; `unprotected` are its listeners that need an EgressPolicy.
    pub(crate) fn applied(&self, report: Report, unprotected: Vec<String>, at: SystemTime) {
        let mut state = self.lock();
        state.generation += 1;
        state.applied = Some(at);
        state.report = report;
        state.rejected.clear();
        state.unprotected = unprotected;
    }

    /// Records which objects are served as the newest generation.
    pub(crate) fn serves(&self, resources: &Resources, at: SystemTime) {
        let held = self.held().into_iter().map(told_held);
        let message = held.collect::<Vec<_>>().join("; ");
        self.history
            .serves(resources, self.generation(), at, message);
    }

    /// The objects that are served, and what changed in them.
    pub(crate) const fn history(&self) -> &ObjectHistory {
        &self.history
    }

    /// Records the report of a configuration of which nothing new can be served.
    pub(crate) fn kept(&self, report: Report) {
        let mut state = self.lock();
        state.report = report;
        state.rejected.clear();
    }

    /// Records the listeners that are bound, and those that could not be.
    pub(crate) fn bound(&self, listening: BTreeSet<BindAddress>, unbound: &[BindError]) {
        let mut state = self.lock();
        state.listening = listening;
        state.unbound = unbound.iter().map(ToString::to_string).collect();
        let not_served = unbound.iter().find(|error| error.stays_on.is_empty());
        state.not_served = not_served.map(ToString::to_string);
    }

    /// The addresses of the listeners that are bound.
    pub(crate) fn listening(&self) -> BTreeSet<BindAddress> {
        self.lock().listening.clone()
    }

    /// Records that a configuration has been rejected as a whole.
    pub(crate) fn rejected(&self, errors: Vec<String>) {
        let mut state = self.lock();
        state.rejected = errors;
        state.rejections += 1;
    }

    /// The number of configurations that have been applied.
    pub(crate) fn generation(&self) -> u64 {
        self.lock().generation
    }

    /// The number of configurations that were rejected as a whole.
    pub(crate) fn rejections(&self) -> u64 {
        self.lock().rejections
    }

    /// The objects that are served in an earlier version, each with the last generation that had this version.
    pub(crate) fn held(&self) -> Vec<(String, u64)> {
        let state = self.lock();
        let held = state.report.held.iter();
        held.map(|held| (held.object.to_string(), held.generation))
            .collect()
    }

    /// When the configuration that is served was applied.
    pub(crate) fn applied_at(&self) -> Option<SystemTime> {
        self.lock().applied
    }

    /// Why the newest configuration is not served as a whole; `None` if it is.
    pub(crate) fn why_not_current(&self) -> Option<String> {
        let held = self.held().into_iter().next();
        let state = self.lock();
        let told = state.rejected.first().or_else(|| state.unbound.first());
        told.cloned().or_else(|| held.map(told_held))
    }

    /// Whether the newest configuration is served, with every object in its newest version, and all of its listeners are bound.
    pub(crate) fn is_current(&self) -> bool {
        let state = self.lock();
        state.rejected.is_empty() && state.unbound.is_empty() && state.report.held.is_empty()
    }

    /// The number of problems with single objects of the configuration that is served.
    pub(crate) fn problems(&self) -> usize {
        self.lock().report.problems.len()
    }

    /// The number of objects that were skipped because their kinds are not for Egret.
    pub(crate) fn skipped(&self) -> usize {
        self.lock().report.skipped
    }

    /// Whether a listener could not be bound.
    pub(crate) fn has_unbound(&self) -> bool {
        !self.lock().unbound.is_empty()
    }

    /// Why the proxy is not ready to serve requests; `None` if it is.
    pub(crate) fn not_ready(&self) -> Option<String> {
        let state = self.lock();
        if state.generation == 0 {
            return Some("no configuration has been applied".to_owned());
        }
        let reasons = state.not_served.iter().chain(&state.unprotected);
        if let Some(reason) = reasons.into_iter().next() {
            return Some(reason.clone());
        }
        // In a cluster, the status of the Gateway says that none of its listeners can be served; its pods are as they
        // should be, and whoever waits for them to be ready would wait in vain.
        let is_mistake = state.listening.is_empty() && state.source == SourceState::Files;
        is_mistake.then(|| "there is no listener".to_owned())
    }

    /// The report as JSON.
    pub(crate) fn report(&self) -> serde_json::Result<Vec<u8>> {
        let state = self.lock();
        let applied = state
            .applied
            .and_then(|at| jiff::Timestamp::try_from(at).ok());
        serde_json::to_vec_pretty(&ReportJson {
            generation: state.generation,
            applied: applied.map(|at| format!("{at:.3}")),
            source: state.source.is_connected().map(|connected| SourceJson {
                connected,
                error: state.source.error(),
            }),
            errors: &state.rejected,
            unbound: &state.unbound,
            report: &state.report,
        })
    }

    fn lock(&self) -> MutexGuard<'_, StatusFacts> {
        // Every write above leaves the state consistent at each step, so that a poisoned lock is harmless.
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Says that an object is served in an earlier version.
fn told_held((object, generation): (String, u64)) -> String {
    format!("{object} is held: its version of generation {generation} is served")
}
