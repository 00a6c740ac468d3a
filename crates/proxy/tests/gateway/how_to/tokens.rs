//! JSON Web Tokens, what of them is told to the application, and access by what they claim.

use egret_testkit::TokenIssuer;
use egret_testkit::gateway::traffic_policy;
use egret_testkit::token::key_set;
use serde_json::{Value, json};

use super::SampleApp;

/// A time far in the future, as in the tokens of the guides.
const EXPIRES: u64 = 4_102_444_800;

fn extension(issuer: &TokenIssuer, more: &str) -> String {
    format!(
        "apiVersion: gateway.kgateway.dev/v1alpha1
kind: GatewayExtension
metadata:
  name: selfminted-jwt
  namespace: kgateway-system
spec:
  jwt:
    providers:
      - name: selfminted
        issuer: kgateway.dev
{more}        jwks:
          local:
            inline: '{}'
",
        key_set([issuer])
    )
}

fn policy(rbac: &str) -> String {
    let spec = format!(
        "jwtAuth:
    extensionRef:
      name: selfminted-jwt{rbac}"
    );
    traffic_policy("jwt-policy", &spec)
}

fn bearer(issuer: &TokenIssuer, claims: &Value) -> String {
    let mut all = json!({"iss": "kgateway.dev", "org": "kgateway.dev", "exp": EXPIRES});
    for (name, value) in claims.as_object().unwrap() {
        all[name] = value.clone();
    }
    format!("authorization: Bearer {}\r\n", issuer.token(&all))
}

#[test]
fn who_has_no_token_is_refused() {
    let issuer = TokenIssuer::new("kgateway-public-key-001");
    let app = SampleApp::start(&[&extension(&issuer, ""), &policy("")]);
    let missing = app.get("/headers", "");
    assert_eq!((missing.status, missing.text()), (401, "Jwt is missing"));
    let alice = bearer(&issuer, &json!({"sub": "alice", "team": "dev"}));
    assert_eq!(app.get("/headers", &alice).status, 200);
}

#[test]
fn the_application_is_told_claims() {
    let issuer = TokenIssuer::new("kgateway-public-key-001");
    let claims = "        claimsToHeaders:
          - name: team
            header: x-team
          - name: org
            header: x-org
          - name: profile.given_name
            header: X-First-Name
          - name: email
            header: X-User-Email
";
    let app = SampleApp::start(&[&extension(&issuer, claims), &policy("")]);
    let alice = json!({"sub": "alice", "team": "dev", "profile": {"given_name": "Alice"}});
    let fields = bearer(&issuer, &alice) + "x-team: forged\r\nx-user-email: forged\r\n";
    assert_eq!(app.get("/headers", &fields).status, 200);
    let seen = app.served();
    for (name, value) in [
        ("x-team", Some("dev")),
        ("x-org", Some("kgateway.dev")),
        ("x-first-name", Some("Alice")),
        ("x-user-email", None),
    ] {
        assert_eq!(seen.header(name), value, "{name}");
    }
}

#[test]
fn claims_decide_who_gets_access() {
    let issuer = TokenIssuer::new("kgateway-public-key-001");
    let people = [
        json!({"sub": "alice", "team": "dev", "scope": "read admin"}),
        json!({"sub": "bob", "team": "ops", "scope": "superadmin"}),
        json!({"sub": "eve"}),
    ];
    let payload = "metadata.filter_metadata['envoy.filters.http.jwt_authn']['payload']";
    for (action, expressions, expected) in [
        (
            "Allow",
            vec![format!("{payload}['team'] == 'dev'")],
            [200, 403, 403],
        ),
        (
            "Deny",
            vec![format!("{payload}['team'] == 'ops'")],
            [200, 403, 200],
        ),
        (
            "Allow",
            vec![
                format!("{payload}['team'] == 'ops'"),
                format!("{payload}['sub'] == 'alice'"),
            ],
            [200, 200, 403],
        ),
        (
            "Allow",
            vec![format!("'admin' in {payload}['scope'].split(' ')")],
            [200, 403, 403],
        ),
    ] {
        let lines = expressions
            .iter()
            .map(|text| format!("\n        - {text:?}"));
        let rbac = format!(
            "
  rbac:
    action: {action}
    policy:
      matchExpressions:{}",
            lines.collect::<String>()
        );
        let app = SampleApp::start(&[&extension(&issuer, ""), &policy(&rbac)]);
        for (claims, expected) in people.iter().zip(expected) {
            let response = app.get("/headers", &bearer(&issuer, claims));
            assert_eq!(
                response.status, expected,
                "{action} {expressions:?} {claims}"
            );
            if expected == 403 {
                assert_eq!(response.text(), "RBAC: access denied");
            }
        }
    }
}
