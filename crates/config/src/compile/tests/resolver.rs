//! ResolverPolicies.

use std::time::Duration;

use super::{BACKEND, CompiledConfig, GATEWAY, aged, condition, get, problems, rule, with_route};
use crate::name::DnsName;
use crate::resources::{Kind, ObjectRef};
use crate::snapshot::{
    BackendDestination, DnsProtocol, LookupFamily, NameServer, ResolverId, ResolverSettings,
    RuleAction,
};

fn policy(name: &str, target: &str, spec: &str) -> String {
    let namespace = if target == BACKEND { "apps" } else { "infra" };
    format!(
        "---\napiVersion: egret.dev/v1alpha1\nkind: ResolverPolicy\nmetadata: {{name: {name}, namespace: {namespace}}}\n\
         spec:\n  targetRefs: [{target}]\n{spec}"
    )
}

fn resolver(compiled: &CompiledConfig) -> String {
    let RuleAction::Forward(backends) = &rule(compiled, 8080, "a.b", "/").unwrap().action else {
        panic!("not forwarded");
    };
    let BackendDestination::Dynamic(to) = &backends.backends[0].destination else {
        panic!("not dynamic");
    };
    assert!(compiled.snapshot.resolvers.contains_key(&to.resolver));
    match &to.resolver {
        ResolverId::System => "system".to_owned(),
        ResolverId::Policy(policy) => policy.to_string(),
        ResolverId::Backend(own) => own.backend.to_string(),
    }
}

#[test]
fn the_backends_policy_goes_before_the_gateways() {
    assert_eq!(resolver(&with_route("")), "system");
    let gateway = policy("g", GATEWAY, "");
    assert_eq!(resolver(&with_route(&gateway)), "ResolverPolicy infra/g");
    let both = format!("{gateway}{}", policy("b", BACKEND, ""));
    let compiled = with_route(&both);
    assert_eq!(resolver(&compiled), "ResolverPolicy apps/b");
    assert_eq!(compiled.snapshot.resolvers.len(), 3);
    assert!(compiled.report.accepted());
}

#[test]
fn the_older_of_two_wins() {
    let younger = policy("a", GATEWAY, "");
    let older = aged(&policy("b", GATEWAY, ""), 2020);
    let compiled = with_route(&format!("{younger}{older}"));
    assert_eq!(resolver(&compiled), "ResolverPolicy infra/b");
    assert!(
        condition(&compiled, "ResolverPolicy infra/a", "Attached").starts_with("false Overridden")
    );
    assert!(
        condition(&compiled, "ResolverPolicy infra/b", "Attached").starts_with("true Attached")
    );
    assert!(
        problems(&compiled)[0]
            .contains("overridden at Gateway infra/gw by the older ResolverPolicy infra/b")
    );
    assert_eq!(compiled.snapshot.resolvers.len(), 2);
}

#[test]
fn settings_are_compiled() {
    let spec = "  servers: [{address: '9.9.9.9:5353', protocol: TCP}, {address: '2620:fe::fe'}, {address: '[::1]'}]\n  \
                search: [Corp.test., b.test]\n  httpsRecords: false\n  \
                hosts: [{hostname: A.test, addresses: [192.0.2.1, '2001:db8::1']}]\n  lookupFamily: V6Preferred\n  \
                queryTimeout: 2s\n  minTTL: 0s\n  maxTTL: 10m\n  negativeTTL: 5s\n  staleFor: 0s\n  idleTTL: 1m\n  \
                maxHosts: 10\n  maxPending: 2\n  \
                preresolve: [B.test., a.test, b.test]\n";
    let compiled = with_route(&policy("g", GATEWAY, spec));
    assert!(compiled.report.accepted(), "{}", compiled.report.table());
    let id = ResolverId::Policy(ObjectRef::new(Kind::ResolverPolicy, "infra", "g"));
    let ResolverSettings {
        servers,
        search,
        https_records,
        hosts,
        preresolve,
        family,
        query_timeout,
        min_ttl,
        max_ttl,
        negative_ttl,
        stale_for,
        idle_ttl,
        max_hosts,
        max_pending,
    } = &*compiled.snapshot.resolvers[&id];
    let servers: Vec<_> = servers
        .iter()
        .map(|s| (s.address.to_string(), s.protocol.clone()))
        .collect();
    assert_eq!(
        servers,
        [
            ("9.9.9.9:5353".to_owned(), DnsProtocol::Tcp),
            ("[2620:fe::fe]:53".to_owned(), DnsProtocol::Udp),
            ("[::1]:53".to_owned(), DnsProtocol::Udp),
        ]
    );
    let search: Vec<_> = search.iter().map(DnsName::as_str).collect();
    assert_eq!(
        (search, *https_records),
        (vec!["corp.test", "b.test"], false)
    );
    assert_eq!(hosts["a.test"].len(), 2);
    let preresolve: Vec<_> = preresolve.iter().map(DnsName::as_str).collect();
    assert_eq!(preresolve, ["a.test", "b.test"]);
    assert_eq!(*family, LookupFamily::V6Preferred);
    let seconds = [
        query_timeout,
        min_ttl,
        max_ttl,
        negative_ttl,
        stale_for,
        idle_ttl,
    ]
    .map(Duration::as_secs);
    assert_eq!(seconds, [2, 0, 600, 5, 0, 60]);
    assert_eq!((*max_hosts, *max_pending), (10, 2));
    let defaults = with_route(&policy("g", GATEWAY, ""));
    assert_eq!(
        *defaults.snapshot.resolvers[&id],
        ResolverSettings::default()
    );
}

#[test]
fn servers_can_be_asked_over_tls_and_https() {
    let name = |text: &str| Some(DnsName::parse(text.as_bytes()).unwrap());
    let tls = |server_name| DnsProtocol::Tls { server_name };
    let https = |server_name, path: &str| DnsProtocol::Https {
        server_name,
        path: path.into(),
    };
    let cases = [
        ("protocol: TLS", "9.9.9.9:853", tls(None)),
        (
            "protocol: TLS, serverName: DNS.test",
            "9.9.9.9:853",
            tls(name("dns.test")),
        ),
        ("protocol: HTTPS", "9.9.9.9:443", https(None, "/dns-query")),
        (
            "protocol: HTTPS, serverName: dns.test, path: /q/a",
            "9.9.9.9:443",
            https(name("dns.test"), "/q/a"),
        ),
        ("protocol: UDP", "9.9.9.9:53", DnsProtocol::Udp),
        ("protocol: TCP", "9.9.9.9:53", DnsProtocol::Tcp),
    ];
    let id = ResolverId::Policy(ObjectRef::new(Kind::ResolverPolicy, "infra", "g"));
    for (text, address, protocol) in cases {
        let line = format!("  servers: [{{address: 9.9.9.9, {text}}}]\n");
        let compiled = with_route(&policy("g", GATEWAY, &line));
        assert!(compiled.report.accepted(), "{}", compiled.report.table());
        let expected = NameServer {
            address: address.parse().unwrap(),
            protocol,
        };
        assert_eq!(
            compiled.snapshot.resolvers[&id].servers,
            [expected],
            "{text}"
        );
    }
}

/// A line of `spec`, and the field at fault.
const WRONG: &[(&str, &str)] = &[
    (
        "servers: [{address: dns.example}]",
        "spec.servers[0].address",
    ),
    (
        "servers: [{address: '1.1.1.1:0'}]",
        "spec.servers[0].address",
    ),
    (
        "servers: [{address: 1.1.1.1, serverName: 'a b', protocol: TLS}]",
        "spec.servers[0].serverName",
    ),
    (
        "servers: [{address: 1.1.1.1, serverName: 1.1.1.1, protocol: HTTPS}]",
        "spec.servers[0].serverName",
    ),
    (
        "servers: [{address: 1.1.1.1, serverName: '*.a', protocol: TLS}]",
        "spec.servers[0].serverName",
    ),
    (
        "servers: [{address: 1.1.1.1, serverName: a, protocol: TCP}]",
        "spec.servers[0].serverName",
    ),
    (
        "servers: [{address: 1.1.1.1, path: /q, protocol: TLS}]",
        "spec.servers[0].path",
    ),
    (
        "servers: [{address: 1.1.1.1, path: q, protocol: HTTPS}]",
        "spec.servers[0].path",
    ),
    (
        "servers: [{address: 1.1.1.1, path: '', protocol: HTTPS}]",
        "spec.servers[0].path",
    ),
    (
        "servers: [{address: 1.1.1.1, path: '/q{?dns}', protocol: HTTPS}]",
        "spec.servers[0].path",
    ),
    (
        "servers: [{address: 1.1.1.1, path: '/a b', protocol: HTTPS}]",
        "spec.servers[0].path",
    ),
    (
        "servers: [{address: 1.1.1.1, serverName: a}]",
        "spec.servers[0].serverName",
    ),
    (
        "servers: [{address: 1.1.1.1, path: /q}]",
        "spec.servers[0].path",
    ),
    ("search: [a.test, '*.a']", "spec.search[1]"),
    ("search: [192.0.2.1]", "spec.search[0]"),
    ("search: ['']", "spec.search[0]"),
    ("search: [a.test, b.test, A.test.]", "spec.search[2]"),
    ("preresolve: [a.test, '*.a']", "spec.preresolve[1]"),
    ("preresolve: [192.0.2.1]", "spec.preresolve[0]"),
    ("preresolve: ['a b']", "spec.preresolve[0]"),
    (
        "preresolve: [a.test, b.test]\n  maxHosts: 1",
        "spec.preresolve",
    ),
    (
        "hosts: [{hostname: '*.a', addresses: [192.0.2.1]}]",
        "spec.hosts[0].hostname",
    ),
    (
        "hosts: [{hostname: a, addresses: []}]",
        "spec.hosts[0].addresses",
    ),
    (
        "hosts: [{hostname: a, addresses: [b]}]",
        "spec.hosts[0].addresses[0]",
    ),
    ("queryTimeout: 5", "spec.queryTimeout"),
    ("queryTimeout: 0s", "spec.queryTimeout"),
    ("minTTL: 2h", "spec.minTTL"),
    ("staleFor: -1s", "spec.staleFor"),
    ("maxHosts: 0", "spec.maxHosts"),
    ("maxPending: -1", "spec.maxPending"),
];

#[test]
fn what_is_wrong_is_named_and_fails_closed() {
    for (line, field) in WRONG.iter().copied() {
        let line = if line == "queryTimeout: 5" {
            "queryTimeout: '5'"
        } else {
            line
        };
        let compiled = with_route(&policy("b", BACKEND, &format!("  {line}\n")));
        let problems = problems(&compiled);
        assert!(
            problems[0].starts_with(&format!("t.yaml:20: ResolverPolicy apps/b: {field}: ")),
            "{problems:?}"
        );
        assert!(
            get(&compiled, "a.b").starts_with("1*refuse ResolverPolicy apps/b: "),
            "{line}"
        );
        let compiled = with_route(&policy("g", GATEWAY, &format!("  {line}\n")));
        let socket = compiled.snapshot.sockets.values().next().unwrap();
        assert!(socket.listeners[0].refuse.is_some(), "{line}");
    }
    let domains: Vec<String> = (0..33).map(|at| format!("d{at}.test")).collect();
    let search = |count: usize| {
        let line = format!("  search: [{}]\n", domains[..count].join(", "));
        problems(&with_route(&policy("g", GATEWAY, &line)))
    };
    assert_eq!(search(32), [""; 0]);
    assert!(search(33)[0].contains("spec.search: at most 32 are allowed"));
    let section = GATEWAY.replace("name: gw", "name: gw, sectionName: http");
    let compiled = with_route(&policy("g", &section, ""));
    assert!(problems(&compiled)[0].contains("spec.targetRefs[0].sectionName: "));
}
