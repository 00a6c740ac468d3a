//! TrafficPolicy to [`TrafficSettings`]. The supported fields are those of the list in `policy/traffic.rs`.

use std::sync::Arc;

use super::reader::{PolicyReader, ReadPolicy, Reading};
use super::{Draft, Outcome, Policies};
use crate::api::kgateway::TrafficPolicySpec;
use crate::compile::log::{Fault, Log};
use crate::compile::target::{Target, TargetKinds, Targets};
use crate::compile::value::SpecFields;
use crate::policy::traffic::{Setting, TrafficSettings, traffic_policies};
use crate::resources::{GATEWAY_GROUP, Kind, ObjectRef, oldest_first};

const TARGETS: TargetKinds = TargetKinds {
    now: &[Kind::Gateway, Kind::HttpRoute, Kind::GrpcRoute],
    later: &[
        (GATEWAY_GROUP, "ListenerSet"),
        ("gateway.networking.x-k8s.io", "XListenerSet"),
    ],
};

macro_rules! define_reader {
    ($($(#[$doc:meta])* $field:ident: $type:ty = $name:literal, $in_tunnel:ident;)*) => {
        /// Reads every field of the list.
        fn read_settings(
            spec: &TrafficPolicySpec,
            reader: PolicyReader<'_>,
            faults: &mut Vec<Fault>,
        ) -> TrafficSettings {
            TrafficSettings {
                $($field: {
                    let mut fields = SpecFields::new(concat!("spec.", $name), faults);
                    read_setting(spec.$field.as_ref(), &mut fields, reader)
                },)*
            }
        }
    };
}

traffic_policies!(define_reader);

// The reader takes every field of the list, so that equal numbers mean that it takes every supported field of the
// resource: all but `targetRefs` and `targetSelectors`.
const _: () = assert!(
    TrafficPolicySpec::SUPPORTED == TrafficSettings::FIELDS.len() + 2,
    "a supported field of TrafficPolicySpec is not in the list of policy/traffic.rs"
);

fn read_setting<T: ReadPolicy>(
    spec: Option<&T::Spec>,
    fields: &mut SpecFields<'_>,
    reader: PolicyReader<'_>,
) -> Setting<T> {
    match spec.map(|spec| T::read(spec, fields, reader)) {
        None => Setting::Unset,
        Some(Reading::Disabled) => Setting::Disabled(reader.policy.clone()),
        Some(Reading::Set(value)) => Setting::Set(reader.policy.clone(), Arc::new(value)),
    }
}

pub(super) fn compile(targets: Targets<'_>, policies: &mut Policies, log: &mut Log) {
    for (reference, object) in oldest_first(&targets.resources.traffic_policies) {
        let spec = &object.value.spec;
        let mut draft = Draft::new(reference, &object.source, &spec.target_refs, TARGETS);
        draft.select(targets, &spec.target_selectors, TARGETS);
        if spec.target_refs.is_empty() && spec.target_selectors.is_empty() {
            // No fault: a rule may refer to it by a filter, and that is reported there.
            let message = "without targets the policy applies to nothing";
            log.warn(
                reference,
                &object.source,
                &Fault::new("spec.targetRefs", message),
            );
        }
        SpecFields::new("spec", &mut draft.faults).unsupported(spec.unsupported());
        let reader = PolicyReader {
            policy: reference,
            resources: targets.resources,
        };
        let settings = read_settings(spec, reader, &mut draft.faults);
        draft.finish(targets, policies, log, |policies, target| {
            let older = policies.traffic.entry(target.clone()).or_default();
            outcome(&settings, older.merge(&settings), target)
        });
    }
}

/// What became of a policy at a target where older ones decide the fields that it lost.
fn outcome(
    settings: &TrafficSettings,
    mut lost: Vec<(&'static str, ObjectRef)>,
    target: &Target,
) -> Outcome {
    if lost.len() == settings.stated().count()
        && let Some((_, policy)) = lost.pop()
    {
        return Outcome::Overridden(policy);
    }
    if lost.is_empty() {
        return Outcome::Attached;
    }
    let fault = |(name, policy)| {
        let message = format!("the older {policy} decides at {}", target.object);
        Fault::new(format!("spec.{name}"), message)
    };
    Outcome::Merged(lost.into_iter().map(fault).collect())
}
