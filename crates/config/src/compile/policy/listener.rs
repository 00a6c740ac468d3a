//! ListenerPolicy and HTTPListenerPolicy. Of all they can say, only an empty access log is supported.

use super::{Draft, Outcome, Policies};
use crate::api::kgateway::{ListenerPolicySpec, ListenerSettings, Unsupported};
use crate::api::target::TargetSelector;
use crate::compile::log::{Fault, Log};
use crate::compile::target::{TargetKinds, Targets};
use crate::resources::{Kind, oldest_first};

const TARGETS: TargetKinds = TargetKinds::only(&[Kind::Gateway]);

pub(super) fn compile(targets: Targets<'_>, policies: &mut Policies, log: &mut Log) {
    for (reference, object) in oldest_first(&targets.resources.listener_policies) {
        let ListenerPolicySpec {
            target_refs,
            target_selectors,
            default,
            per_port,
        } = &object.value.spec;
        let mut draft = Draft::new(reference, &object.source, target_refs, TARGETS);
        select(targets, target_selectors, &mut draft);
        if per_port.is_some() {
            draft.faults.push(Fault::unsupported("spec.perPort"));
        }
        let off = default
            .as_ref()
            .is_some_and(|default| settings(default, &mut draft.faults));
        finish(draft, off, targets, policies, log);
    }
    for (reference, object) in oldest_first(&targets.resources.http_listener_policies) {
        let spec = &object.value.spec;
        let mut draft = Draft::new(reference, &object.source, &spec.target_refs, TARGETS);
        for (index, target) in spec.target_refs.iter().enumerate() {
            if target.section_name.is_some() {
                let field = format!("spec.targetRefs[{index}].sectionName");
                draft.faults.push(Fault::new(
                    field,
                    "an HTTPListenerPolicy applies to a whole Gateway",
                ));
            }
        }
        select(targets, &spec.target_selectors, &mut draft);
        draft.faults.extend(
            spec.unsupported()
                .map(|name| Fault::unsupported(format!("spec.{name}"))),
        );
        let off = access_log(spec.access_log.as_deref(), "spec", &mut draft.faults);
        finish(draft, off, targets, policies, log);
    }
}

fn select(targets: Targets<'_>, selectors: &[TargetSelector], draft: &mut Draft<'_>) {
    draft.select(targets, selectors, TARGETS);
    if selectors.is_empty() {
        draft.needs_a_target();
    }
}

/// Whether the log is off.
fn settings(settings: &ListenerSettings, faults: &mut Vec<Fault>) -> bool {
    faults.extend(
        settings
            .unsupported()
            .map(|name| Fault::unsupported(format!("spec.default.{name}"))),
    );
    let Some(http) = &settings.http_settings else {
        return false;
    };
    let field = "spec.default.httpSettings";
    faults.extend(
        http.unsupported()
            .map(|name| Fault::unsupported(format!("{field}.{name}"))),
    );
    access_log(http.access_log.as_deref(), field, faults)
}

fn access_log(sinks: Option<&[Unsupported]>, field: &str, faults: &mut Vec<Fault>) -> bool {
    let sinks = sinks.map(<[Unsupported]>::len);
    for index in 0..sinks.unwrap_or_default() {
        faults.push(Fault::unsupported(format!("{field}.accessLog[{index}]")));
    }
    sinks == Some(0)
}

fn finish(
    draft: Draft<'_>,
    off: bool,
    targets: Targets<'_>,
    policies: &mut Policies,
    log: &mut Log,
) {
    draft.finish(targets, policies, log, |policies, target| {
        if off {
            policies.access_log_off.insert(target.clone());
        }
        Outcome::Attached
    });
}
