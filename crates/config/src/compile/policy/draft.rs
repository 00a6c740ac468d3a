//! A policy while it is compiled: its targets, its faults, and the outcome at each target.

use std::collections::BTreeSet;

use egret_api::target::{TargetRef, TargetSelector};
use kube::core::ObjectMeta;

use super::CompiledPolicies;
use crate::compile::ancestor::AncestorConditions;
use crate::compile::annotation;
use crate::compile::log::{FieldFault, ReportLog, join};
use crate::compile::missing;
use crate::compile::review::PolicyBinding;
use crate::compile::target::{PolicyTarget, TargetKinds, TargetLookup, TargetPresence};
use crate::report::{ReportProblem, StatusCondition};
use crate::resources::{GATEWAY_TRIAL_GROUP, Kind, LocatedObject, ObjectRef, SourceLocation};

/// A policy while it is compiled, with its targets and its faults.
pub(super) struct PolicyDraft<'a> {
    pub(super) policy: &'a ObjectRef,
    pub(super) source: &'a SourceLocation,
    pub(super) targets: Vec<PolicyTarget>,
    pub(super) faults: Vec<FieldFault>,
    /// The routes that name the policy by a filter, and so need no target of it.
    pub(super) named_by: BTreeSet<ObjectRef>,
    kinds: TargetKinds,
    /// Whether a target is of a kind that is not supported yet, so that no other object was meant.
    has_planned: bool,
    /// Selectors that match nothing.
    unmatched: Vec<FieldFault>,
    /// Selectors that match no Service. Nothing is sent to a Service that does not exist.
    unmatched_services: Vec<FieldFault>,
}

/// The outcome of a policy at one of its targets.
pub(super) enum TargetOutcome {
    Attached,
    /// Older policies decide these fields; the policy decides the others.
    Merged(Vec<FieldFault>),
    Overridden(ObjectRef),
}

impl<'a> PolicyDraft<'a> {
    /// Resolves the targets; a target of a kind that is not allowed is a fault.
    pub(super) fn new<T: kube::Resource>(
        policy: &'a ObjectRef,
        object: &'a LocatedObject<T>,
        refs: &[TargetRef],
        kinds: TargetKinds,
    ) -> Self {
        Self::with_metadata(policy, &object.source, object.value.meta(), refs, kinds)
    }

    pub(super) fn with_metadata(
        policy: &'a ObjectRef,
        source: &'a SourceLocation,
        metadata: &ObjectMeta,
        refs: &[TargetRef],
        kinds: TargetKinds,
    ) -> Self {
        let mut draft = Self {
            policy,
            source,
            targets: Vec::new(),
            faults: annotation::faults(policy.kind, metadata),
            named_by: BTreeSet::new(),
            kinds,
            has_planned: false,
            unmatched: Vec::new(),
            unmatched_services: Vec::new(),
        };
        for (index, target) in refs.iter().enumerate() {
            let field = format!("spec.targetRefs[{index}]");
            match TargetLookup::resolve(&policy.namespace, target, &field, kinds) {
                Ok(target) => draft.add(target, &field),
                Err(fault) => {
                    draft.has_planned |= kinds.is_planned(&target.group, &target.kind);
                    draft.faults.push(fault);
                }
            }
        }
        draft
    }

    /// Adds the targets that selectors match; a kind that is not allowed is a fault.
    pub(super) fn select(
        &mut self,
        targets: TargetLookup<'_>,
        selectors: &[TargetSelector],
        kinds: TargetKinds,
    ) {
        for (index, selector) in selectors.iter().enumerate() {
            let field = format!("spec.targetSelectors[{index}]");
            let known = match kinds.find(&selector.group, &selector.kind, &field) {
                Ok(known) => known,
                Err(fault) => {
                    self.has_planned |= kinds.is_planned(&selector.group, &selector.kind);
                    self.faults.push(fault);
                    continue;
                }
            };
            let selected = targets.select(&self.policy.namespace, selector);
            if selected.is_empty() {
                let TargetSelector {
                    kind, match_labels, ..
                } = selector;
                let labels = match_labels.iter();
                let labels: Vec<_> = labels
                    .map(|(key, value)| format!("{key}={value}"))
                    .collect();
                let message = format!(
                    "no {kind} of the namespace {} has the labels {}",
                    self.policy.namespace,
                    labels.join(", ")
                );
                let fault = FieldFault::reference(&field, message);
                match known {
                    Kind::Service => self.unmatched_services.push(fault),
                    _ => self.unmatched.push(fault),
                }
            }
            for target in selected {
                self.add(target, &field);
            }
        }
    }

    fn add(&mut self, mut target: PolicyTarget, field: &str) {
        let no_sections = match target.object.kind {
            Kind::Backend => Some("a Backend has no sections"),
            Kind::Service if self.policy.kind == Kind::BackendConfigPolicy => {
                Some("a BackendConfigPolicy is for all ports of a Service")
            }
            _ => None,
        };
        if let Some(message) = no_sections
            && target.section.take().is_some()
        {
            let field = format!("{field}.sectionName");
            let fault = FieldFault::new(field, message);
            if !self.faults.contains(&fault) {
                self.faults.push(fault);
            }
        }
        // Several references may name the same target.
        if !self.targets.contains(&target) {
            self.targets.push(target);
        }
    }

    /// Adds a fault if the policy has no target: a policy that applies to nothing is a mistake.
    pub(super) fn require_target(&mut self) {
        if self.targets.is_empty() && self.faults.is_empty() {
            self.faults.push(FieldFault::new(
                "spec.targetRefs",
                "at least one target is needed",
            ));
        }
    }

    /// Attaches the policy to each target with `attach`, or makes the target refuse all requests if the policy is not
    /// valid. Reports the status.
    pub(super) fn finish(
        self,
        targets: TargetLookup<'_>,
        policies: &mut CompiledPolicies,
        log: &mut ReportLog,
        mut attach: impl FnMut(&mut CompiledPolicies, &PolicyTarget) -> TargetOutcome,
    ) {
        log.problems(self.policy, self.source, &self.faults);
        self.bind(targets, policies, log);
        let mut status = AncestorConditions::default();
        for target in &self.targets {
            let presence = targets.presence(target);
            let conditions = match presence {
                TargetPresence::Foreign => {
                    let fault = FieldFault::new(
                        "spec.targetRefs",
                        format!("{} is not served by Egret", target.object),
                    );
                    log.warn(self.policy, self.source, &fault);
                    continue;
                }
                TargetPresence::Missing => {
                    let message = missing::message(targets.resources, &target.object);
                    self.not_found(message, log)
                }
                TargetPresence::SectionMissing => {
                    let sections = targets.sections(&target.object);
                    self.section_not_found(target, &sections, policies, log)
                }
                TargetPresence::Served if self.faults.is_empty() => {
                    match attach(policies, target) {
                        TargetOutcome::Attached => attached("Attached", "Attached to all targets"),
                        TargetOutcome::Merged(overridden) => {
                            for fault in &overridden {
                                log.warn(self.policy, self.source, fault);
                            }
                            let message = "Merged with other policies in target(s) and attached";
                            attached("Merged", message)
                        }
                        TargetOutcome::Overridden(by) => {
                            self.overridden(target, &by, policies, log)
                        }
                    }
                }
                TargetPresence::Served => {
                    let message = join(&self.faults);
                    policies.refuse(target, self.policy, &message);
                    not_attached("Invalid", message)
                }
            };
            let conditions = self.told(conditions);
            if presence == TargetPresence::Missing {
                // It has no Gateway, and the author of the policy has to be told.
                status.add(&target.object, &conditions);
            }
            for ancestor in policies.route_gateways.of(&target.object) {
                status.add(ancestor, &conditions);
            }
        }
        for route in &self.named_by {
            let conditions = match self.faults.as_slice() {
                [] => attached("Attached", "Attached to all targets"),
                faults => not_attached("Invalid", join(faults)),
            };
            for ancestor in policies.route_gateways.of(route) {
                status.add(ancestor, &conditions);
            }
        }
        log.object(self.policy, self.source, status.into_status());
    }

    /// The conditions as the kind of the policy has them: those of the Gateway API have one for both (GEP-713).
    fn told(&self, conditions: Vec<StatusCondition>) -> Vec<StatusCondition> {
        if self.policy.kind.group() != GATEWAY_TRIAL_GROUP {
            return conditions;
        }
        let accepted = |reason, message: String| {
            let is_accepted = reason == "Accepted";
            StatusCondition::new("Accepted", is_accepted, reason, message)
        };
        let mut refused = conditions.into_iter().filter(|condition| !condition.status);
        vec![match refused.next() {
            None => accepted("Accepted", "Policy accepted".to_owned()),
            Some(refused) if refused.reason == "Overridden" => {
                accepted("Conflicted", refused.message)
            }
            Some(refused) => accepted(refused.reason, refused.message),
        }]
    }

    /// Records what the policy is bound to. If that is nothing, what the policy may have meant refuses all requests:
    /// without the policy it would be open.
    pub(super) fn bind(
        &self,
        targets: TargetLookup<'_>,
        policies: &mut CompiledPolicies,
        log: &mut ReportLog,
    ) {
        let mut binding = PolicyBinding {
            place: ReportProblem::new(self.policy, self.source, "spec.targetRefs", ""),
            bound: BTreeSet::new(),
            foreign: BTreeSet::new(),
            dangling: Vec::new(),
        };
        let mut is_meant_elsewhere =
            self.has_planned || !self.unmatched_services.is_empty() || !self.named_by.is_empty();
        let mut dangling = self.unmatched.clone();
        for target in &self.targets {
            match targets.presence(target) {
                TargetPresence::Served => _ = binding.bound.insert(target.clone()),
                TargetPresence::Foreign => _ = binding.foreign.insert(target.clone()),
                // Nothing is sent to a Service that does not exist, so that nothing is open without the policy.
                TargetPresence::Missing if target.object.kind == Kind::Service => {
                    is_meant_elsewhere = true;
                }
                presence @ (TargetPresence::Missing | TargetPresence::SectionMissing) => {
                    // Of an object without the section all is refused, and nothing else was meant.
                    is_meant_elsewhere |= presence == TargetPresence::SectionMissing;
                    let message = match presence {
                        TargetPresence::Missing if target.section.is_none() => {
                            missing::message(targets.resources, &target.object)
                        }
                        _ => format!("{target} not found"),
                    };
                    dangling.push(FieldFault::reference("spec.targetRefs", message));
                }
            }
        }
        let unmatched = self.unmatched.iter().chain(&self.unmatched_services);
        log.problems(self.policy, self.source, unmatched);
        let is_bound = !binding.bound.is_empty() || !binding.foreign.is_empty();
        let wrong: Vec<_> = dangling.iter().chain(&self.faults).collect();
        if !is_bound && !is_meant_elsewhere && !wrong.is_empty() {
            let wrong = missing::without_suggestion(&join(wrong));
            let message = format!("bound to nothing: {wrong}");
            let meant = targets.possible(&self.policy.namespace, self.kinds);
            for target in &meant {
                policies.refuse(target, self.policy, &message);
            }
            log.problems(self.policy, self.source, refusal_of(&meant).as_ref());
        }
        let problem = |fault: &FieldFault| {
            ReportProblem::new(self.policy, self.source, &fault.field, &fault.message)
        };
        binding.dangling = dangling.iter().map(problem).collect();
        log.binding(self.policy, binding);
    }

    /// Makes the whole object refuse all requests: it is not known which section was meant. Clients are not told which
    /// there are.
    fn section_not_found(
        &self,
        target: &PolicyTarget,
        sections: &[&str],
        policies: &mut CompiledPolicies,
        log: &mut ReportLog,
    ) -> Vec<StatusCondition> {
        let object = &target.object;
        let section = target.section.as_deref().unwrap_or_default();
        let message = format!("{object} has no section {section}; all of it is refused");
        policies.refuse(&PolicyTarget::new(object, None), self.policy, &message);
        let there = match sections {
            [] => "none has a name".to_owned(),
            sections => format!("there are {}", sections.join(", ")),
        };
        self.not_found(format!("{message}; {there}"), log)
    }

    fn not_found(&self, message: String, log: &mut ReportLog) -> Vec<StatusCondition> {
        let fault = FieldFault::reference("spec.targetRefs", message.clone());
        log.problems(self.policy, self.source, [&fault]);
        let reason = if self.faults.is_empty() {
            "TargetNotFound"
        } else {
            "Invalid"
        };
        not_attached(reason, message)
    }

    fn overridden(
        &self,
        target: &PolicyTarget,
        by: &ObjectRef,
        policies: &CompiledPolicies,
        log: &mut ReportLog,
    ) -> Vec<StatusCondition> {
        let is_heavier = policies.is_heavier(by, self.policy);
        let why = policies.why_first(by, self.policy);
        let message = format!("overridden at {} by the {why} {by}", target.object);
        let fault = FieldFault::reference("spec.targetRefs", message);
        // Weights are written to decide this.
        if is_heavier {
            log.warn(self.policy, self.source, &fault);
        } else {
            log.problems(self.policy, self.source, [&fault]);
        }
        let message = "Overridden due to conflict with higher priority policy in target(s)";
        vec![
            StatusCondition::new("Accepted", true, "Valid", "Policy accepted"),
            StatusCondition {
                is_intended: is_heavier,
                ..StatusCondition::new("Attached", false, "Overridden", message)
            },
        ]
    }
}

/// The problem that objects refuse every request because a policy may have meant them.
fn refusal_of(meant: &[PolicyTarget]) -> Option<FieldFault> {
    let meant: Vec<String> = meant.iter().map(ToString::to_string).collect();
    let message = format!(
        "the policy is bound to nothing, so that what it may have meant refuses every request: {}",
        meant.join(", ")
    );
    (!meant.is_empty()).then(|| FieldFault::reference("spec.targetRefs", message))
}

fn attached(reason: &'static str, message: &str) -> Vec<StatusCondition> {
    vec![
        StatusCondition::new("Accepted", true, "Valid", "Policy accepted"),
        StatusCondition::new("Attached", true, reason, message),
    ]
}

fn not_attached(reason: &'static str, message: String) -> Vec<StatusCondition> {
    vec![
        StatusCondition::new("Accepted", false, reason, message),
        StatusCondition::new(
            "Attached",
            false,
            "Pending",
            "Not attached, because it is not accepted",
        ),
    ]
}
