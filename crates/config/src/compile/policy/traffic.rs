//! Compiles TrafficPolicies to [`TrafficSettings`]. The supported fields are those of the list in `policy/traffic.rs`.

use std::collections::BTreeSet;
use std::sync::Arc;

use egret_api::kgateway::TrafficPolicySpec;

use super::filter::{NamedPolicy, named_policies};
use super::rbac;
use super::reader::{FieldReading, PolicyReader, ReadPolicy};
use super::{CompiledPolicies, PolicyDraft, TargetOutcome, transformation};
use crate::compile::annotation::heaviest_first;
use crate::compile::log::{FieldFault, ReportLog, join, misconfiguration};
use crate::compile::target::{PolicyTarget, TargetKinds, TargetLookup};
use crate::compile::value::SpecFields;
use crate::policy::traffic::{PolicySetting, TrafficSettings, traffic_policies};
use crate::resources::{GATEWAY_TRIAL_GROUP, Kind, ObjectRef};

const TARGETS: TargetKinds = TargetKinds {
    supported: &[
        Kind::Gateway,
        Kind::ListenerSet,
        Kind::HttpRoute,
        Kind::GrpcRoute,
    ],
    planned: &[(GATEWAY_TRIAL_GROUP, "XListenerSet")],
};

macro_rules! define_reader {
    ($($(#[$doc:meta])* $field:ident: $type:ty = $name:literal, $in_tunnel:ident, $inheritance:ident;)*) => {
        /// Reads every field of the list.
        fn read_settings(
            spec: &TrafficPolicySpec,
            reader: PolicyReader<'_>,
            faults: &mut Vec<FieldFault>,
        ) -> TrafficSettings {
            TrafficSettings {
                $($field: {
                    let mut fields = SpecFields::new(concat!("spec.", $name), faults);
                    read_setting(spec, &mut fields, reader)
                },)*
            }
        }
    };
}

traffic_policies!(define_reader);

// The reader reads every field of the list. If the numbers are equal, these are all supported fields of the resource
// except `targetRefs` and `targetSelectors`; `rateLimit` is two of the list.
const _: () = assert!(
    TrafficPolicySpec::SUPPORTED + 1 == TrafficSettings::FIELDS.len() + 2,
    "a supported field of TrafficPolicySpec is not in the list of policy/traffic.rs"
);

fn read_setting<T: ReadPolicy>(
    spec: &TrafficPolicySpec,
    fields: &mut SpecFields<'_>,
    reader: PolicyReader<'_>,
) -> PolicySetting<T> {
    match T::of(spec).map(|spec| T::read(spec, fields, reader)) {
        None => PolicySetting::Unset,
        Some(FieldReading::Disabled) => PolicySetting::Disabled(reader.policy.clone()),
        Some(FieldReading::Set(value)) => {
            PolicySetting::Set(reader.policy.clone(), Arc::new(value))
        }
    }
}

pub(super) fn compile(
    targets: TargetLookup<'_>,
    policies: &mut CompiledPolicies,
    log: &mut ReportLog,
) {
    let mut named = named_policies(targets.resources);
    for (reference, object) in heaviest_first(&targets.resources.traffic_policies) {
        let spec = &object.value.spec;
        let mut draft = PolicyDraft::new(reference, object, &spec.target_refs, TARGETS);
        draft.named_by = named.remove(reference).unwrap_or_default();
        draft.select(targets, &spec.target_selectors, TARGETS);
        let has_targets = !spec.target_refs.is_empty() || !spec.target_selectors.is_empty();
        if !has_targets && draft.named_by.is_empty() {
            // This is not a fault: a filter may be about to name it.
            let message = "without targets the policy applies to nothing";
            log.warn(
                reference,
                &object.source,
                &FieldFault::new("spec.targetRefs", message),
            );
        }
        SpecFields::new("spec", &mut draft.faults).unsupported(spec.unsupported());
        let reader = PolicyReader {
            policy: reference,
            resources: targets.resources,
            extensions: &policies.extensions,
        };
        let settings = read_settings(spec, reader, &mut draft.faults);
        if draft.faults.is_empty() {
            for (field, message) in rbac::warnings(&settings) {
                log.warn(reference, &object.source, &FieldFault::new(field, message));
            }
            for (field, message) in transformation::warnings(&settings) {
                log.warn(reference, &object.source, &FieldFault::new(field, message));
            }
        }
        if !draft.named_by.is_empty() {
            let settings = match draft.faults.as_slice() {
                [] => Ok(settings.clone()),
                faults => Err(misconfiguration(reference, &join(faults))),
            };
            let routes = draft.named_by.clone();
            let named = NamedPolicy { settings, routes };
            policies.by_filter.insert(reference.clone(), named);
        }
        draft.finish(targets, policies, log, |policies, target| {
            let settings = settings.clone().attached_to(&target.to_string());
            let older = policies.traffic.entry(target.clone()).or_default();
            let overridden = older.merge_younger(&settings);
            outcome(&settings, overridden, target, |by| {
                policies.why_first(by, reference)
            })
        });
    }
}

/// The outcome of a policy at a target where policies that take precedence decide the fields in `overridden`.
fn outcome(
    settings: &TrafficSettings,
    mut overridden: Vec<(&'static str, ObjectRef)>,
    target: &PolicyTarget,
    why_first: impl Fn(&ObjectRef) -> &'static str,
) -> TargetOutcome {
    if overridden.len() == settings.stated().count()
        && let Some((_, policy)) = overridden.pop()
    {
        return TargetOutcome::Overridden(policy);
    }
    if overridden.is_empty() {
        return TargetOutcome::Attached;
    }
    let fault = |(name, policy)| {
        let why = why_first(&policy);
        let message = format!("the {why} {policy} decides at {}", target.object);
        FieldFault::new(format!("spec.{name}"), message)
    };
    TargetOutcome::Merged(overridden.into_iter().map(fault).collect())
}

/// Warns of policies on routes and ListenerSets that disable in vain what a Gateway guards.
pub(super) fn warn_of_guarded(
    targets: TargetLookup<'_>,
    policies: &CompiledPolicies,
    log: &mut ReportLog,
) {
    let mut told = BTreeSet::new();
    let targets_of = policies.traffic.iter();
    let by_target = targets_of.map(|(target, settings)| (&target.object, settings));
    let by_filter = policies.by_filter.values().flat_map(|named| {
        let settings = named.settings.iter();
        settings.flat_map(|settings| named.routes.iter().map(move |route| (route, settings)))
    });
    for (object, settings) in by_target.chain(by_filter) {
        let is_child = matches!(
            object.kind,
            Kind::ListenerSet | Kind::HttpRoute | Kind::GrpcRoute
        );
        if !is_child || settings.stated().all(|field| !field.is_disabled) {
            continue;
        }
        for gateway in policies.route_gateways.of(object) {
            let parents = policies.traffic.iter();
            for (_, parent) in parents.filter(|(parent, _)| parent.object == *gateway) {
                let prefers_child = policies.prefers_child.contains(gateway);
                told.extend(settings.clone().inherit(parent, prefers_child));
            }
        }
    }
    for (field, policy, guard) in told {
        let Some(object) = targets.resources.traffic_policies.get(&policy) else {
            continue;
        };
        let message = format!(
            "has no effect: {guard} stays in force, because a route cannot take it away; the annotation \
             kgateway.dev/inherited-policy-priority: ShallowMergePreferChild on the Gateway would allow it"
        );
        let warning = FieldFault::new(format!("spec.{field}"), message);
        log.warn(&policy, &object.source, &warning);
    }
}
