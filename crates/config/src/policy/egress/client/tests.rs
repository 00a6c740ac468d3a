use super::*;
use crate::certificate::CertificateValidity;

fn with_names(names: &[AlternativeName]) -> CertificateFacts {
    CertificateFacts {
        names: names.to_vec(),
        subject: Vec::new(),
        validity: CertificateValidity {
            not_before: 0,
            not_after: 0,
        },
    }
}

#[test]
fn a_user_is_named_by_its_name_or_its_beginning() {
    for (pattern, name, expected) in [
        ("ci", "ci", true),
        ("ci", "ci-1", false),
        ("ci", "CI", false),
        ("ci-*", "ci-1", true),
        ("ci-*", "ci-", true),
        ("ci-*", "ci", false),
        ("*", "anybody", true),
    ] {
        let matcher = ClientMatcher::User(UserPattern::parse(pattern).unwrap());
        let by_password = EgressClient {
            user: Some(name),
            key_owner: Some("other"),
            ..EgressClient::default()
        };
        let by_key = EgressClient {
            key_owner: Some(name),
            ..EgressClient::default()
        };
        for client in [by_password, by_key] {
            // `*` also matches the other one.
            assert_eq!(matcher.matches(client), expected, "{pattern} {name}");
        }
        assert!(!matcher.matches(EgressClient::default()));
        assert_eq!(UserPattern::parse(pattern).unwrap().to_string(), pattern);
    }
    for text in ["", "*-ci", "c*i", "**"] {
        assert!(UserPattern::parse(text).is_err(), "{text}");
    }
}

#[test]
fn a_name_of_a_certificate_matches_its_own_type_only() {
    let dns = |text: &str| AlternativeName::Dns(text.into());
    let uri = |text: &str| AlternativeName::Uri(text.into());
    for (pattern, name, expected) in [
        ("spiffe://prod/sa/api", uri("spiffe://prod/sa/api"), true),
        ("spiffe://prod/sa/api", uri("spiffe://prod/sa/API"), false),
        ("spiffe://prod/sa/api", dns("spiffe://prod/sa/api"), false),
        ("urn:example:api", uri("urn:example:api"), true),
        ("API.example", dns("api.example"), true),
        ("api.example", uri("api.example"), false),
        ("*.example", dns("api.example"), false),
        (
            "ops@example",
            AlternativeName::Email("ops@example".into()),
            true,
        ),
        (
            "192.0.2.1",
            AlternativeName::Ip([192, 0, 2, 1].into()),
            true,
        ),
        ("192.0.2.1", dns("192.0.2.1"), false),
        ("CN=api", dns("cn=api"), false),
    ] {
        let parsed = CertificatePattern::parse(pattern).unwrap();
        let certificate = with_names(std::slice::from_ref(&name));
        let client = EgressClient {
            certificate: Some(&certificate),
            ..EgressClient::default()
        };
        let matcher = ClientMatcher::Certificate(parsed);
        assert_eq!(matcher.matches(client), expected, "{pattern} {name:?}");
        assert!(!matcher.matches(EgressClient::default()));
    }
    for text in ["", "two words", "CN=", "XX=1"] {
        assert!(CertificatePattern::parse(text).is_err(), "{text}");
    }
}

#[test]
fn a_source_is_compared_as_ipv4_where_it_is_that() {
    let matcher = ClientMatcher::Source("10.1.0.0/16".parse().unwrap());
    for (source, expected) in [
        ("10.1.2.3", true),
        ("::ffff:10.1.2.3", true),
        ("10.2.0.1", false),
        ("2001:db8::1", false),
    ] {
        let client = EgressClient {
            source: Some(source.parse().unwrap()),
            ..EgressClient::default()
        };
        assert_eq!(matcher.matches(client), expected, "{source}");
    }
}
