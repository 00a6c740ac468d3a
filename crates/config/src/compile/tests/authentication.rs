//! `basicAuth` and `apiKeyAuth` of TrafficPolicies.

use http::Method;

use super::{
    BASE, CompiledConfig, GATEWAY, ROUTE, TO_DFP, condition, describe, errors, get,
    kgateway_policy, problems, request, route, route_of, rule, run, warnings, with_base,
    with_route,
};
use crate::policy::api_key_auth::KeySource;
use crate::policy::basic_auth::PasswordCheck;
use crate::policy::traffic::TrafficSettings;

const AT: &str = "TrafficPolicy apps/p";
/// The password is `secret`.
const ANN: &str = "ann:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=";
const BOB: &str = "bob:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=";

const SECRETS: &str = "---
apiVersion: v1
kind: Secret
metadata: {name: users, namespace: apps}
stringData:
  .htpasswd: \"# us\\nann:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\\n\"
  others: 'bob:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ='
  broken: \"ann:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\\nbob:$2y$05$topsecret\"
---
apiVersion: v1
kind: Secret
metadata: {name: keys, namespace: apps, labels: {use: keys, part: a}}
stringData: {one: \"k-1\\n\", two: k-2}
---
apiVersion: v1
kind: Secret
metadata: {name: more, namespace: apps, labels: {use: keys}}
data: {two: ay0yMg==, three: ay0z}
---
apiVersion: v1
kind: Secret
metadata: {name: thief, namespace: apps, labels: {use: theft}}
stringData: {four: k-4, five: k-4}
---
apiVersion: v1
kind: Secret
metadata: {name: hollow, namespace: apps}
stringData: {six: ' '}
---
apiVersion: v1
kind: Secret
metadata: {name: bare, namespace: apps}
---
apiVersion: v1
kind: Secret
metadata: {name: far, namespace: vault, labels: {use: far}}
stringData: {seven: k-7, .htpasswd: 'eve:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ='}
";

const GRANT: &str = "---
apiVersion: gateway.networking.k8s.io/v1beta1
kind: ReferenceGrant
metadata: {name: g, namespace: vault}
spec:
  from: [{group: gateway.kgateway.dev, kind: TrafficPolicy, namespace: apps}]
  to: [{group: '', kind: Secret, name: far}]
";

fn on(target: &str, name: &str, line: &str) -> String {
    let namespace = if target.contains("Gateway") {
        "infra"
    } else {
        "apps"
    };
    let spec = format!("  targetRefs: [{target}]\n  {line}\n");
    kgateway_policy("TrafficPolicy", name, namespace, &spec)
}

fn section(target: &str, name: &str) -> String {
    target.replace('}', &format!(", sectionName: {name}}}"))
}

fn with_policy(line: &str) -> CompiledConfig {
    with_route(&format!("{}{SECRETS}{GRANT}", on(ROUTE, "p", line)))
}

fn settings(compiled: &CompiledConfig) -> &TrafficSettings {
    &rule(compiled, 8080, "a.b", "/").unwrap().policies
}

/// The users that the password `secret` authenticates.
fn users(compiled: &CompiledConfig) -> Vec<&'static str> {
    let basic = settings(compiled).basic_auth.value();
    let is_right = |check| matches!(check, PasswordCheck::Right(_));
    let is_in = |name: &&str| basic.is_some_and(|basic| is_right(basic.check(name, b"secret")));
    ["ann", "bob", "eve"].into_iter().filter(is_in).collect()
}

/// The clients of these keys.
fn clients(compiled: &CompiledConfig) -> Vec<String> {
    let keys = settings(compiled).api_key_auth.value().expect("apiKeyAuth");
    let all = ["k-1", "k-2", "k-22", "k-3", "k-7", "k-1\n", ""];
    let client = |key: &&str| Some(format!("{key}={}", keys.check(key.as_bytes())?));
    all.iter().filter_map(client).collect()
}

#[test]
fn users_are_taken_from_the_policy_or_a_secret() {
    for (line, expected) in [
        (
            &*format!("basicAuth: {{users: ['{ANN}', '{BOB}']}}"),
            &["ann", "bob"][..],
        ),
        ("basicAuth: {secretRef: {name: users}}", &["ann"]),
        (
            "basicAuth: {secretRef: {name: users, namespace: apps, key: others}}",
            &["bob"],
        ),
        (
            "basicAuth: {secretRef: {name: far, namespace: vault}}",
            &["eve"],
        ),
    ] {
        let compiled = with_policy(line);
        assert!(compiled.report.accepted(), "{}", compiled.report.table());
        assert_eq!(users(&compiled), expected, "{line}");
        let policy = settings(&compiled).basic_auth.policy();
        assert_eq!(policy.unwrap().to_string(), AT);
    }
}

#[test]
fn keys_are_taken_from_secrets() {
    for (line, expected) in [
        ("secretRef: {name: keys}", &["k-1=one", "k-2=two"][..]),
        (
            "secretRef: {name: keys, group: '', kind: Secret}",
            &["k-1=one", "k-2=two"],
        ),
        ("secretRef: {name: far, namespace: vault}", &["k-7=seven"]),
        (
            "secretSelector: {matchLabels: {use: keys}}",
            &["k-1=one", "k-2=two", "k-22=two", "k-3=three"],
        ),
        (
            "secretSelector: {matchLabels: {use: keys, part: a}}",
            &["k-1=one", "k-2=two"],
        ),
    ] {
        let compiled = with_policy(&format!("apiKeyAuth: {{{line}}}"));
        // In the Secret `far`, the entry that was not meant as a key counts as one: all entries do.
        assert!(compiled.report.accepted(), "{}", compiled.report.table());
        assert_eq!(clients(&compiled), expected, "{line}");
    }
}

#[test]
fn keys_are_looked_for_in_order() {
    let header = |name: &'static str| KeySource::Header(http::HeaderName::from_static(name));
    for (line, expected) in [
        ("", vec![header("api-key")]),
        (", keySources: [{header: X-Key}]", vec![header("x-key")]),
        (
            ", keySources: [{cookie: c, query: q, header: h}, {query: z}]",
            vec![
                header("h"),
                KeySource::Query("q".into()),
                KeySource::Cookie("c".into()),
                KeySource::Query("z".into()),
            ],
        ),
    ] {
        let compiled = with_policy(&format!("apiKeyAuth: {{secretRef: {{name: keys}}{line}}}"));
        let keys = settings(&compiled).api_key_auth.value().unwrap();
        assert_eq!(keys.sources, expected, "{line}");
        assert_eq!(keys.in_every_form, !line.is_empty(), "{line}");
        assert!(!keys.forwards && keys.client_id_header.is_none());
    }
    let compiled = with_policy(
        "apiKeyAuth: {secretRef: {name: keys}, forwardCredential: true, clientIdHeader: X-Client}",
    );
    let keys = settings(&compiled).api_key_auth.value().unwrap();
    assert!(keys.forwards);
    assert_eq!(keys.client_id_header.as_ref().unwrap(), "x-client");
}

/// Checks that the fault is reported without a secret, and that requests are refused.
fn assert_refused(line: &str, fault: &str) {
    let compiled = with_policy(line);
    let told = problems(&compiled).join("\n");
    let expected = format!(": {AT}: spec.{fault}");
    assert!(told.contains(&expected), "{line}: {told}");
    let refused = format!("refuse {AT}: spec.{fault}");
    assert!(get(&compiled, "a.b").starts_with(&refused), "{line}");
    let accepted = condition(&compiled, AT, "Accepted");
    assert!(accepted.starts_with("false Invalid: "), "{line}");
    let shown = format!("{told}{:?}", compiled.snapshot);
    for secret in ["topsecret", "k-4", "5en6"] {
        assert!(!shown.contains(secret), "{line}: {shown}");
    }
}

#[test]
fn users_that_are_wrong_are_nobody() {
    for (line, fault) in [
        (
            "basicAuth: {}",
            "basicAuth: exactly one of the fields in [users secretRef disable] must be set",
        ),
        (
            "basicAuth: {users: ['ann:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ='], disable: {}}",
            "basicAuth: exactly one of the fields in",
        ),
        (
            "basicAuth: {users: []}",
            "basicAuth.users: 1 to 256 are allowed",
        ),
        (
            "basicAuth: {users: ['topsecret']}",
            "basicAuth.users[0]: not a line of name:hash",
        ),
        (
            "basicAuth: {users: ['ann:topsecret']}",
            "basicAuth.users[0]: only bcrypt and {SHA} are supported",
        ),
        (
            "basicAuth: {secretRef: {name: users, key: broken}}",
            "basicAuth.secretRef: broken: line 2: not a hash of bcrypt behind $2y$",
        ),
        (
            "basicAuth: {secretRef: {name: bare}}",
            "basicAuth.secretRef: Secret apps/bare has no .htpasswd",
        ),
        (
            "basicAuth: {secretRef: {name: none}}",
            "basicAuth.secretRef: Secret apps/none not found",
        ),
        (
            "basicAuth: {secretRef: {name: other, namespace: vault}}",
            "basicAuth.secretRef: no ReferenceGrant allows Secret vault/other",
        ),
    ] {
        assert_refused(line, fault);
    }
}

#[test]
fn keys_that_are_wrong_are_nobodys() {
    for (line, fault) in [
        (
            "apiKeyAuth: {keySources: [{header: x}]}",
            "apiKeyAuth: exactly one of the fields in [secretRef secretSelector disable] must be set",
        ),
        (
            "apiKeyAuth: {secretRef: {name: keys, kind: ConfigMap}}",
            "apiKeyAuth.secretRef.kind: only Secret is supported",
        ),
        (
            "apiKeyAuth: {secretRef: {name: keys, group: x}}",
            "apiKeyAuth.secretRef.group: only",
        ),
        (
            "apiKeyAuth: {secretRef: {name: bare}}",
            "apiKeyAuth.secretRef: Secret apps/bare has no keys",
        ),
        (
            "apiKeyAuth: {secretRef: {name: hollow}}",
            "apiKeyAuth.secretRef: Secret apps/hollow: the key of six is empty",
        ),
        (
            "apiKeyAuth: {secretRef: {name: thief}}",
            "apiKeyAuth.secretRef: Secret apps/thief: four has the same key as five",
        ),
        (
            "apiKeyAuth: {secretSelector: {matchLabels: {}}}",
            "apiKeyAuth.secretSelector.matchLabels: at least one label",
        ),
        (
            "apiKeyAuth: {secretSelector: {matchExpressions: [{key: use, operator: Exists, values: [a]}]}}",
            "apiKeyAuth.secretSelector.matchExpressions[0]: operator is In or NotIn with values, or Exists",
        ),
        (
            "apiKeyAuth: {secretSelector: {matchExpressions: [{key: far, operator: Exists}]}}",
            "apiKeyAuth.secretSelector.matchExpressions: no Secret of the namespace",
        ),
        (
            "apiKeyAuth: {secretSelector: {matchLabels: {use: far}}}",
            "apiKeyAuth.secretSelector.matchLabels: no Secret of the namespace",
        ),
        (
            "apiKeyAuth: {secretRef: {name: keys}, keySources: [{}]}",
            "apiKeyAuth.keySources[0]: at least one",
        ),
        (
            "apiKeyAuth: {secretRef: {name: keys}, keySources: [{header: 'a b'}]}",
            "apiKeyAuth.keySources[0].header: not a header name",
        ),
        (
            "apiKeyAuth: {secretRef: {name: keys}, keySources: [{header: Host}]}",
            "apiKeyAuth.keySources[0].header: this header cannot",
        ),
        (
            "apiKeyAuth: {secretRef: {name: keys}, keySources: [{query: ''}]}",
            "apiKeyAuth.keySources[0].query: 1 to 256",
        ),
        (
            "apiKeyAuth: {secretRef: {name: keys}, clientIdHeader: Via}",
            "apiKeyAuth.clientIdHeader: this header is the proxy's own",
        ),
    ] {
        assert_refused(line, fault);
    }
}

/// The annotation on the Gateway is kgateway's order: the narrower policy decides.
#[test]
fn a_gateway_may_let_its_routes_switch_authentication_off() {
    let off = on(ROUTE, "p", "basicAuth: {disable: {}}");
    let text = on(GATEWAY, "wide", &format!("basicAuth: {{users: ['{ANN}']}}")) + &off;
    let guarded = with_route(&text);
    assert_eq!(users(&guarded), ["ann"]);
    let told = warnings(&guarded);
    let expected = "spec.basicAuth: has no effect: TrafficPolicy infra/wide stays in force, because a route cannot take it away";
    assert!(
        told.iter().any(|warning| warning.contains(expected)),
        "{told:?}"
    );
    let rules = route(&format!("  rules:\n  - name: main\n    {TO_DFP}\n"));
    let annotated = BASE.replacen(
        "metadata: {name: gw, ",
        "metadata: {annotations: {kgateway.dev/inherited-policy-priority: ShallowMergePreferChild}, name: gw, ",
        1,
    );
    assert_ne!(annotated, BASE);
    let lenient = run(&format!("{annotated}---\n{text}{rules}"));
    assert_eq!(users(&lenient), [""; 0]);
    assert!(
        !warnings(&lenient)
            .iter()
            .any(|warning| warning.contains("has no effect"))
    );
}

#[test]
fn an_unknown_field_is_an_error() {
    let unknown = on(ROUTE, "p", "basicAuth: {realm: x}");
    assert!(errors(&unknown)[0].contains("spec.basicAuth.realm: unknown field"));
}

/// The narrowest policy that sets the field decides, `disable` included, and each kind of authentication by itself.
#[test]
fn the_narrower_policy_goes_before_the_wider() {
    let basic = |user: &str| format!("basicAuth: {{users: ['{user}']}}");
    let (ann, bob) = (basic(ANN), basic(BOB));
    let off = "basicAuth: {disable: {}}";
    let targets = [
        GATEWAY.to_owned(),
        section(GATEWAY, "http"),
        ROUTE.to_owned(),
        section(ROUTE, "main"),
    ];
    for (at, narrow) in targets.iter().enumerate() {
        for wide in &targets[..at] {
            // A route cannot take away what its Gateway or the listener guards.
            let is_guarded = wide.contains("Gateway") && narrow.contains("HTTPRoute");
            let without = if is_guarded { &["ann"][..] } else { &[] };
            for (line, expected) in [(&*bob, &["bob"][..]), (off, without)] {
                let both = on(wide, "wide", &ann) + &on(narrow, "p", line);
                assert_eq!(users(&with_route(&both)), expected, "{wide} {narrow}");
            }
        }
        assert_eq!(users(&with_route(&on(narrow, "p", &ann))), ["ann"]);
    }
    let other = section(ROUTE, "main").replace("name: r", "name: q");
    assert_eq!(users(&with_route(&on(&other, "p", &ann))), [""; 0]);

    let keys = "apiKeyAuth: {secretRef: {name: keys}}";
    let both = on(ROUTE, "p", keys) + SECRETS + &on(GATEWAY, "wide", &ann);
    let compiled = with_route(&both);
    let found = settings(&compiled);
    assert!(found.basic_auth.value().is_some() && found.api_key_auth.value().is_some());
    let off = "apiKeyAuth: {disable: {}}";
    let both = on(ROUTE, "p", off) + &on(GATEWAY, "wide", &ann);
    let compiled = with_route(&both);
    let found = settings(&compiled);
    assert!(found.basic_auth.value().is_some() && found.api_key_auth.value().is_none());
    let alone = with_route(&on(ROUTE, "p", off));
    assert!(alone.report.accepted());
    let found = &settings(&alone).api_key_auth;
    assert!(found.value().is_none() && !found.is_unset());
}

/// Responses that the gateway generates need authentication too.
#[test]
fn every_action_is_behind_it() {
    let rules = route(
        "  rules:\n  - filters: [{type: RequestRedirect, requestRedirect: {hostname: b.example}}]\n",
    );
    let policy = on(GATEWAY, "p", &format!("basicAuth: {{users: ['{ANN}']}}"));
    assert_eq!(users(&with_base(&(policy + &rules))), ["ann"]);
}

#[test]
fn of_two_on_one_target_the_older_decides() {
    let old = on(ROUTE, "a", &format!("basicAuth: {{users: ['{ANN}']}}"));
    let young = on(ROUTE, "p", &format!("basicAuth: {{users: ['{BOB}']}}"));
    let compiled = with_route(&(old + &young));
    assert_eq!(users(&compiled), ["ann"]);
    assert!(condition(&compiled, AT, "Attached").starts_with("false Overridden"));
}

/// Clients of TLS passthrough cannot authenticate: it is refused and reported, unless authentication is disabled.
#[test]
fn tls_that_is_passed_on_cannot_be_asked() {
    let base = BASE.replace(
        "protocol: HTTP, port: 8080,",
        "protocol: TLS, tls: {mode: Passthrough}, port: 8443,",
    );
    let to_names = route_of(
        "TLSRoute",
        "t",
        &format!("  hostnames: ['*.example']\n  rules:\n  - {TO_DFP}\n"),
    );
    let ask = on(GATEWAY, "p", &format!("basicAuth: {{users: ['{ANN}']}}"));
    let compiled = run(&format!("{base}{ask}{to_names}"));
    let passed = |compiled: &CompiledConfig| {
        let rule = request(compiled, (8443, "a.example"), (&Method::CONNECT, ""), &[]);
        describe(rule.unwrap())
    };
    let why = "TrafficPolicy infra/p: credentials cannot be read in the connections of a TLSRoute";
    assert_eq!(passed(&compiled), format!("refuse {why}"));
    assert_eq!(
        problems(&compiled),
        [
            "t.yaml:19: TrafficPolicy infra/p: spec.basicAuth: credentials cannot be read in the connections of a TLSRoute; \
             it is refused unless the listener has a policy that disables this: \
             TLSRoute apps/t at Gateway infra/gw#http"
        ]
    );
    let off = on(&section(GATEWAY, "http"), "off", "basicAuth: {disable: {}}");
    let compiled = run(&format!("{base}{ask}{off}{to_names}"));
    assert!(compiled.report.accepted(), "{}", compiled.report.table());
    assert_eq!(passed(&compiled), "1*dynamic apps/dfp");
}
