use rcgen::string::Ia5String;
use rcgen::{CertificateParams, DnType, KeyPair, SanType, date_time_ymd};

use super::*;

fn issue(params: &CertificateParams) -> Vec<u8> {
    let key = KeyPair::generate().unwrap();
    params.self_signed(&key).unwrap().der().to_vec()
}

fn named(attributes: &[(DnType, &str)]) -> CertificateFacts {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    for (kind, value) in attributes {
        params.distinguished_name.push(kind.clone(), *value);
    }
    CertificateFacts::read(&issue(&params)).unwrap()
}

#[test]
fn names_keep_their_type() {
    let text = |text: &str| Ia5String::try_from(text).unwrap();
    let mut params = CertificateParams::default();
    params.subject_alt_names = vec![
        SanType::DnsName(text("API.example")),
        SanType::URI(text("spiffe://prod/ns/pay/sa/API")),
        SanType::Rfc822Name(text("ops@example.com")),
        SanType::IpAddress("192.0.2.1".parse().unwrap()),
        SanType::IpAddress("2001:db8::1".parse().unwrap()),
    ];
    let facts = CertificateFacts::read(&issue(&params)).unwrap();
    assert_eq!(
        facts.names,
        [
            AlternativeName::Dns("api.example".into()),
            AlternativeName::Uri("spiffe://prod/ns/pay/sa/API".into()),
            AlternativeName::Email("ops@example.com".into()),
            AlternativeName::Ip("192.0.2.1".parse().unwrap()),
            AlternativeName::Ip("2001:db8::1".parse().unwrap()),
        ]
    );
}

#[test]
fn validity_is_in_unix_time_in_both_notations() {
    // From 2050 on times are written with four digits of the year.
    let mut params = CertificateParams::default();
    params.not_before = date_time_ymd(1999, 12, 31);
    params.not_after = date_time_ymd(2052, 2, 29);
    let facts = CertificateFacts::read(&issue(&params)).unwrap();
    let CertificateValidity {
        not_before,
        not_after,
    } = facts.validity;
    assert_eq!((not_before, not_after), (946_598_400, 2_592_777_600));
}

#[test]
fn a_time_is_all_digits_and_utc() {
    let utc = |text: &str| time::seconds((tag::UTC_TIME, text.as_bytes()));
    assert_eq!(utc("700101000000Z"), Some(0));
    assert_eq!(utc("240229235959Z"), Some(1_709_251_199));
    assert_eq!(utc("491231235959Z"), Some(2_524_607_999));
    for text in [
        "700101000000Z",
        "240229235959Z",
        "000229120000Z",
        "991231235959Z",
    ] {
        let written = super::utc(utc(text).unwrap());
        let digits: String = written
            .chars()
            .filter(|char| char.is_ascii_alphanumeric())
            .collect();
        assert_eq!(digits[2..].replace('T', ""), text, "{written}");
    }
    assert_eq!(super::utc(-1), "1969-12-31T23:59:59Z");
    for text in [
        "",
        "7001010000Z",
        "700101000000",
        "700101000000+0000",
        "701301000000Z",
        "700101240000Z",
        "7x0101000000Z",
    ] {
        assert_eq!(utc(text), None, "{text}");
    }
}

#[test]
fn what_is_cut_off_is_no_certificate() {
    let whole = issue(&CertificateParams::new(["a.example".to_owned()]).unwrap());
    assert!(CertificateFacts::read(&whole).is_some());
    for length in 0..whole.len() {
        assert_eq!(CertificateFacts::read(&whole[..length]), None, "{length}");
    }
}

#[test]
fn a_subject_has_the_attributes_of_a_pattern_and_no_others_of_their_types() {
    let api = named(&[
        (DnType::CountryName, "DE"),
        (DnType::OrganizationName, "Example, Inc."),
        (DnType::CommonName, "api"),
    ]);
    let cases = [
        ("CN=api", true),
        ("cn=api", true),
        ("CN=API", false),
        ("CN=ap", false),
        ("CN=api,O=Example\\, Inc.,C=DE", true),
        ("CN=api, O=Example\\, Inc.", true),
        ("C=DE,CN=api", true),
        ("CN=api,O=Example", false),
        ("CN=api,OU=Payments", false),
        ("CN=api,CN=api", false),
    ];
    for (text, expected) in cases {
        let pattern = SubjectPattern::parse(text).unwrap();
        assert_eq!(pattern.matches(&api.subject), expected, "{text}");
    }
    let units = named(&[
        (DnType::OrganizationalUnitName, "first"),
        (DnType::CommonName, "api"),
    ]);
    let pattern = SubjectPattern::parse("OU=first").unwrap();
    assert!(pattern.matches(&units.subject));
    let twice = [units.subject.clone(), units.subject].concat();
    assert!(!pattern.matches(&twice));
    assert!(
        SubjectPattern::parse("OU=first,OU=first")
            .unwrap()
            .matches(&twice)
    );
}

#[test]
fn a_pattern_is_attributes_with_values() {
    for text in [
        "CN=", "CN", "=api", "XX=api", "CN=api,", "CN=api,O", "CN=a+O=b", "CN=a\\", "CN=\\41",
    ] {
        assert!(SubjectPattern::parse(text).is_err(), "{text}");
    }
}
