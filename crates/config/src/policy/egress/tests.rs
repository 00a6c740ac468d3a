use std::net::IpAddr;
use std::sync::Arc;

use http::Method;
use ipnet::IpNet;

use super::{
    AddressDenied, AddressException, ClientMatcher, EgressAction, EgressClient, EgressDecision,
    EgressMode, EgressPolicySet, EgressRequest, EgressRule, EgressRules, EgressSni, Expiry,
    HelloName, PortRange, UserPattern,
};
use crate::name::{Host, HostMatcher, Port};
use crate::resources::{Kind, ObjectRef};

mod conditional;
mod near;

fn policy(name: &str) -> EgressRules {
    EgressRules {
        policy: ObjectRef::new(Kind::EgressPolicy, "ns", name),
        mode: EgressMode::Enforce,
        default_action: EgressAction::Allow,
        rules: Vec::new(),
        allow_addresses: Vec::new(),
        deny_addresses: Vec::new(),
        limits: Vec::new(),
        keeps_tunnels: false,
        sni: EgressSni::Log,
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
        clients: Vec::new(),
        allow_addresses: Vec::new(),
        when: None,
        expires: None,
        reason: None,
    }
}

fn egress(policies: impl IntoIterator<Item = EgressRules>) -> EgressPolicySet {
    EgressPolicySet::new(policies.into_iter().map(Arc::new).collect())
}

fn net(text: &str) -> AddressException {
    let net: IpNet = text.parse().unwrap();
    net.into()
}

/// The decision as `allow policy/rule`, with `!` if a policy in audit mode would have denied.
fn check(egress: &EgressPolicySet, target: &str, request: Option<(&Method, &str)>) -> String {
    let (host, port) = target.rsplit_once(':').unwrap();
    let host: Host = host.parse().unwrap();
    let decision = egress.check(EgressRequest {
        request,
        ..attempt(&host, port)
    });
    told(decision)
}

fn attempt<'a>(host: &'a Host, port: &str) -> EgressRequest<'a> {
    EgressRequest {
        host,
        port: port.parse().unwrap(),
        request: None,
        client: EgressClient::default(),
        is_open: false,
        asked: None,
        now: 0,
    }
}

/// The check of an address that a name resolved to.
fn check_address(egress: &EgressPolicySet, address: IpAddr) -> Result<(), AddressDenied> {
    let host = "a.example".parse().unwrap();
    egress.check_address(address, attempt(&host, "80"))
}

fn told(decision: EgressDecision<'_>) -> String {
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
    assert_eq!(check_address(&egress, address), Ok(()));
    let host = "a.example".parse().unwrap();
    assert_eq!(
        egress
            .audit_address(address, attempt(&host, "80"))
            .map(|policy| &*policy.name),
        Some("audit")
    );
    assert!(check_address(&egress, "127.0.0.1".parse().unwrap()).is_err());
}

#[test]
fn what_keeps_tunnels_denies_only_what_begins() {
    let mut keeps = policy("keeps");
    keeps.default_action = EgressAction::Deny;
    keeps.deny_addresses = vec!["8.8.8.0/24".parse().unwrap()];
    keeps.allow_addresses = vec![net("10.0.0.0/8")];
    keeps.keeps_tunnels = true;
    let mut closes = policy("closes");
    closes.rules = vec![rule("not-b", EgressAction::Deny, &["b.example"])];
    let egress = egress([keeps, closes]);
    assert_eq!(check(&egress, "a.example:80", None), "deny keeps/-");
    let open = |host: &str| {
        let host = host.parse().unwrap();
        told(egress.check(EgressRequest {
            is_open: true,
            ..attempt(&host, "80")
        }))
    };
    assert_eq!(open("a.example"), "allow closes/-");
    assert_eq!(open("b.example"), "deny closes/not-b");
    let address = |text: &str, is_open| {
        let host = "a.example".parse().unwrap();
        let attempt = EgressRequest {
            is_open,
            ..attempt(&host, "80")
        };
        egress.check_address(text.parse().unwrap(), attempt).is_ok()
    };
    assert_eq!(
        [false, true].map(|is_open| address("8.8.8.8", is_open)),
        [false, true]
    );
    // The exceptions of the policy stay, and so does the built-in list.
    assert!(address("10.1.2.3", true));
    assert!(!address("127.0.0.1", true));
}

#[test]
fn an_audit_opens_nothing() {
    let mut audit = policy("audit");
    audit.mode = EgressMode::Audit;
    audit.allow_addresses = vec![net("10.0.0.0/8")];
    let address = "10.0.0.1".parse().unwrap();
    assert!(check_address(&egress([audit.clone()]), address).is_err());
    assert!(check_address(&egress([audit.clone(), policy("other")]), address).is_err());
    let mut enforced = audit.clone();
    enforced.mode = EgressMode::Enforce;
    assert!(check_address(&egress([audit, enforced]), address).is_ok());
}

/// A policy that denies by default, and opens a network to the names of one of its rules.
fn inside() -> EgressRules {
    let mut inside = policy("inside");
    inside.default_action = EgressAction::Deny;
    inside.rules = vec![
        rule("ledger", EgressAction::Allow, &["*.ledger.example"]),
        rule("rest", EgressAction::Allow, &["*.example", "10.1.0.0/16"]),
    ];
    inside.rules[0].ports = vec![PortRange {
        first: Port::HTTPS,
        last: Port::HTTPS,
    }];
    inside.rules[0].methods = vec![Method::GET];
    inside.rules[0].clients = vec![ClientMatcher::User(UserPattern::parse("ci-*").unwrap())];
    inside.rules[0].allow_addresses = vec!["10.1.2.0/24".parse().unwrap()];
    inside
}

/// Whether an address may be dialled on this port for a request.
fn dials(
    egress: &EgressPolicySet,
    address: &str,
    (host, port): (&str, &str),
    method: &Method,
    user: &str,
) -> bool {
    let host = host.parse().unwrap();
    let attempt = EgressRequest {
        request: Some((method, "/")),
        client: EgressClient {
            user: Some(user),
            ..EgressClient::default()
        },
        ..attempt(&host, port)
    };
    egress
        .check_address(address.parse().unwrap(), attempt)
        .is_ok()
}

#[test]
fn the_exception_of_a_rule_is_for_what_the_rule_allows() {
    let get = Method::GET;
    let egress_set = egress([inside()]);
    let cases = [
        ("10.1.2.3", "a.ledger.example", "443", &get, "ci-1", true),
        (
            "::ffff:10.1.2.3",
            "a.ledger.example",
            "443",
            &get,
            "ci-1",
            true,
        ),
        (
            "64:ff9b::a01:203",
            "a.ledger.example",
            "443",
            &get,
            "ci-1",
            true,
        ),
        // Another address, port, method, client or name.
        ("10.1.3.3", "a.ledger.example", "443", &get, "ci-1", false),
        ("10.1.2.3", "a.ledger.example", "80", &get, "ci-1", false),
        (
            "10.1.2.3",
            "a.ledger.example",
            "443",
            &Method::POST,
            "ci-1",
            false,
        ),
        ("10.1.2.3", "a.ledger.example", "443", &get, "dev", false),
        ("10.1.2.3", "a.other.example", "443", &get, "ci-1", false),
        // An address is no name.
        ("10.1.2.3", "10.1.2.3", "443", &get, "ci-1", false),
    ];
    for (address, host, port, method, user, expected) in cases {
        let allowed = dials(&egress_set, address, (host, port), method, user);
        assert_eq!(allowed, expected, "{address} {host}:{port} {method} {user}");
    }
    // What denies or observes opens nothing, and what is denied stays denied.
    let changed = |change: fn(&mut EgressRules)| {
        let mut rules = inside();
        change(&mut rules);
        dials(
            &egress([rules]),
            "10.1.2.3",
            ("a.ledger.example", "443"),
            &get,
            "ci-1",
        )
    };
    assert!(changed(|_| {}));
    assert!(!changed(|rules| rules.mode = EgressMode::Audit));
    assert!(!changed(|rules| rules.rules[0].action = EgressAction::Deny));
    assert!(!changed(|rules| {
        rules.deny_addresses = vec!["10.1.2.3/32".parse().unwrap()];
    }));
}

#[test]
fn an_open_tunnel_keeps_the_exceptions_that_the_rules_have_now() {
    let mut keeps = inside();
    keeps.keeps_tunnels = true;
    keeps.rules[0].methods.clear();
    keeps.rules[0].clients.clear();
    let host = "a.ledger.example".parse().unwrap();
    let open = EgressRequest {
        is_open: true,
        ..attempt(&host, "443")
    };
    let address = "10.1.2.3".parse().unwrap();
    assert!(egress([keeps.clone()]).check_address(address, open).is_ok());
    keeps.rules.remove(0);
    assert!(egress([keeps]).check_address(address, open).is_err());
}

#[test]
fn a_rule_with_clients_is_for_them_alone() {
    let mut list = policy("list");
    list.default_action = EgressAction::Deny;
    list.rules = vec![
        rule("ci", EgressAction::Allow, &["a.example"]),
        rule("office", EgressAction::Allow, &["a.example"]),
    ];
    list.rules[0].clients = vec![
        ClientMatcher::User(UserPattern::parse("ci").unwrap()),
        ClientMatcher::User(UserPattern::parse("cd").unwrap()),
    ];
    list.rules[1].clients = vec![ClientMatcher::Source("10.1.0.0/16".parse().unwrap())];
    let egress = egress([list]);
    let host = "a.example".parse().unwrap();
    let decide = |user, source: Option<&str>| {
        let client = EgressClient {
            user,
            source: source.map(|source| source.parse().unwrap()),
            ..EgressClient::default()
        };
        told(egress.check(EgressRequest {
            client,
            ..attempt(&host, "443")
        }))
    };
    assert_eq!(decide(Some("ci"), Some("192.0.2.1")), "allow list/ci");
    assert_eq!(decide(Some("cd"), None), "allow list/ci");
    assert_eq!(decide(Some("dev"), Some("10.1.2.3")), "allow list/office");
    assert_eq!(decide(Some("dev"), Some("192.0.2.1")), "deny list/-");
    assert_eq!(decide(None, None), "deny list/-");
}

#[test]
fn the_strictest_policy_says_what_the_server_name_must_be() {
    let with = |name: &str, mode, sni, keeps_tunnels| EgressRules {
        mode,
        sni,
        limits: Vec::new(),
        keeps_tunnels,
        ..policy(name)
    };
    let log = with("log", EgressMode::Enforce, EgressSni::Log, false);
    let audit = with("audit", EgressMode::Audit, EgressSni::MustMatch, false);
    let must = with("must", EgressMode::Enforce, EgressSni::MustMatch, true);
    let required = |policies: Vec<EgressRules>, is_open| {
        let set = egress(policies);
        set.sni(is_open)
            .map(|required| (required.policy.name.to_string(), required.mode))
    };
    let by = |name: &str, mode| Some((name.to_owned(), mode));
    assert_eq!(required(vec![log.clone()], false), None);
    assert_eq!(
        required(vec![log, audit.clone(), must.clone()], false),
        by("must", EgressMode::Enforce)
    );
    assert_eq!(
        required(vec![must, audit], true),
        by("audit", EgressMode::Audit)
    );
}

#[test]
fn a_server_name_is_for_its_host() {
    let name = |text: &str| HelloName::Name(text.parse().unwrap());
    let address = |text: &str| HelloName::Address(text.parse().unwrap());
    for (hello, host, expected) in [
        (name("a.example"), "a.example", true),
        (name("a.example"), "b.example", false),
        (name("a.example"), "192.0.2.1", false),
        (HelloName::Absent, "192.0.2.1", true),
        (HelloName::Absent, "a.example", false),
        (address("192.0.2.1"), "192.0.2.1", true),
        (address("::ffff:192.0.2.1"), "192.0.2.1", true),
        (address("192.0.2.2"), "192.0.2.1", false),
        (address("192.0.2.1"), "a.example", false),
        (HelloName::Unreadable, "192.0.2.1", false),
        (HelloName::Unreadable, "a.example", false),
    ] {
        let host: Host = host.parse().unwrap();
        assert_eq!(hello.is_for(&host), expected, "{hello:?} {host}");
    }
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
    ("168.63.129.15", "-"),
    ("168.63.129.16", "cloud platform"),
    ("::ffff:168.63.129.16", "cloud platform"),
    ("168.63.129.17", "-"),
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
        let class = check_address(&EgressPolicySet::default(), address)
            .map_or_else(|denied| denied.class, |()| "-");
        assert_eq!(class, *expected, "{text}");
    }
}

#[test]
fn exceptions_are_as_narrow_as_written() {
    let mut gateway = policy("gateway");
    gateway.allow_addresses = ["10.20.0.0/16", "64:ff9b:1::/48", "2002::/16"]
        .map(net)
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
            check_address(&egress, text.parse().unwrap()).is_ok(),
            allowed,
            "{text}"
        );
    }
}
