//! `jwtAuth` of TrafficPolicies, and GatewayExtensions with `jwt`.

use super::{GATEWAY, ROUTE, condition, kgateway_policy, problems, rule, warnings, with_route};
use crate::compile::CompiledConfig;
use crate::policy::jwt_auth::{JwtAuth, ProviderKeys, TokenSource};
use crate::policy::traffic::PolicySetting;
use crate::snapshot::BackendDestination;

const KEYS: &str = r#"'{"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}'"#;

const OTHERS: &str = "---
apiVersion: v1
kind: ConfigMap
metadata: {name: keys, namespace: apps}
data: {jwks: '{\"keys\": []}', other: x}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: broken, namespace: apps}
data: {jwks: '[]'}
---
apiVersion: gateway.kgateway.dev/v1alpha1
kind: Backend
metadata: {name: idp, namespace: apps}
spec: {static: {hosts: [{host: id.example, port: 443}]}}
---
apiVersion: v1
kind: Service
metadata: {name: idp, namespace: ops}
spec: {ports: [{port: 80}]}
";

/// The rule of a route with `jwtAuth` and this extension.
fn with_extension(spec: &str) -> CompiledConfig {
    let extension = kgateway_policy("GatewayExtension", "tokens", "apps", &format!("  {spec}\n"));
    let line = format!("  targetRefs: [{ROUTE}]\n  jwtAuth: {{extensionRef: {{name: tokens}}}}\n");
    let policy = kgateway_policy("TrafficPolicy", "p", "apps", &line);
    with_route(&format!("{extension}{policy}{OTHERS}"))
}

fn jwt(compiled: &CompiledConfig) -> JwtAuth {
    let rule = rule(compiled, 8080, "a.b", "/").unwrap();
    let jwt = rule.policies.jwt_auth.value().expect("jwtAuth");
    JwtAuth::clone(jwt)
}

#[test]
fn providers_are_those_of_the_extension() {
    let compiled = with_extension(&format!(
        "{{type: JWT, jwt: {{validationMode: AllowMissing, providers: [
           {{name: a, issuer: me, audiences: [x], forwardToken: true, jwks: {{local: {{inline: {KEYS}}}}},
             claimsToHeaders: [{{name: sub, header: X-Sub}}], tokenSource: {{header: {{header: X-Token, prefix: 'T '}}}}}},
           {{name: b, jwks: {{local: {{configMapRef: {{name: keys}}}}}}, tokenSource: {{queryParameter: t}}}},
           {{name: c, jwks: {{local: {{inline: {KEYS}}}}}}}]}}}}"
    ));
    assert!(compiled.report.accepted(), "{}", compiled.report.table());
    let accepted = condition(&compiled, "GatewayExtension apps/tokens", "Accepted");
    assert!(accepted.starts_with("true Accepted"), "{accepted}");
    let jwt = jwt(&compiled);
    assert!(jwt.allows_missing);
    let [a, b, c] = jwt.providers.as_slice() else {
        panic!("{jwt:?}");
    };
    assert_eq!(a.issuer.as_deref(), Some("me"));
    assert_eq!(
        (a.audiences.as_slice(), a.forwards),
        (&["x".to_owned()][..], true)
    );
    assert_eq!(a.claims_to_headers[0].header, "x-sub");
    let header = TokenSource::Header {
        name: "x-token".parse().unwrap(),
        prefix: "T ".to_owned(),
    };
    let sources = [&a.source, &b.source, &c.source];
    assert_eq!(
        sources,
        [
            &header,
            &TokenSource::Query("t".to_owned()),
            &TokenSource::Usual
        ]
    );
    assert_eq!((&b.issuer, b.forwards), (&None, false));
    assert!(matches!(&b.keys, ProviderKeys::Local(keys) if keys.is_empty()));
}

#[test]
fn remote_keys_name_a_service_that_the_snapshot_knows() {
    let remote = |more: &str| {
        with_extension(&format!(
            "jwt: {{providers: [{{name: a, jwks: {{remote: {{url: 'https://id.example/keys', {more}}}}}}}]}}"
        ))
    };
    let backend = "backendRef: {group: gateway.kgateway.dev, kind: Backend, name: idp}";
    let compiled = remote(&format!(
        "{backend}, cacheDuration: 2m, asyncFetch: {{fastListener: true, failedRefetchDuration: 3s}},
         retryPolicy: {{numRetries: 2, backOff: {{baseInterval: 10ms}}}}"
    ));
    assert!(compiled.report.accepted(), "{}", compiled.report.table());
    let [keys] = compiled.snapshot.remote_keys.as_slice() else {
        panic!("{:?}", compiled.snapshot.remote_keys);
    };
    assert_eq!(keys.url, "https://id.example/keys");
    let times = [
        keys.cache_duration,
        keys.failed_refetch,
        keys.back_off.0,
        keys.back_off.1,
    ];
    assert_eq!(times.map(|time| time.as_millis()), [120_000, 3000, 10, 100]);
    assert_eq!(keys.retries, 2);
    let service = &compiled.snapshot.services[&keys.service];
    let BackendDestination::Static(to) = &service.destination else {
        panic!("{service:?}");
    };
    // The URL says that it is reached over TLS.
    let tls = to.settings.tls.as_ref().unwrap();
    assert_eq!(tls.sni.as_ref().unwrap().as_str(), "id.example");

    let problems = problems(&remote("backendRef: {name: idp, namespace: ops, port: 80}"));
    let expected = "GatewayExtension apps/tokens: spec.jwt.providers[0].jwks.remote.backendRef: missing \
                    reference grant for Service ops/idp";
    assert!(
        problems.iter().any(|it| it.ends_with(expected)),
        "{problems:#?}"
    );
}

#[test]
fn faults_are_those_of_the_extension_and_refuse_the_rule() {
    let provider = |more: &str| format!("jwt: {{providers: [{{name: a, {more}}}]}}");
    let local = |text: &str| provider(&format!("jwks: {{local: {text}}}"));
    let remote = |text: &str| provider(&format!("jwks: {{remote: {text}}}"));
    let good = format!("jwks: {{local: {{inline: {KEYS}}}}}");
    for (spec, expected) in [
        (
            "type: JWT".to_owned(),
            "spec.jwt: must be set, because it is the type",
        ),
        ("oauth2: {}".to_owned(), "spec.oauth2: not supported yet"),
        (
            "jwt: {}".to_owned(),
            "spec.jwt.providers: 1 to 32 are needed",
        ),
        (
            format!("jwt: {{providers: [{{name: a, {good}}}, {{name: a, {good}}}]}}"),
            "spec.jwt.providers[1].name: another provider has this name",
        ),
        (
            provider(&format!("audiences: [], {good}")),
            "spec.jwt.providers[0].audiences: at least one is needed",
        ),
        (
            provider(&format!("tokenSource: {{}}, {good}")),
            "spec.jwt.providers[0].tokenSource: exactly one of the fields in [header queryParameter] must be set",
        ),
        (
            provider(&format!(
                "claimsToHeaders: [{{name: a, header: proxy-authorization}}], {good}"
            )),
            "spec.jwt.providers[0].claimsToHeaders[0].header: this header is for the proxy itself and is never sent on",
        ),
        (
            local("{}"),
            "spec.jwt.providers[0].jwks.local: exactly one of the fields in [inline configMapRef] must be set",
        ),
        (
            local("{inline: x}"),
            "spec.jwt.providers[0].jwks.local.inline: neither a JSON Web Key Set, as in {\"keys\": []}, nor a public key in PEM",
        ),
        (
            local("{configMapRef: {name: kyes}}"),
            "spec.jwt.providers[0].jwks.local.configMapRef: ConfigMap apps/kyes not found; did you mean ConfigMap apps/keys?",
        ),
        (
            local("{configMapRef: {name: broken}}"),
            "spec.jwt.providers[0].jwks.local.configMapRef: jwks of ConfigMap apps/broken: neither a JSON Web Key Set, as in {\"keys\": []}, nor a public key in PEM",
        ),
        (
            remote(
                "{url: /keys, backendRef: {group: gateway.kgateway.dev, kind: Backend, name: idp}}",
            ),
            "spec.jwt.providers[0].jwks.remote.url: not a URL: write https://host/path",
        ),
        (
            remote("{url: 'http://a/', backendRef: {name: idp}}"),
            "spec.jwt.providers[0].jwks.remote.backendRef: Must have port for Service reference",
        ),
        (
            remote(
                "{url: 'http://a/', backendRef: {group: gateway.kgateway.dev, kind: Backend, name: dfp}}",
            ),
            "spec.jwt.providers[0].jwks.remote.backendRef: Backend apps/dfp goes wherever a request asks to; a service has a host: write static",
        ),
    ] {
        assert_fault(&spec, expected);
    }
}

/// Checks that an extension has this fault, and so its policy.
fn assert_fault(spec: &str, expected: &str) {
    let compiled = with_extension(spec);
    let problems = problems(&compiled);
    let of_extension = format!("GatewayExtension apps/tokens: {expected}");
    assert!(
        problems.iter().any(|it| it.ends_with(&of_extension)),
        "{spec} {problems:#?}"
    );
    let of_policy = format!(
        "TrafficPolicy apps/p: spec.jwtAuth.extensionRef: GatewayExtension apps/tokens: {expected}"
    );
    assert!(
        problems.iter().any(|it| it.ends_with(&of_policy)),
        "{spec} {problems:#?}"
    );
    let accepted = condition(&compiled, "GatewayExtension apps/tokens", "Accepted");
    assert!(accepted.starts_with("false Invalid"), "{accepted}");
    let table = compiled.report.table();
    assert!(!table.contains("c2VjcmV0"), "{table}");
}

#[test]
fn a_policy_needs_an_extension_that_it_may_refer_to() {
    let of_policy = |line: &str| {
        let spec = format!("  targetRefs: [{ROUTE}]\n  jwtAuth: {line}\n");
        let policy = kgateway_policy("TrafficPolicy", "p", "apps", &spec);
        problems(&with_route(&format!("{policy}{OTHERS}")))
    };
    for (line, expected) in [
        (
            "{}",
            "spec.jwtAuth: exactly one of the fields in [extensionRef disable] must be set",
        ),
        (
            "{extensionRef: {name: none}}",
            "spec.jwtAuth.extensionRef: GatewayExtension apps/none not found",
        ),
        (
            "{extensionRef: {name: t, namespace: ops}}",
            "spec.jwtAuth.extensionRef: no ReferenceGrant allows GatewayExtension ops/t",
        ),
    ] {
        let problems = of_policy(line);
        let expected = format!("TrafficPolicy apps/p: {expected}");
        assert!(problems[0].ends_with(&expected), "{problems:#?}");
    }
}

#[test]
fn a_route_cannot_take_it_away_from_its_gateway() {
    let spec =
        format!("  jwt: {{providers: [{{name: a, jwks: {{local: {{inline: {KEYS}}}}}}}]}}\n");
    let extension = kgateway_policy("GatewayExtension", "tokens", "infra", &spec);
    let wide =
        format!("  targetRefs: [{GATEWAY}]\n  jwtAuth: {{extensionRef: {{name: tokens}}}}\n");
    let wide = kgateway_policy("TrafficPolicy", "wide", "infra", &wide);
    let narrow = format!("  targetRefs: [{ROUTE}]\n  jwtAuth: {{disable: {{}}}}\n");
    let narrow = kgateway_policy("TrafficPolicy", "p", "apps", &narrow);
    let compiled = with_route(&format!("{extension}{wide}{narrow}"));
    let rule = rule(&compiled, 8080, "a.b", "/").unwrap();
    let PolicySetting::Set(policy, _) = &rule.policies.jwt_auth else {
        panic!("{:?}", rule.policies.jwt_auth);
    };
    assert_eq!(&*policy.name, "wide");
    let warned = warnings(&compiled);
    assert!(
        warned[0].contains("spec.jwtAuth: has no effect"),
        "{warned:?}"
    );
}
