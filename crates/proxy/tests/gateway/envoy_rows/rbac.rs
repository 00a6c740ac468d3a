//! `rbac`.

use super::{Row, assert_rows, row};
use crate::with_policy::WithPolicy;

fn policy(action: &str, expressions: &[&str]) -> WithPolicy {
    let expressions: Vec<String> = expressions.iter().map(|text| format!("{text:?}")).collect();
    let expressions = expressions.join(", ");
    WithPolicy::start(&format!(
        "rbac: {{action: {action}, policy: {{matchExpressions: [{expressions}]}}}}"
    ))
}

const fn passes<'a>(shows: &'a str, start: &'a str, fields: &'a str) -> Row<'a> {
    row(shows, start, fields, 200, None)
}

const fn refused<'a>(shows: &'a str, start: &'a str, fields: &'a str) -> Row<'a> {
    row(shows, start, fields, 403, Some("RBAC: access denied"))
}

#[test]
fn an_error_is_no_match_whatever_the_action() {
    let is_one = "request.headers['x-a'] == '1'";
    let is_not_one = "!(request.headers['x-a'] == '1')";
    let absent_or_not_one = "!('x-a' in request.headers) || request.headers['x-a'] != '1'";
    let (one, two) = ("x-a: 1\r\n", "x-a: 2\r\n");
    for (action, expression, rows) in [
        (
            "Allow",
            is_one,
            [
                passes("the value", "GET /", one),
                refused("another value", "GET /", two),
                refused("no field", "GET /", ""),
            ],
        ),
        (
            "Allow",
            is_not_one,
            [
                refused("the value", "GET /", one),
                passes("another value", "GET /", two),
                refused("no field, negated", "GET /", ""),
            ],
        ),
        (
            "Allow",
            absent_or_not_one,
            [
                refused("the value", "GET /", one),
                passes("another value", "GET /", two),
                passes("no field, asked for", "GET /", ""),
            ],
        ),
        (
            "Deny",
            is_one,
            [
                refused("the value", "GET /", one),
                passes("another value", "GET /", two),
                passes("no field", "GET /", ""),
            ],
        ),
        (
            "Deny",
            is_not_one,
            [
                passes("the value", "GET /", one),
                refused("another value", "GET /", two),
                passes("no field, negated", "GET /", ""),
            ],
        ),
    ] {
        assert_rows(&policy(action, &[expression]), &rows);
    }
}

#[test]
fn attributes_are_those_of_the_request_as_it_came() {
    let setup = policy(
        "Allow",
        &[
            "request.path == '/p?q=1'",
            "request.url_path == '/u'",
            "request.headers['x-two'] == '1,2'",
            "request.headers['x-empty'] == ''",
        ],
    );
    assert_rows(
        &setup,
        &[
            passes("the path has the query", "GET /p?q=1", ""),
            refused("another query", "GET /p?q=2", ""),
            passes("the path of the URL has none", "GET /u?q=1", ""),
            passes(
                "repeated fields are joined",
                "GET /",
                "x-two: 1\r\nx-two: 2\r\n",
            ),
            refused("not in another order", "GET /", "x-two: 2\r\nx-two: 1\r\n"),
            passes("an empty field is there", "GET /", "x-empty:\r\n"),
        ],
    );
}

#[test]
fn in_a_connect_the_host_has_its_port() {
    let setup = policy("Allow", &["request.host.matches('^a.example:[0-9]+$')"]);
    let connect = egret_testkit::client::connect_request(&setup.host);
    assert_eq!(setup.gateway.connect().request(connect).status, 200);
    let bare = "GET http://a.example/";
    assert_rows(&setup, &[refused("without a port there is none", bare, "")]);
}
