//! `jwtAuth` of a TrafficPolicy: tokens in every form of request, and keys that a server rotates.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use egret_testkit::gateway::{documents, quickstart_config, traffic_policy};
use egret_testkit::token::key_set;
use egret_testkit::upstream::UpstreamTls;
use egret_testkit::{Ca, DnsServer, Gateway, Response, TokenIssuer, Upstream};
use serde_json::{Value, json};

mod claims;
mod keys;

struct TestSetup {
    gateway: Gateway,
    upstream: Upstream,
    dns: DnsServer,
    issuer: TokenIssuer,
}

/// The GatewayExtension `tokens` with a provider of the issuer `me`, and the policy that refers to it.
fn tokens(provider: &str, mode: &str) -> String {
    let extension = format!(
        "apiVersion: gateway.kgateway.dev/v1alpha1
kind: GatewayExtension
metadata: {{name: tokens, namespace: kgateway-system}}
spec: {{jwt: {{validationMode: {mode}, providers: [{{name: p, issuer: me, {provider}}}]}}}}
"
    );
    let policy = traffic_policy("auth", "jwtAuth: {extensionRef: {name: tokens}}");
    documents(&[&extension, &policy])
}

/// Keys that the configuration has.
fn local<'a>(issuers: impl IntoIterator<Item = &'a TokenIssuer>) -> String {
    format!("jwks: {{local: {{inline: '{}'}}}}", key_set(issuers))
}

impl TestSetup {
    fn new(provider: &str, mode: &str) -> Self {
        let (dns, upstream) = (DnsServer::with_a_example(), Upstream::start());
        let issuer = TokenIssuer::new("one");
        let provider = format!("{}, {provider}", local([&issuer]));
        let text = documents(&[&quickstart_config(dns.addr()), &tokens(&provider, mode)]);
        let gateway = Gateway::start(&text);
        Self {
            gateway,
            upstream,
            dns,
            issuer,
        }
    }

    fn apply(&mut self, provider: &str) {
        let text = tokens(provider, "Strict");
        let config = quickstart_config(self.dns.addr());
        self.gateway.apply(&documents(&[&config, &text]));
    }

    fn authority(&self) -> String {
        format!("a.example:{}", self.upstream.port())
    }

    /// A token for ann, with these changes.
    fn token(&self, more: &Value) -> String {
        self.issuer.token(&claims(more))
    }

    fn ask(&self, start: &str, fields: &[(&str, &str)]) -> Response {
        let mut client = self.gateway.connect();
        client.request(head(start, &self.authority(), fields))
    }
}

fn head(start: &str, host: &str, fields: &[(&str, &str)]) -> String {
    let field = |(name, value): &(&str, &str)| format!("{name}: {value}\r\n");
    let fields: String = fields.iter().map(field).collect();
    format!("{start} HTTP/1.1\r\nhost: {host}\r\n{fields}\r\n")
}

fn claims(more: &Value) -> Value {
    let mut claims = json!({"iss": "me", "sub": "ann", "aud": "api", "exp": now() + 600});
    for (name, value) in more.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims
}

#[expect(clippy::disallowed_methods, reason = "tokens have times")]
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap().as_secs()
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

const FORM: &str =
    "Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections";

/// Values of `Authorization`, and what Envoy answers.
fn cases(setup: &TestSetup) -> Vec<(String, u16, &'static str)> {
    let good = setup.token(&json!({}));
    let other = TokenIssuer::new("one").token(&claims(&json!({})));
    let unknown = TokenIssuer::new("two").token(&claims(&json!({})));
    let none = setup
        .issuer
        .token_with(&json!({"alg": "none"}), &claims(&json!({})));
    let unsigned = format!("{}.", none.rsplit_once('.').unwrap().0);
    let claim = |more: Value| bearer(&setup.token(&more));
    vec![
        (bearer(&good), 200, ""),
        (claim(json!({"exp": now() - 30})), 200, ""),
        (format!("Basic {good}"), 401, "Jwt is missing"),
        (format!("bearer {good}"), 401, "Jwt is missing"),
        (good.clone(), 401, "Jwt is missing"),
        ("Bearer ".to_owned(), 401, "Jwt is missing"),
        (claim(json!({"exp": now() - 90})), 401, "Jwt is expired"),
        (claim(json!({"nbf": now() + 90})), 401, "Jwt not yet valid"),
        (bearer(&other), 401, "Jwt verification fails"),
        (
            bearer(&unknown),
            401,
            "Jwks doesn't have key to match kid or alg from Jwt",
        ),
        (
            claim(json!({"aud": "x"})),
            403,
            "Audiences in Jwt are not allowed",
        ),
        (
            claim(json!({"iss": "x"})),
            401,
            "Jwt issuer is not configured",
        ),
        ("Bearer abc".to_owned(), 401, FORM),
        (bearer(&unsigned), 401, FORM),
        (bearer(&none), 401, "Jwt header [alg] is not supported"),
        (
            "Bearer a.b.c".to_owned(),
            401,
            "Jwt header is an invalid Base64url encoded",
        ),
    ]
}

#[test]
fn answers_are_envoys() {
    let setup = TestSetup::new("audiences: [api]", "Strict");
    let good = setup.token(&json!({}));
    for (field, status, body) in cases(&setup) {
        let response = setup.ask("GET /status/200?q=1", &[("authorization", &field)]);
        assert_eq!(
            (response.status, response.text()),
            (status, body),
            "{field}"
        );
        if status == 200 {
            continue;
        }
        let realm = format!(
            "Bearer realm=\"http://{}/status/200?q=1\"{}",
            setup.authority(),
            match body {
                "Jwt is missing" => "",
                _ => ", error=\"invalid_token\"",
            }
        );
        assert_eq!(response.header("www-authenticate"), Some(&*realm));
        let proxy_status = response.header("proxy-status").unwrap();
        assert!(
            proxy_status.contains("error=http_request_denied"),
            "{proxy_status}"
        );
        assert!(!proxy_status.contains(&good), "{proxy_status}");
    }
    let twice = [
        ("authorization", &*bearer(&good)),
        ("authorization", &*bearer(&good)),
    ];
    assert_eq!(setup.ask("GET /", &twice).text(), FORM);
    let response = setup.ask("GET /", &[]);
    assert_eq!((response.status, response.text()), (401, "Jwt is missing"));
    assert_eq!(setup.upstream.requests().len(), 2);
    for record in setup.gateway.wait_for_records(18) {
        assert!(!record.to_string().contains(&good[..20]), "{record}");
        let (status, reason) = (
            record["status"].as_u64().unwrap(),
            record["reason"].as_str(),
        );
        assert_eq!(
            reason.is_some_and(|it| it == "jwt"),
            status != 200,
            "{record}"
        );
    }
}

#[test]
fn the_upstream_learns_what_the_token_says_and_not_the_token() {
    let claims = "claimsToHeaders: [{name: sub, header: x-sub}, {name: team.name, header: x-team}, {name: no, header: x-no}]";
    let setup = TestSetup::new(claims, "Strict");
    let token = setup.token(&json!({"team": {"name": "blue"}}));
    let forged = [("x-sub", "eve"), ("x-team", "red"), ("x-no", "forged")];
    let field = bearer(&token);
    let in_field = [&forged[..], &[("authorization", &*field)]].concat();
    let cases = [
        ("GET /x?a=b".to_owned(), in_field),
        (format!("GET /x?access_token={token}&a=b"), forged.to_vec()),
    ];
    for (start, fields) in cases {
        let response = setup.ask(&start, &fields);
        assert_eq!(response.status, 200, "{response:?}");
        let requests = setup.upstream.requests();
        let seen = requests.last().unwrap();
        assert_eq!(seen.target, "/x?a=b");
        let told = ["authorization", "x-sub", "x-team", "x-no"].map(|name| seen.header(name));
        assert_eq!(told, [None, Some("ann"), Some("blue"), None]);
    }
    let records = setup.gateway.wait_for_records(2);
    assert!(
        records.iter().all(|record| record["user"] == "ann"),
        "{records:?}"
    );

    let setup = TestSetup::new("forwardToken: true", "Strict");
    let field = bearer(&setup.token(&json!({})));
    assert_eq!(
        setup.ask("GET /x", &[("authorization", &field)]).status,
        200
    );
    assert_eq!(
        setup.upstream.requests()[0].header("authorization"),
        Some(&*field)
    );
}

#[test]
fn what_is_missing_may_be_allowed_and_what_is_wrong_is_not() {
    let claims = "claimsToHeaders: [{name: sub, header: x-sub}]";
    let setup = TestSetup::new(claims, "AllowMissing");
    let response = setup.ask("GET /x", &[("x-sub", "eve")]);
    assert_eq!(response.status, 200, "{response:?}");
    assert_eq!(setup.upstream.requests()[0].header("x-sub"), None);
    let response = setup.ask("GET /x", &[("authorization", "Bearer a.b.c")]);
    assert_eq!(response.status, 401);
}

/// To a proxy a client sends `Proxy-Authorization`; its `Authorization` is the origin's.
#[test]
fn a_proxy_has_its_own_field() {
    let setup = TestSetup::new("audiences: [api]", "Strict");
    let at = setup.authority();
    let field = bearer(&setup.token(&json!({})));
    let foreign = bearer(&setup.token(&json!({"aud": "x"})));
    let absolute = format!("GET http://{at}/x");
    let tunnel = format!("CONNECT {at}");
    for start in [&absolute, &tunnel] {
        let missing = setup.ask(start, &[("authorization", &field)]);
        assert_eq!((missing.status, missing.text()), (407, "Jwt is missing"));
        let challenge = missing.header("proxy-authenticate");
        assert_eq!(challenge, Some("Bearer realm=\"egret\""));
        assert_eq!(missing.header("www-authenticate"), None);
        let wrong = setup.ask(start, &[("proxy-authorization", "Bearer x")]);
        assert_eq!(wrong.status, 407);
        let challenge = wrong.header("proxy-authenticate").unwrap();
        assert!(
            challenge.ends_with("error=\"invalid_token\""),
            "{challenge}"
        );
        let foreign = setup.ask(start, &[("proxy-authorization", &foreign)]);
        assert_eq!(foreign.status, 403);
        let mut client = setup.gateway.connect();
        let fields = [
            ("proxy-authorization", &*field),
            ("authorization", "Basic eA=="),
        ];
        let response = client.request(head(start, &at, &fields));
        assert_eq!(response.status, 200, "{response:?}");
    }
    let seen = &setup.upstream.requests()[0];
    assert_eq!(seen.header("authorization"), Some("Basic eA=="));
    assert_eq!(seen.header("proxy-authorization"), None);

    // What the policy names is read in every form.
    let setup = TestSetup::new("tokenSource: {header: {header: x-token}}", "Strict");
    let (at, token) = (setup.authority(), setup.token(&json!({})));
    for start in [
        format!("GET http://{at}/x"),
        format!("CONNECT {at}"),
        "GET /x".to_owned(),
    ] {
        let mut client = setup.gateway.connect();
        let response = client.request(head(&start, &at, &[("x-token", &token)]));
        assert_eq!(response.status, 200, "{start} {response:?}");
    }
    for seen in setup.upstream.requests() {
        assert_eq!(seen.header("x-token"), None);
    }
}

/// What is refused leaves no query.
#[test]
fn tokens_come_before_the_resolver() {
    let setup = TestSetup::new("audiences: [api]", "Strict");
    for start in ["GET http://b.example/", "CONNECT b.example:80", "GET /"] {
        let mut client = setup.gateway.connect();
        let response = client.request(head(start, "b.example", &[]));
        assert!(matches!(response.status, 401 | 407), "{response:?}");
    }
    assert!(setup.dns.queries().is_empty());
}

#[test]
fn a_tunnel_is_judged_by_the_token_that_opened_it() {
    let mut setup = TestSetup::new("audiences: [api]", "Strict");
    let at = setup.authority();
    let field = bearer(&setup.token(&json!({})));
    let mut client = setup.gateway.connect();
    let fields = [("proxy-authorization", &*field)];
    assert_eq!(
        client
            .request(head(&format!("CONNECT {at}"), &at, &fields))
            .status,
        200
    );
    setup.gateway.wait_for_metric("egret_tunnels", 1.0);
    let same = local([&setup.issuer]);
    setup.apply(&format!("{same}, audiences: [api, more]"));
    assert_eq!(client.get("/x", &at).status, 200);
    setup.apply(&format!("{same}, audiences: [more]"));
    assert!(client.is_closed());
    let record = setup.gateway.wait_for_records(1).pop().unwrap();
    assert_eq!(
        (&record["reason"], &record["user"]),
        (&json!("policy_changed"), &json!("ann"))
    );
}
