//! Whether a change takes away what a policy protects.
//!
//! A policy protects its targets. If it is bound to them no more, because a target does not exist or because there is none,
//! its author has most likely made a mistake, and the targets would be open. Whoever deletes the policy, or names other
//! targets that exist, says what is meant.

use crate::compile::{CompileReview, FaultCause, PolicyBinding, PolicyTarget};
use crate::report::ReportProblem;
use crate::resources::{Kind, ObjectRef, Resources};

const LOST: &str = "the change is refused as a whole, because without this target the policy would protect nothing there";
const WEAKENED: &str = "without this target the policy would protect nothing there";
const NEW: &str = "the change is refused as a whole, because the new policy would protect nothing";
const WRONG: &str =
    "the change is refused as a whole, because there is no good version of the policy yet";

/// The problems for which a change to these objects must be refused.
pub(super) fn lost(
    before: &CompileReview,
    after: &CompileReview,
    objects: &Resources,
) -> Vec<ReportProblem> {
    let bindings = after.bindings.iter();
    let unbound = bindings.flat_map(|(policy, binding)| match before.bindings.get(policy) {
        Some(old) => of_known(old, binding, objects, LOST),
        None => of_new(binding),
    });
    let mut problems: Vec<ReportProblem> = unbound.collect();
    problems.extend(wrong_from_the_start(before, after));
    problems
}

/// The policies that lose a target by a change to these objects, each with the problem for which its version before is to
/// stay.
pub(super) fn weakened(
    before: &CompileReview,
    after: &CompileReview,
    objects: &Resources,
) -> Vec<(ObjectRef, ReportProblem)> {
    let bindings = after.bindings.iter();
    let weakened = bindings.filter_map(|(policy, binding)| {
        let old = before.bindings.get(policy)?;
        let problem = of_known(old, binding, objects, WEAKENED)
            .into_iter()
            .next()?;
        Some((policy.clone(), problem))
    });
    weakened.collect()
}

/// The problems of a policy that was there before.
fn of_known(
    old: &PolicyBinding,
    new: &PolicyBinding,
    objects: &Resources,
    why: &str,
) -> Vec<ReportProblem> {
    let mut lost = old
        .bound
        .difference(&new.bound)
        // Another controller serves this target now, and is to protect it.
        .filter(|target| !new.foreign.contains(target))
        // A Service that is gone leaves nothing open: nothing is sent to it.
        .filter(|PolicyTarget { object, .. }| {
            object.kind != Kind::Service || objects.services.contains_key(object)
        });
    match lost.next() {
        Some(_) if !new.dangling.is_empty() => noted(&new.dangling, why),
        Some(target) if new.bound.is_empty() => {
            let mut problem = new.place.clone();
            problem.message = format!("no target is left, and {target} was one; {why}");
            vec![problem]
        }
        Some(_) | None => Vec::new(),
    }
}

/// The problems of a new policy, which may be an old one by another name.
fn of_new(new: &PolicyBinding) -> Vec<ReportProblem> {
    match new.bound.is_empty() && new.foreign.is_empty() {
        true => noted(&new.dangling, NEW),
        false => Vec::new(),
    }
}

/// The faults of new policies: there is no good version to serve, and their targets would refuse every request.
fn wrong_from_the_start<'a>(
    before: &'a CompileReview,
    after: &'a CompileReview,
) -> impl Iterator<Item = ReportProblem> + 'a {
    let is_new_policy = |object: &ObjectRef| {
        after.bindings.contains_key(object) && !before.bindings.contains_key(object)
    };
    let faults = after.faults.iter();
    let faults = faults
        .filter(move |fault| is_new_policy(&fault.object) && fault.cause != FaultCause::Reference);
    faults.map(|fault| note(&fault.problem, WRONG))
}

fn noted(problems: &[ReportProblem], why: &str) -> Vec<ReportProblem> {
    problems.iter().map(|problem| note(problem, why)).collect()
}

fn note(problem: &ReportProblem, why: &str) -> ReportProblem {
    let mut problem = problem.clone();
    problem.message = format!("{}; {why}", problem.message);
    problem
}
