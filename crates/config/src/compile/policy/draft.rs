//! One policy on its way: what it targets, what is wrong with it, and what becomes of it at each target.

use super::Policies;
use crate::api::target::{TargetRef, TargetSelector};
use crate::compile::log::{Fault, Log, join};
use crate::compile::target::{Presence, Target, TargetKinds, Targets};
use crate::report::{AncestorStatus, Condition, PolicyStatus, Status};
use crate::resources::{Kind, ObjectRef, Source};

/// One policy while it is compiled: its targets, and what is wrong with it.
pub(super) struct Draft<'a> {
    pub(super) policy: &'a ObjectRef,
    pub(super) source: &'a Source,
    pub(super) targets: Vec<Target>,
    pub(super) faults: Vec<Fault>,
}

/// What became of a policy at one of its targets.
pub(super) enum Outcome {
    Attached,
    /// Beside older ones, which decide some of it: these fields.
    Merged(Vec<Fault>),
    Overridden(ObjectRef),
}

impl<'a> Draft<'a> {
    /// Starts with the targets; a target of another kind than those allowed is a fault.
    pub(super) fn new(
        policy: &'a ObjectRef,
        source: &'a Source,
        refs: &[TargetRef],
        kinds: TargetKinds,
    ) -> Self {
        let mut draft = Self {
            policy,
            source,
            targets: Vec::new(),
            faults: Vec::new(),
        };
        for (index, target) in refs.iter().enumerate() {
            let field = format!("spec.targetRefs[{index}]");
            match Targets::resolve(&policy.namespace, target, &field, kinds) {
                Ok(target) => draft.add(target, &field),
                Err(fault) => draft.faults.push(fault),
            }
        }
        draft
    }

    /// Adds what selectors mean, under the same rules.
    pub(super) fn select(
        &mut self,
        targets: Targets<'_>,
        selectors: &[TargetSelector],
        kinds: TargetKinds,
    ) {
        for (index, selector) in selectors.iter().enumerate() {
            let field = format!("spec.targetSelectors[{index}]");
            if let Err(fault) = kinds.find(&selector.group, &selector.kind, &field) {
                self.faults.push(fault);
                continue;
            }
            for target in targets.select(&self.policy.namespace, selector) {
                self.add(target, &field);
            }
        }
    }

    fn add(&mut self, mut target: Target, field: &str) {
        if target.object.kind == Kind::Backend && target.section.take().is_some() {
            let field = format!("{field}.sectionName");
            let fault = Fault::new(field, "a Backend has no sections");
            if !self.faults.contains(&fault) {
                self.faults.push(fault);
            }
        }
        // Meant by several of the references, it is one target still.
        if !self.targets.contains(&target) {
            self.targets.push(target);
        }
    }

    /// A policy that applies to nothing was not meant.
    pub(super) fn needs_a_target(&mut self) {
        if self.targets.is_empty() && self.faults.is_empty() {
            self.faults.push(Fault::new(
                "spec.targetRefs",
                "at least one target is needed",
            ));
        }
    }

    /// Attaches the policy to each target that is there, with `attach`, or refuses the target if the policy is wrong;
    /// and reports.
    pub(super) fn finish(
        self,
        targets: Targets<'_>,
        policies: &mut Policies,
        log: &mut Log,
        mut attach: impl FnMut(&mut Policies, &Target) -> Outcome,
    ) {
        log.problems(self.policy, self.source, &self.faults);
        let mut status = PolicyStatus::default();
        for target in &self.targets {
            let conditions = match targets.presence(target) {
                Presence::Foreign => {
                    let fault = Fault::new(
                        "spec.targetRefs",
                        format!("{} is not served by Egret", target.object),
                    );
                    log.warn(self.policy, self.source, &fault);
                    continue;
                }
                Presence::Missing => {
                    let message = format!("{} not found", target.object);
                    self.not_found(message, log)
                }
                Presence::NoSuchPart => self.no_such_part(target, policies, log),
                Presence::Ours if self.faults.is_empty() => match attach(policies, target) {
                    Outcome::Attached => attached("Attached", "Attached to all targets"),
                    Outcome::Merged(lost) => {
                        for fault in &lost {
                            log.warn(self.policy, self.source, fault);
                        }
                        let message = "Merged with other policies in target(s) and attached";
                        attached("Merged", message)
                    }
                    Outcome::Overridden(by) => self.overridden(target, &by, log),
                },
                Presence::Ours => {
                    let message = join(&self.faults);
                    policies.refuse(target, self.policy, &message);
                    not_attached("Invalid", message)
                }
            };
            let ancestor_ref = target.reference();
            status.ancestors.push(AncestorStatus {
                ancestor_ref,
                conditions,
            });
        }
        log.object(self.policy, self.source, Status::Policy(status));
    }

    /// Which part was meant is not known, so that it may be any: the whole object is refused.
    fn no_such_part(
        &self,
        target: &Target,
        policies: &mut Policies,
        log: &mut Log,
    ) -> Vec<Condition> {
        let object = &target.object;
        let section = target.section.as_deref().unwrap_or_default();
        let message = format!("{object} has no section {section}; all of it is refused");
        policies.refuse(&Target::new(object, None), self.policy, &message);
        self.not_found(message, log)
    }

    fn not_found(&self, message: String, log: &mut Log) -> Vec<Condition> {
        let fault = Fault::new("spec.targetRefs", message.clone());
        log.problems(self.policy, self.source, [&fault]);
        let reason = if self.faults.is_empty() {
            "TargetNotFound"
        } else {
            "Invalid"
        };
        not_attached(reason, message)
    }

    fn overridden(&self, target: &Target, by: &ObjectRef, log: &mut Log) -> Vec<Condition> {
        let message = format!("overridden at {} by the older {by}", target.object);
        log.problems(
            self.policy,
            self.source,
            [&Fault::new("spec.targetRefs", message)],
        );
        let message = "Overridden due to conflict with higher priority policy in target(s)";
        vec![
            Condition::new("Accepted", true, "Valid", "Policy accepted"),
            Condition::new("Attached", false, "Overridden", message),
        ]
    }
}

fn attached(reason: &'static str, message: &str) -> Vec<Condition> {
    vec![
        Condition::new("Accepted", true, "Valid", "Policy accepted"),
        Condition::new("Attached", true, reason, message),
    ]
}

fn not_attached(reason: &'static str, message: String) -> Vec<Condition> {
    vec![
        Condition::new("Accepted", false, reason, message),
        Condition::new(
            "Attached",
            false,
            "Pending",
            "Not attached, because it is not accepted",
        ),
    ]
}
