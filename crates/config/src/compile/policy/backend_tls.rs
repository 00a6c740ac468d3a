//! Compiles BackendTLSPolicies (GEP-1897) to [`UpstreamTls`]: TLS to Services and static Backends, and the identity that
//! they must have.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{CompiledPolicies, PolicyDraft};
use crate::compile::ancestor::AncestorConditions;
use crate::compile::log::{FieldFault, ReportLog, join};
use crate::compile::missing;
use crate::compile::target::{PolicyTarget, TargetKinds, TargetLookup, TargetPresence};
use crate::compile::tls_options::TlsOptions;
use crate::report::StatusCondition;
use crate::resources::{Kind, ObjectRef, Resources, oldest_first};
use crate::snapshot::{AlpnProtocol, BackendSettings, UpstreamTls};

mod validation;

use egret_api::gateway::BackendTlsPolicySpec;
use egret_api::target::TargetRef;
use validation::ServerValidation;

const TARGETS: TargetKinds = TargetKinds::only(&[Kind::Backend, Kind::Service]);

/// The oldest policy on a Backend, a Service or a port of a Service, which alone decides.
#[derive(Debug)]
pub(super) struct DecidingPolicy {
    pub(super) policy: ObjectRef,
    /// The TLS settings; `None` if the policy is not valid, and its target refuses all requests.
    pub(super) tls: Option<Arc<UpstreamTls>>,
}

/// The conditions of a policy at its targets.
#[derive(Debug)]
pub(super) struct PolicyVerdict {
    policy: ObjectRef,
    /// The conditions, by Backend or Service.
    targets: Vec<(ObjectRef, Vec<StatusCondition>)>,
}

/// The reason why a policy does not decide at a target.
struct NotAccepted {
    reason: &'static str,
    message: String,
    /// Whether the reason is only about this target, and has not been reported yet.
    needs_report: bool,
}

impl NotAccepted {
    fn for_target(reason: &'static str, message: String) -> Self {
        Self {
            reason,
            message,
            needs_report: true,
        }
    }

    fn for_policy(reason: &'static str, message: String) -> Self {
        Self {
            needs_report: false,
            ..Self::for_target(reason, message)
        }
    }
}

pub(super) fn compile(
    targets: TargetLookup<'_>,
    policies: &mut CompiledPolicies,
    log: &mut ReportLog,
) {
    for (reference, object) in oldest_first(&targets.resources.backend_tls_policies) {
        let BackendTlsPolicySpec {
            options,
            target_refs,
            validation,
        } = &object.value.spec;
        let refs: Vec<TargetRef> = target_refs.iter().map(Into::into).collect();
        let mut draft = PolicyDraft::new(reference, object, &refs, TARGETS);
        draft.require_target();
        let options = TlsOptions::read(options.as_ref(), &AlpnProtocol::BOTH, "spec.options");
        let mut options = options.for_servers("spec.options");
        draft.faults.append(&mut options.faults);
        for warning in &options.warnings {
            log.warn(reference, &object.source, warning);
        }
        let place = (targets.resources, reference);
        let validation = ServerValidation::read(validation, &options, place, &mut draft.faults);
        let unresolved = validation.unresolved.iter().map(|(_, fault)| fault);
        log.problems(
            reference,
            &object.source,
            draft.faults.iter().chain(unresolved),
        );
        draft.bind(targets, policies, log);
        let mut verdict = PolicyVerdict {
            policy: reference.clone(),
            targets: Vec::new(),
        };
        for target in &draft.targets {
            let accepted = attach(&draft, &validation, target, targets, policies);
            if let Err(wrong) = accepted.as_ref()
                && wrong.needs_report
            {
                let fault = FieldFault::reference("spec.targetRefs", wrong.message.as_str());
                log.problems(reference, &object.source, [&fault]);
            }
            let conditions = vec![condition(accepted), validation.resolved_refs()];
            verdict.targets.push((target.object.clone(), conditions));
        }
        policies.backend_tls_verdicts.push(verdict);
    }
}

/// Lets the policy decide at a target, or returns the reason why it does not. If the policy is not valid, the target
/// refuses all requests.
fn attach(
    draft: &PolicyDraft<'_>,
    validation: &ServerValidation,
    target: &PolicyTarget,
    targets: TargetLookup<'_>,
    policies: &mut CompiledPolicies,
) -> Result<(), NotAccepted> {
    let backend = &target.object;
    match targets.presence(target) {
        TargetPresence::Served => {}
        TargetPresence::SectionMissing => {
            // It is not known which port was meant, and without TLS all of them would be open to whoever listens.
            let message = format!("{target} not found; all of {backend} is refused");
            policies.refuse(&PolicyTarget::new(backend, None), draft.policy, &message);
            return Err(NotAccepted::for_target("TargetNotFound", message));
        }
        TargetPresence::Foreign | TargetPresence::Missing => {
            let message = missing::message(targets.resources, backend);
            return Err(NotAccepted::for_target("TargetNotFound", message));
        }
    }
    if let Some(DecidingPolicy { policy, .. }) = policies.backend_tls.get(target) {
        let message = format!("overridden at {target} by the older {policy}");
        return Err(NotAccepted::for_target("Conflicted", message));
    }
    let outcome = effective_tls(draft, validation, backend, targets.resources);
    policies.backend_tls.insert(
        target.clone(),
        DecidingPolicy {
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
            policies.backend.insert(target.clone(), Arc::new(settings));
            Ok(())
        }
        Err(wrong) => {
            policies.refuse(target, draft.policy, &wrong.message);
            Err(wrong)
        }
    }
}

fn effective_tls(
    draft: &PolicyDraft<'_>,
    validation: &ServerValidation,
    backend: &ObjectRef,
    resources: &Resources,
) -> Result<Arc<UpstreamTls>, NotAccepted> {
    if !draft.faults.is_empty() {
        return Err(NotAccepted::for_policy("Invalid", join(&draft.faults)));
    }
    let object = resources.backends.get(backend);
    if object.is_some_and(|object| object.value.spec.dynamic_forward_proxy.is_some()) {
        let message = format!(
            "{backend} is a DynamicForwardProxy, whose clients choose the host: one hostname does not fit it; use its \
             enableTls, and tls of a BackendConfigPolicy"
        );
        return Err(NotAccepted::for_target("Invalid", message));
    }
    validation.tls.clone().ok_or_else(|| {
        let faults = validation.unresolved.iter().map(|(_, fault)| fault);
        NotAccepted::for_policy("NoValidCACertificate", join(faults))
    })
}

fn condition(accepted: Result<(), NotAccepted>) -> StatusCondition {
    match accepted {
        Ok(()) => StatusCondition::new("Accepted", true, "Accepted", "Policy accepted"),
        Err(wrong) => StatusCondition::new("Accepted", false, wrong.reason, wrong.message),
    }
}

/// Reports the policies, after the routes have been compiled. A status has one entry for each Gateway whose routes
/// refer to one of the targets; if the conditions at the targets differ, those with a fault are reported. A target that
/// no route refers to has its own entry.
pub(super) fn report(
    verdicts: &[PolicyVerdict],
    resources: &Resources,
    uses: &BTreeMap<ObjectRef, BTreeSet<ObjectRef>>,
    log: &mut ReportLog,
) {
    for PolicyVerdict { policy, targets } in verdicts {
        let Some(object) = resources.backend_tls_policies.get(policy) else {
            continue;
        };
        let mut status = AncestorConditions::default();
        for (backend, conditions) in targets {
            let users = uses.get(backend).into_iter().flatten();
            // Other kinds of backend are not Egret's alone.
            let is_own = backend.kind == Kind::Backend;
            let itself = (is_own && !uses.contains_key(backend)).then_some(backend);
            for ancestor in users.chain(itself) {
                status.add(ancestor, conditions);
            }
        }
        log.object(policy, &object.source, status.into_status());
    }
}
