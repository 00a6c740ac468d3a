//! ListenerPolicies, apart from limits: PROXY protocol, HTTP/2, upgrades, ports.

use std::time::Duration;

use super::{
    CompiledConfig, TO_DFP, condition, kgateway_policy, problems, route, rule, run, warnings,
    with_route,
};
use crate::snapshot::{
    AllowedUpgrades, ConnectionLimits, FOREVER, Http2Limits, ListenerSocket, ProxyProtocol,
    TcpKeepalive,
};

/// A ListenerPolicy on the Gateway, or on a section of it, with these lines of `spec`.
fn policy(name: &str, section: &str, spec: &str) -> String {
    let target = format!("{{group: gateway.networking.k8s.io, kind: Gateway, name: gw{section}}}");
    kgateway_policy(
        "ListenerPolicy",
        name,
        "infra",
        &format!("  targetRefs: [{target}]\n{spec}"),
    )
}

fn with_default(settings: &str) -> CompiledConfig {
    with_route(&policy("x", "", &format!("  default: {{{settings}}}\n")))
}

fn socket(compiled: &CompiledConfig, port: u16) -> &ListenerSocket {
    let mut sockets = compiled.snapshot.sockets.iter();
    let found = sockets.find(|(bind, _)| bind.port.get() == port);
    found.expect("a socket").1
}

fn upgrades(compiled: &CompiledConfig, port: u16) -> &AllowedUpgrades {
    rule(compiled, port, "a.b", "/")
        .unwrap()
        .policies
        .upgrades()
}

fn accepted(compiled: CompiledConfig) -> CompiledConfig {
    assert!(compiled.report.accepted(), "{}", compiled.report.table());
    compiled
}

#[test]
fn proxy_protocol_is_required_where_it_is_spoken_of() {
    for (settings, expected) in [
        ("", ProxyProtocol::Off),
        ("proxyProtocol: {}", ProxyProtocol::Required),
        (
            "proxyProtocol: {allowRequestsWithoutProxyProtocol: false}",
            ProxyProtocol::Required,
        ),
        (
            "proxyProtocol: {allowRequestsWithoutProxyProtocol: true}",
            ProxyProtocol::Optional,
        ),
    ] {
        let compiled = accepted(with_default(settings));
        assert_eq!(
            socket(&compiled, 8080).proxy_protocol,
            expected,
            "{settings}"
        );
    }
}

/// `BASE` with a second listener on the same port, and a third on another port.
fn three() -> String {
    super::BASE.replace(
        "  - {name: http, protocol: HTTP,",
        "  - {name: other, protocol: HTTP, port: 8080, hostname: a.test, allowedRoutes: {namespaces: {from: All}}}\n  \
         - {name: far, protocol: HTTP, port: 8081, allowedRoutes: {namespaces: {from: All}}}\n  \
         - {name: http, protocol: HTTP,",
    ) + &route(&format!("  rules: [{{{TO_DFP}}}]\n"))
}

#[test]
fn listeners_of_one_socket_have_the_strictest_proxy_protocol() {
    let optional = "  default: {proxyProtocol: {allowRequestsWithoutProxyProtocol: true}}\n";
    let required = "  default: {proxyProtocol: {}}\n";
    for (one, other, expected) in [
        (optional, required, ProxyProtocol::Required),
        (required, optional, ProxyProtocol::Required),
        (optional, "", ProxyProtocol::Optional),
    ] {
        let one = policy("a", ", sectionName: http", one);
        let other = policy("b", ", sectionName: other", other);
        let compiled = accepted(run(&format!("{}{one}{other}", three())));
        assert_eq!(socket(&compiled, 8080).proxy_protocol, expected);
        assert_eq!(socket(&compiled, 8081).proxy_protocol, ProxyProtocol::Off);
    }
}

fn limits(compiled: &CompiledConfig) -> ConnectionLimits {
    socket(compiled, 8080).limits
}

#[test]
fn http2_can_be_limited() {
    let http2 = |options: &str| format!("httpSettings: {{http2ProtocolOptions: {{{options}}}}}");
    let default = Http2Limits::default();
    for (options, expected) in [
        ("", default),
        (
            "maxConcurrentStreams: 7",
            Http2Limits {
                max_concurrent_streams: 7,
                ..default
            },
        ),
        (
            "initialStreamWindowSize: 65535, initialConnectionWindowSize: 64Ki",
            Http2Limits {
                initial_stream_window: 65_535,
                initial_connection_window: 65_536,
                ..default
            },
        ),
        (
            "initialStreamWindowSize: '2147483647', allowConnect: false",
            Http2Limits {
                initial_stream_window: 2_147_483_647,
                allow_connect: false,
                ..default
            },
        ),
    ] {
        let compiled = accepted(with_default(&http2(options)));
        assert_eq!(limits(&compiled).http2, expected, "{options}");
    }
    for (options, field) in [
        (
            "maxConcurrentStreams: 0",
            "maxConcurrentStreams: 1 to 2147483647 is allowed",
        ),
        (
            "initialStreamWindowSize: 65534",
            "initialStreamWindowSize: 65535 to 2147483647 is allowed",
        ),
        (
            "initialConnectionWindowSize: 2Gi",
            "initialConnectionWindowSize: 65535 to 2147483647 is allowed",
        ),
        (
            "initialConnectionWindowSize: much",
            "initialConnectionWindowSize: not a number of bytes, such as 65536 or 64Ki",
        ),
    ] {
        wrong(
            &http2(options),
            &format!("httpSettings.http2ProtocolOptions.{field}"),
        );
    }
}

/// Checks that the settings are refused with this fault alone.
fn wrong(settings: &str, fault: &str) {
    let compiled = with_default(settings);
    let fault = format!("spec.default.{fault}");
    assert_eq!(
        condition(&compiled, "ListenerPolicy infra/x#gw", "Accepted"),
        format!("false Invalid: {fault}")
    );
    assert!(problems(&compiled).contains(&format!("t.yaml:20: ListenerPolicy infra/x: {fault}")));
    assert!(socket(&compiled, 8080).listeners[0].refuse.is_some());
}

#[test]
fn what_comes_before_http_has_its_time() {
    for (time, expected) in [("3s", Duration::from_secs(3)), ("0s", FOREVER)] {
        let compiled = accepted(with_default(&format!(
            "transportSocketConnectTimeout: {time}"
        )));
        assert_eq!(limits(&compiled).handshake_timeout, expected);
    }
    let settings = "transportSocketConnectTimeout: soon";
    let compiled = with_default(settings);
    assert!(
        problems(&compiled)[0]
            .contains("spec.default.transportSocketConnectTimeout: not a duration")
    );
}

#[test]
fn quiet_connections_can_be_probed() {
    let compiled = accepted(with_default(
        "tcpKeepalive: {keepAliveTime: 60s, keepAliveInterval: 5s, keepAliveProbes: 3}",
    ));
    assert_eq!(
        limits(&compiled).tcp_keepalive,
        Some(TcpKeepalive {
            time: Some(Duration::from_secs(60)),
            interval: Some(Duration::from_secs(5)),
            probes: Some(3),
        })
    );
    wrong(
        "tcpKeepalive: {keepAliveTime: 500ms}",
        "tcpKeepalive.keepAliveTime: at least 1s is needed",
    );
    wrong(
        "tcpKeepalive: {keepAliveProbes: 128}",
        "tcpKeepalive.keepAliveProbes: 1 to 127 is allowed",
    );
}

fn upgrade(list: &str) -> String {
    format!("httpSettings: {{upgradeConfig: {{enabledUpgrades: [{list}]}}}}")
}

#[test]
fn upgrades_that_are_listed_are_all_there_are() {
    for (list, connect, protocols) in [
        ("websocket", false, vec!["websocket"]),
        ("WebSocket, connect", true, vec!["websocket"]),
        ("CONNECT", true, vec![]),
        (
            "connect-udp, foo/2.0, FOO/2.0",
            false,
            vec!["connect-udp", "foo/2.0"],
        ),
    ] {
        let compiled = accepted(with_default(&upgrade(list)));
        let protocols = protocols.into_iter().map(Into::into).collect();
        let expected = AllowedUpgrades { connect, protocols };
        assert_eq!(*upgrades(&compiled, 8080), expected, "{list}");
    }
    assert_eq!(
        *upgrades(&with_default(""), 8080),
        AllowedUpgrades::default()
    );
}

#[test]
fn upgrades_that_are_none_are_wrong() {
    let field = "httpSettings.upgradeConfig.enabledUpgrades";
    wrong(&upgrade(""), &format!("{field}: at least one is needed"));
    for name in ["'web socket'", "''", "foo/", "a/b/c"] {
        let fault = format!("{field}[1]: not a protocol (RFC 9110 7.8)");
        wrong(&upgrade(&format!("CONNECT, {name}")), &fault);
    }
    let fault = "[0]: not supported as an upgrade: HTTP/2 is served with prior knowledge";
    wrong(&upgrade("H2C"), &format!("{field}{fault}"));
}

#[test]
fn an_httplistenerpolicy_says_the_same_of_http() {
    let spec = "  targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: gw}]\n  \
                http2ProtocolOptions: {maxConcurrentStreams: 5}\n  upgradeConfig: {enabledUpgrades: [CONNECT]}\n";
    let compiled = accepted(with_route(&kgateway_policy(
        "HTTPListenerPolicy",
        "x",
        "infra",
        spec,
    )));
    assert_eq!(limits(&compiled).http2.max_concurrent_streams, 5);
    assert!(upgrades(&compiled, 8080).protocols.is_empty());
}

#[test]
fn a_port_has_its_own_settings_in_place_of_the_default() {
    let spec = "  default: {httpSettings: {accessLog: [], maxHeadersCount: 5, idleTimeout: 7s}}\n  \
                perPort:\n  - {port: 8081, listener: {proxyProtocol: {}, httpSettings: {maxHeadersCount: 6}}}\n";
    let compiled = accepted(run(&format!("{}{}", three(), policy("x", "", spec))));
    let (one, far) = (socket(&compiled, 8080), socket(&compiled, 8081));
    assert_eq!(
        (one.limits.max_header_fields, far.limits.max_header_fields),
        (5, 6)
    );
    assert_eq!(one.limits.idle_timeout, Duration::from_secs(7));
    assert_eq!(
        far.limits.idle_timeout,
        ConnectionLimits::default().idle_timeout
    );
    assert_eq!(
        (one.proxy_protocol, far.proxy_protocol),
        (ProxyProtocol::Off, ProxyProtocol::Required)
    );
    assert_eq!(
        [one, far].map(|socket| socket.listeners[0].access_log.is_off()),
        [true, false]
    );
}

#[test]
fn a_narrower_policy_goes_before_what_a_wider_has_for_the_port() {
    let wide = policy(
        "a",
        "",
        "  perPort: [{port: 8081, listener: {httpSettings: {maxHeadersCount: 6, maxRequestHeadersKb: 6}}}]\n",
    );
    let narrow = policy(
        "b",
        ", sectionName: far",
        "  default: {httpSettings: {maxHeadersCount: 9}}\n",
    );
    let compiled = accepted(run(&format!("{}{wide}{narrow}", three())));
    let limits = socket(&compiled, 8081).limits;
    assert_eq!((limits.max_header_fields, limits.max_head), (9, 6 * 1024));
}

#[test]
fn upgrades_are_those_of_the_listener() {
    let spec = format!("  default: {{{}}}\n", upgrade("CONNECT"));
    let compiled = accepted(run(&format!(
        "{}{}",
        three(),
        policy("x", ", sectionName: far", &spec)
    )));
    assert!(upgrades(&compiled, 8081).protocols.is_empty());
    assert_eq!(*upgrades(&compiled, 8080), AllowedUpgrades::default());
}

#[test]
fn ports_that_are_wrong_are_told() {
    for (ports, fault) in [
        (
            "[{port: 0, listener: {}}]",
            "spec.perPort[0].port: not a port: 1 to 65535",
        ),
        (
            "[{port: 8080, listener: {}}, {port: 8080, listener: {}}]",
            "spec.perPort[1].port: given twice",
        ),
    ] {
        let compiled = with_route(&policy("x", "", &format!("  perPort: {ports}\n")));
        assert_eq!(
            condition(&compiled, "ListenerPolicy infra/x#gw", "Accepted"),
            format!("false Invalid: {fault}")
        );
        assert!(socket(&compiled, 8080).listeners[0].refuse.is_some());
    }
    let compiled = with_route(&policy("x", "", "  perPort: [{port: 80, listener: {}}]\n"));
    assert!(compiled.report.accepted());
    assert_eq!(
        warnings(&compiled),
        [
            "t.yaml:20: ListenerPolicy infra/x: spec.perPort: no listener of the targets is on port 80"
        ]
    );
}
