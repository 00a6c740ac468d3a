//! Compiles XBackendTrafficPolicies (GEP-3388): budgets of retries of Backends and Services.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use egret_api::gateway::{
    MinRetryRate, RetryConstraint, RetryConstraintBudget, XBackendTrafficPolicySpec,
};
use egret_api::target::TargetRef;

use super::{CompiledPolicies, PolicyDraft, TargetOutcome};
use crate::compile::log::{FieldFault, ReportLog};
use crate::compile::target::{PolicyTarget, TargetKinds, TargetLookup};
use crate::compile::value::SpecFields;
use crate::resources::{Kind, ObjectRef, oldest_first};
use crate::snapshot::{BackendSettings, RetryBudget};

const TARGETS: TargetKinds = TargetKinds::only(&[Kind::Backend, Kind::Service]);

/// The share of the requests that retries may be, in percent, unless the policy has another.
const PERCENT: u8 = 20;
/// The time over which requests and retries are counted, likewise.
const INTERVAL: Duration = Duration::from_secs(10);
/// How many retries may be made in `RATE_INTERVAL` however few requests there are, likewise.
const RATE: u32 = 10;
const RATE_INTERVAL: Duration = Duration::from_secs(1);
/// The bounds of both times (Gateway API, XBackendTrafficPolicy).
const LEAST_INTERVAL: Duration = Duration::from_secs(1);
const MOST_INTERVAL: Duration = Duration::from_secs(3600);
/// The most retries that may be made in any case.
const MOST_RATE: u32 = 1_000_000;

pub(super) fn compile(
    targets: TargetLookup<'_>,
    policies: &mut CompiledPolicies,
    log: &mut ReportLog,
) {
    let mut deciding: BTreeMap<ObjectRef, ObjectRef> = BTreeMap::new();
    for (reference, object) in oldest_first(&targets.resources.backend_traffic_policies) {
        let XBackendTrafficPolicySpec {
            retry_constraint,
            session_persistence,
            target_refs,
        } = &object.value.spec;
        let refs: Vec<TargetRef> = target_refs.iter().map(Into::into).collect();
        let mut draft = PolicyDraft::new(reference, object, &refs, TARGETS);
        draft.require_target();
        if session_persistence.is_some() {
            let fault = FieldFault::unsupported("spec.sessionPersistence");
            draft.faults.push(fault);
        }
        let budget = retry_constraint.as_ref();
        let budget = budget.map(|spec| read(spec, &mut draft.faults));
        draft.finish(targets, policies, log, |policies, target| {
            if let Some(first) = deciding.get(&target.object) {
                return TargetOutcome::Overridden(first.clone());
            }
            deciding.insert(target.object.clone(), reference.clone());
            if let Some(budget) = budget {
                policies.limit_retries(&target.object, budget, reference);
            }
            TargetOutcome::Attached
        });
    }
}

/// The budget of retries that a policy means. It is one for the gateway as a whole, of which every process has its own.
fn read(spec: &RetryConstraint, faults: &mut Vec<FieldFault>) -> RetryBudget {
    let RetryConstraint {
        budget,
        min_retry_rate,
    } = spec;
    let RetryConstraintBudget { interval, percent } = budget.clone().unwrap_or_default();
    let MinRetryRate {
        count,
        interval: rate_interval,
    } = min_retry_rate.clone().unwrap_or_default();
    let mut fields = SpecFields::new("spec.retryConstraint.budget", faults);
    let percent = fields
        .number("percent", percent, &(0..=100))
        .unwrap_or(PERCENT);
    let interval = time(interval.as_deref(), &mut fields).unwrap_or(INTERVAL);
    let mut fields = SpecFields::new("spec.retryConstraint.minRetryRate", faults);
    let count = fields
        .number("count", count, &(1..=MOST_RATE))
        .unwrap_or(RATE);
    let rate_interval = time(rate_interval.as_deref(), &mut fields).unwrap_or(RATE_INTERVAL);
    let least = u128::from(count) * interval.as_millis() / rate_interval.as_millis().max(1);
    RetryBudget {
        percent,
        interval: Some(interval),
        least: u32::try_from(least).unwrap_or(u32::MAX),
    }
}

fn time(text: Option<&str>, fields: &mut SpecFields<'_>) -> Option<Duration> {
    let time = fields.time("interval", text, LEAST_INTERVAL)?;
    if time > MOST_INTERVAL {
        fields.fault("interval", "at most 1h is allowed");
    }
    Some(time)
}

impl CompiledPolicies {
    /// Sets the budget of retries of an object and of each of its ports. It takes the place of that of a
    /// BackendConfigPolicy, as the policies of the Gateway API do.
    fn limit_retries(&mut self, object: &ObjectRef, budget: RetryBudget, policy: &ObjectRef) {
        let whole = PolicyTarget::new(object, None);
        let own = || {
            Arc::new(BackendSettings {
                policy: Some(policy.clone()),
                ..BackendSettings::default()
            })
        };
        self.backend.entry(whole).or_insert_with(own);
        let of_object = self.backend.iter_mut();
        for (_, settings) in of_object.filter(|(target, _)| target.object == *object) {
            Arc::make_mut(settings).circuit_breakers.retry_budget = Some(budget);
        }
    }
}
