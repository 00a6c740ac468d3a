//! What people are told about a configuration: every mistake once, and nothing that only follows from another.

use std::collections::BTreeSet;

use super::{ObjectReport, Report, ReportProblem};
use crate::resources::ObjectRef;

/// The errors and the warnings of a configuration, by file and line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// Everything that is not served as it was written.
    pub errors: Vec<ReportProblem>,
    /// What is served, or is not for Egret, but may be a mistake.
    pub warnings: Vec<ReportProblem>,
}

impl Findings {
    /// The findings of a report. `read_errors` are those of the files, and `unread` the objects that have them.
    pub(super) fn of(
        report: &Report,
        read_errors: &[ReportProblem],
        unread: &BTreeSet<ObjectRef>,
    ) -> Self {
        // What is left of an object that could not be read has faults that it did not have as a whole.
        let is_read = |problem: &ReportProblem| {
            let object = problem.object.as_ref();
            object.is_none_or(|object| !unread.contains(object))
        };
        let mut errors = report.problems.clone();
        errors.extend(unexplained(report));
        errors.retain(is_read);
        errors.extend_from_slice(read_errors);
        let mut faulty = unread.clone();
        faulty.extend(errors.iter().filter_map(|error| error.object.clone()));
        // An object is the cause of others' faults if it has one that is its own.
        let is_own = |error: &&ReportProblem| !names_any(error, &faulty);
        let mut causes = unread.clone();
        causes.extend(
            errors
                .iter()
                .filter(is_own)
                .filter_map(|error| error.object.clone()),
        );
        errors.retain(|error| !names_any(error, &causes));
        let mut warnings = report.warnings.clone();
        for list in [&mut errors, &mut warnings] {
            list.sort_by_cached_key(|problem| (problem.file.clone(), problem.line));
        }
        Self { errors, warnings }
    }
}

/// The faults of objects that have a bad condition, but no problem that says why.
fn unexplained(report: &Report) -> impl Iterator<Item = ReportProblem> {
    let has_problem = |object: &ObjectRef| {
        let mut problems = report.problems.iter();
        problems.any(|problem| problem.object.as_ref() == Some(object))
    };
    let objects = report.objects.iter();
    let unexplained = objects.filter(move |report| !has_problem(&report.object));
    unexplained.filter_map(|report| {
        let ObjectReport {
            object, file, line, ..
        } = report;
        let mut conditions = report.conditions();
        let (_, bad) = conditions.find(|(_, condition)| !condition.is_fine())?;
        Some(ReportProblem {
            file: file.clone(),
            line: *line,
            object: Some(object.clone()),
            field: String::new(),
            message: bad.message.clone(),
        })
    })
}

/// Whether the message of a problem names one of these objects, other than the one it is about.
fn names_any(problem: &ReportProblem, objects: &BTreeSet<ObjectRef>) -> bool {
    // A suggestion names an object that is there.
    let message = problem.message.split("; did you mean ").next();
    let message = message.unwrap_or_default();
    let mut others = objects
        .iter()
        .filter(|object| problem.object.as_ref() != Some(*object));
    others.any(|object| names(message, &object.to_string()))
}

/// Whether a text has this name as whole words.
fn names(text: &str, name: &str) -> bool {
    let is_part = |char: char| char.is_ascii_alphanumeric() || matches!(char, '-' | '/');
    text.match_indices(name).any(|(at, _)| {
        let mut after = text[at + name.len()..].chars();
        let ends = match after.next() {
            Some('.') => !after.next().is_some_and(is_part),
            next => !next.is_some_and(is_part),
        };
        ends && !text[..at].ends_with(is_part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{ObjectStatus, PlainStatus, StatusCondition};
    use crate::resources::Kind;

    fn object(kind: Kind, name: &str) -> ObjectRef {
        ObjectRef::new(kind, "ns", name)
    }

    fn problem(line: usize, object: ObjectRef, message: &str) -> ReportProblem {
        ReportProblem {
            file: "a.yaml".into(),
            line,
            object: Some(object),
            field: String::new(),
            message: message.to_owned(),
        }
    }

    fn told(problems: Vec<ReportProblem>, unread: &[ObjectRef]) -> Vec<String> {
        let report = Report {
            problems,
            ..Report::default()
        };
        let findings = report.findings(&[], &unread.iter().cloned().collect());
        let errors = findings.errors.iter();
        errors.map(ToString::to_string).collect()
    }

    #[test]
    fn what_follows_from_another_fault_is_not_told() {
        let policy = object(Kind::EgressPolicy, "p");
        let gateway = object(Kind::Gateway, "gw");
        let route = object(Kind::HttpRoute, "r");
        let backend = object(Kind::Backend, "b");
        let own = problem(9, policy.clone(), "not a port");
        let follows = problem(
            1,
            gateway.clone(),
            "every request is refused, because of EgressPolicy ns/p: not a port",
        );
        let other = problem(2, gateway.clone(), "no such thing as EgressPolicy ns/p-2");
        let expected = [other.to_string(), own.to_string()];
        assert_eq!(
            told(vec![own.clone(), follows.clone(), other], &[]),
            expected
        );
        // Alone it is told.
        assert_eq!(told(vec![follows.clone()], &[]), [follows.to_string()]);

        let missing = problem(
            3,
            route.clone(),
            "Backend ns/b not found; did you mean Backend ns/c?",
        );
        assert_eq!(told(vec![missing.clone()], &[backend]), [""; 0]);
        let suggested = [object(Kind::Backend, "c")];
        assert_eq!(
            told(vec![missing.clone()], &suggested),
            [missing.to_string()]
        );

        // What is wrong with the rest of an object that could not be read is not told.
        let of_file = problem(3, route.clone(), "unknown field");
        let report = Report {
            problems: vec![problem(3, route.clone(), "at least one rule is needed")],
            ..Report::default()
        };
        let unread = BTreeSet::from([route.clone()]);
        let findings = report.findings(std::slice::from_ref(&of_file), &unread);
        assert_eq!(findings.errors, [of_file]);

        // Two that name each other have no cause, and both are told.
        let one = problem(1, gateway, "see HTTPRoute ns/r.");
        let two = problem(2, route, "see Gateway ns/gw");
        let expected = [one.to_string(), two.to_string()];
        assert_eq!(told(vec![two, one], &[]), expected);
    }

    #[test]
    fn a_bad_condition_without_a_problem_is_told() {
        let condition =
            |status| StatusCondition::new("Programmed", status, "Invalid", "No listener");
        let report = |name, status| ObjectReport {
            object: object(Kind::Gateway, name),
            file: "a.yaml".into(),
            line: 4,
            status: ObjectStatus::Plain(PlainStatus {
                conditions: vec![condition(status)],
            }),
        };
        let report = Report {
            objects: vec![report("bad", false), report("good", true)],
            ..Report::default()
        };
        let errors = report.findings(&[], &BTreeSet::new()).errors;
        assert_eq!(errors.len(), 1);
        assert_eq!(
            errors[0].to_string(),
            "a.yaml:4: Gateway ns/bad: No listener"
        );
    }
}
