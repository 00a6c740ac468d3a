//! `jwtAuth`.

use egret_testkit::client::connect_request;
use egret_testkit::token::key_set;
use egret_testkit::{TokenIssuer, Upstream};
use serde_json::{Value, json};

use super::{ask, with};
use crate::with_policy::WithPolicy;

/// A time far in the future.
const EXPIRES: u64 = 4_102_444_800;

/// A provider of tokens with these further fields.
fn provider(name: &str, issuer: &str, keys: &TokenIssuer, more: &str) -> String {
    let keys = key_set([keys]);
    format!("{{name: {name}, {issuer}jwks: {{local: {{inline: '{keys}'}}}}{more}}}")
}

fn setup(mode: &str, providers: &[String], more: &str) -> WithPolicy {
    let providers = providers.join(", ");
    let extension = format!(
        "apiVersion: gateway.kgateway.dev/v1alpha1
kind: GatewayExtension
metadata: {{name: tokens, namespace: kgateway-system}}
spec: {{jwt: {{validationMode: {mode}, providers: [{providers}]}}}}
"
    );
    let policy = format!("jwtAuth: {{extensionRef: {{name: tokens}}}}{more}");
    with(&policy, &[&extension], Upstream::start())
}

fn claims(more: &Value) -> Value {
    let mut claims = json!({"iss": "me", "sub": "ann", "aud": "api", "exp": EXPIRES});
    for (name, value) in more.as_object().unwrap() {
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
            value => claims[name] = value.clone(),
        }
    }
    claims
}

const AUDIENCE: &str = "Audiences in Jwt are not allowed";
const NO_KEY: &str = "Jwks doesn't have key to match kid or alg from Jwt";
const FAILS: &str = "Jwt verification fails";

#[test]
fn claims_and_headers_of_a_token_decide() {
    let me = TokenIssuer::new("one");
    let one = provider("p", "issuer: me, ", &me, ", audiences: [api]");
    let setup = setup("Strict", &[one], "");
    let header = |header: Value| me.token_with(&header, &claims(&json!({})));
    let payload = |more: Value| me.token(&claims(&more));
    for (shows, token, status, text) in [
        ("no end", payload(json!({"exp": null})), 200, None),
        (
            "issued in the future",
            payload(json!({"iat": EXPIRES})),
            200,
            None,
        ),
        (
            "no audience",
            payload(json!({"aud": null})),
            403,
            Some(AUDIENCE),
        ),
        (
            "one of several",
            payload(json!({"aud": ["x", "api"]})),
            200,
            None,
        ),
        (
            "no issuer",
            payload(json!({"iss": null})),
            401,
            Some("Jwt issuer is not configured"),
        ),
        ("no key id", header(json!({"alg": "RS256"})), 200, None),
        (
            "an unknown key id",
            header(json!({"alg": "RS256", "kid": "two"})),
            401,
            Some(NO_KEY),
        ),
        (
            "an algorithm of other keys",
            header(json!({"alg": "HS256", "kid": "one"})),
            401,
            Some(NO_KEY),
        ),
        (
            "another one's signature",
            TokenIssuer::new("one").token(&claims(&json!({}))),
            401,
            Some(FAILS),
        ),
    ] {
        let response = ask(
            &setup,
            "GET /",
            &format!("authorization: Bearer {token}\r\n"),
        );
        assert_eq!(response.status, status, "{shows}: {response:?}");
        if let Some(text) = text {
            assert_eq!(response.text(), text, "{shows}");
            let challenge = response.header("www-authenticate").unwrap();
            assert!(challenge.ends_with(", error=\"invalid_token\""), "{shows}");
        }
    }
}

#[test]
fn a_token_is_taken_off_what_is_sent_on() {
    let me = TokenIssuer::new("one");
    let told = ", claimsToHeaders: [{name: sub, header: x-sub}, {name: n, header: x-n}, {name: yes, header: x-yes}, \
                {name: a.b, header: x-deep}, {name: list, header: x-list}]";
    let setup = setup("Strict", &[provider("p", "issuer: me, ", &me, told)], "");
    let token = me.token(&claims(&json!({
        "n": 5, "yes": true, "a": {"b": "c"}, "list": ["a", "b"]
    })));
    let field = format!("authorization: Bearer {token}\r\ncookie: jwt={token}\r\n");
    assert_eq!(ask(&setup, "GET /x", &field).status, 200);
    let query = format!("GET /x?a=1&access_token={token}&b=2");
    assert_eq!(ask(&setup, &query, "").status, 200);
    let seen = setup.upstream.requests();
    assert_eq!(seen[0].header("authorization"), None);
    let cookie = format!("jwt={token}");
    assert_eq!(seen[0].header("cookie"), Some(&*cookie), "a cookie stays");
    assert_eq!(seen[1].target, "/x?a=1&b=2");
    for request in &seen {
        for (name, value) in [
            ("x-sub", "ann"),
            ("x-n", "5"),
            ("x-yes", "true"),
            ("x-deep", "c"),
            ("x-list", "WyJhIiwiYiJd"),
        ] {
            assert_eq!(request.header(name), Some(value), "{name}");
        }
    }
}

#[test]
fn of_several_providers_the_one_whose_token_it_is_tells_what_is_wrong() {
    let [me, you] = ["one", "two"].map(TokenIssuer::new);
    let elsewhere = ", tokenSource: {header: {header: x-token}}";
    let providers = [
        provider("p", "issuer: me, ", &me, ""),
        provider("q", "issuer: you, ", &you, elsewhere),
    ];
    let setup = setup("Strict", &providers, "");
    let good = me.token(&claims(&json!({})));
    let other = you.token(&claims(&json!({"iss": "you"})));
    let expired = you.token(&claims(&json!({"iss": "you", "exp": 1})));
    for (shows, fields, status, text) in [
        (
            "the first",
            format!("authorization: Bearer {good}\r\n"),
            200,
            None,
        ),
        ("the second", format!("x-token: {other}\r\n"), 200, None),
        ("none", String::new(), 401, Some("Jwt is missing")),
        (
            "a wrong one goes before none",
            format!("x-token: {expired}\r\n"),
            401,
            Some("Jwt is expired"),
        ),
    ] {
        let response = ask(&setup, "GET /", &fields);
        assert_eq!(response.status, status, "{shows}: {response:?}");
        if let Some(text) = text {
            assert_eq!(response.text(), text, "{shows}");
        }
    }
}

#[test]
fn a_provider_without_an_issuer_takes_any() {
    let me = TokenIssuer::new("one");
    let setup = setup("Strict", &[provider("p", "", &me, "")], "");
    for issuer in [json!("anybody"), Value::Null] {
        let token = me.token(&claims(&json!({"iss": issuer})));
        let response = ask(
            &setup,
            "GET /",
            &format!("authorization: Bearer {token}\r\n"),
        );
        assert_eq!(response.status, 200, "{issuer} {response:?}");
    }
}

#[test]
fn a_preflight_request_needs_a_token_unless_pages_are_answered_first() {
    let me = TokenIssuer::new("one");
    let fields = "origin: https://a.test\r\naccess-control-request-method: GET\r\n";
    for (more, status) in [
        ("", 401),
        ("\n  cors: {allowOrigins: ['https://a.test']}", 200),
    ] {
        let providers = [provider("p", "issuer: me, ", &me, "")];
        let setup = setup("Strict", &providers, more);
        assert_eq!(ask(&setup, "OPTIONS /", fields).status, status, "{more}");
    }
}

/// Envoy answers 401 with an empty realm; a proxy asks with 407 (RFC 9110 15.5.8).
#[test]
fn a_connect_is_asked_as_a_proxy_asks() {
    let me = TokenIssuer::new("one");
    let setup = setup("Strict", &[provider("p", "issuer: me, ", &me, "")], "");
    let response = setup
        .gateway
        .connect()
        .request(connect_request(&setup.host));
    assert_eq!((response.status, response.text()), (407, "Jwt is missing"));
}
