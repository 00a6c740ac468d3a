//! What is refused although its type could hold it, because it might mean less than its author thought.

use egret_api::decode::DecodeFault;
use egret_api::suggest::{did_you_mean, nearest};
use serde_json::Value;

use crate::resources::Kind;

/// Kinds of others that kgateway's policies can target.
const FOREIGN_TARGETS: [(&str, &str); 1] = [("networking.istio.io", "Hostname")];

/// The faults of an object of this kind. Only in older versions may a TLSRoute be without hostnames.
pub(super) fn faults(kind: Kind, object: &Value, without_hostnames: bool) -> Vec<DecodeFault> {
    let spec = &object["spec"];
    let mut faults = Vec::new();
    match kind {
        Kind::TlsRoute if !without_hostnames => {
            let hostnames = &spec["hostnames"];
            if hostnames.is_null() || hostnames.as_array().is_some_and(Vec::is_empty) {
                faults.push(fault("spec.hostnames", "at least one is needed"));
            }
        }
        Kind::EgressPolicy => empty_conditions(spec, &mut faults),
        _ => {}
    }
    if is_policy(kind) {
        for list in ["targetRefs", "targetSelectors"] {
            for (index, target) in spec[list].as_array().into_iter().flatten().enumerate() {
                let field = format!("spec.{list}[{index}]");
                faults.extend(unknown_target(target, &field));
            }
        }
    }
    faults
}

fn fault(field: impl Into<String>, message: impl Into<String>) -> DecodeFault {
    DecodeFault {
        field: field.into(),
        message: message.into(),
        is_unknown: false,
    }
}

/// Fields that are written without a value. Elsewhere that is as if they were left out; in a rule it would mean "any",
/// and as the default action `Allow`.
fn empty_conditions(spec: &Value, faults: &mut Vec<DecodeFault>) {
    const MESSAGE: &str = "has no value; leave the field out if that is meant";
    let object = spec.as_object();
    if object.is_some_and(|spec| spec.get("defaultAction").is_some_and(Value::is_null)) {
        faults.push(fault("spec.defaultAction", MESSAGE));
    }
    for (index, rule) in spec["rules"].as_array().into_iter().flatten().enumerate() {
        for (name, value) in rule.as_object().into_iter().flatten() {
            if value.is_null() {
                faults.push(fault(format!("spec.rules[{index}].{name}"), MESSAGE));
            }
        }
    }
}

pub(super) fn is_policy(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::EgressPolicy
            | Kind::ResolverPolicy
            | Kind::TrafficPolicy
            | Kind::ListenerPolicy
            | Kind::HttpListenerPolicy
            | Kind::BackendConfigPolicy
            | Kind::BackendTlsPolicy
            | Kind::XBackendTrafficPolicy
    )
}

/// The fault of a target whose kind nobody has: such a policy would apply to nothing.
fn unknown_target(target: &Value, field: &str) -> Option<DecodeFault> {
    let group = target["group"].as_str()?;
    let kind = target["kind"].as_str()?;
    if Kind::find(group, kind).is_some() || FOREIGN_TARGETS.contains(&(group, kind)) {
        return None;
    }
    let kinds_of_group: Vec<&str> = Kind::all()
        .filter(|known| known.group() == group)
        .map(Kind::as_str)
        .collect();
    let meant = nearest(kind, kinds_of_group.iter().copied());
    let group_of_kind = Kind::all()
        .find(|known| known.as_str() == kind)
        .map(Kind::group);
    let (name, message) = match (meant, group_of_kind) {
        (Some(meant), _) => (
            "kind",
            format!("{kind} is not a kind; did you mean {meant}?"),
        ),
        (None, Some(meant)) => {
            let message = format!("{kind} is not of the group {group:?}; did you mean {meant:?}?");
            ("group", message)
        }
        (None, None) if kinds_of_group.is_empty() => {
            let suggestion = did_you_mean(group, Kind::all().map(Kind::group));
            let message = format!("{group:?} is not a group that Egret knows{suggestion}");
            ("group", message)
        }
        (None, None) => ("kind", format!("{kind} is not a kind of {group:?}")),
    };
    Some(fault(format!("{field}.{name}"), message))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(kind: Kind, spec: Value) -> Vec<String> {
        let faults = faults(kind, &json!({"spec": spec}), false);
        let each = faults.into_iter();
        each.map(|fault| format!("{}: {}", fault.field, fault.message))
            .collect()
    }

    #[test]
    fn targets_of_unknown_kinds_are_faults() {
        for (group, kind, expected) in [
            ("gateway.networking.k8s.io", "Gateway", None),
            ("gateway.networking.k8s.io", "ListenerSet", None),
            ("", "Service", None),
            ("networking.istio.io", "Hostname", None),
            (
                "gateway.networking.k8s.io",
                "Gatway",
                Some("kind: Gatway is not a kind; did you mean Gateway?"),
            ),
            (
                "gateway.networking.k8s.io",
                "Unheard",
                Some("kind: Unheard is not a kind of \"gateway.networking.k8s.io\""),
            ),
            (
                "gateway.kgateway.dev",
                "HTTPRoute",
                Some(
                    "group: HTTPRoute is not of the group \"gateway.kgateway.dev\"; did you mean \"gateway.networking.k8s.io\"?",
                ),
            ),
            (
                "",
                "Backend",
                Some(
                    "group: Backend is not of the group \"\"; did you mean \"gateway.kgateway.dev\"?",
                ),
            ),
            (
                "gateway.kgatway.dev",
                "Backnd",
                Some(
                    "group: \"gateway.kgatway.dev\" is not a group that Egret knows; did you mean gateway.kgateway.dev?",
                ),
            ),
            (
                "apps",
                "Deployment",
                Some("group: \"apps\" is not a group that Egret knows"),
            ),
        ] {
            let target = json!([{"group": group, "kind": kind, "name": "x"}]);
            for list in ["targetRefs", "targetSelectors"] {
                let expected = expected.map(|expected| format!("spec.{list}[0].{expected}"));
                let spec = json!({list: target});
                assert_eq!(
                    told(Kind::TrafficPolicy, spec.clone()),
                    Vec::from_iter(expected),
                    "{group} {kind}"
                );
                assert_eq!(told(Kind::HttpRoute, spec), Vec::<String>::new());
            }
        }
    }

    #[test]
    fn what_would_mean_any_must_have_a_value() {
        let spec = json!({
            "defaultAction": null, "mode": null, "rules": [{"action": "Allow", "hosts": null, "ports": [1]}]
        });
        let expected = ["spec.defaultAction", "spec.rules[0].hosts"];
        let told = told(Kind::EgressPolicy, spec);
        let fields = told
            .iter()
            .map(|line| line.split(": ").next().unwrap_or_default());
        assert!(fields.eq(expected), "{told:?}");
    }

    #[test]
    fn only_the_oldest_version_of_a_tls_route_may_be_for_every_name() {
        for hostnames in [json!(null), json!([])] {
            let spec = json!({"hostnames": hostnames});
            assert_eq!(
                told(Kind::TlsRoute, spec.clone()),
                ["spec.hostnames: at least one is needed"]
            );
            assert_eq!(faults(Kind::TlsRoute, &json!({"spec": spec}), true), []);
        }
        assert_eq!(
            told(Kind::TlsRoute, json!({"hostnames": ["a.test"]})),
            [""; 0]
        );
    }
}
