//! Compiles ResolverPolicies to [`ResolverSettings`].

use std::sync::Arc;
use std::time::Duration;

use super::{CompiledPolicies, PolicyDraft, TargetOutcome};
use crate::compile::log::{FieldFault, ReportLog};
use crate::compile::target::{TargetKinds, TargetLookup};
use crate::compile::value::SpecFields;
use crate::resources::{Kind, oldest_first};
use crate::snapshot::{ResolverId, ResolverSettings};

mod names;
mod servers;

use egret_api::egret::ResolverPolicySpec;
use names::{fixed_names, known_names, search_domains};
use servers::name_servers;

const TARGETS: TargetKinds = TargetKinds::only(&[Kind::Gateway, Kind::Backend]);

pub(super) fn compile(
    targets: TargetLookup<'_>,
    policies: &mut CompiledPolicies,
    log: &mut ReportLog,
) {
    for (reference, object) in oldest_first(&targets.resources.resolver_policies) {
        let spec = &object.value.spec;
        let mut draft = PolicyDraft::new(reference, object, &spec.target_refs, TARGETS);
        draft.require_target();
        for (index, target) in spec.target_refs.iter().enumerate() {
            if target.section_name.is_some() && target.kind == Kind::Gateway.as_str() {
                let field = format!("spec.targetRefs[{index}].sectionName");
                draft.faults.push(FieldFault::new(
                    field,
                    "a ResolverPolicy applies to a whole Gateway",
                ));
            }
        }
        let settings = Arc::new(settings(spec, &mut draft.faults));
        let id = ResolverId::Policy(reference.clone());
        draft.finish(targets, policies, log, |policies, target| {
            match policies.resolver.get(&target.object) {
                Some(ResolverId::Policy(older)) if older != reference => {
                    return TargetOutcome::Overridden(older.clone());
                }
                _ => {}
            }
            policies.resolver.insert(target.object.clone(), id.clone());
            policies.settings.insert(id.clone(), settings.clone());
            TargetOutcome::Attached
        });
    }
}

fn settings(spec: &ResolverPolicySpec, faults: &mut Vec<FieldFault>) -> ResolverSettings {
    let ResolverPolicySpec {
        target_refs: _,
        servers,
        search,
        https_records,
        hosts,
        lookup_family,
        query_timeout,
        min_ttl,
        max_ttl,
        negative_ttl,
        stale_for,
        idle_ttl,
        max_hosts,
        max_pending,
        preresolve,
    } = spec;
    let default = ResolverSettings::default();
    let mut fields = SpecFields::new("spec", faults);
    let mut time = |name: &str, text: &Option<String>, default: Duration| {
        let time = fields.time(name, text.as_deref(), Duration::ZERO);
        time.unwrap_or(default)
    };
    let mut settings = ResolverSettings {
        query_timeout: time("queryTimeout", query_timeout, default.query_timeout),
        min_ttl: time("minTTL", min_ttl, default.min_ttl),
        max_ttl: time("maxTTL", max_ttl, default.max_ttl),
        negative_ttl: time("negativeTTL", negative_ttl, default.negative_ttl),
        stale_for: time("staleFor", stale_for, default.stale_for),
        idle_ttl: time("idleTTL", idle_ttl, default.idle_ttl),
        family: lookup_family.unwrap_or_default(),
        https_records: https_records.unwrap_or(default.https_records),
        ..default
    };
    if settings.query_timeout.is_zero() {
        faults.push(FieldFault::new(
            "spec.queryTimeout",
            "a query needs more than 0s",
        ));
    }
    if settings.min_ttl > settings.max_ttl {
        faults.push(FieldFault::new("spec.minTTL", "longer than maxTTL"));
    }
    settings.max_hosts = count("maxHosts", *max_hosts, settings.max_hosts, faults);
    settings.max_pending = count("maxPending", *max_pending, settings.max_pending, faults);
    settings.servers = name_servers(servers, faults);
    settings.search = search_domains(search, faults);
    settings.hosts = fixed_names(hosts, faults);
    settings.preresolve = known_names(preresolve, faults);
    if settings.preresolve.len() > settings.max_hosts {
        let message = "more names than maxHosts allows";
        faults.push(FieldFault::new("spec.preresolve", message));
    }
    settings
}

fn count(name: &str, number: Option<i64>, default: usize, faults: &mut Vec<FieldFault>) -> usize {
    let Some(number) = number else {
        return default;
    };
    usize::try_from(number)
        .ok()
        .filter(|number| *number > 0)
        .unwrap_or_else(|| {
            faults.push(FieldFault::new(
                format!("spec.{name}"),
                "at least 1 is needed",
            ));
            default
        })
}
