//! Faults found during a compilation, and the report that is made of them.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt;

use super::review::{
    CompileReview, FaultCause, GatewayUse, ListenerName, ObjectFault, PolicyBinding,
};
use crate::report::{ObjectReport, ObjectStatus, Report, ReportProblem};
use crate::resources::{ObjectRef, SourceLocation};
use crate::snapshot::Misconfiguration;

/// A fault in a field of the object that is being compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FieldFault {
    /// The path of the field; empty for the whole object.
    pub(super) field: String,
    /// The description of the fault.
    pub(super) message: String,
    /// Which object the fault is in.
    pub(super) cause: FaultCause,
}

/// The report while it is written.
#[derive(Debug, Default)]
pub(super) struct ReportLog {
    report: Report,
    review: CompileReview,
}

impl FieldFault {
    pub(super) fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            message: message.into(),
            cause: FaultCause::Object,
        }
    }

    /// A fault of a reference: what it means depends on other objects, and the Gateway API says what becomes of it.
    pub(super) fn reference(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(field, message).with_cause(FaultCause::Reference)
    }

    pub(super) fn with_cause(self, cause: FaultCause) -> Self {
        Self { cause, ..self }
    }

    /// The fault of a field that is recognised but not supported.
    pub(super) fn unsupported(field: impl Into<String>) -> Self {
        Self::new(field, "not supported yet")
    }
}

/// Writes `field: message`. The field `spec` is left out, because it says nothing.
impl fmt::Display for FieldFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !matches!(self.field.as_str(), "" | "spec") {
            write!(f, "{}: ", self.field)?;
        }
        f.write_str(&self.message)
    }
}

impl ReportLog {
    /// Adds the faults of an object to the problems.
    pub(super) fn problems<'a>(
        &mut self,
        object: &ObjectRef,
        source: &SourceLocation,
        faults: impl IntoIterator<Item = &'a FieldFault>,
    ) {
        for fault in faults {
            let problem = ReportProblem::new(object, source, &fault.field, &fault.message);
            if fault.cause != FaultCause::Reference {
                self.review.faults.push(ObjectFault {
                    object: object.clone(),
                    cause: fault.cause.clone(),
                    problem: problem.clone(),
                });
            }
            self.report.problems.push(problem);
        }
    }

    /// Records the EgressPolicies of a listener that is served.
    pub(super) fn listener(&mut self, name: ListenerName, policies: BTreeSet<ObjectRef>) {
        self.review.listeners.insert(name, policies);
    }

    /// Records what Gateways use.
    pub(super) fn uses(&mut self, mut uses: BTreeMap<ObjectRef, GatewayUse>) {
        self.review.uses.append(&mut uses);
    }

    /// Records that a listener refuses every request until an EgressPolicy is bound to it.
    pub(super) fn unprotected(&mut self, gateway: &ObjectRef, listener: &str, message: &str) {
        let line = format!("{gateway}: listener {listener}: {message}");
        self.review.unprotected.push(line);
    }

    /// Records what a policy is bound to.
    pub(super) fn binding(&mut self, policy: &ObjectRef, binding: PolicyBinding) {
        self.review.bindings.insert(policy.clone(), binding);
    }

    /// Adds a warning about an object.
    pub(super) fn warn(&mut self, object: &ObjectRef, source: &SourceLocation, fault: &FieldFault) {
        self.report.warnings.push(ReportProblem::new(
            object,
            source,
            &fault.field,
            &fault.message,
        ));
    }

    /// Adds the status of an object.
    pub(super) fn object(
        &mut self,
        object: &ObjectRef,
        source: &SourceLocation,
        status: ObjectStatus,
    ) {
        self.report.objects.push(ObjectReport {
            object: object.clone(),
            file: source.file.clone(),
            line: source.line,
            status,
        });
    }

    pub(super) fn finish(mut self) -> (Report, CompileReview) {
        self.report.objects.sort_by(|a, b| a.object.cmp(&b.object));
        let place = |p: &ReportProblem| (p.file.clone(), p.line, p.object.clone(), p.field.clone());
        // What is wrong for several listeners or parents is told once.
        let mut told = HashSet::new();
        let problems = &mut self.report.problems;
        problems.retain(|problem| told.insert(problem.clone()));
        problems.sort_by_cached_key(place);
        self.report.warnings.sort_by_cached_key(place);
        (self.report, self.review)
    }
}

/// All faults in one line.
pub(super) fn join<'a>(faults: impl IntoIterator<Item = &'a FieldFault>) -> String {
    let faults: Vec<String> = faults.into_iter().map(ToString::to_string).collect();
    faults.join("; ")
}

/// The reason why requests are refused because of this object.
pub(super) fn misconfiguration(object: &ObjectRef, message: &str) -> Misconfiguration {
    Misconfiguration {
        object: object.clone(),
        message: message.into(),
    }
}
