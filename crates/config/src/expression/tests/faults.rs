//! What is said about expressions that are none.

use super::super::*;

/// Expressions, and how the message about each begins.
const FAULTS: &[(&str, &str)] = &[
    ("", "at character 1: empty: write an expression, or true"),
    (
        "request.pth == ''",
        "at character 1: there is no attribute request.pth: write request.path",
    ),
    (
        "true &&\n  foo.bar",
        "at line 2, character 3: there is no attribute foo.bar: there are request.path",
    ),
    (
        "request == 'a'",
        "at character 1: request alone is no value; there is no attribute request",
    ),
    (
        "metadata.filter_metadata['envoy.filters.http.ext_authz']['sub'] == 'a'",
        "at character 1: metadata.filter_metadata is not known here: the claims of a token are \
         metadata.filter_metadata['envoy.filters.http.jwt_authn']['payload'], or source.claims",
    ),
    (
        "response.code == 200",
        "at character 1: response.code is not known here: there is no response yet",
    ),
    (
        "request.time < 1",
        "at character 1: request.time is not known here: expires",
    ),
    (
        "egress.port == '443'",
        "at character 13: a number is compared with a text, which it never equals",
    ),
    (
        "request.host",
        "at character 1: this is a text, and true or false is needed",
    ),
    (
        "'a' + 'b' == 'ab'",
        "at character 1: this is a text, and a number is needed",
    ),
    (
        "request.host = 'a'",
        "at character 14: '=' is no operator: write ==",
    ),
    (
        "true & false",
        "at character 6: '&' is no operator: write &&",
    ),
    ("true and false", "at character 6: 'and' was not expected"),
    (
        "request.host == ‘a’",
        "at character 17: a typographic quote: write ' or \"",
    ),
    ("request.host == 'a", "at character 17: the text has no end"),
    (
        "request.host == '\\d'",
        "at character 18: not an escape sequence: write \\\\ for a backslash",
    ),
    (
        "request.host.lowerAscii() == 'a'",
        "at character 14: there is no function lowerAscii: there are startsWith",
    ),
    (
        "request.host.startWith('a')",
        "at character 14: there is no function startWith: write startsWith",
    ),
    (
        "string(egress.port) == '80'",
        "at character 1: there is no function string: there are",
    ),
    (
        "math.greatest(1, 2) == 2",
        "at character 6: there is no function math.greatest: there are",
    ),
    (
        "request.host.startsWith('a', 'b')",
        "at character 14: startsWith has one argument: write text.startsWith('part')",
    ),
    (
        "'a' in request.host.split('')",
        "at character 27: the separator of split is a text that is written out and not empty",
    ),
    (
        "request.host.split('.') == 'a'",
        "at character 25: a list of texts is compared with a text, which it never equals",
    ),
    (
        "request.host.split('.')[0] == 'a'",
        "at character 14: a list of texts has no items to select",
    ),
    (
        "[1, 2].exists(x, x == 1)",
        "at character 1: exists and all are for source.certificate alone",
    ),
    (
        "has(request.headers['x'])",
        "at character 20: has() is asked about a field",
    ),
    (
        "request.headers[request.host] == ''",
        "at character 17: the name of a header is written out",
    ),
    (
        "request.host.matches('(')",
        "at character 22: not a regular expression: unclosed group",
    ),
    (
        "request.host.matches('((a{99}){99}){99}')",
        "at character 22: not a regular expression: ",
    ),
    (
        "request.headers['x y'] == ''",
        "at character 17: \"x y\" is not the name of a header field",
    ),
    (
        "request.headers['a'] == null",
        "at character 25: null is no value here",
    ),
    ("1.5 > 1", "at character 1: not a whole number of 64 bits"),
    (
        "source.port == 99999999999999999999",
        "at character 16: not a whole number of 64 bits",
    ),
    (
        "source.certificate == 'a'",
        "at character 20: a certificate has several names",
    ),
    (
        "request.host in 'abc'",
        "at character 17: a text contains nothing: write a list",
    ),
    (
        "request.host in ['a', 1]",
        "at character 17: a list has texts or numbers, and not both",
    ),
    ("(true", "at character 6: expected ')' and not the end"),
    ("true)", "at character 5: ')' was not expected"),
    (
        "request.",
        "at character 9: expected a name after '.' and not the end",
    ),
    ("{'a': 1}", "at character 1: maps are no values here"),
    ("b'a' == b'a'", "at character 1: bytes are no value here"),
    ("'a'.b == 'c'", "at character 1: a text has no field b"),
    (
        "true < false",
        "at character 6: true and false have no order",
    ),
    ("true ? 1 : 'a'", "at character 12: one of two values"),
];

#[test]
fn faults_say_where_and_what_to_write_instead() {
    for (text, expected) in FAULTS {
        let fault = Expression::compile(text, AbsentHeaders::AreErrors).unwrap_err();
        let told = fault.to_string();
        assert!(told.starts_with(expected), "{text}\n{told}\n{expected}");
    }
}
