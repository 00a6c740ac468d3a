//! What is in force, and what a change makes of it.
//!
//! A change is judged object by object. An object whose new version is wrong in itself stays in its last good version,
//! and so does a Secret or ConfigMap that is taken away from what refers to it; the report says so. References mean what
//! the Gateway API says: a Backend that is gone is gone. A change that would take away what a policy protects is refused
//! as a whole; in a cluster, where objects come one by one, the policy alone stays in its last good version.

use std::collections::{BTreeMap, BTreeSet};

use crate::compile::{
    CompileOptions, CompileReview, CompiledConfig, FaultCause, GatewayPlacement, ListenerName,
    ObjectFault, compile,
};
use crate::report::{HeldObject, ObjectReport, ReportProblem};
use crate::resources::{ObjectChange, ObjectRef, Resources};

mod protection;

/// The objects that are served, each in its last good version.
#[derive(Clone, Debug)]
pub struct InForce {
    /// The number of configurations that have been served, this one included.
    generation: u64,
    /// The objects as they were written last.
    written: Resources,
    /// The objects as they are served.
    served: Resources,
    review: CompileReview,
    held: BTreeMap<ObjectRef, HeldObject>,
}

/// A change that is served, all of it or in part.
#[derive(Clone, Debug)]
pub struct ConfigChange {
    /// What is in force from now on.
    pub in_force: InForce,
    /// The configuration to serve, and the report.
    pub compiled: CompiledConfig,
    /// Whether what is served is another generation. If not, nothing of the change is served, and only the report is new.
    pub is_new: bool,
    /// The objects that came, changed and went, as they are written.
    pub changes: Vec<ObjectChange>,
    /// The listeners that had an EgressPolicy, on them or on their Gateway, and have none any more.
    pub unprotected: Vec<ListenerName>,
}

/// A change that is refused as a whole, with the reasons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedChange(pub Vec<ReportProblem>);

/// The objects of a change, while those that cannot be served are replaced by their last good versions.
struct Settlement<'a> {
    before: &'a InForce,
    served: Resources,
    held: BTreeMap<ObjectRef, HeldObject>,
    /// The statuses of the objects with faults, as they are written.
    statuses: BTreeMap<ObjectRef, ObjectReport>,
    /// The faults for which objects are held.
    problems: Vec<ReportProblem>,
}

impl InForce {
    /// The first configuration. No object has a last good version: what is wrong refuses requests.
    #[must_use]
    pub fn start(written: Resources, options: &CompileOptions) -> (Self, CompiledConfig) {
        let compiled = compile(&written, options);
        let first = Self {
            generation: 1,
            served: written.clone(),
            written,
            review: compiled.review.clone(),
            held: BTreeMap::new(),
        };
        (first, compiled)
    }

    /// What becomes of a change to these objects.
    ///
    /// # Errors
    /// If the change would take away what a policy protects; never for Gateways that are apart.
    pub fn change(
        &self,
        written: Resources,
        options: &CompileOptions,
    ) -> Result<ConfigChange, RefusedChange> {
        let (settlement, mut compiled) = Settlement::of(self, written.clone(), options);
        let review = compiled.review.clone();
        if options.placement == GatewayPlacement::Shared {
            let refused = protection::lost(&self.review, &review, &settlement.served);
            if !refused.is_empty() {
                return Err(RefusedChange(refused));
            }
        }
        let changes = written.changes_since(&self.written);
        let is_changed = !settlement.served.changes_since(&self.served).is_empty();
        let is_new = is_changed || settlement.held.is_empty();
        let unprotected = self.unprotected(&review);
        let (served, held) = settlement.report(&mut compiled);
        let in_force = Self {
            generation: self.generation + u64::from(is_new),
            written,
            served,
            review,
            held,
        };
        Ok(ConfigChange {
            in_force,
            compiled,
            is_new,
            changes,
            unprotected,
        })
    }

    /// The objects as they are served.
    #[must_use]
    pub fn served(&self) -> &Resources {
        &self.served
    }

    /// The number of configurations that have been served.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    fn unprotected(&self, review: &CompileReview) -> Vec<ListenerName> {
        let had = self.review.listeners.iter();
        let had = had.filter(|(_, policies)| !policies.is_empty());
        let lost = had.filter(|(listener, _)| {
            let has = review.listeners.get(*listener);
            has.is_some_and(|policies| policies.is_empty())
        });
        lost.map(|(listener, _)| listener.clone()).collect()
    }

    /// Whether the object is served in a version without such a fault.
    fn is_good(&self, object: &ObjectRef, cause: impl Fn(&FaultCause) -> bool) -> bool {
        let mut faults = self.review.faults.iter();
        !faults.any(|fault| fault.object == *object && cause(&fault.cause))
    }
}

impl<'a> Settlement<'a> {
    /// Replaces objects by their last good versions until none is left that could be.
    fn of(
        before: &'a InForce,
        written: Resources,
        options: &CompileOptions,
    ) -> (Self, CompiledConfig) {
        let mut settlement = Self {
            before,
            served: written,
            held: BTreeMap::new(),
            statuses: BTreeMap::new(),
            problems: Vec::new(),
        };
        loop {
            let compiled = compile(&settlement.served, options);
            // Each round restores an object, which no later round does again.
            let is_changed = settlement.hold_all(&compiled)
                || options.placement == GatewayPlacement::Apart
                    && settlement.hold_weakened(&compiled);
            if !is_changed {
                return (settlement, compiled);
            }
        }
    }

    /// Holds what can be held of the objects with faults. Returns whether there was any.
    fn hold_all(&mut self, compiled: &CompiledConfig) -> bool {
        let mut restored = BTreeSet::new();
        for fault in &compiled.review.faults {
            let held = self.hold(fault, &mut restored);
            if held.is_empty() {
                continue;
            }
            self.tell(&fault.object, &fault.problem, &held, compiled);
        }
        !restored.is_empty()
    }

    /// Holds the policies that would lose a target without another in its place. Returns whether there was any.
    fn hold_weakened(&mut self, compiled: &CompiledConfig) -> bool {
        let mut restored = BTreeSet::new();
        for (policy, problem) in
            protection::weakened(&self.before.review, &compiled.review, &self.served)
        {
            if let Some(held) = self.restore(&policy, &problem, &mut restored) {
                self.tell(&policy, &problem, &[held], compiled);
            }
        }
        !restored.is_empty()
    }

    /// Remembers why objects are held, for the report.
    fn tell(
        &mut self,
        object: &ObjectRef,
        problem: &ReportProblem,
        held: &[HeldObject],
        compiled: &CompiledConfig,
    ) {
        let note = in_service(held);
        let mut problem = problem.clone();
        problem.message = format!("{}; {note}", problem.message);
        self.problems.push(problem);
        let mut statuses = compiled.report.objects.iter();
        if let Some(status) = statuses.find(|status| status.object == *object) {
            let status = status.clone().with_note(&note);
            let known = self.statuses.entry(object.clone());
            known.or_insert(status);
        }
    }

    /// The objects that are held for a fault. If what an object refers to has changed, the fault is there, else in the
    /// object itself.
    fn hold(
        &mut self,
        ObjectFault {
            object,
            cause,
            problem,
        }: &ObjectFault,
        restored: &mut BTreeSet<ObjectRef>,
    ) -> Vec<HeldObject> {
        let before = self.before;
        let referents = match cause {
            FaultCause::Object | FaultCause::Reference => Vec::new(),
            FaultCause::Content(referent) | FaultCause::Absent(referent) => vec![referent.clone()],
            FaultCause::Contents(files) => files.to_vec(),
            FaultCause::NoneSelected {
                namespace,
                selector,
            } => before.served.selected_secrets(namespace, selector),
        };
        let mut held = Vec::new();
        if before.is_good(object, |other| other == cause) {
            let referents = referents.iter();
            held.extend(referents.filter_map(|object| self.restore(object, problem, restored)));
        }
        // A version that lacks a Secret is not wrong in itself, but no better than another that lacks one.
        let is_wrong = |other: &FaultCause| *cause != FaultCause::Object || other == cause;
        if held.is_empty() && before.is_good(object, is_wrong) {
            held.extend(self.restore(object, problem, restored));
        }
        held
    }

    /// Takes the last good version of an object, unless it is served already.
    fn restore(
        &mut self,
        object: &ObjectRef,
        problem: &ReportProblem,
        restored: &mut BTreeSet<ObjectRef>,
    ) -> Option<HeldObject> {
        if self.served.restore(object, &self.before.served) {
            restored.insert(object.clone());
            let before = self.before.held.get(object);
            let held = HeldObject {
                object: object.clone(),
                generation: before.map_or(self.before.generation, |held| held.generation),
                reason: problem.to_string(),
            };
            self.held.insert(object.clone(), held);
        }
        // Another fault of this round may be the same object's.
        let held = self.held.get(object);
        held.filter(|_| restored.contains(object)).cloned()
    }

    /// Completes the report by what is not served as it is written.
    fn report(self, compiled: &mut CompiledConfig) -> (Resources, BTreeMap<ObjectRef, HeldObject>) {
        let Self {
            before: _,
            served,
            held,
            statuses,
            problems,
        } = self;
        let report = &mut compiled.report;
        for object in &mut report.objects {
            if let Some(status) = statuses.get(&object.object) {
                object.clone_from(status);
            }
        }
        report.problems.extend(problems);
        report.held = held.values().cloned().collect();
        (served, held)
    }
}

/// The note of what is served in place of what is written.
fn in_service(held: &[HeldObject]) -> String {
    let held: Vec<String> = held.iter().map(ToString::to_string).collect();
    format!("still served: {}", held.join(", "))
}

#[cfg(test)]
mod tests;
