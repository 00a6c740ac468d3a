use http::header::{ACCESS_CONTROL_ALLOW_HEADERS, VARY};

use super::*;

fn map(fields: &[(&'static str, &'static str)]) -> HeaderMap {
    let field = |(name, value): &(&'static str, &'static str)| {
        let name = HeaderName::from_static(name);
        (name, HeaderValue::from_static(value))
    };
    let mut headers = HeaderMap::new();
    for (name, value) in fields.iter().map(field) {
        headers.append(name, value);
    }
    headers
}

fn listed(names: &'static str) -> CorsNames {
    CorsNames::Listed(HeaderValue::from_static(names))
}

fn policy(origin: &str) -> CorsPolicy {
    CorsPolicy {
        origins: vec![OriginPattern::parse(origin).unwrap()],
        credentials: true,
        methods: listed("GET, POST"),
        headers: listed("x-a, x-b"),
        expose: Some(HeaderValue::from_static("x-e")),
        max_age: 600,
    }
}

/// The answer to a request of this method with these fields, in one line; `None` if it is not a preflight request.
fn answer(
    policy: &CorsPolicy,
    method: &Method,
    fields: &[(&'static str, &'static str)],
) -> Option<String> {
    let headers = map(fields);
    let origin = policy.allowed_origin(&headers);
    let answer = policy.preflight(method, &headers, origin)?;
    let field = |(name, value): (&HeaderName, &HeaderValue)| {
        let name = name.as_str().strip_prefix("access-control-").unwrap();
        format!("{name}={}", value.to_str().unwrap())
    };
    Some(answer.iter().map(field).collect::<Vec<_>>().join("; "))
}

const FROM_A: (&str, &str) = ("origin", "http://a.test");
const WANTS_PUT: (&str, &str) = ("access-control-request-method", "PUT");
const WITH_X: (&str, &str) = ("access-control-request-headers", "x-q, x-r");

#[test]
fn a_preflight_request_is_told_what_is_allowed_and_not_compared_with_it() {
    let policy = policy("http://a.test");
    let expected = "allow-origin=http://a.test; allow-credentials=true; allow-methods=GET, POST; \
                    allow-headers=x-a, x-b; max-age=600; expose-headers=x-e";
    for fields in [&[FROM_A, WANTS_PUT][..], &[FROM_A, WANTS_PUT, WITH_X]] {
        let told = answer(&policy, &Method::OPTIONS, fields);
        assert_eq!(told.as_deref(), Some(expected));
    }
    for (method, fields) in [
        (Method::GET, &[FROM_A, WANTS_PUT][..]),
        (Method::OPTIONS, &[FROM_A]),
        (
            Method::OPTIONS,
            &[FROM_A, ("access-control-request-method", "")],
        ),
        (Method::OPTIONS, &[WANTS_PUT]),
    ] {
        assert_eq!(
            answer(&policy, &method, fields),
            None,
            "{method} {fields:?}"
        );
    }
    // To be told nothing is to be denied.
    for fields in [
        &[("origin", "http://b.test"), WANTS_PUT][..],
        &[FROM_A, FROM_A, WANTS_PUT],
    ] {
        let told = answer(&policy, &Method::OPTIONS, fields);
        assert_eq!(told.as_deref(), Some(""), "{fields:?}");
    }
}

#[test]
fn of_what_all_is_allowed_the_answer_repeats_what_was_asked() {
    let all = CorsPolicy {
        methods: CorsNames::Asked,
        headers: CorsNames::Asked,
        credentials: false,
        expose: None,
        ..policy("*")
    };
    let told = answer(&all, &Method::OPTIONS, &[FROM_A, WANTS_PUT, WITH_X]);
    let expected =
        "allow-origin=http://a.test; allow-methods=PUT; allow-headers=x-q, x-r; max-age=600";
    assert_eq!(told.as_deref(), Some(expected));
    let told = answer(&all, &Method::OPTIONS, &[FROM_A, WANTS_PUT]);
    let expected = "allow-origin=http://a.test; allow-methods=PUT; max-age=600";
    assert_eq!(told.as_deref(), Some(expected));
    let least = CorsPolicy {
        methods: CorsNames::Unset,
        headers: CorsNames::Unset,
        ..all
    };
    let told = answer(
        &least,
        &Method::OPTIONS,
        &[("origin", "null"), WANTS_PUT, WITH_X],
    );
    assert_eq!(told.as_deref(), Some("allow-origin=null; max-age=600"));
}

#[test]
fn a_response_is_shared_whatever_the_upstream_says_of_it() {
    let policy = policy("http://a.test");
    let mut headers = map(&[
        ("access-control-allow-origin", "http://other.test"),
        ("access-control-allow-headers", "x-own"),
        ("vary", "origin"),
    ]);
    policy.share(&HeaderValue::from_static("http://a.test"), &mut headers);
    assert_eq!(headers[ACCESS_CONTROL_ALLOW_ORIGIN], "http://a.test");
    assert_eq!(headers[ACCESS_CONTROL_ALLOW_CREDENTIALS], "true");
    assert_eq!(headers[ACCESS_CONTROL_EXPOSE_HEADERS], "x-e");
    assert_eq!(headers[ACCESS_CONTROL_ALLOW_HEADERS], "x-own");
    assert_eq!(headers[VARY], "origin");
    assert_eq!(headers.len(), 5);
}

#[test]
fn what_is_served_is_shown_as_it_is_written() {
    let json = serde_json::to_value(policy("https://*.a.test:8443")).unwrap();
    let expected = serde_json::json!({
        "origins": ["https://*.a.test:8443"],
        "credentials": true,
        "methods": {"Listed": "GET, POST"},
        "headers": {"Listed": "x-a, x-b"},
        "expose": "x-e",
        "max_age": 600,
    });
    assert_eq!(json, expected);
}
