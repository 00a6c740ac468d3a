//! Rules that nearly allow a request.

use super::*;

/// An allow-list of which each rule has another condition.
fn allow_list() -> EgressPolicySet {
    let mut list = policy("list");
    list.default_action = EgressAction::Deny;
    list.rules = vec![
        rule("no", EgressAction::Deny, &["bad.test"]),
        rule("web", EgressAction::Allow, &["a.test", "*.b.test"]),
        rule("api", EgressAction::Allow, &["a.test"]),
        rule("old", EgressAction::Allow, &["old.test"]),
        rule("net", EgressAction::Allow, &["192.0.2.0/24"]),
    ];
    list.rules[1].ports = vec![PortRange {
        first: Port::HTTPS,
        last: Port::HTTPS,
    }];
    list.rules[2].methods = vec![Method::POST];
    list.rules[2].paths = vec!["/v2".to_owned()];
    list.rules[2].clients = vec![ClientMatcher::User(UserPattern::parse("ann").unwrap())];
    list.rules[3].expires = Some("1970-01-01T00:00:00Z").map(|it| Expiry::parse(it).unwrap());
    list.rules[4].ports = vec![PortRange {
        first: Port::HTTP,
        last: Port::HTTP,
    }];
    egress([list])
}

#[test]
fn rules_that_nearly_match_say_why_they_do_not() {
    let set = allow_list();
    let near = |target: &str, request: Option<(&Method, &str)>| -> Vec<String> {
        let (host, port) = target.rsplit_once(':').unwrap();
        let host: Host = host.parse().unwrap();
        let misses = set.near_misses(EgressRequest {
            request,
            ..attempt(&host, port)
        });
        misses.iter().map(ToString::to_string).collect()
    };
    let of = |rule: &str, why: &str| {
        format!("rule {rule} of EgressPolicy ns/list does not match: {why}")
    };
    for (target, request, expected) in [
        (
            "a.test:80",
            GET,
            vec![
                of("web", "it is for ports 443"),
                of(
                    "api",
                    "it is for methods POST; it is for paths /v2; it is for other clients",
                ),
            ],
        ),
        (
            "a.test:80",
            None,
            vec![
                of("web", "it is for ports 443"),
                of(
                    "api",
                    "a tunnel hides methods and paths; it is for other clients",
                ),
            ],
        ),
        (
            "b.test:443",
            GET,
            vec![of("web", "*.b.test is not the name itself")],
        ),
        (
            "www.a.test:443",
            GET,
            vec![
                of("web", "a.test is not what is below it, which is *.a.test"),
                of(
                    "api",
                    "a.test is not what is below it, which is *.a.test; it is for methods POST; it is for paths /v2; it is for other clients",
                ),
            ],
        ),
        ("old.test:80", GET, vec![of("old", "it has expired")]),
        ("192.0.2.1:443", GET, vec![of("net", "it is for ports 80")]),
        // Another host, one that is allowed, and one that a rule denies.
        ("c.test:443", GET, vec![]),
        ("a.test:443", GET, vec![]),
        ("bad.test:80", GET, vec![]),
    ] {
        assert_eq!(near(target, request), expected, "{target}");
    }
    assert_eq!(
        EgressPolicySet::default().near_misses(attempt(&"a.test".parse().unwrap(), "1")),
        []
    );
}
