//! `headerModifiers` of TrafficPolicies.

use http::Method;

use super::{
    BASE, CompiledConfig, GATEWAY, ROUTE, TO_DFP, condition, describe, errors, get,
    kgateway_policy, problems, request, route_of, rule, run, warnings, with_route,
};
use crate::policy::headers::HeaderEdit;

const AT: &str = "TrafficPolicy apps/p";

const SECRETS: &str = "---
apiVersion: v1
kind: Secret
metadata: {name: partner, namespace: apps}
stringData: {X-Partner-Key: \"hush\\n\", other: mum, bad: \"hush\\u0001\", blank: ' '}
---
apiVersion: v1
kind: Secret
metadata: {name: far, namespace: vault}
stringData: {X-Far: hush}
---
apiVersion: v1
kind: Secret
metadata: {name: closed, namespace: vault}
stringData: {X-Far: hush}
---
apiVersion: gateway.networking.k8s.io/v1beta1
kind: ReferenceGrant
metadata: {name: g, namespace: vault}
spec:
  from: [{group: gateway.kgateway.dev, kind: TrafficPolicy, namespace: apps}]
  to: [{group: '', kind: Secret, name: far}]
";

fn on(target: &str, name: &str, modifiers: &str) -> String {
    let namespace = if target.contains("kind: Gateway") {
        "infra"
    } else {
        "apps"
    };
    let spec = format!("  targetRefs: [{target}]\n  headerModifiers: {modifiers}\n");
    kgateway_policy("TrafficPolicy", name, namespace, &spec)
}

fn with_policy(modifiers: &str) -> CompiledConfig {
    with_route(&format!("{}{SECRETS}", on(ROUTE, "p", modifiers)))
}

/// The headers that are set, added and removed, in one line.
fn shown(edit: &HeaderEdit) -> String {
    let pairs = |sign: &str, pairs: &[(http::HeaderName, http::HeaderValue)]| {
        let pair = |(name, value): &(http::HeaderName, http::HeaderValue)| {
            let value_text = value.to_str().unwrap();
            let mark = if value.is_sensitive() { "!" } else { "" };
            format!("{sign}{name}:{value_text}{mark}")
        };
        pairs.iter().map(pair).collect::<Vec<_>>()
    };
    let mut all = pairs("=", &edit.set);
    all.extend(pairs("+", &edit.add));
    all.extend(edit.remove.iter().map(|name| format!("-{name}")));
    all.join(" ")
}

fn edits(compiled: &CompiledConfig) -> (String, String) {
    let rule = rule(compiled, 8080, "a.b", "/").unwrap();
    let modifiers = rule.policies.header_modifiers.value();
    let modifiers = modifiers.expect("headerModifiers");
    (shown(&modifiers.request), shown(&modifiers.response))
}

#[test]
fn headers_are_set_added_and_removed() {
    let most = vec!["{name: a, value: b}"; 16].join(", ");
    let longest = "v".repeat(4096);
    for (modifiers, request, response) in [
        (
            "{request: {set: [{name: X-A, value: a b}], add: [{name: B, value: b}], remove: [C]}}",
            "=x-a:a b +b:b -c",
            "",
        ),
        ("{response: {remove: [Server, C]}}", "", "-server -c"),
        (
            "{request: {remove: [Proxy-Authorization]}, response: {add: [{name: Proxy-Authorization, value: x}]}}",
            "-proxy-authorization",
            "+proxy-authorization:x",
        ),
        (
            "{request: {set: [{name: a, value: one}, {name: A, value: two}]}}",
            "=a:one",
            "",
        ),
        ("{request: {set: []}}", "", ""),
        (&format!("{{request: {{add: [{most}]}}}}"), "+a:b", ""),
        (
            &format!("{{request: {{set: [{{name: a, value: {longest}}}]}}}}"),
            &format!("=a:{longest}"),
            "",
        ),
    ] {
        let compiled = with_policy(modifiers);
        assert!(compiled.report.accepted(), "{}", compiled.report.table());
        assert_eq!(
            edits(&compiled),
            (request.to_owned(), response.to_owned()),
            "{modifiers}"
        );
    }
}

#[test]
fn a_value_may_come_from_a_secret() {
    for (source, expected) in [
        (
            "{name: X-Partner-Key, secretRef: {name: partner}}",
            "=x-partner-key:hush!",
        ),
        (
            "{secretRef: {name: partner, key: X-Partner-Key}}",
            "=x-partner-key:hush!",
        ),
        (
            "{name: X-A, secretRef: {name: partner, key: other}}",
            "=x-a:mum!",
        ),
        (
            "{secretRef: {name: far, namespace: vault, key: X-Far}}",
            "=x-far:hush!",
        ),
    ] {
        let compiled = with_policy(&format!("{{request: {{set: [{source}]}}}}"));
        assert!(compiled.report.accepted(), "{}", compiled.report.table());
        assert_eq!(edits(&compiled).0, expected, "{source}");
        for text in [
            format!("{:?}", compiled.snapshot),
            serde_json::to_string(&compiled.snapshot).unwrap(),
        ] {
            assert!(!text.contains("hush") && !text.contains("mum"), "{text}");
        }
    }
}

fn assert_refused(modifiers: &str, fault: &str) {
    let compiled = with_policy(modifiers);
    let problems = problems(&compiled);
    let expected = format!("{AT}: spec.headerModifiers{fault}");
    assert!(
        problems.iter().any(|problem| problem.ends_with(&expected)),
        "{expected} {problems:?}"
    );
    assert!(!problems.iter().any(|problem| problem.contains("hush")));
    assert!(condition(&compiled, AT, "Accepted").starts_with("false Invalid"));
    assert!(get(&compiled, "a.b").starts_with("refuse "), "{modifiers}");
}

#[test]
fn what_is_wrong_is_named() {
    let seventeen = vec!["{name: a, value: b}"; 17].join(", ");
    for (modifiers, fault) in [
        (
            "{}".to_owned(),
            ": at least one of the fields in [request response] must be set",
        ),
        (
            "{request: {}}".to_owned(),
            ".request: at least one of the fields in [set add remove] must be set",
        ),
        (
            format!("{{response: {{add: [{seventeen}]}}}}"),
            ".response.add: at most 16 are allowed",
        ),
        (
            format!("{{request: {{remove: [{}]}}}}", vec!["a"; 17].join(", ")),
            ".request.remove: at most 16 are allowed",
        ),
        (
            "{request: {remove: [a, Host]}}".to_owned(),
            ".request.remove[1]: this header cannot be modified: it decides where the message goes or ends",
        ),
    ] {
        assert_refused(&modifiers, fault);
    }
}

#[test]
fn a_header_has_a_name_and_one_source() {
    let long_name = format!("{{name: {}, value: b}}", "n".repeat(257));
    let long_value = format!("{{name: a, value: {}}}", "v".repeat(4097));
    for (source, fault) in [
        (
            "{name: a}",
            ": exactly one of the fields in [value secretRef] must be set",
        ),
        (
            "{name: a, value: b, secretRef: {name: partner}}",
            ": exactly one of the fields in [value secretRef] must be set",
        ),
        (
            "{value: b}",
            ": name is required when using an inline value",
        ),
        (
            "{secretRef: {name: partner}}",
            ": name or secretRef.key is needed",
        ),
        (
            "{name: '', value: b}",
            ".name: 1 to 256 characters are allowed",
        ),
        (&*long_name, ".name: 1 to 256 characters are allowed"),
        ("{name: a b, value: b}", ".name: not a header name"),
        (
            "{name: Transfer-Encoding, value: b}",
            ".name: this header cannot be modified: it decides where the message goes or ends",
        ),
        (
            "{name: Proxy-Authorization, value: b}",
            ".name: this header is for the proxy itself and is never sent on",
        ),
        (
            "{name: a, value: ''}",
            ".value: 1 to 4096 characters are allowed",
        ),
        (&*long_value, ".value: 1 to 4096 characters are allowed"),
        ("{name: a, value: 'b  c'}", ".value: not a header value"),
        ("{name: a, value: ' b'}", ".value: not a header value"),
        ("{name: a, value: ü}", ".value: not a header value"),
        (
            "{name: a, secretRef: {name: gone}}",
            ".secretRef: Secret apps/gone not found",
        ),
        (
            "{name: a, secretRef: {name: partner}}",
            ".secretRef: Secret apps/partner has no a",
        ),
        (
            "{name: X-Far, secretRef: {name: closed, namespace: vault}}",
            ".secretRef: no ReferenceGrant allows Secret vault/closed",
        ),
        (
            "{name: a, secretRef: {name: partner, key: bad}}",
            ".secretRef: bad of Secret apps/partner is not a header value",
        ),
        (
            "{name: a, secretRef: {name: partner, key: blank}}",
            ".secretRef: blank of Secret apps/partner is not a header value",
        ),
        (
            "{name: a, secretRef: {name: partner, key: b/c}}",
            ".secretRef: b/c is not a key of a Secret",
        ),
    ] {
        let modifiers = format!("{{request: {{set: [{source}]}}}}");
        assert_refused(&modifiers, &format!(".request.set[0]{fault}"));
    }
}

#[test]
fn an_unknown_field_is_an_error() {
    let unknown = on(ROUTE, "p", "{request: {replace: []}}");
    let errors = errors(&unknown);
    assert!(
        errors[0].contains("spec.headerModifiers.request.replace: unknown field"),
        "{errors:?}"
    );
    assert!(errors[0].starts_with("t.yaml:"), "{errors:?}");
}

#[test]
fn of_two_policies_the_older_decides_and_of_two_targets_the_narrower() {
    let set = |value: &str| format!("{{request: {{set: [{{name: a, value: {value}}}]}}}}");
    let both = on(ROUTE, "a", &set("old")) + &on(ROUTE, "p", &set("young"));
    let compiled = with_route(&both);
    assert_eq!(edits(&compiled).0, "=a:old");
    assert!(condition(&compiled, AT, "Attached").starts_with("false Overridden"));

    let merged = kgateway_policy(
        "TrafficPolicy",
        "p",
        "apps",
        &format!(
            "  targetRefs: [{ROUTE}]\n  httpUpgrade: []\n  headerModifiers: {}\n",
            set("young")
        ),
    );
    let compiled = with_route(&(on(ROUTE, "a", &set("old")) + &merged));
    assert_eq!(edits(&compiled).0, "=a:old");
    assert!(condition(&compiled, AT, "Attached").starts_with("true Merged"));
    assert!(
        warnings(&compiled)[0].contains("spec.headerModifiers: the older TrafficPolicy apps/a"),
        "{:?}",
        warnings(&compiled)
    );

    let wide = on(GATEWAY, "wide", &set("wide"));
    assert_eq!(edits(&with_route(&wide)).0, "=a:wide");
    assert_eq!(
        edits(&with_route(&(wide + &on(ROUTE, "p", &set("narrow"))))).0,
        "=a:narrow"
    );
}

/// Nothing in TLS passthrough can be changed; it is served all the same.
#[test]
fn on_tls_that_is_passed_on_it_has_no_effect() {
    let base = BASE.replace(
        "protocol: HTTP, port: 8080,",
        "protocol: TLS, tls: {mode: Passthrough}, port: 8443,",
    );
    let to_names = route_of(
        "TLSRoute",
        "t",
        &format!("  hostnames: ['*.example']\n  rules:\n  - {TO_DFP}\n"),
    );
    let policy = on(GATEWAY, "p", "{request: {remove: [a]}}");
    let compiled = run(&format!("{base}{policy}{to_names}"));
    assert!(compiled.report.accepted(), "{}", compiled.report.table());
    let rule = request(&compiled, (8443, "a.example"), (&Method::CONNECT, ""), &[]);
    assert_eq!(describe(rule.unwrap()), "1*dynamic apps/dfp");
    assert_eq!(
        warnings(&compiled),
        [
            "t.yaml:19: TrafficPolicy infra/p: spec.headerModifiers: has no effect on the connections of a TLSRoute: \
             TLSRoute apps/t at Gateway infra/gw#http"
        ]
    );
}

/// A policy as a user of kgateway wrote it.
#[test]
fn a_policy_that_takes_a_key_for_a_partner_from_a_secret_is_accepted() {
    let policy = "---
apiVersion: gateway.kgateway.dev/v1alpha1
kind: TrafficPolicy
metadata:
  name: p
  namespace: apps
spec:
  targetRefs:
  - group: gateway.networking.k8s.io
    kind: HTTPRoute
    name: r
  headerModifiers:
    request:
      set:
      - name: X-Partner-Key
        secretRef:
          name: partner
          key: X-Partner-Key
";
    let compiled = with_route(&format!("{policy}{SECRETS}"));
    assert!(compiled.report.accepted(), "{}", compiled.report.table());
    assert_eq!(edits(&compiled).0, "=x-partner-key:hush!");
}
