//! What is found wrong on the way, and how it becomes a report.

use std::fmt;

use crate::report::{ObjectReport, Problem, Report, Status};
use crate::resources::{ObjectRef, Source};
use crate::snapshot::Misconfiguration;

/// Something wrong with a field of the object that is being compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// The path of the field; empty for the whole object.
    pub(super) field: String,
    /// What is wrong.
    pub(super) message: String,
}

/// The report in the making.
#[derive(Debug, Default)]
pub(super) struct Log {
    report: Report,
}

impl Fault {
    pub(super) fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            message: message.into(),
        }
    }

    /// A field that is recognised, but nothing more.
    pub(super) fn unsupported(field: impl Into<String>) -> Self {
        Self::new(field, "not supported yet")
    }
}

/// `field: message`. The whole spec is not worth naming.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !matches!(self.field.as_str(), "" | "spec") {
            write!(f, "{}: ", self.field)?;
        }
        f.write_str(&self.message)
    }
}

impl Log {
    /// Notes what is wrong with an object.
    pub(super) fn problems<'a>(
        &mut self,
        object: &ObjectRef,
        source: &Source,
        faults: impl IntoIterator<Item = &'a Fault>,
    ) {
        for fault in faults {
            let problem = Problem::new(object, source, &fault.field, &fault.message);
            if !self.report.problems.contains(&problem) {
                self.report.problems.push(problem);
            }
        }
    }

    /// Notes what is worth a look.
    pub(super) fn warn(&mut self, object: &ObjectRef, source: &Source, fault: &Fault) {
        self.report
            .warnings
            .push(Problem::new(object, source, &fault.field, &fault.message));
    }

    /// Notes what became of an object.
    pub(super) fn object(&mut self, object: &ObjectRef, source: &Source, status: Status) {
        self.report.objects.push(ObjectReport {
            object: object.clone(),
            file: source.file.clone(),
            line: source.line,
            status,
        });
    }

    pub(super) fn finish(mut self) -> Report {
        self.report.objects.sort_by(|a, b| a.object.cmp(&b.object));
        let place = |p: &Problem| (p.file.clone(), p.line, p.object.clone(), p.field.clone());
        self.report.problems.sort_by_cached_key(place);
        self.report.warnings.sort_by_cached_key(place);
        self.report
    }
}

/// All faults in one line.
pub(super) fn join<'a>(faults: impl IntoIterator<Item = &'a Fault>) -> String {
    let faults: Vec<String> = faults.into_iter().map(ToString::to_string).collect();
    faults.join("; ")
}

/// Why nothing is served for the sake of this object.
pub(super) fn misconfiguration(object: &ObjectRef, message: &str) -> Misconfiguration {
    Misconfiguration {
        object: object.clone(),
        message: message.into(),
    }
}
