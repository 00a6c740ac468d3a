//! The smallest EgressPolicy that allows certain requests: everything else is denied.

use std::collections::{BTreeMap, BTreeSet};

use egret_config::api::egret::{EgressAction, EgressPolicySpec, EgressRuleSpec, PortText};
use egret_config::name::Host;

use super::served::ServedRequest;

/// The longest name of a rule.
const MAX_NAME: usize = 100;

/// How exactly the policy tells requests apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LearnDetail {
    /// All names below a registrable domain are allowed where one was served.
    pub(crate) rollup: bool,
    /// Only methods that were served are allowed.
    pub(crate) methods: bool,
    /// Only paths that begin as one that was served are allowed.
    pub(crate) paths: bool,
}

/// What a rule allows at a destination beside its host and port; empty is everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct AllowedRequests {
    methods: BTreeSet<String>,
    paths: BTreeSet<String>,
    when: Option<String>,
}

/// What a destination has to allow.
#[derive(Clone, Debug)]
enum Allowed {
    /// Everything. A rule with methods or paths never matches a tunnel.
    All,
    /// These requests, by what an expression says of them.
    Requests(BTreeMap<Option<String>, AllowedRequests>),
}

/// The policy that allows these requests, without its target.
pub(super) fn smallest(served: &[ServedRequest], detail: LearnDetail) -> EgressPolicySpec {
    EgressPolicySpec {
        default_action: Some(EgressAction::Deny),
        rules: rules(served, detail),
        ..EgressPolicySpec::default()
    }
}

/// One rule for all hosts of which the same was served on the same ports.
fn rules(served: &[ServedRequest], detail: LearnDetail) -> Vec<EgressRuleSpec> {
    let mut ports_by_host: BTreeMap<(String, AllowedRequests), BTreeSet<u16>> = BTreeMap::new();
    for ((host, port), allowed) in destinations(served, detail) {
        ports_by_host
            .entry((host, allowed))
            .or_default()
            .insert(port);
    }
    let mut hosts_by_ports: BTreeMap<(BTreeSet<u16>, AllowedRequests), Vec<String>> =
        BTreeMap::new();
    for ((host, allowed), ports) in ports_by_host {
        hosts_by_ports
            .entry((ports, allowed))
            .or_default()
            .push(host);
    }
    let rules = hosts_by_ports.into_iter().enumerate();
    rules
        .map(|(index, ((ports, allowed), hosts))| rule(index, hosts, &ports, allowed))
        .collect()
}

/// What was served at each destination.
fn destinations(
    served: &[ServedRequest],
    detail: LearnDetail,
) -> BTreeSet<((String, u16), AllowedRequests)> {
    let mut all: BTreeMap<(String, u16), Allowed> = BTreeMap::new();
    for request in served {
        let destination = (host(&request.host, detail), request.port.get());
        let allowed = all
            .entry(destination)
            .or_insert_with(|| Allowed::Requests(BTreeMap::new()));
        match (&request.request, allowed) {
            (None, allowed) => *allowed = Allowed::All,
            (Some((method, path)), Allowed::Requests(requests)) => {
                allow(requests, method, path, detail);
            }
            (Some(_), Allowed::All) => {}
        }
    }
    let each = all.into_iter().flat_map(|(destination, allowed)| {
        let requests: Vec<_> = match allowed {
            Allowed::All => vec![AllowedRequests::default()],
            Allowed::Requests(requests) => requests.into_values().collect(),
        };
        let requests = requests.into_iter();
        requests.map(move |requests| (destination.clone(), requests))
    });
    each.collect()
}

/// Adds a request. What the lists of a rule cannot say of it is said by an expression.
fn allow(
    all: &mut BTreeMap<Option<String>, AllowedRequests>,
    method: &str,
    path: &str,
    detail: LearnDetail,
) {
    let (mut methods, mut paths) = (BTreeSet::new(), BTreeSet::new());
    let mut conditions = Vec::new();
    if detail.methods {
        // Methods in lower case are others than those in upper case, and in a list they are taken for a mistake.
        if method.bytes().any(|byte| byte.is_ascii_lowercase()) {
            conditions.push(format!("request.method == '{}'", literal(method)));
        } else {
            methods.insert(method.to_owned());
        }
    }
    if detail.paths {
        // The prefix `/` would allow every path.
        match path {
            "/" | "*" => conditions.push(format!("request.url_path == '{path}'")),
            path => drop(paths.insert(beginning(path).to_owned())),
        }
    }
    let when = (!conditions.is_empty()).then(|| conditions.join(" && "));
    let allowed = all.entry(when.clone()).or_default();
    allowed.methods.extend(methods);
    allowed.paths.extend(paths);
    allowed.when = when;
}

/// A text within single quotes of an expression.
fn literal(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\'', "\\'")
}

/// The host as a rule names it.
fn host(host: &Host, detail: LearnDetail) -> String {
    let name = host.to_string();
    let Host::Name(_) = host else {
        // A rule names addresses without brackets.
        return name.trim_matches(['[', ']']).to_owned();
    };
    match host.registrable_domain() {
        // The wildcard does not stand for the domain itself.
        Some(domain) if detail.rollup && domain != name => format!("*.{domain}"),
        _ => name,
    }
}

/// The first segment of a path, which is what rules compare.
fn beginning(path: &str) -> &str {
    let rest = path.strip_prefix('/').unwrap_or(path);
    match rest.find('/') {
        Some(end) => &path[..=end + 1],
        None => path,
    }
}

fn rule(
    index: usize,
    hosts: Vec<String>,
    ports: &BTreeSet<u16>,
    allowed: AllowedRequests,
) -> EgressRuleSpec {
    let AllowedRequests {
        methods,
        paths,
        when,
    } = allowed;
    let numbers: Vec<_> = ports.iter().map(u16::to_string).collect();
    let noun = if ports.len() == 1 { "port" } else { "ports" };
    let mut name = format!("{noun}-{}", numbers.join("-"));
    if !methods.is_empty() || !paths.is_empty() || when.is_some() {
        name.push_str(&format!("-{}", index + 1));
    }
    if name.len() > MAX_NAME {
        name = format!("learned-{}", index + 1);
    }
    let given = |set: BTreeSet<String>| (!set.is_empty()).then(|| set.into_iter().collect());
    EgressRuleSpec {
        name: Some(name),
        hosts: Some(hosts),
        ports: Some(
            ports
                .iter()
                .map(|port| PortText::Number(i64::from(*port)))
                .collect(),
        ),
        methods: given(methods),
        paths: given(paths),
        when,
        ..EgressRuleSpec::default()
    }
}

#[cfg(test)]
mod tests;
