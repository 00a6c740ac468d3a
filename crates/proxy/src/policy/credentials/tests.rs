use egret_config::policy::api_key_auth::KeySource;
use egret_config::policy::basic_auth::StoredPassword;
use egret_config::policy::digest::{KeyDigest, PasswordDigest};
use egret_config::resources::{Kind, ObjectRef};
use egret_config::snapshot::Scheme;
use http::header::HeaderName;
use http::{Request, StatusCode};

use super::*;
use crate::refusal::{Refusal, RefusalSubject};

/// ann:secret, ann:wrong and any:k-1.
const ANN: &str = "Basic YW5uOnNlY3JldA==";
const WRONG: &str = "Basic YW5uOndyb25n";
const KEY: &str = "Basic YW55OmstMQ==";

type HeaderFields<'a> = &'a [(&'static str, &'a str)];

fn policy() -> ObjectRef {
    ObjectRef::new(Kind::TrafficPolicy, "apps", "p")
}

fn basic() -> TrafficSettings {
    let digest = PasswordDigest::of(b"secret");
    let users = [(Arc::from("ann"), StoredPassword::Sha1(digest))];
    TrafficSettings {
        basic_auth: PolicySetting::Set(policy(), Arc::new(BasicAuth::new(users.into()))),
        ..TrafficSettings::default()
    }
}

fn keys_at(sources: &[KeySource]) -> ApiKeyAuth {
    let clients = [(Arc::from("one"), KeyDigest::of(b"k-1"))];
    ApiKeyAuth::new(sources.to_vec(), clients)
}

fn keys(sources: &[KeySource]) -> TrafficSettings {
    TrafficSettings {
        api_key_auth: PolicySetting::Set(policy(), Arc::new(keys_at(sources))),
        ..TrafficSettings::default()
    }
}

fn header(name: &'static str) -> KeySource {
    KeySource::Header(HeaderName::from_static(name))
}

fn every_place() -> [KeySource; 3] {
    [
        header("api-key"),
        KeySource::Query("key".into()),
        KeySource::Cookie("k".into()),
    ]
}

fn request(uri: &str, fields: HeaderFields<'_>) -> (Target, Parts) {
    let mut request = Request::get(uri).header("host", "a.example");
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    let (parts, ()) = request.body(()).unwrap().into_parts();
    (Target::of(&parts, Scheme::Http).unwrap(), parts)
}

/// Authenticates a request: the name of the principal, or the error and the audience.
fn ask(
    policies: &TrafficSettings,
    uri: &str,
    fields: HeaderFields<'_>,
) -> Result<String, (CredentialError, CredentialAudience)> {
    let (target, parts) = request(uri, fields);
    match verify(policies, &target, &parts, &PasswordStore::default()) {
        Ok(principal) => Ok(principal.unwrap().name().unwrap().to_string()),
        Err(AuthenticationFailure {
            error, audience, ..
        }) => Err((error, audience)),
    }
}

/// The expected result of [`ask`].
fn outcome(
    name: &str,
    error: Option<CredentialError>,
    audience: CredentialAudience,
) -> Result<String, (CredentialError, CredentialAudience)> {
    error.map_or_else(|| Ok(name.to_owned()), |error| Err((error, audience)))
}

#[test]
fn the_form_of_a_request_says_where_its_credentials_are() {
    let policies = basic();
    let cases: &[(HeaderFields<'_>, Option<CredentialError>)] = &[
        (&[("yes", ANN)], None),
        (&[], Some(CredentialError::Missing)),
        (&[("other", ANN)], Some(CredentialError::Missing)),
        (&[("yes", WRONG)], Some(CredentialError::Wrong)),
        (
            &[("yes", WRONG), ("other", ANN)],
            Some(CredentialError::Wrong),
        ),
        (&[("yes", ANN), ("other", WRONG)], None),
        (
            &[("yes", ANN), ("yes", ANN)],
            Some(CredentialError::Malformed),
        ),
        (&[("yes", "Basic x")], Some(CredentialError::Malformed)),
        (&[("yes", "Bearer x")], Some(CredentialError::OtherScheme)),
        (&[("yes", "")], Some(CredentialError::OtherScheme)),
    ];
    for (uri, audience, yes, other) in [
        (
            "/",
            CredentialAudience::Origin,
            "authorization",
            "proxy-authorization",
        ),
        (
            "http://a.example/",
            CredentialAudience::Proxy,
            "proxy-authorization",
            "authorization",
        ),
    ] {
        for (fields, error) in cases {
            let name = |field| if field == "yes" { yes } else { other };
            let fields: Vec<_> = fields.iter().map(|(f, value)| (name(*f), *value)).collect();
            let expected = outcome("ann", *error, audience);
            assert_eq!(ask(&policies, uri, &fields), expected, "{uri} {fields:?}");
        }
    }
}

#[test]
fn a_connect_is_made_of_a_proxy() {
    let request = Request::connect("a.example:443").header("host", "a.example:443");
    let (parts, ()) = request.body(()).unwrap().into_parts();
    let target = Target::of(&parts, Scheme::Http).unwrap();
    assert_eq!(audience(&target), CredentialAudience::Proxy);
}

#[test]
fn keys_are_found_in_the_first_place_that_has_one() {
    let policies = keys(&every_place());
    let cases: &[(&str, HeaderFields<'_>, Option<CredentialError>)] = &[
        ("/", &[("api-key", "k-1")], None),
        ("/", &[("api-key", "bearer k-1")], None),
        ("/?a=b&key=k%2D1", &[], None),
        ("/", &[("cookie", "a=b; k=k-1")], None),
        ("/", &[("cookie", "a=b"), ("cookie", "k=\"k-1\"")], None),
        ("/?key=k-1", &[("api-key", "")], None),
        ("/?key=", &[("cookie", "k=k-1")], None),
        ("/", &[], Some(CredentialError::Missing)),
        (
            "/?Key=k-1",
            &[("cookie", "K=k-1; kk=k-1")],
            Some(CredentialError::Missing),
        ),
        (
            "/?key=k-1",
            &[("api-key", "k-2")],
            Some(CredentialError::Wrong),
        ),
        (
            "/",
            &[("api-key", "k-1"), ("api-key", "k-2")],
            Some(CredentialError::Malformed),
        ),
        ("/?key=k-1&key=k-1", &[], Some(CredentialError::Malformed)),
        (
            "/",
            &[("cookie", "k=k-1;k=k-1")],
            Some(CredentialError::Malformed),
        ),
        (
            "/",
            &[("authorization", "Bearer k-1")],
            Some(CredentialError::Missing),
        ),
    ];
    for (uri, fields, error) in cases {
        let expected = outcome("one", *error, CredentialAudience::Origin);
        assert_eq!(ask(&policies, uri, fields), expected, "{uri} {fields:?}");
    }
}

#[test]
fn keys_for_the_proxy_are_tokens_or_passwords() {
    let policies = keys(&every_place());
    for (value, error) in [
        (KEY, None),
        ("Bearer k-1", None),
        ("Bearer k-2", Some(CredentialError::Wrong)),
        (ANN, Some(CredentialError::Wrong)),
        ("k-1", Some(CredentialError::Malformed)),
        ("Digest k-1", Some(CredentialError::Malformed)),
    ] {
        let expected = outcome("one", error, CredentialAudience::Proxy);
        let fields = [("proxy-authorization", value)];
        assert_eq!(
            ask(&policies, "http://a.example/", &fields),
            expected,
            "{value}"
        );
    }
    // The usual header is the origin's.
    let missing = Err((CredentialError::Missing, CredentialAudience::Proxy));
    let fields = [("api-key", "k-1"), ("cookie", "k=k-1")];
    assert_eq!(
        ask(&policies, "http://a.example/?key=k-1", &fields),
        missing
    );
}

/// A policy that names the places of keys.
fn named_keys() -> TrafficSettings {
    let mut keys = keys_at(&every_place());
    keys.in_every_form = true;
    TrafficSettings {
        api_key_auth: PolicySetting::Set(policy(), Arc::new(keys)),
        ..TrafficSettings::default()
    }
}

#[test]
fn keys_for_the_proxy_are_also_where_the_policy_says() {
    let cases: &[(&str, HeaderFields<'_>, Option<CredentialError>)] = &[
        ("", &[("api-key", "k-1")], None),
        ("?key=k-1", &[], None),
        ("", &[("cookie", "k=k-1")], None),
        // A password that another policy asks for is no key.
        (
            "",
            &[("proxy-authorization", ANN), ("api-key", "k-1")],
            None,
        ),
        // What the origin knows by the same name is not ours.
        (
            "",
            &[("proxy-authorization", KEY), ("api-key", "k-2")],
            None,
        ),
        ("", &[], Some(CredentialError::Missing)),
        ("", &[("api-key", "k-2")], Some(CredentialError::Wrong)),
        (
            "",
            &[("proxy-authorization", ANN)],
            Some(CredentialError::Wrong),
        ),
        ("?key=k-1&key=k-1", &[], Some(CredentialError::Malformed)),
    ];
    for (query, fields, error) in cases {
        let expected = outcome("one", *error, CredentialAudience::Proxy);
        let uri = format!("http://a.example/{query}");
        assert_eq!(
            ask(&named_keys(), &uri, fields),
            expected,
            "{query} {fields:?}"
        );
    }
}

#[test]
fn who_is_asked_for_both_needs_both() {
    let policies = TrafficSettings {
        basic_auth: basic().basic_auth,
        ..keys(&every_place())
    };
    let user = ("authorization", ANN);
    let key = ("api-key", "k-1");
    assert_eq!(ask(&policies, "/", &[user, key]), Ok("ann".to_owned()));
    for fields in [&[user][..], &[key]] {
        assert_eq!(
            ask(&policies, "/", fields),
            Err((CredentialError::Missing, CredentialAudience::Origin))
        );
    }
}

/// The forwarded request: its URI, and its fields in order of their names.
fn goes_on(
    policies: &TrafficSettings,
    uri: &str,
    fields: HeaderFields<'_>,
) -> (String, Vec<String>) {
    let (target, mut parts) = request(uri, fields);
    let principal = verify(policies, &target, &parts, &PasswordStore::default())
        .unwrap()
        .unwrap();
    principal.remove_headers(&mut parts.headers);
    principal.remove_query_parameters(&mut parts.uri);
    principal.set_headers(&mut parts.headers);
    parts.headers.remove("host");
    let field =
        |(name, value): (&HeaderName, &HeaderValue)| format!("{name}: {}", value.to_str().unwrap());
    let mut fields: Vec<_> = parts.headers.iter().map(field).collect();
    fields.sort();
    (parts.uri.to_string(), fields)
}

#[test]
fn what_was_for_us_is_taken_off_and_nothing_else() {
    let fields = [("authorization", ANN), ("x", "y")];
    let gone = ("/?a".to_owned(), vec!["x: y".to_owned()]);
    assert_eq!(goes_on(&basic(), "/?a", &fields), gone);
    // The origin's stays when the proxy was asked for.
    let fields = [("authorization", WRONG), ("proxy-authorization", ANN)];
    let (_, left) = goes_on(&basic(), "http://a.example/", &fields);
    assert!(
        left.contains(&format!("authorization: {WRONG}")),
        "{left:?}"
    );

    let policies = keys(&every_place());
    let fields = [
        ("api-key", "k-1"),
        ("authorization", "Bearer x"),
        ("cookie", "a=b; k=k-1; c"),
        ("cookie", "k=k-1"),
        ("cookie", "d=\"e\""),
    ];
    let (uri, left) = goes_on(&policies, "/p%20q?a=%2f&key=x&b", &fields);
    assert_eq!(uri, "/p%20q?a=%2f&b");
    let expected = [
        "authorization: Bearer x",
        "cookie: a=b; c",
        "cookie: d=\"e\"",
    ];
    assert_eq!(left, expected);
    assert_eq!(
        goes_on(&policies, "/?key=k-1", &[]),
        ("/".to_owned(), Vec::new())
    );
    let proxy = [("proxy-authorization", KEY), ("api-key", "origin's")];
    let (uri, left) = goes_on(&policies, "http://a.example/?key=x", &proxy);
    assert_eq!(uri, "http://a.example/?key=x");
    assert!(left.contains(&"api-key: origin's".to_owned()), "{left:?}");

    // Where a policy names the places of keys, they go if the key was there, and stay if it was not.
    let named = [("api-key", "k-1"), ("cookie", "k=x"), ("x", "y")];
    let gone = ("http://a.example/?b".to_owned(), vec!["x: y".to_owned()]);
    let uri = "http://a.example/?key=x&b";
    assert_eq!(goes_on(&named_keys(), uri, &named), gone);
    assert_eq!(goes_on(&named_keys(), uri, &proxy).0, uri);
}

#[test]
fn a_key_is_forwarded_and_its_client_told_if_the_policy_says_so() {
    let mut all = keys_at(&every_place());
    all.forwards = true;
    all.client_id_header = Some(HeaderName::from_static("x-client"));
    let policies = TrafficSettings {
        api_key_auth: PolicySetting::Set(policy(), Arc::new(all)),
        ..TrafficSettings::default()
    };
    let forged = [
        ("cookie", "k=k-1"),
        ("x-client", "root"),
        ("x-client", "adm"),
    ];
    let (_, left) = goes_on(&policies, "/", &forged);
    assert_eq!(left, ["cookie: k=k-1", "x-client: one"]);
    let (uri, _) = goes_on(&policies, "/?key=k-1", &[]);
    assert_eq!(uri, "/?key=k-1");
}

#[test]
fn a_refusal_says_how_to_come_in_and_no_secret() {
    let in_field = keys(&[header("authorization")]);
    let elsewhere = keys(&every_place());
    let (basic_scheme, bearer) = ("Basic realm=\"egret\"", "Bearer realm=\"egret\"");
    for (policies, uri, status, field, challenges) in [
        (&basic(), "/", 401, "www-authenticate", &[basic_scheme][..]),
        (&in_field, "/", 401, "www-authenticate", &[bearer]),
        (
            &elsewhere,
            "/",
            401,
            "www-authenticate",
            &["ApiKey realm=\"egret\""],
        ),
        (
            &basic(),
            "http://a/",
            407,
            "proxy-authenticate",
            &[basic_scheme],
        ),
        (
            &elsewhere,
            "http://a/",
            407,
            "proxy-authenticate",
            &[basic_scheme, bearer],
        ),
    ] {
        let wrong = [
            ("proxy-authorization", "Basic dG9wOnRvcHNlY3JldA=="),
            ("authorization", "Basic dG9wOnRvcHNlY3JldA=="),
        ];
        let (target, parts) = request(uri, &wrong);
        let refused = verify(policies, &target, &parts, &PasswordStore::default())
            .err()
            .unwrap();
        let refusal = Refusal::Unauthenticated(refused);
        let response = refusal.response(&RefusalSubject::default());
        assert_eq!(response.status(), StatusCode::from_u16(status).unwrap());
        let told: Vec<_> = response.headers().get_all(field).iter().collect();
        assert_eq!(told, challenges);
        let about = RefusalSubject::default();
        assert!(refusal.details(&about).contains("TrafficPolicy apps/p"));
        assert!(response.body().contains("authentication failed"));
        let shown = format!("{refusal:?}{response:?}");
        assert!(!shown.contains("top") && !shown.contains("dG9w"), "{shown}");
    }
}
