//! Compiles EgressPolicies to [`EgressRules`].

use std::sync::Arc;

use http::Method;
use ipnet::IpNet;

use super::{CompiledPolicies, PolicyDraft, TargetOutcome};
use crate::api::egret::{
    EgressAddresses, EgressMode, EgressPolicySpec, EgressRuleSpec, EgressTunnels, PortText,
};
use crate::compile::log::{FieldFault, ReportLog};
use crate::compile::target::{TargetKinds, TargetLookup};
use crate::name::{HostMatcher, NameError, Port, parse_net};
use crate::policy::egress::{EgressRule, EgressRules, PortRange};
use crate::resources::{Kind, ObjectRef, oldest_first};
use crate::route::literal_path;

const TARGETS: TargetKinds = TargetKinds::only(&[
    Kind::Gateway,
    Kind::HttpRoute,
    Kind::GrpcRoute,
    Kind::TlsRoute,
    Kind::Backend,
]);

pub(super) fn compile(
    targets: TargetLookup<'_>,
    policies: &mut CompiledPolicies,
    log: &mut ReportLog,
) {
    for (reference, object) in oldest_first(&targets.resources.egress_policies) {
        let spec = &object.value.spec;
        let mut draft = PolicyDraft::new(reference, object, &spec.target_refs, TARGETS);
        draft.require_target();
        let rules = Arc::new(rules(reference, spec, &mut draft.faults));
        let only_gateways = draft
            .targets
            .iter()
            .all(|target| target.object.kind == Kind::Gateway);
        if !rules.allow_addresses.is_empty() && !only_gateways {
            let message =
                "exceptions to the built-in deny list are only allowed in a policy on a Gateway";
            draft
                .faults
                .push(FieldFault::new("spec.addresses.allow", message));
        }
        if !rules.allow_addresses.is_empty() && rules.mode == EgressMode::Audit {
            let message = "has no effect in mode Audit: the built-in deny list still applies";
            let warning = FieldFault::new("spec.addresses.allow", message);
            log.warn(reference, &object.source, &warning);
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
        tunnels,
    } = spec;
    let none = EgressAddresses::default();
    let EgressAddresses { allow, deny } = addresses.as_ref().unwrap_or(&none);
    let mut nets =
        |texts: &[String], field: &str| parse_each(texts, field, faults, |text| net(text));
    let allow_addresses = nets(allow, "spec.addresses.allow");
    let deny_addresses = nets(deny, "spec.addresses.deny");
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
        keeps_tunnels: tunnels.unwrap_or_default() == EgressTunnels::Keep,
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
    } = spec;
    let field = |name: &str| format!("spec.rules[{index}].{name}");
    EgressRule {
        name: name
            .clone()
            .unwrap_or_else(|| format!("rule-{index}"))
            .into(),
        action: *action,
        hosts: any_of(hosts, &field("hosts"), faults, |text| host(text)),
        ports: any_of(ports, &field("ports"), faults, range),
        methods: any_of(methods, &field("methods"), faults, |text| method(text)),
        paths: any_of(paths, &field("paths"), faults, |text| literal_path(text)),
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

fn net(text: &str) -> Result<IpNet, String> {
    let net = parse_net(text).ok_or("not an IP address or network, such as 10.20.0.0/16")?;
    net.map_err(|error| error.to_string())
}

fn host(text: &str) -> Result<HostMatcher, String> {
    HostMatcher::parse(text).map_err(|error| match error {
        NameError::HasPort => "a port belongs in ports".to_owned(),
        error => error.to_string(),
    })
}
