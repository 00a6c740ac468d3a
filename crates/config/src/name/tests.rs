use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

use super::{Authority, Host, HostMatcher, HostPattern, NameError, Port};

fn authority(text: &str) -> Result<String, NameError> {
    Authority::parse(text.as_bytes()).map(|authority| authority.to_string())
}

#[test]
fn canonical_forms() {
    let cases = [
        ("example.com", "example.com"),
        ("A.Example.", "a.example"),
        ("a.example:8080", "a.example:8080"),
        ("EXAMPLE.com.:443", "example.com:443"),
        ("_dmarc.example.com", "_dmarc.example.com"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("127.0.0.1.", "127.0.0.1"),
        ("192.0.2.1:80", "192.0.2.1:80"),
        ("[::1]", "[::1]"),
        ("[2001:DB8:0:0:0:0:0:1]:443", "[2001:db8::1]:443"),
        ("[::ffff:127.0.0.1]:65535", "[::ffff:127.0.0.1]:65535"),
        ("1.2.3.4.example", "1.2.3.4.example"),
    ];
    for (text, canonical) in cases {
        assert_eq!(authority(text).as_deref(), Ok(canonical), "{text}");
    }
}

#[test]
fn refused_forms() {
    let long_label = format!("{}.example", "a".repeat(64));
    let long_name = format!("{}example", "a23456789.".repeat(25));
    let cases = [
        ("", NameError::Empty),
        (".", NameError::Empty),
        (":80", NameError::Empty),
        ("..", NameError::EmptyLabel),
        (".example.com", NameError::EmptyLabel),
        ("example..com", NameError::EmptyLabel),
        ("example.com..", NameError::EmptyLabel),
        (long_label.as_str(), NameError::LongLabel),
        (long_name.as_str(), NameError::LongName),
        ("user@example.com", NameError::Userinfo),
        ("user:pw@169.254.169.254", NameError::Userinfo),
        ("exa mple.com", NameError::Character),
        ("example.com\t", NameError::Character),
        ("example.com\0.evil.test", NameError::Character),
        ("example.com/path", NameError::Character),
        ("example.com#x", NameError::Character),
        ("example.com?x", NameError::Character),
        ("a,b", NameError::Character),
        ("a;b", NameError::Character),
        ("a\\b", NameError::Character),
        ("127.0.0.1%00", NameError::Character),
        ("127%2e0.0.1", NameError::Character),
        ("b\u{fc}cher.example", NameError::Character),
        ("\u{2460}\u{2461}.0.0.1", NameError::Character),
        ("127\u{3002}0\u{3002}0\u{3002}1", NameError::Character),
        ("2130706433", NameError::Numeric),
        ("0", NameError::Numeric),
        ("0x0", NameError::Numeric),
        ("0x", NameError::Numeric),
        ("0x7f000001", NameError::Numeric),
        ("0x7f.1", NameError::Numeric),
        ("0177.0.0.1", NameError::Numeric),
        ("017700000001", NameError::Numeric),
        ("00000177.0.0.1", NameError::Numeric),
        ("127.1", NameError::Numeric),
        ("127.0.1", NameError::Numeric),
        ("127.0.0.01", NameError::Numeric),
        ("0xa9.0376.43518", NameError::Numeric),
        ("425.510.425.510", NameError::Numeric),
        ("4294967297", NameError::Numeric),
        ("1.2.3.4.5", NameError::Numeric),
        ("example.123", NameError::Numeric),
        ("example.0X1F", NameError::Numeric),
        ("::1", NameError::Unbracketed),
        ("::1:80", NameError::Unbracketed),
        ("2001:db8::1:443", NameError::Unbracketed),
        ("host:443:80", NameError::Unbracketed),
        ("[127.0.0.1]", NameError::Brackets),
        ("[example.com]", NameError::Brackets),
        ("[[::1]]", NameError::Brackets),
        ("[::1", NameError::Brackets),
        ("::1]", NameError::Character),
        ("[fe80::1%eth0]", NameError::Brackets),
        ("[fe80::1%25eth0]", NameError::Brackets),
        ("[]", NameError::Brackets),
        ("[::1]x", NameError::Brackets),
        ("[::1]x:80", NameError::Brackets),
        ("host:0", NameError::Port),
        ("host:00443", NameError::Port),
        ("host:007", NameError::Port),
        ("host:+443", NameError::Port),
        ("host:-1", NameError::Port),
        ("host:0x1bb", NameError::Port),
        ("host:https", NameError::Port),
        ("host:65536", NameError::Port),
        ("host:4294967739", NameError::Port),
        ("host: 80", NameError::Port),
    ];
    for (text, error) in cases {
        assert_eq!(authority(text), Err(error), "{text:?}");
    }
}

#[test]
fn a_pattern_matches_whole_labels_and_never_the_apex() {
    let matches = |pattern: &str, name: &str| {
        HostPattern::parse(pattern)
            .unwrap()
            .matches(Host::parse(name.as_bytes()).unwrap().name().unwrap())
    };
    assert!(matches("example.com", "EXAMPLE.com."));
    assert!(matches("*.example.com", "a.example.com"));
    assert!(matches("*.example.com", "a.b.example.com"));
    assert!(!matches("*.example.com", "example.com"));
    assert!(!matches("*.example.com", "notexample.com"));
    assert!(!matches("*.example.com", "example.com.evil.net"));
    assert!(!matches("example.com", "evil-example.com"));
    assert!(matches("b\u{fc}cher.example", "xn--bcher-kva.example"));
    assert!(matches("*.B\u{dc}CHER.example", "a.xn--bcher-kva.example"));
    for refused in [
        "*",
        "*.",
        "a.*.example",
        "*a.example",
        "**.example",
        "*.*.example",
    ] {
        assert!(HostPattern::parse(refused).is_err(), "{refused}");
    }
}

#[test]
fn intersections_are_the_narrower_of_the_two() {
    let cases = [
        ("a.example", "a.example", Some("a.example")),
        ("a.example", "b.example", None),
        ("*.example", "a.example", Some("a.example")),
        ("a.b.example", "*.example", Some("a.b.example")),
        ("*.example", "example", None),
        ("*.example", "*.example", Some("*.example")),
        ("*.example", "*.a.example", Some("*.a.example")),
        ("*.a.example", "*.example", Some("*.a.example")),
        ("*.a.example", "*.b.example", None),
        ("*.aexample", "*.example", None),
    ];
    for (one, other, expected) in cases {
        let (one, other) = (
            HostPattern::parse(one).unwrap(),
            HostPattern::parse(other).unwrap(),
        );
        let expected = expected.map(|text| HostPattern::parse(text).unwrap());
        assert_eq!(one.intersection(&other), expected, "{one} {other}");
    }
}

#[test]
fn address_matchers_only_match_literals() {
    let matches = |matcher: &str, host: &str| {
        HostMatcher::parse(matcher)
            .unwrap()
            .matches(&Host::parse(host.as_bytes()).unwrap())
    };
    assert!(matches("192.0.2.0/24", "192.0.2.9"));
    assert!(matches("192.0.2.9", "192.0.2.9"));
    assert!(matches("192.0.2.0/24", "[::ffff:192.0.2.9]"));
    assert!(matches("2001:db8::/32", "[2001:db8::1]"));
    assert!(matches("[2001:db8::1]", "[2001:db8::1]"));
    assert!(matches("0.0.0.0/0", "255.255.255.255"));
    assert!(!matches("192.0.2.0/24", "192.0.3.9"));
    assert!(!matches("192.0.2.0/24", "example.com"));
    assert!(!matches("example.com", "192.0.2.9"));
}

#[test]
fn what_is_no_name_is_called_what_it_is() {
    let cases = [
        ("api.example.com:443", NameError::HasPort),
        ("*.example.com:443", NameError::HasPort),
        ("[::1]:443", NameError::HasPort),
        ("https://api.example.com", NameError::Url),
        ("api.example.com/v1", NameError::HasPath),
        ("*.example.com/", NameError::HasPath),
        (".example.com", NameError::LeadingDot),
        ("..example.com", NameError::EmptyLabel),
        ("*", NameError::Everything),
        ("*.", NameError::Wildcard),
        ("https://api.example.com:443/x", NameError::Url),
        ("192.0.2.0/24", NameError::Network),
        ("2001:db8::/32", NameError::Network),
        ("192.0.2.1", NameError::Address),
        ("[::1]", NameError::Address),
        ("::1", NameError::Address),
        ("192.0.2", NameError::Numeric),
        ("example.com:", NameError::Character),
        ("a b", NameError::Character),
        ("", NameError::Empty),
    ];
    for (text, error) in cases {
        assert_eq!(HostPattern::parse(text), Err(error), "{text}");
    }
}

#[test]
fn mapped_addresses_would_never_match_and_are_refused() {
    for text in [
        "::ffff:192.0.2.1",
        "[::ffff:192.0.2.1]",
        "::ffff:192.0.2.0/120",
        "::ffff:0:0/96",
    ] {
        assert_eq!(HostMatcher::parse(text), Err(NameError::Mapped), "{text}");
    }
    assert!(HostMatcher::parse("::/0").is_ok());
    assert!(HostMatcher::parse("::ffff:1:2:3").is_ok());
}

proptest! {
    /// Every host that parses prints as a text that parses to the same host: there is one spelling, and it is stable.
    #[test]
    fn canonical_form_is_a_fixed_point(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        if let Ok(parsed) = Authority::parse(&bytes) {
            let text = parsed.to_string();
            prop_assert!(text.is_ascii());
            prop_assert_eq!(Authority::parse(text.as_bytes()), Ok(parsed));
        }
    }

    #[test]
    fn ports_are_their_number(number in 1_u16..) {
        prop_assert_eq!(number.to_string().parse::<Port>().map(Port::get), Ok(number));
    }
}
