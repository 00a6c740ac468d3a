//! `basicAuth` and `apiKeyAuth`.

use egret_testkit::Upstream;
use egret_testkit::client::connect_request;

use super::{Row, ask, assert_rows, row, with};
use crate::with_policy::WithPolicy;

const MISSING: &str = "User authentication failed. Missing username and password.";
const WRONG: &str = "User authentication failed. Invalid username/password combination.";
const FORMAT: &str = "User authentication failed. Invalid basic credential format.";
const SCHEME: &str = "User authentication failed. Expected 'Basic' authentication scheme.";

const fn refused<'a>(shows: &'a str, fields: &'a str, text: &'a str) -> Row<'a> {
    row(shows, "GET /p?q=1", fields, 401, Some(text))
}

/// ann:secret
const ANN: &str = "authorization: Basic YW5uOnNlY3JldA==\r\n";

fn basic() -> WithPolicy {
    WithPolicy::start("basicAuth: {users: ['ann:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=']}")
}

#[test]
fn what_is_wrong_with_a_password_is_told_in_envoys_words() {
    let setup = basic();
    assert_rows(
        &setup,
        &[
            row("the right password", "GET /", ANN, 200, None),
            refused("none", "", MISSING),
            refused(
                "another password",
                "authorization: Basic YW5uOndyb25n\r\n",
                WRONG,
            ),
            refused(
                "another user",
                "authorization: Basic Ym9iOnNlY3JldA==\r\n",
                WRONG,
            ),
            refused("no colon", "authorization: Basic YW5u\r\n", FORMAT),
            refused("not base64", "authorization: Basic !!!\r\n", FORMAT),
            refused("another scheme", "authorization: Bearer x\r\n", SCHEME),
            refused("no value", "authorization:\r\n", SCHEME),
            // Schemes are in any case (RFC 9110 11.1), which Envoy does not know.
            row(
                "a scheme in lower case",
                "GET /",
                "authorization: basic YW5uOnNlY3JldA==\r\n",
                200,
                None,
            ),
        ],
    );
    // Envoy sends credentials for it on; they are nobody else's.
    for request in setup.upstream.requests() {
        assert_eq!(request.header("authorization"), None);
    }
    // The realm is the same everywhere, so that a client asks its user once; Envoy's is the URL.
    let told = ask(&setup, "GET /p?q=1", "");
    assert_eq!(
        told.header("www-authenticate"),
        Some("Basic realm=\"egret\"")
    );
    // A proxy asks for credentials of its own with 407; Envoy does with 401 alone.
    let tunnel = setup
        .gateway
        .connect()
        .request(connect_request(&setup.host));
    assert_eq!((tunnel.status, tunnel.text()), (407, MISSING));
}

fn keys(more: &str) -> WithPolicy {
    let secret = "apiVersion: v1
kind: Secret
metadata: {name: keys, namespace: kgateway-system}
stringData: {one: key1}
";
    let spec = format!(
        "apiKeyAuth: {{secretRef: {{name: keys}}, keySources: [{{header: authorization}}, {{query: k}}, {{cookie: akc}}]{more}}}"
    );
    with(&spec, &[secret], Upstream::start())
}

const UNKNOWN: &str = "Client authentication failed.";

#[test]
fn a_key_is_taken_from_the_first_place_that_has_one() {
    let setup = keys("");
    let passes = |shows, start, fields| row(shows, start, fields, 200, None);
    let refused = |shows, start, fields| row(shows, start, fields, 401, Some(UNKNOWN));
    assert_rows(
        &setup,
        &[
            passes("a bare key", "GET /", "authorization: key1\r\n"),
            passes("a token", "GET /", "authorization: Bearer key1\r\n"),
            passes("a parameter", "GET /?k=key1&z=1", ""),
            passes("a cookie", "GET /", "cookie: akc=key1; z=1\r\n"),
            refused("none", "GET /", ""),
            refused("an empty one", "GET /", "authorization:\r\n"),
            refused("an unknown one", "GET /", "authorization: key2\r\n"),
            refused(
                "a good parameter does not rescue a wrong field",
                "GET /?k=key1",
                "authorization: key2\r\n",
            ),
        ],
    );
    let seen = setup.upstream.requests();
    assert_eq!(seen[0].header("authorization"), None);
    assert_eq!(seen[2].target, "/?z=1");
    assert_eq!(seen[3].header("cookie"), Some("z=1"));
}

#[test]
fn the_client_of_a_key_takes_the_place_of_a_forged_one() {
    let setup = keys(", clientIdHeader: x-client");
    let fields = "authorization: key1\r\nx-client: root\r\nx-client: adm\r\n";
    assert_rows(
        &setup,
        &[row("a forged client", "GET /", fields, 200, None)],
    );
    let seen = &setup.upstream.requests()[0];
    let clients: Vec<_> = seen.headers.get_all("x-client").iter().collect();
    assert_eq!(clients, ["one"]);
}
