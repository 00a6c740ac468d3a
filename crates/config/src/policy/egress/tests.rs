use std::net::IpAddr;
use std::sync::Arc;

use http::Method;

use super::{
    EgressAction, EgressMode, EgressPolicySet, EgressRequest, EgressRule, EgressRules, PortRange,
};
use crate::name::{Host, HostMatcher, Port};
use crate::resources::{Kind, ObjectRef};

fn policy(name: &str) -> EgressRules {
    EgressRules {
        policy: ObjectRef::new(Kind::EgressPolicy, "ns", name),
        mode: EgressMode::Enforce,
        default_action: EgressAction::Allow,
        rules: Vec::new(),
        allow_addresses: Vec::new(),
        deny_addresses: Vec::new(),
        keeps_tunnels: false,
    }
}

fn rule(name: &str, action: EgressAction, hosts: &[&str]) -> EgressRule {
    EgressRule {
        name: name.into(),
        action,
        hosts: hosts
            .iter()
            .map(|host| HostMatcher::parse(host).unwrap())
            .collect(),
        ports: Vec::new(),
        methods: Vec::new(),
        paths: Vec::new(),
    }
}

fn egress(policies: impl IntoIterator<Item = EgressRules>) -> EgressPolicySet {
    EgressPolicySet {
        policies: policies.into_iter().map(Arc::new).collect(),
    }
}

/// The decision as `allow policy/rule`, with `!` if a policy in audit mode would have denied.
fn check(egress: &EgressPolicySet, target: &str, request: Option<(&Method, &str)>) -> String {
    let (host, port) = target.rsplit_once(':').unwrap();
    let host: Host = host.parse().unwrap();
    let decision = egress.check(EgressRequest {
        host: &host,
        port: port.parse().unwrap(),
        request,
    });
    let action = match decision.action {
        EgressAction::Allow => "allow",
        EgressAction::Deny => "deny",
    };
    let policy = decision.policy.map_or("-", |policy| &policy.name);
    let rule = decision.rule.map_or("-", |rule| rule);
    format!(
        "{action}{} {policy}/{rule}",
        if decision.audited { "!" } else { "" }
    )
}

const GET: Option<(&Method, &str)> = Some((&Method::GET, "/v1/x"));

#[test]
fn no_policy_allows_every_name() {
    assert_eq!(
        check(&EgressPolicySet::default(), "example.com:80", GET),
        "allow -/-"
    );
}

#[test]
fn the_first_rule_that_matches_decides() {
    let mut list = policy("list");
    list.default_action = EgressAction::Deny;
    list.rules = vec![
        rule("bad", EgressAction::Deny, &["bad.example.org"]),
        rule(
            "partners",
            EgressAction::Allow,
            &["api.example.com", "*.example.org", "192.0.2.0/24"],
        ),
    ];
    list.rules[1].ports = vec![
        PortRange {
            first: Port::HTTPS,
            last: Port::HTTPS,
        },
        PortRange {
            first: Port::new(8000).unwrap(),
            last: Port::new(8999).unwrap(),
        },
    ];
    let egress = egress([list]);
    let cases = [
        ("api.example.com:443", "allow list/partners"),
        ("api.example.com:8000", "allow list/partners"),
        ("api.example.com:8999", "allow list/partners"),
        ("api.example.com:80", "deny list/-"),
        ("api.example.com:9000", "deny list/-"),
        ("bad.example.org:443", "deny list/bad"),
        ("a.b.example.org:443", "allow list/partners"),
        ("example.org:443", "deny list/-"),
        ("192.0.2.7:443", "allow list/partners"),
        ("192.0.3.7:443", "deny list/-"),
    ];
    for (target, expected) in cases {
        assert_eq!(check(&egress, target, GET), expected, "{target}");
    }
}

#[test]
fn methods_and_paths_bind_requests_and_never_match_a_tunnel() {
    let mut list = policy("list");
    list.default_action = EgressAction::Deny;
    list.rules = vec![rule("read", EgressAction::Allow, &[])];
    list.rules[0].methods = vec![Method::GET];
    list.rules[0].paths = vec!["/v1/".to_owned()];
    let egress = egress([list]);
    let cases = [
        (GET, "allow list/read"),
        (Some((&Method::GET, "/v1")), "allow list/read"),
        (Some((&Method::GET, "/v10")), "deny list/-"),
        (Some((&Method::POST, "/v1/x")), "deny list/-"),
        (None, "deny list/-"),
    ];
    for (request, expected) in cases {
        assert_eq!(
            check(&egress, "example.com:443", request),
            expected,
            "{request:?}"
        );
    }
}

#[test]
fn every_policy_must_allow_and_the_denying_one_is_named() {
    let mut narrow = policy("narrow");
    narrow.rules = vec![rule("not-this", EgressAction::Deny, &["a.example"])];
    let egress = egress([policy("wide"), narrow]);
    assert_eq!(check(&egress, "a.example:80", GET), "deny narrow/not-this");
    assert_eq!(check(&egress, "b.example:80", GET), "allow narrow/-");
}

#[test]
fn audit_serves_and_names_what_would_have_denied() {
    let mut audit = policy("audit");
    audit.mode = EgressMode::Audit;
    audit.default_action = EgressAction::Deny;
    audit.deny_addresses = vec!["8.8.8.0/24".parse().unwrap()];
    let egress = egress([audit, policy("narrow")]);
    assert_eq!(check(&egress, "a.example:80", GET), "allow! audit/-");
    let address = "8.8.8.8".parse().unwrap();
    assert_eq!(egress.check_address(address), Ok(()));
    assert_eq!(
        egress.audit_address(address).map(|policy| &*policy.name),
        Some("audit")
    );
    assert!(egress.check_address("127.0.0.1".parse().unwrap()).is_err());
}

#[test]
fn what_keeps_tunnels_denies_only_what_begins() {
    let mut keeps = policy("keeps");
    keeps.default_action = EgressAction::Deny;
    keeps.deny_addresses = vec!["8.8.8.0/24".parse().unwrap()];
    keeps.allow_addresses = vec!["10.0.0.0/8".parse().unwrap()];
    keeps.keeps_tunnels = true;
    let mut closes = policy("closes");
    closes.rules = vec![rule("not-b", EgressAction::Deny, &["b.example"])];
    let egress = egress([keeps, closes]);
    assert_eq!(check(&egress, "a.example:80", None), "deny keeps/-");
    let open = egress.for_open_tunnels();
    assert_eq!(check(&open, "a.example:80", None), "allow closes/-");
    assert_eq!(check(&open, "b.example:80", None), "deny closes/not-b");
    let address =
        |egress: &EgressPolicySet, text: &str| egress.check_address(text.parse().unwrap()).is_ok();
    assert_eq!(
        [address(&egress, "8.8.8.8"), address(&open, "8.8.8.8")],
        [false, true]
    );
    // The exceptions of the policy stay, and so does the built-in list.
    assert!(address(&open, "10.1.2.3"));
    assert!(!address(&open, "127.0.0.1"));
}

#[test]
fn an_audit_opens_nothing() {
    let mut audit = policy("audit");
    audit.mode = EgressMode::Audit;
    audit.allow_addresses = vec!["10.0.0.0/8".parse().unwrap()];
    let address = "10.0.0.1".parse().unwrap();
    assert!(egress([audit.clone()]).check_address(address).is_err());
    assert!(
        egress([audit.clone(), policy("other")])
            .check_address(address)
            .is_err()
    );
    let mut enforced = audit.clone();
    enforced.mode = EgressMode::Enforce;
    assert!(egress([audit, enforced]).check_address(address).is_ok());
}

/// An address, and the class that it is denied as; `-` is allowed. The rows are the edges of the registries' classes,
/// and every notation that embeds an IPv4 address.
const ADDRESSES: &[(&str, &str)] = &[
    ("0.0.0.0", "this network"),
    ("0.255.255.255", "this network"),
    ("1.0.0.0", "-"),
    ("8.8.8.8", "-"),
    ("9.255.255.255", "-"),
    ("10.0.0.1", "private"),
    ("11.0.0.0", "-"),
    ("100.63.255.255", "-"),
    ("100.64.0.0", "shared address space"),
    ("100.100.100.200", "shared address space"),
    ("100.127.255.255", "shared address space"),
    ("100.128.0.0", "-"),
    ("127.0.0.1", "loopback"),
    ("127.255.255.254", "loopback"),
    ("169.253.255.255", "-"),
    ("169.254.169.254", "link-local"),
    ("169.255.0.0", "-"),
    ("172.15.255.255", "-"),
    ("172.16.0.1", "private"),
    ("172.31.255.255", "private"),
    ("172.32.0.0", "-"),
    ("192.0.0.8", "IETF protocol assignment"),
    ("192.0.0.9", "-"),
    ("192.0.0.192", "IETF protocol assignment"),
    ("192.0.1.0", "-"),
    ("192.0.2.1", "documentation"),
    ("192.31.196.1", "-"),
    ("192.52.193.1", "-"),
    ("192.88.99.1", "6to4 relay"),
    ("192.168.1.1", "private"),
    ("192.175.48.1", "-"),
    ("198.17.255.255", "-"),
    ("198.18.0.1", "benchmarking"),
    ("198.19.255.255", "benchmarking"),
    ("198.20.0.0", "-"),
    ("198.51.100.1", "documentation"),
    ("203.0.113.1", "documentation"),
    ("223.255.255.255", "-"),
    ("224.0.0.1", "multicast"),
    ("239.255.255.255", "multicast"),
    ("240.0.0.1", "reserved"),
    ("255.255.255.255", "broadcast"),
    ("::", "unspecified"),
    ("::1", "loopback"),
    ("::127.0.0.1", "loopback"),
    ("::8.8.8.8", "-"),
    ("::ffff:127.0.0.1", "loopback"),
    ("::ffff:169.254.169.254", "link-local"),
    ("::ffff:8.8.8.8", "-"),
    ("64:ff9b::a9fe:a9fe", "link-local"),
    ("64:ff9b::808:808", "-"),
    ("64:ff9b:1::a00:1", "local-use NAT64"),
    ("64:ff9b:1:a00:0:100::", "local-use NAT64"),
    ("100::1", "discard-only"),
    ("100:0:0:1::1", "dummy"),
    ("2001::1", "Teredo"),
    ("2001:0:808:808::f7f7:f7f7", "Teredo"),
    ("2001:1::1", "-"),
    ("2001:1::4", "IETF protocol assignment"),
    ("2001:2::1", "IETF protocol assignment"),
    ("2001:3::1", "-"),
    ("2001:4:112::1", "-"),
    ("2001:10::1", "IETF protocol assignment"),
    ("2001:20::1", "IETF protocol assignment"),
    ("2001:1ff:ffff::1", "IETF protocol assignment"),
    ("2001:200::1", "-"),
    ("2001:4860:4860::8888", "-"),
    ("2001:db8::1", "documentation"),
    ("2002:7f00:1::", "6to4"),
    ("2002:808:808::1", "6to4"),
    ("2606:4700::5efe:10.0.0.1", "private"),
    ("2606:4700::200:5efe:127.0.0.1", "loopback"),
    ("2606:4700::5efe:8.8.8.8", "-"),
    ("2620:4f:8000::1", "-"),
    ("3ffe::1", "-"),
    ("3fff::1", "documentation"),
    ("3fff:fff::1", "documentation"),
    ("4000::1", "reserved"),
    ("5f00::1", "segment routing"),
    ("fc00::1", "unique local"),
    ("fd00:ec2::254", "unique local"),
    ("fe80::1", "link-local"),
    ("fec0::1", "site-local"),
    ("ff02::1", "multicast"),
];

#[test]
fn the_built_in_list_holds_without_any_policy() {
    for (text, expected) in ADDRESSES {
        let address: IpAddr = text.parse().unwrap();
        let class = EgressPolicySet::default()
            .check_address(address)
            .map_or_else(|denied| denied.class, |()| "-");
        assert_eq!(class, *expected, "{text}");
    }
}

#[test]
fn exceptions_are_as_narrow_as_written() {
    let mut gateway = policy("gateway");
    gateway.allow_addresses = ["10.20.0.0/16", "64:ff9b:1::/48", "2002::/16"]
        .map(|net| net.parse().unwrap())
        .into();
    gateway.deny_addresses = ["10.20.30.0/24", "8.8.8.8/32"]
        .map(|net| net.parse().unwrap())
        .into();
    let egress = egress([gateway]);
    let cases = [
        ("10.20.0.1", true),
        ("10.21.0.1", false),
        ("10.20.30.1", false),
        ("8.8.8.8", false),
        ("8.8.4.4", true),
        ("::ffff:10.20.0.1", true),
        ("64:ff9b::a14:1", true),
        ("64:ff9b::a15:1", false),
        ("64:ff9b::808:808", false),
        ("64:ff9b:1::a14:1", false),
        ("64:ff9b:1:a14:0:100:a14:1", true),
        ("2002:a14:1::1", true),
        ("2002:7f00:1::1", false),
    ];
    for (text, allowed) in cases {
        assert_eq!(
            egress.check_address(text.parse().unwrap()).is_ok(),
            allowed,
            "{text}"
        );
    }
}
