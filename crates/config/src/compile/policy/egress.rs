//! Compiles EgressPolicies to [`EgressRules`].

use std::sync::Arc;

use egret_api::egret::{
    EgressAction, EgressAddresses, EgressClientSpec, EgressMode, EgressPolicySpec, EgressRuleSpec,
    EgressTunnels, PortText,
};
use http::Method;
use ipnet::IpNet;

use super::{CompiledPolicies, PolicyDraft, TargetOutcome};
use crate::compile::log::{FieldFault, ReportLog};
use crate::compile::target::{TargetKinds, TargetLookup};
use crate::name::{HostMatcher, NameError, Port, parse_net};
use crate::policy::egress::{
    CertificatePattern, ClientMatcher, EgressRule, EgressRules, Expiry, PortRange, UserPattern,
};
use crate::resources::{Kind, ObjectRef, oldest_first};
use crate::route::literal_path;

mod conditional;
mod limits;
mod lint;

const TARGETS: TargetKinds = TargetKinds::only(&[
    Kind::Gateway,
    Kind::ListenerSet,
    Kind::HttpRoute,
    Kind::GrpcRoute,
    Kind::TlsRoute,
    Kind::Backend,
]);

/// The longest name of a rule in bytes: it is part of a status line that clients print.
const MAX_RULE_NAME: usize = 100;

pub(super) fn compile(
    targets: TargetLookup<'_>,
    now: Option<i64>,
    policies: &mut CompiledPolicies,
    log: &mut ReportLog,
) {
    for (reference, object) in oldest_first(&targets.resources.egress_policies) {
        let spec = &object.value.spec;
        let mut draft = PolicyDraft::new(reference, object, &spec.target_refs, TARGETS);
        draft.require_target();
        let rules = Arc::new(rules(reference, spec, &mut draft.faults));
        check_exceptions(&rules, &mut draft, log);
        conditional::check_forms(&rules, targets.resources, &mut draft);
        for warning in unproven_denials(&rules) {
            log.warn(reference, &object.source, &warning);
        }
        if draft.faults.is_empty() {
            let ends = now.map(|now| conditional::ends(&rules, now));
            let ends = ends.into_iter().flatten();
            for warning in lint::warnings(spec, &rules).into_iter().chain(ends) {
                log.warn(reference, &object.source, &warning);
            }
        }
        draft.finish(targets, policies, log, |policies, target| {
            let attached = policies.egress.entry(target.clone()).or_default();
            if !attached.contains(&rules) {
                attached.push(rules.clone());
            }
            TargetOutcome::Attached
        });
    }
}

/// Checks that exceptions to the built-in deny list have an effect, and warns of wide ones.
fn check_exceptions(rules: &EgressRules, draft: &mut PolicyDraft<'_>, log: &mut ReportLog) {
    let mut targets = draft.targets.iter();
    let only_gateways = targets.all(|target| target.object.kind == Kind::Gateway);
    let mut warn = |field: &str, message: &str| {
        let warning = FieldFault::new(field, message);
        log.warn(draft.policy, draft.source, &warning);
    };
    for field in exceptions(rules) {
        if !only_gateways {
            let message =
                "exceptions to the built-in deny list are only allowed in a policy on a Gateway";
            draft.faults.push(FieldFault::new(field.clone(), message));
        }
        if rules.mode == EgressMode::Audit {
            let message = "has no effect in mode Audit: the built-in deny list still applies";
            warn(&field, message);
        }
    }
    if rules.mode == EgressMode::Audit {
        return;
    }
    if !rules.allow_addresses.is_empty() && rules.default_action == EgressAction::Allow {
        let message = "opens these addresses to every name, because the default action is Allow; \
                       rules[].addresses opens them to the names of one rule";
        warn("spec.addresses.allow", message);
    }
    for (index, rule) in rules.rules.iter().enumerate() {
        if rule.hosts.is_empty() && !rule.allow_addresses.is_empty() {
            let message = "opens these addresses to every name, because the rule has no hosts";
            warn(&format!("spec.rules[{index}].addresses"), message);
        }
    }
}

/// The fields of a policy that have exceptions to the built-in deny list.
fn exceptions(rules: &EgressRules) -> impl Iterator<Item = String> {
    let of_policy = !rules.allow_addresses.is_empty();
    let of_policy = of_policy.then(|| "spec.addresses.allow".to_owned());
    let of_rules = rules.rules.iter().enumerate();
    let of_rules = of_rules.filter(|(_, rule)| !rule.allow_addresses.is_empty());
    let of_rules = of_rules.map(|(index, _)| format!("spec.rules[{index}].addresses"));
    of_policy.into_iter().chain(of_rules)
}

/// Warnings about rules that deny clients which have to prove who they are.
fn unproven_denials(rules: &EgressRules) -> impl Iterator<Item = FieldFault> {
    let denials = rules.rules.iter().enumerate().filter(|(_, rule)| {
        let needs_proof = rule.clients.iter().any(ClientMatcher::needs_proof);
        rule.action == EgressAction::Deny && needs_proof
    });
    denials.map(|(index, _)| {
        let message = "denies only who proves to be one of these: a client without credentials or a \
                       certificate passes the rule; allow those who may instead";
        FieldFault::new(format!("spec.rules[{index}].clients"), message)
    })
}

fn rules(
    reference: &ObjectRef,
    spec: &EgressPolicySpec,
    faults: &mut Vec<FieldFault>,
) -> EgressRules {
    let EgressPolicySpec {
        target_refs: _,
        mode,
        default_action,
        rules,
        addresses,
        limits,
        tunnels,
        sni,
    } = spec;
    let none = EgressAddresses::default();
    let EgressAddresses { allow, deny } = addresses.as_ref().unwrap_or(&none);
    let allow_addresses = parse_each(
        allow,
        "spec.addresses.allow",
        faults,
        conditional::exception,
    );
    let deny_addresses = parse_each(deny, "spec.addresses.deny", faults, |text| net(text));
    EgressRules {
        policy: reference.clone(),
        mode: mode.unwrap_or_default(),
        default_action: default_action.unwrap_or_default(),
        rules: rules
            .iter()
            .enumerate()
            .map(|(index, spec)| rule(index, spec, faults))
            .collect(),
        allow_addresses,
        deny_addresses,
        limits: limits::read(reference, limits, faults),
        keeps_tunnels: tunnels.unwrap_or_default() == EgressTunnels::Keep,
        sni: sni.unwrap_or_default(),
    }
}

fn rule(index: usize, spec: &EgressRuleSpec, faults: &mut Vec<FieldFault>) -> EgressRule {
    let EgressRuleSpec {
        name,
        action,
        hosts,
        ports,
        methods,
        paths,
        clients,
        addresses,
        when,
        expires,
        reason,
    } = spec;
    let field = |name: &str| format!("spec.rules[{index}].{name}");
    if let Some(fault) = name.as_deref().and_then(fault_of_name) {
        faults.push(FieldFault::new(field("name"), fault));
    }
    if addresses.is_some() && *action == EgressAction::Deny {
        let message = "exceptions to the built-in deny list are only allowed in a rule that allows";
        faults.push(FieldFault::new(field("addresses"), message));
    }
    EgressRule {
        when: parse_given(when.as_deref(), field("when"), faults, conditional::when),
        expires: parse_given(expires.as_deref(), field("expires"), faults, Expiry::parse),
        reason: parse_given(
            reason.as_deref(),
            field("reason"),
            faults,
            conditional::reason,
        ),
        name: name
            .clone()
            .unwrap_or_else(|| format!("rule-{index}"))
            .into(),
        action: *action,
        hosts: any_of(hosts, &field("hosts"), faults, |text| host(text)),
        ports: any_of(ports, &field("ports"), faults, range),
        methods: any_of(methods, &field("methods"), faults, |text| method(text)),
        paths: any_of(paths, &field("paths"), faults, |text| literal_path(text)),
        clients: any_of(clients, &field("clients"), faults, client),
        allow_addresses: any_of(addresses, &field("addresses"), faults, |text| net(text)),
    }
}

/// Why a text cannot be the name of a rule: refusals name the rule in their status line (RFC 9112 4).
fn fault_of_name(name: &str) -> Option<&'static str> {
    let is_text = name.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    if !is_text {
        Some(
            "has a character that is not visible ASCII, and refusals name the rule in their status line",
        )
    } else if name.trim().is_empty() || name.trim() != name {
        Some("empty, or begins or ends with a blank")
    } else if name.len() > MAX_RULE_NAME {
        Some("has more than 100 bytes")
    } else {
        None
    }
}

/// Reads a client, which has exactly one property.
fn client(spec: &EgressClientSpec) -> Result<ClientMatcher, String> {
    let EgressClientSpec {
        user,
        certificate,
        source,
    } = spec;
    match (user, certificate, source) {
        (Some(user), None, None) => UserPattern::parse(user)
            .map(ClientMatcher::User)
            .map_err(|error| format!("user: {error}")),
        (None, Some(certificate), None) => CertificatePattern::parse(certificate)
            .map(ClientMatcher::Certificate)
            .map_err(|error| format!("certificate: {error}")),
        (None, None, Some(source)) => net(source)
            .map(ClientMatcher::Source)
            .map_err(|error| format!("source: {error}")),
        _ => Err("exactly one of user, certificate and source is needed".to_owned()),
    }
}

/// The values of a condition. A condition that is not set gives none, which means "any"; an empty list is a fault,
/// because it must not mean that.
fn any_of<T, U>(
    items: &Option<Vec<T>>,
    field: &str,
    faults: &mut Vec<FieldFault>,
    parse: impl Fn(&T) -> Result<U, String>,
) -> Vec<U> {
    let items = items.as_deref();
    if items.is_some_and(<[T]>::is_empty) {
        let message = "empty: matches nothing; leave it out for any";
        faults.push(FieldFault::new(field, message));
    }
    parse_each(items.unwrap_or_default(), field, faults, parse)
}

/// Parses every item, and records the faults.
fn parse_each<T, U>(
    items: &[T],
    field: &str,
    faults: &mut Vec<FieldFault>,
    parse: impl Fn(&T) -> Result<U, String>,
) -> Vec<U> {
    let mut parsed = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        match parse(item) {
            Ok(item) => parsed.push(item),
            Err(message) => faults.push(FieldFault::new(format!("{field}[{index}]"), message)),
        }
    }
    parsed
}

fn range(text: &PortText) -> Result<PortRange, String> {
    let message = || "not a port or a range of ports, such as 443 or \"8000-8999\"".to_owned();
    let parse = |text: &str| text.parse::<Port>().map_err(|_| message());
    let (first, last) = match text {
        PortText::Number(number) => {
            let port = u16::try_from(*number)
                .ok()
                .and_then(Port::new)
                .ok_or_else(message)?;
            (port, port)
        }
        PortText::Text(text) => match text.split_once('-') {
            Some((first, last)) => (parse(first)?, parse(last)?),
            None => (parse(text)?, parse(text)?),
        },
    };
    if first > last {
        return Err(format!("the range {first}-{last} is empty"));
    }
    Ok(PortRange { first, last })
}

/// Parses a method. Methods are case-sensitive (RFC 9110 9.1), so that one in lower case would never match.
fn method(text: &str) -> Result<Method, String> {
    if text.bytes().any(|byte| byte.is_ascii_lowercase()) {
        return Err(format!(
            "methods are case-sensitive; write {}",
            text.to_ascii_uppercase()
        ));
    }
    Method::from_bytes(text.as_bytes()).map_err(|_| "not a method".to_owned())
}

/// Parses the text of a field that may be absent.
fn parse_given<T>(
    text: Option<&str>,
    field: String,
    faults: &mut Vec<FieldFault>,
    parse: impl FnOnce(&str) -> Result<T, String>,
) -> Option<T> {
    let parsed = text.map(parse)?;
    parsed
        .map_err(|message| faults.push(FieldFault::new(field, message)))
        .ok()
}

fn net(text: &str) -> Result<IpNet, String> {
    let net = parse_net(text).ok_or("not an IP address or network, such as 10.20.0.0/16")?;
    net.map_err(|error| error.to_string())
}

fn host(text: &str) -> Result<HostMatcher, String> {
    HostMatcher::parse(text).map_err(|error| match error {
        NameError::HasPort => "a port belongs in ports".to_owned(),
        NameError::HasPath => "a path belongs in paths".to_owned(),
        error => error.to_string(),
    })
}
