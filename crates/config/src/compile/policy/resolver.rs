//! ResolverPolicy to [`ResolverSettings`].

use std::sync::Arc;
use std::time::Duration;

use super::{Draft, Outcome, Policies};
use crate::api::egret::{LookupFamily as Family, ResolverPolicySpec};
use crate::compile::log::{Fault, Log};
use crate::compile::target::{TargetKinds, Targets};
use crate::compile::value::SpecFields;
use crate::resources::{Kind, oldest_first};
use crate::snapshot::{LookupFamily, ResolverId, ResolverSettings};

mod names;
mod servers;

use names::{fixed_names, known_names, search_domains};
use servers::name_servers;

const TARGETS: TargetKinds = TargetKinds::only(&[Kind::Gateway, Kind::Backend]);

pub(super) fn compile(targets: Targets<'_>, policies: &mut Policies, log: &mut Log) {
    for (reference, object) in oldest_first(&targets.resources.resolver_policies) {
        let spec = &object.value.spec;
        let mut draft = Draft::new(reference, &object.source, &spec.target_refs, TARGETS);
        draft.needs_a_target();
        for (index, target) in spec.target_refs.iter().enumerate() {
            if target.section_name.is_some() && target.kind == Kind::Gateway.as_str() {
                let field = format!("spec.targetRefs[{index}].sectionName");
                draft.faults.push(Fault::new(
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
                    return Outcome::Overridden(older.clone());
                }
                _ => {}
            }
            policies.resolver.insert(target.object.clone(), id.clone());
            policies.settings.insert(id.clone(), settings.clone());
            Outcome::Attached
        });
    }
}

fn settings(spec: &ResolverPolicySpec, faults: &mut Vec<Fault>) -> ResolverSettings {
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
        family: family(lookup_family.unwrap_or_default()),
        https_records: https_records.unwrap_or(default.https_records),
        ..default
    };
    if settings.query_timeout.is_zero() {
        faults.push(Fault::new("spec.queryTimeout", "a query needs some time"));
    }
    if settings.min_ttl > settings.max_ttl {
        faults.push(Fault::new("spec.minTTL", "longer than maxTTL"));
    }
    settings.max_hosts = count("maxHosts", *max_hosts, settings.max_hosts, faults);
    settings.max_pending = count("maxPending", *max_pending, settings.max_pending, faults);
    settings.servers = name_servers(servers, faults);
    settings.search = search_domains(search, faults);
    settings.hosts = fixed_names(hosts, faults);
    settings.preresolve = known_names(preresolve, faults);
    if settings.preresolve.len() > settings.max_hosts {
        let message = "more names than maxHosts lets be remembered";
        faults.push(Fault::new("spec.preresolve", message));
    }
    settings
}

fn count(name: &str, number: Option<i64>, default: usize, faults: &mut Vec<Fault>) -> usize {
    let Some(number) = number else {
        return default;
    };
    usize::try_from(number)
        .ok()
        .filter(|number| *number > 0)
        .unwrap_or_else(|| {
            faults.push(Fault::new(format!("spec.{name}"), "at least 1 is needed"));
            default
        })
}

fn family(family: Family) -> LookupFamily {
    match family {
        Family::Auto => LookupFamily::Auto,
        Family::V4Only => LookupFamily::V4Only,
        Family::V6Only => LookupFamily::V6Only,
        Family::V4Preferred => LookupFamily::V4Preferred,
        Family::V6Preferred => LookupFamily::V6Preferred,
    }
}
