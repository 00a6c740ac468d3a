//! Basic authentication and API keys.

use egret_testkit::gateway::traffic_policy;

use super::{SampleApp, children_decide, on_route};

/// user:password, admin:password and developer:password.
const USER: &str = "authorization: Basic dXNlcjpwYXNzd29yZA==\r\n";
const ADMIN: &str = "authorization: Basic YWRtaW46cGFzc3dvcmQ=\r\n";
const MISSING: &str = "User authentication failed. Missing username and password.";

fn htpasswd(key: &str) -> String {
    format!(
        "apiVersion: v1
kind: Secret
metadata:
  name: basic-auth-users
  namespace: kgateway-system
stringData:
  {key}: \"admin:{{SHA}}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\"
"
    )
}

#[test]
fn users_are_listed_or_come_from_a_secret() {
    let listed = "basicAuth:
    users:
      - \"user:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\"";
    let several = "basicAuth:
    users:
      - \"admin:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\"
      - \"developer:{SHA}QL0AFWMIX8NRZTKeof9cXsvbvu8=\"";
    let secret = "basicAuth:
    secretRef:
      name: basic-auth-users";
    let key = "basicAuth:
    secretRef:
      name: basic-auth-users
      key: passwords.htpasswd";
    for (spec, objects, credentials, others) in [
        (listed, None, USER, ADMIN),
        (several, None, ADMIN, USER),
        (secret, Some(htpasswd(".htpasswd")), ADMIN, USER),
        (key, Some(htpasswd("passwords.htpasswd")), ADMIN, USER),
    ] {
        let policy = traffic_policy("basic-auth", spec);
        let objects: Vec<&str> = objects
            .iter()
            .map(String::as_str)
            .chain([&*policy])
            .collect();
        let app = SampleApp::start(&objects);
        let missing = app.get("/headers", "");
        assert_eq!((missing.status, missing.text()), (401, MISSING), "{spec}");
        assert_eq!(app.get("/headers", credentials).status, 200, "{spec}");
        assert_eq!(app.get("/headers", others).status, 401, "{spec}");
    }
}

#[test]
fn a_route_asks_for_no_credentials_if_its_gateway_lets_it() {
    for (spec, more) in [
        (
            "basicAuth",
            "users: [\"user:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\"]",
        ),
        ("apiKeyAuth", "secretRef: {name: apikey}"),
    ] {
        let policy = traffic_policy("auth", &format!("{spec}:\n    {more}"));
        let route = on_route("auth-disable", &format!("{spec}:\n    disable: {{}}"));
        let objects = [KEY, &policy, &route];
        let mut app = SampleApp::start(&objects);
        assert_eq!(app.get("/headers", "").status, 401, "{spec}");
        let trusted = children_decide(&app.app, &objects);
        app.gateway.apply(&trusted);
        assert_eq!(app.get("/headers", "").status, 200, "{spec}");
    }
}

const KEY: &str = "apiVersion: v1
kind: Secret
metadata:
  name: apikey
  namespace: kgateway-system
  labels:
    app: httpbin
type: extauth.solo.io/apikey
stringData:
  api-key: N2YwMDIxZTEtNGUzNS1jNzgzLTRkYjAtYjE2YzRkZGVmNjcy
";
const KEY_TEXT: &str = "N2YwMDIxZTEtNGUzNS1jNzgzLTRkYjAtYjE2YzRkZGVmNjcy";

fn with_keys(api_key_auth: &str) -> SampleApp {
    let policy = traffic_policy("apikey-auth", &format!("apiKeyAuth:\n{api_key_auth}"));
    SampleApp::start(&[KEY, &policy])
}

#[test]
fn a_key_comes_where_the_policy_says() {
    let by_name = "    secretRef:
      name: apikey";
    let by_label = "    secretSelector:
      matchLabels:
        app: httpbin";
    let in_field = "    secretRef:
      name: apikey
    keySources:
      - header: X-API-KEY";
    let anywhere = "    secretRef:
      name: apikey
    keySources:
      - header: X-API-KEY
      - query: api_key
      - cookie: auth_token";
    let field = format!("api-key: Bearer {KEY_TEXT}\r\n");
    let own_field = format!("x-api-key: {KEY_TEXT}\r\n");
    let cookie = format!("cookie: auth_token={KEY_TEXT}\r\n");
    let query = format!("/headers?api_key={KEY_TEXT}");
    for (spec, path, fields, expected) in [
        (by_name, "/headers", &*field, 200),
        (by_name, "/headers", "", 401),
        (by_name, "/headers", "api-key: Bearer another\r\n", 401),
        (by_label, "/headers", &field, 200),
        (by_label, "/headers", "", 401),
        (in_field, "/headers", &own_field, 200),
        (in_field, "/headers", &field, 401),
        (anywhere, "/headers", &own_field, 200),
        (anywhere, &query, "", 200),
        (anywhere, "/headers", &cookie, 200),
    ] {
        let app = with_keys(spec);
        let response = app.get(path, fields);
        assert_eq!(response.status, expected, "{spec} {path} {fields}");
        if expected == 200 {
            let seen = app.served();
            let told = format!("{} {:?}", seen.target, seen.headers);
            assert!(!told.contains(KEY_TEXT), "{told}");
        } else {
            assert!(response.text().starts_with("Client authentication failed"));
        }
    }
}

#[test]
fn the_application_is_told_the_client_and_the_key_if_the_policy_says_so() {
    let field = format!("api-key: Bearer {KEY_TEXT}\r\n");
    let told = with_keys("    secretRef:\n      name: apikey\n    clientIdHeader: x-client-id");
    assert_eq!(told.get("/headers", &field).status, 200);
    assert_eq!(told.served().header("x-client-id"), Some("api-key"));
    let forwarded = with_keys("    secretRef:\n      name: apikey\n    forwardCredential: true");
    assert_eq!(forwarded.get("/headers", &field).status, 200);
    let expected = format!("Bearer {KEY_TEXT}");
    assert_eq!(forwarded.served().header("api-key"), Some(&*expected));
}
