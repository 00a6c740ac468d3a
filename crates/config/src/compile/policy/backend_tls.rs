//! BackendTLSPolicy (GEP-1897) to [`UpstreamTls`]: how TLS is spoken to a static Backend, and who it has to be.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Draft, Policies};
use crate::api::gateway::{BackendTlsPolicySpec, BackendTlsPolicyTargetRef};
use crate::api::target::TargetRef;
use crate::compile::log::{Fault, Log, join};
use crate::compile::target::{Presence, Target, TargetKinds, Targets};
use crate::report::{AncestorStatus, Condition, PolicyStatus, Status};
use crate::resources::{Kind, ObjectRef, Resources, oldest_first};
use crate::snapshot::{BackendSettings, UpstreamTls};

mod validation;

use validation::Validation;

const TARGETS: TargetKinds = TargetKinds {
    now: &[Kind::Backend],
    later: &[("", "Service")],
};

/// The oldest policy on a Backend, which alone decides.
#[derive(Debug)]
pub(super) struct Claim {
    pub(super) policy: ObjectRef,
    /// `None` if something is wrong with it; the Backend is refused then.
    pub(super) tls: Option<Arc<UpstreamTls>>,
}

/// What became of a policy at its targets.
#[derive(Debug)]
pub(super) struct Verdict {
    policy: ObjectRef,
    /// By Backend.
    targets: Vec<(ObjectRef, Vec<Condition>)>,
}

/// Why a policy does not decide at a target.
struct NotAccepted {
    reason: &'static str,
    message: String,
    /// Whether it is for the target alone, and not told yet.
    is_of_target: bool,
}

impl NotAccepted {
    fn at(reason: &'static str, message: String) -> Self {
        Self {
            reason,
            message,
            is_of_target: true,
        }
    }

    fn everywhere(reason: &'static str, message: String) -> Self {
        Self {
            is_of_target: false,
            ..Self::at(reason, message)
        }
    }
}

pub(super) fn compile(targets: Targets<'_>, policies: &mut Policies, log: &mut Log) {
    for (reference, object) in oldest_first(&targets.resources.backend_tls_policies) {
        let BackendTlsPolicySpec {
            options,
            target_refs,
            validation,
        } = &object.value.spec;
        let refs: Vec<TargetRef> = target_refs.iter().map(Into::into).collect();
        let mut draft = Draft::new(reference, &object.source, &refs, TARGETS);
        draft.needs_a_target();
        for name in options.iter().flatten().map(|(name, _)| name) {
            let fault = Fault::unsupported(format!("spec.options[{name}]"));
            draft.faults.push(fault);
        }
        let validation =
            Validation::read(validation, targets.resources, reference, &mut draft.faults);
        let unresolved = validation.unresolved.iter().map(|(_, fault)| fault);
        log.problems(
            reference,
            &object.source,
            draft.faults.iter().chain(unresolved),
        );
        let mut verdict = Verdict {
            policy: reference.clone(),
            targets: Vec::new(),
        };
        for target in &draft.targets {
            let accepted = accept(&draft, &validation, target, targets, policies);
            if let Err(wrong) = accepted.as_ref()
                && wrong.is_of_target
            {
                let fault = Fault::new("spec.targetRefs", wrong.message.as_str());
                log.problems(reference, &object.source, [&fault]);
            }
            let conditions = vec![condition(accepted), validation.resolved_refs()];
            verdict.targets.push((target.object.clone(), conditions));
        }
        policies.backend_tls_verdicts.push(verdict);
    }
}

/// Lets the policy decide at a target, or says why not. A target whose policy is wrong is refused.
fn accept(
    draft: &Draft<'_>,
    validation: &Validation,
    target: &Target,
    targets: Targets<'_>,
    policies: &mut Policies,
) -> Result<(), NotAccepted> {
    let backend = &target.object;
    if targets.presence(target) != Presence::Ours {
        let message = format!("{backend} not found");
        return Err(NotAccepted::at("TargetNotFound", message));
    }
    if let Some(Claim { policy, .. }) = policies.backend_tls.get(backend) {
        let message = format!("overridden at {backend} by the older {policy}");
        return Err(NotAccepted::at("Conflicted", message));
    }
    let outcome = usable(draft, validation, backend, targets.resources);
    policies.backend_tls.insert(
        backend.clone(),
        Claim {
            policy: draft.policy.clone(),
            tls: outcome.as_ref().ok().cloned(),
        },
    );
    match outcome {
        Ok(tls) => {
            let settings = BackendSettings {
                policy: Some(draft.policy.clone()),
                tls: Some(tls),
                ..BackendSettings::default()
            };
            policies.backend.insert(backend.clone(), Arc::new(settings));
            Ok(())
        }
        Err(wrong) => {
            policies.refuse(target, draft.policy, &wrong.message);
            Err(wrong)
        }
    }
}

fn usable(
    draft: &Draft<'_>,
    validation: &Validation,
    backend: &ObjectRef,
    resources: &Resources,
) -> Result<Arc<UpstreamTls>, NotAccepted> {
    if !draft.faults.is_empty() {
        return Err(NotAccepted::everywhere("Invalid", join(&draft.faults)));
    }
    let object = resources.backends.get(backend);
    if object.is_some_and(|object| object.value.spec.dynamic_forward_proxy.is_some()) {
        let message = format!(
            "{backend} is a DynamicForwardProxy, whose clients choose the host: one hostname does not fit it; use its \
             enableTls, and tls of a BackendConfigPolicy"
        );
        return Err(NotAccepted::at("Invalid", message));
    }
    validation.tls.clone().ok_or_else(|| {
        let faults = validation.unresolved.iter().map(|(_, fault)| fault);
        NotAccepted::everywhere("NoValidCACertificate", join(faults))
    })
}

fn condition(accepted: Result<(), NotAccepted>) -> Condition {
    match accepted {
        Ok(()) => Condition::new("Accepted", true, "Accepted", "Policy accepted"),
        Err(wrong) => Condition::new("Accepted", false, wrong.reason, wrong.message),
    }
}

/// Reports, once it is known which Gateways lead to which Backends: a status has one entry for each of them, and what is
/// wrong at any of its Backends goes before what is fine. A Backend that nobody leads to stands for itself.
pub(super) fn report(
    verdicts: &[Verdict],
    resources: &Resources,
    uses: &BTreeMap<ObjectRef, BTreeSet<ObjectRef>>,
    log: &mut Log,
) {
    for Verdict { policy, targets } in verdicts {
        let Some(object) = resources.backend_tls_policies.get(policy) else {
            continue;
        };
        let mut ancestors: BTreeMap<&ObjectRef, &Vec<Condition>> = BTreeMap::new();
        for (backend, conditions) in targets {
            let users = uses.get(backend).into_iter().flatten();
            let itself = (!uses.contains_key(backend)).then_some(backend);
            for ancestor in users.chain(itself) {
                let known = ancestors.entry(ancestor).or_insert(conditions);
                if known.iter().all(Condition::is_fine) {
                    *known = conditions;
                }
            }
        }
        let ancestor = |(ancestor, conditions): (&ObjectRef, &Vec<Condition>)| AncestorStatus {
            ancestor_ref: Target::new(ancestor, None).reference(),
            conditions: conditions.clone(),
        };
        let ancestors = ancestors.into_iter().map(ancestor).collect();
        let status = Status::Policy(PolicyStatus { ancestors });
        log.object(policy, &object.source, status);
    }
}

impl From<&BackendTlsPolicyTargetRef> for TargetRef {
    fn from(target: &BackendTlsPolicyTargetRef) -> Self {
        let BackendTlsPolicyTargetRef {
            group,
            kind,
            name,
            section_name,
        } = target.clone();
        Self {
            group,
            kind,
            name,
            section_name,
        }
    }
}
