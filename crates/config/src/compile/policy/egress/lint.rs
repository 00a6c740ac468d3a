//! Warnings about EgressPolicies that are valid and probably do not mean what was meant.

use egret_api::egret::{EgressAction, EgressPolicySpec};
use ipnet::IpNet;

use crate::compile::log::FieldFault;
use crate::name::HostMatcher;
use crate::path::prefix_matches;
use crate::policy::egress::{EgressRule, EgressRules};

/// The warnings about a policy without faults.
pub(super) fn warnings(spec: &EgressPolicySpec, rules: &EgressRules) -> Vec<FieldFault> {
    let mut warnings = never_used(&rules.rules);
    warnings.extend(same_names(&rules.rules));
    warnings.extend(networks_of_names(rules));
    warnings.extend(host_bits(spec));
    warnings
}

/// Rules after one that takes all that they would.
fn never_used(rules: &[EgressRule]) -> Vec<FieldFault> {
    let mut warnings = Vec::new();
    for (index, rule) in rules.iter().enumerate() {
        let mut before = rules[..index].iter();
        let Some(earlier) = before.find(|earlier| covers(earlier, rule)) else {
            continue;
        };
        let what = if takes_everything(earlier) {
            "everything"
        } else {
            "all that this one would"
        };
        let message = format!(
            "never used: the rule {} before it takes {what}",
            earlier.name
        );
        warnings.push(FieldFault::new(format!("spec.rules[{index}]"), message));
    }
    warnings
}

fn takes_everything(rule: &EgressRule) -> bool {
    let EgressRule {
        name: _,
        action: _,
        hosts,
        ports,
        methods,
        paths,
        clients,
        allow_addresses: _,
        when,
        expires,
        reason: _,
    } = rule;
    hosts.is_empty()
        && ports.is_empty()
        && methods.is_empty()
        && paths.is_empty()
        && clients.is_empty()
        && when.is_none()
        && expires.is_none()
}

/// Whether one rule matches every request that the other matches.
fn covers(earlier: &EgressRule, later: &EgressRule) -> bool {
    covers_list(&earlier.hosts, &later.hosts, covers_host)
        && covers_list(&earlier.ports, &later.ports, |a, b| {
            a.first <= b.first && b.last <= a.last
        })
        && covers_list(&earlier.methods, &later.methods, PartialEq::eq)
        && covers_list(&earlier.paths, &later.paths, |a, b| prefix_matches(a, b))
        && covers_list(&earlier.clients, &later.clients, PartialEq::eq)
        && (earlier.when.is_none() || earlier.when == later.when)
        && earlier.expires.is_none()
}

/// Whether a condition holds wherever the other does; an empty one always holds.
fn covers_list<T>(earlier: &[T], later: &[T], covers: impl Fn(&T, &T) -> bool) -> bool {
    let covered = |item: &T| earlier.iter().any(|earlier| covers(earlier, item));
    earlier.is_empty() || !later.is_empty() && later.iter().all(covered)
}

fn covers_host(earlier: &HostMatcher, later: &HostMatcher) -> bool {
    match (earlier, later) {
        (HostMatcher::Name(a), HostMatcher::Name(b)) => a.intersection(b).as_ref() == Some(b),
        (HostMatcher::Net(a), HostMatcher::Net(b)) => a.contains(b),
        (HostMatcher::Name(_), HostMatcher::Net(_))
        | (HostMatcher::Net(_), HostMatcher::Name(_)) => false,
    }
}

/// Rules with the name of an earlier one.
fn same_names(rules: &[EgressRule]) -> Vec<FieldFault> {
    let mut warnings = Vec::new();
    for (index, rule) in rules.iter().enumerate() {
        if let Some(other) = rules[..index]
            .iter()
            .position(|other| other.name == rule.name)
        {
            let message = format!(
                "rules[{other}] has this name too: the log and the metrics cannot tell them apart"
            );
            let field = format!("spec.rules[{index}].name");
            warnings.push(FieldFault::new(field, message));
        }
    }
    warnings
}

/// Networks that are denied as hosts, which binds only requests that name an address.
fn networks_of_names(rules: &EgressRules) -> Vec<FieldFault> {
    let mut warnings = Vec::new();
    let denials = rules.rules.iter().enumerate();
    for (index, rule) in denials.filter(|(_, rule)| rule.action == EgressAction::Deny) {
        for (at, host) in rule.hosts.iter().enumerate() {
            let HostMatcher::Net(net) = host else {
                continue;
            };
            if rules
                .deny_addresses
                .iter()
                .any(|denied| denied.contains(net))
            {
                continue;
            }
            let field = format!("spec.rules[{index}].hosts[{at}]");
            let message = "denies requests that name such an address, but no name that resolves to one; \
                           addresses.deny denies both";
            warnings.push(FieldFault::new(field, message));
        }
    }
    warnings
}

/// Networks that are written with more of an address than they have.
fn host_bits(spec: &EgressPolicySpec) -> Vec<FieldFault> {
    let mut warnings = Vec::new();
    let mut check = |field: String, text: &str| {
        let Ok(net) = text.parse::<IpNet>() else {
            return;
        };
        if net != net.trunc() {
            let message = format!("{text} has host bits: it is read as {}", net.trunc());
            warnings.push(FieldFault::new(field, message));
        }
    };
    if let Some(addresses) = &spec.addresses {
        for (index, allowed) in addresses.allow.iter().enumerate() {
            if let Some(text) = allowed.cidr() {
                check(format!("spec.addresses.allow[{index}]"), text);
            }
        }
        for (index, text) in addresses.deny.iter().enumerate() {
            check(format!("spec.addresses.deny[{index}]"), text);
        }
    }
    for (index, rule) in spec.rules.iter().enumerate() {
        for (name, list) in [("hosts", &rule.hosts), ("addresses", &rule.addresses)] {
            for (at, text) in list.iter().flatten().enumerate() {
                check(format!("spec.rules[{index}].{name}[{at}]"), text);
            }
        }
        for (at, client) in rule.clients.iter().flatten().enumerate() {
            if let Some(source) = &client.source {
                check(format!("spec.rules[{index}].clients[{at}].source"), source);
            }
        }
    }
    warnings
}
