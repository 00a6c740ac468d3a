//! Explanations of requests by configurations that no form of the gateway's tests has.

use egret_config::compile::{CompileOptions, compile};
use egret_config::load::{ConfigFile, load};

use super::*;

const GATEWAY: &str = "\
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: http, namespace: infra}
spec:
  gatewayClassName: egret
  listeners:
  - {name: one, port: 8080, protocol: HTTP}
  - {name: two, port: 8081, protocol: HTTP, hostname: '*.two.example'}
---
apiVersion: gateway.kgateway.dev/v1alpha1
kind: Backend
metadata: {name: dfp, namespace: infra}
spec: {type: DynamicForwardProxy, dynamicForwardProxy: {}}
---
apiVersion: gateway.kgateway.dev/v1alpha1
kind: Backend
metadata: {name: fixed, namespace: infra}
spec: {type: Static, static: {hosts: [{host: 9.9.9.9, port: 80}]}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: all, namespace: infra}
spec:
  parentRefs: [{name: http}]
  rules:
  - name: moved
    matches: [{path: {value: /old}}]
    filters: [{type: RequestRedirect, requestRedirect: {hostname: new.example, statusCode: 301}}]
  - name: rest
    backendRefs:
    - {group: gateway.kgateway.dev, kind: Backend, name: dfp, weight: 3}
    - {group: gateway.kgateway.dev, kind: Backend, name: fixed, weight: 1}
    - {group: gateway.kgateway.dev, kind: Backend, name: dfp, weight: 0}
";

fn traffic_policy(spec: &str) -> String {
    format!(
        "---\napiVersion: gateway.kgateway.dev/v1alpha1\nkind: TrafficPolicy\nmetadata: {{name: p, namespace: infra}}\n\
         spec:\n  targetRefs: [{{group: gateway.networking.k8s.io, kind: Gateway, name: http}}]\n  {spec}\n"
    )
}

fn egress_policy(spec: &str) -> String {
    traffic_policy(spec)
        .replace("gateway.kgateway.dev", "egret.dev")
        .replace("TrafficPolicy", "EgressPolicy")
}

fn told(config: &str, parameters: &[(&str, &str)]) -> Vec<Explanation> {
    let loaded = load([ConfigFile {
        name: "test.yaml",
        text: config,
    }]);
    assert_eq!(loaded.errors, []);
    let compiled = compile(&loaded.resources, &CompileOptions::default());
    let question = RequestQuestion::from_parameters(parameters.iter().copied()).unwrap();
    explain(&compiled.snapshot, &question)
}

#[test]
fn every_socket_and_every_backend_is_told_of() {
    let told = told(GATEWAY, &[("url", "http://a.two.example/x")]);
    let seen: Vec<_> = told
        .iter()
        .map(|one| {
            let backend = one.backend.as_deref().unwrap();
            (&*one.socket, backend, one.weight, one.outcome)
        })
        .collect();
    let (dfp, fixed) = ("Backend infra/dfp", "Backend infra/fixed");
    assert_eq!(
        seen,
        [
            ("*:8080", dfp, Some(3), Outcome::Forwarded),
            ("*:8080", fixed, Some(1), Outcome::Forwarded),
            ("*:8081", dfp, Some(3), Outcome::Forwarded),
            ("*:8081", fixed, Some(1), Outcome::Forwarded),
        ]
    );
    assert_eq!(told[0].destination.as_deref(), Some("a.two.example:80"));
    assert_eq!(told[1].addresses[0].verdict, "allow");
}

#[test]
fn listeners_that_do_not_take_the_request_are_left_out() {
    let config = GATEWAY.replace(
        "name: one, port: 8080, protocol: HTTP",
        "name: one, port: 8080, protocol: HTTP, hostname: a.example",
    );
    let told = |parameters: &[(&str, &str)]| -> Vec<_> {
        let told = told(&config, parameters);
        told.iter()
            .map(|one| (one.listener.clone(), one.status))
            .collect()
    };
    let one = (Some("infra/http/one".to_owned()), Some(301));
    assert_eq!(told(&[("url", "http://a.example/old")]), [one]);
    let nowhere = (None, Some(404));
    assert_eq!(
        told(&[("url", "http://b.example/old")]),
        [nowhere.clone(), nowhere]
    );
    let asked = [
        ("url", "http://a.two.example/old"),
        ("listener", "infra/http/two"),
    ];
    assert_eq!(told(&asked).len(), 1);
    assert_eq!(told(&[("url", "https://a.example/"), ("via", "host")]), []);
    assert_eq!(told(&[("url", "https://a.example/"), ("via", "sni")]), []);
}

#[test]
fn a_denial_tells_which_rule_nearly_matched() {
    let rules = "defaultAction: Deny\n  rules: [{name: web, action: Allow, hosts: [a.example], ports: [443]}]";
    let config = format!("{GATEWAY}{}", egress_policy(rules));
    let notes = |url| {
        told(&config, &[("url", url), ("listener", "infra/http/one")])[0]
            .notes
            .clone()
    };
    assert_eq!(
        notes("http://a.example/"),
        ["rule web of EgressPolicy infra/p does not match: it is for ports 443"]
    );
    assert_eq!(notes("http://b.example/"), [""; 0]);
    assert_eq!(notes("https://a.example/"), [ADDRESSES_UNKNOWN]);
}

#[test]
fn addresses_that_no_server_is_asked_for_are_judged() {
    let names = "---\napiVersion: egret.dev/v1alpha1\nkind: ResolverPolicy\nmetadata: {name: names, namespace: infra}\n\
                 spec:\n  targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: http}]\n  \
                 hosts:\n  - {hostname: wiki.test, addresses: [10.1.2.3]}\n  \
                 - {hostname: web.test, addresses: [9.9.9.9]}\n";
    let config = format!("{GATEWAY}{names}");
    for (url, addresses, reason) in [
        (
            "http://wiki.test/",
            &["10.1.2.3"][..],
            Some("address_denied"),
        ),
        ("http://web.test/", &["9.9.9.9"], None),
        ("http://other.test/", &[], None),
        (
            "http://localhost:9000/",
            &["127.0.0.1", "::1"],
            Some("address_denied"),
        ),
    ] {
        let told = told(&config, &[("url", url), ("listener", "infra/http/one")]);
        let judged = told[0].addresses.iter();
        let mut judged: Vec<_> = judged.map(|one| one.address.ip().to_string()).collect();
        judged.sort();
        assert_eq!(judged, addresses, "{url}");
        assert_eq!(told[0].reason, reason, "{url}");
    }
    // What is given takes the place of what is known.
    let given = [("url", "http://wiki.test/"), ("address", "9.9.9.9")];
    assert_eq!(told(&config, &given)[0].outcome, Outcome::Forwarded);
}

#[test]
fn a_static_backend_takes_no_tunnel() {
    let told = told(
        GATEWAY,
        &[
            ("url", "https://a.example/"),
            ("listener", "infra/http/one"),
        ],
    );
    assert_eq!(told[0].outcome, Outcome::Tunnel);
    assert_eq!(told[0].destination.as_deref(), Some("a.example:443"));
    assert_eq!(
        (told[1].outcome, told[1].reason),
        (Outcome::Refused, Some("no_tunnel"))
    );
}

#[test]
fn a_user_can_be_named_in_place_of_credentials() {
    let users = "---\napiVersion: v1\nkind: Secret\nmetadata: {name: users, namespace: infra}\nstringData:\n  \
                 .htpasswd: 'ann:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g='\n";
    let policies = traffic_policy("basicAuth: {secretRef: {name: users}}")
        + &egress_policy(
            "defaultAction: Deny\n  rules: [{name: ci, action: Allow, clients: [{user: 'ci-*'}]}]",
        );
    let config = format!("{GATEWAY}{users}{policies}");
    let url = ("url", "http://a.example/");
    let listener = ("listener", "infra/http/one");
    let by = |more: &[(&str, &str)]| {
        let told = told(&config, &[&[url, listener], more].concat());
        let one = told[0].clone();
        (one.status, one.user, one.rule)
    };
    let ci = || Some("ci".to_owned());
    assert_eq!(by(&[]), (Some(401), None, None));
    assert_eq!(
        by(&[("user", "ci-7")]),
        (None, Some("ci-7".to_owned()), ci())
    );
    assert_eq!(
        by(&[("user", "ann")]),
        (Some(403), Some("ann".to_owned()), None)
    );
    // ann:password
    let header = ("header", "authorization: Basic YW5uOnBhc3N3b3Jk");
    assert_eq!(by(&[header]), (Some(403), Some("ann".to_owned()), None));
}

#[test]
fn certificates_and_addresses_of_clients_count() {
    let rules = "defaultAction: Deny\n  rules:\n  \
                 - {name: api, action: Allow, clients: [{certificate: 'spiffe://prod/api'}]}\n  \
                 - {name: unit, action: Allow, clients: [{certificate: 'OU=build'}]}\n  \
                 - {name: near, action: Allow, clients: [{source: 10.0.0.0/8}]}";
    let config = format!("{GATEWAY}{}", egress_policy(rules));
    for (parameter, rule) in [
        (("certificate", "spiffe://prod/api"), Some("api")),
        (("certificate", "CN=x,OU=build"), Some("unit")),
        (("certificate", "spiffe://prod/other"), None),
        (("client", "10.1.2.3"), Some("near")),
        (("client", "192.0.2.7"), None),
    ] {
        let told = told(&config, &[("url", "http://a.example/"), parameter]);
        assert_eq!(told[0].rule.as_deref(), rule, "{parameter:?}");
        assert_eq!(told[0].is_served(), rule.is_some(), "{parameter:?}");
    }
}

#[test]
fn a_policy_in_audit_mode_and_a_limit_are_told_of() {
    let spec = "mode: Audit\n  defaultAction: Deny\n  addresses: {deny: [9.9.9.0/24]}\n  \
                limits: [{name: calm, hosts: [a.example], maxConcurrent: 1}]";
    let config = format!("{GATEWAY}{}", egress_policy(spec));
    let asked = [
        ("url", "http://a.example/"),
        ("address", "9.9.9.9"),
        ("address", "127.0.0.1"),
    ];
    let told = told(&config, &asked);
    let one = &told[0];
    assert_eq!(
        (one.outcome, one.verdict),
        (Outcome::Forwarded, Some("audit"))
    );
    assert!(
        one.details
            .as_deref()
            .unwrap()
            .contains("EgressPolicy infra/p"),
        "{one:?}"
    );
    assert!(
        one.notes
            .iter()
            .any(|note| note == "limit calm of EgressPolicy infra/p counts it"),
        "{one:?}"
    );
    let verdicts: Vec<_> = one
        .addresses
        .iter()
        .map(|it| (it.verdict, it.reason))
        .collect();
    assert_eq!(verdicts, [("audit", None), ("deny", Some("loopback"))]);
    assert_eq!(one.egress_policies[0].mode, "Audit");
}

#[test]
fn what_the_listener_does_with_every_request_is_done() {
    let settings = "default: {httpSettings: {healthCheck: {path: /ready}, stripHostPortMode: AnyPort, \
                    pathWithEscapedSlashesAction: RejectRequest}}";
    let policy = traffic_policy(settings).replace("TrafficPolicy", "ListenerPolicy");
    let config = format!("{GATEWAY}{policy}");
    let one = |url: &str| {
        let asked = [("url", url), ("listener", "infra/http/one")];
        let told = told(&config, &asked);
        let one = &told[0];
        (one.outcome, one.status, one.destination.clone())
    };
    let host = "http://a.example:8080";
    assert_eq!(
        one(&format!("{host}/ready")),
        (Outcome::Answered, Some(200), None)
    );
    assert_eq!(
        one(&format!("{host}/a%2Fb")),
        (Outcome::Refused, Some(400), None)
    );
    let stripped = Some("a.example:80".to_owned());
    assert_eq!(one(host), (Outcome::Forwarded, None, stripped));
}

#[test]
fn a_service_that_would_see_the_request_is_told_of() {
    let extension = "---
apiVersion: gateway.kgateway.dev/v1alpha1
kind: GatewayExtension
metadata: {name: changer, namespace: infra}
spec: {extProc: {grpcService: {backendRef: {group: gateway.kgateway.dev, kind: Backend, name: fixed}}}}
";
    let policy = traffic_policy("extProc: {extensionRef: {name: changer}}");
    let config = format!("{GATEWAY}{extension}{policy}");
    let seen = |parameters: &[(&str, &str)]| {
        let told = told(&config, parameters);
        let note =
            "the service of extProc of TrafficPolicy infra/p sees it, and may refuse or change it";
        told.iter().any(|one| one.notes.iter().any(|it| it == note))
    };
    assert!(seen(&[("url", "http://a.example/")]));
    assert!(seen(&[("url", "http://a.example:80/"), ("via", "connect")]));
    // The gateway answers itself.
    assert!(!seen(&[("url", "http://a.example/old")]));
}
