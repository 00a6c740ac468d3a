//! What applies to the listeners of a ListenerSet: grants, certificates and policies.

use super::*;
use crate::compile::tests::https::{ONE, object};
use crate::compile::{CompileOptions, compile};
use crate::load::{ConfigFile, load};

const OWN: &str = "name: http, protocol: HTTP, port: 8081";

fn target(kind: &str, name: &str) -> String {
    format!("  targetRefs: [{{group: gateway.networking.k8s.io, kind: {kind}, name: {name}}}]\n")
}

/// The EgressPolicies of the rule that a request to a port falls under.
fn egress(compiled: &CompiledConfig, port: u16) -> Vec<String> {
    let rule = rule(compiled, port, "a.test", "/").unwrap();
    let RuleAction::Forward(backends) = &rule.action else {
        panic!("not forwarded: {:?}", rule.action);
    };
    let policies = backends.backends[0].egress.policies.iter();
    policies
        .map(|rules| rules.policy.name.to_string())
        .collect()
}

/// A Gateway and a set of its namespace, each with a listener `http`, and a route at both.
fn both(more: &str) -> CompiledConfig {
    let parents = SET.replace("name: s", "name: s, namespace: infra");
    let parents = format!("{{name: gw, namespace: infra}}, {parents}");
    let own = set(
        "infra",
        "s",
        &[&format!(
            "{OWN}, allowedRoutes: {{namespaces: {{from: All}}}}"
        )],
    );
    run(&format!(
        "{}{own}{}{more}",
        open(),
        to_parent("r", &parents)
    ))
}

#[test]
fn policies_of_the_gateway_hold_for_its_sets_and_not_the_other_way_round() {
    let rules = "  rules: [{action: Deny, hosts: [x.test]}]\n";
    let of = |name: &str, target: &str| policy(name, "infra", &format!("{target}{rules}"));
    let more = [
        of("gateway", &target("Gateway", "gw")),
        of("listener", &target("Gateway", "gw, sectionName: http")),
        of("set", &target("ListenerSet", "s")),
        of("added", &target("ListenerSet", "s, sectionName: http")),
    ];
    let compiled = both(&more.concat());
    assert!(compiled.report.accepted(), "{}", compiled.report.table());
    assert_eq!(egress(&compiled, 8080), ["gateway", "listener"]);
    assert_eq!(egress(&compiled, 8081), ["gateway", "set", "added"]);
    // The ancestor of all is the Gateway.
    let json = serde_json::to_value(&compiled.report.objects).unwrap();
    let policies = json.as_array().unwrap().iter();
    let policies = policies.filter(|it| it["object"].as_str().unwrap().starts_with("Egress"));
    for policy in policies {
        let ancestors = policy["status"]["ancestors"].as_array().unwrap();
        assert_eq!(ancestors.len(), 1, "{policy}");
        assert_eq!(ancestors[0]["ancestorRef"]["kind"], "Gateway");
        assert_eq!(ancestors[0]["ancestorRef"]["name"], "gw");
    }
}

#[test]
fn a_set_opens_nothing_that_is_closed() {
    let open = format!(
        "{}  rules: [{{action: Allow, hosts: [x.test], addresses: [10.0.0.0/8]}}]\n",
        target("ListenerSet", "s")
    );
    let compiled = both(&policy("p", "infra", &open));
    assert!(
        problems(&compiled)[0].contains("only allowed in a policy on a Gateway"),
        "{:?}",
        problems(&compiled)
    );
    // The policy is not valid, and so the listeners of the set refuse every request.
    assert!(
        listener(&compiled, "infra/gw/infra/s/http")
            .refuse
            .is_some()
    );
    assert!(listener(&compiled, "infra/gw/http").refuse.is_none());
    assert_eq!(
        reason(&compiled, "ListenerSet infra/s", "Accepted"),
        "false ListenersNotValid"
    );
}

#[test]
fn traffic_policies_are_merged_from_the_listener_to_the_gateway() {
    let retry = |name: &str, target: &str, attempts: u8| {
        let spec = format!("{target}  retry: {{retryOn: [5xx], attempts: {attempts}}}\n");
        kgateway_policy("TrafficPolicy", name, "infra", &spec)
    };
    let gateway = retry("g", &target("Gateway", "gw"), 1);
    let of_set = retry("s", &target("ListenerSet", "s"), 2);
    let section = retry("l", &target("ListenerSet", "s, sectionName: http"), 3);
    let attempts = |compiled: &CompiledConfig, port| {
        let rule = rule(compiled, port, "a.test", "/").unwrap();
        rule.policies.retry.value().map(|retry| retry.attempts)
    };
    for (more, expected) in [
        (gateway.clone(), 1),
        (format!("{gateway}{of_set}"), 2),
        (format!("{gateway}{of_set}{section}"), 3),
    ] {
        let compiled = both(&more);
        assert!(compiled.report.accepted(), "{}", compiled.report.table());
        assert_eq!(attempts(&compiled, 8080), Some(1));
        assert_eq!(attempts(&compiled, 8081), Some(expected));
    }
    // A section that is not there closes the set, and a policy on the Gateway alone does not find listeners of a set.
    let lost = retry("l", &target("ListenerSet", "s, sectionName: lost"), 3);
    let compiled = both(&lost);
    assert!(
        listener(&compiled, "infra/gw/infra/s/http")
            .refuse
            .is_some()
    );
    let labelled = "  targetSelectors: [{group: gateway.networking.k8s.io, kind: ListenerSet, matchLabels: {team: a}}]\n";
    let compiled = both(&retry("l", labelled, 3));
    assert!(problems(&compiled)[0].contains("no ListenerSet of the namespace infra"));
}

#[test]
fn a_set_cannot_take_away_what_its_gateway_guards() {
    let of = |name: &str, target: &str, users: &str| {
        let spec = format!("{target}  basicAuth: {users}\n");
        kgateway_policy("TrafficPolicy", name, "infra", &spec)
    };
    let users = "{users: ['a:{SHA}qUqP5cyxm6YcTAhz05Hph5gvu9M=']}";
    let guard = of("guard", &target("Gateway", "gw"), users);
    for (section, what) in [("s", "set"), ("s, sectionName: http", "section")] {
        let off = of("off", &target("ListenerSet", section), "{disable: {}}");
        let compiled = both(&format!("{guard}{off}"));
        for port in [8080, 8081] {
            let rule = rule(&compiled, port, "a.test", "/").unwrap();
            assert!(rule.policies.basic_auth.value().is_some(), "{what} {port}");
        }
        let told = super::super::warnings(&compiled);
        let expected = "has no effect: TrafficPolicy infra/guard stays in force";
        assert!(told.iter().any(|told| told.contains(expected)), "{told:?}");
    }
}

#[test]
fn settings_of_the_gateway_s_listeners_hold_for_its_sets() {
    let spec = format!(
        "{}  default: {{httpSettings: {{maxRequestHeadersKb: 5}}}}\n",
        target("Gateway", "gw")
    );
    let compiled = both(&kgateway_policy("ListenerPolicy", "p", "infra", &spec));
    assert!(compiled.report.accepted(), "{}", compiled.report.table());
    let limits = compiled.snapshot.sockets.values();
    let limits: Vec<_> = limits.map(|socket| socket.limits.max_head).collect();
    assert_eq!(limits[0], limits[1]);
}

#[test]
fn a_required_egress_policy_is_required_of_sets() {
    let text = |policy: &str| {
        let own = set("infra", "s", &[OWN]);
        format!("{}{own}{policy}", open())
    };
    let rules = "  rules: [{action: Deny, hosts: [x.test]}]\n";
    for (of, gateway_is_open, set_is_open) in [
        (target("Gateway", "gw"), true, true),
        (target("Gateway", "gw, sectionName: http"), true, false),
        (target("ListenerSet", "s"), false, true),
    ] {
        let text = text(&policy("p", "infra", &format!("{of}{rules}")));
        let loaded = load([ConfigFile {
            name: "t.yaml",
            text: &text,
        }]);
        let options = CompileOptions {
            require_egress_policy: true,
            ..CompileOptions::default()
        };
        let compiled = compile(&loaded.resources, &options);
        let is_open = |name: &str| listener(&compiled, name).refuse.is_none();
        assert_eq!(is_open("infra/gw/http"), gateway_is_open, "{of}");
        assert_eq!(is_open("infra/gw/infra/s/http"), set_is_open, "{of}");
    }
}

#[test]
fn certificates_are_granted_to_the_set_and_not_by_way_of_its_gateway() {
    let grant = |kind: &str, namespace: &str| {
        format!(
            "---\napiVersion: gateway.networking.k8s.io/v1\nkind: ReferenceGrant\n\
             metadata: {{name: g, namespace: far}}\nspec:\n  \
             from: [{{group: gateway.networking.k8s.io, kind: {kind}, namespace: {namespace}}}]\n  \
             to: [{{group: '', kind: Secret}}]\n"
        )
    };
    let https =
        "name: l, protocol: HTTPS, port: 8443, tls: {certificateRefs: [{name: c, namespace: far}]}";
    let entries = [("tls.crt", ONE.certificate.as_str()), ("tls.key", &ONE.key)];
    let secret = |namespace| object("Secret", namespace, "c", &entries);
    let own = set("infra", "s", &[https]);
    for (kind, namespace, expected) in [
        ("ListenerSet", "infra", "true ResolvedRefs"),
        ("Gateway", "infra", "false RefNotPermitted"),
        ("ListenerSet", "apps", "false RefNotPermitted"),
    ] {
        let grant = grant(kind, namespace);
        let compiled = run(&format!("{}{own}{grant}{}", open(), secret("far")));
        let at = "ListenerSet infra/s#l";
        assert_eq!(reason(&compiled, at, "ResolvedRefs"), expected);
        let accepted = match expected.starts_with("true") {
            true => "true Accepted",
            // Without a certificate it is not served.
            false => "false ListenersNotValid",
        };
        assert_eq!(
            reason(&compiled, "ListenerSet infra/s", "Accepted"),
            accepted
        );
    }
    // A Secret beside the set needs no grant.
    let near = set("apps", "s", &[&https.replace(", namespace: far", "")]);
    let compiled = run(&format!("{}{near}{}", open(), secret("apps")));
    assert!(compiled.report.accepted(), "{}", compiled.report.table());
}
