//! ResolverPolicies.

use std::time::Duration;

use super::{BACKEND, Compiled, GATEWAY, aged, condition, get, problems, rule, with_route};
use crate::name::DnsName;
use crate::resources::{Kind, ObjectRef};
use crate::snapshot::{
    Action, Destination, DnsProtocol, LookupFamily, ResolverId, ResolverSettings,
};

fn policy(name: &str, target: &str, spec: &str) -> String {
    let namespace = if target == BACKEND { "apps" } else { "infra" };
    format!(
        "---\napiVersion: egret.dev/v1alpha1\nkind: ResolverPolicy\nmetadata: {{name: {name}, namespace: {namespace}}}\n\
         spec:\n  targetRefs: [{target}]\n{spec}"
    )
}

fn resolver(compiled: &Compiled) -> String {
    let Action::Forward(backends) = &rule(compiled, 8080, "a.b", "/").unwrap().action else {
        panic!("not forwarded");
    };
    let Destination::Dynamic(to) = &backends.backends[0].destination else {
        panic!("not dynamic");
    };
    assert!(compiled.snapshot.resolvers.contains_key(&to.resolver));
    match &to.resolver {
        ResolverId::System => "system".to_owned(),
        ResolverId::Policy(policy) => policy.to_string(),
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
    assert!(search.is_empty() && *https_records);
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
fn what_is_wrong_is_named_and_fails_closed() {
    let cases = [
        (
            "servers: [{address: dns.example}]",
            "spec.servers[0].address",
        ),
        (
            "servers: [{address: '1.1.1.1:0'}]",
            "spec.servers[0].address",
        ),
        (
            "servers: [{address: 1.1.1.1, protocol: TLS}]",
            "spec.servers[0].protocol",
        ),
        (
            "servers: [{address: 1.1.1.1, protocol: HTTPS}]",
            "spec.servers[0].protocol",
        ),
        (
            "servers: [{address: 1.1.1.1, serverName: a}]",
            "spec.servers[0].serverName",
        ),
        (
            "servers: [{address: 1.1.1.1, path: /q}]",
            "spec.servers[0].path",
        ),
        ("search: [a.test]", "spec.search"),
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
    for (line, field) in cases {
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
    let section = GATEWAY.replace("name: gw", "name: gw, sectionName: http");
    let compiled = with_route(&policy("g", &section, ""));
    assert!(problems(&compiled)[0].contains("spec.targetRefs[0].sectionName: "));
}
