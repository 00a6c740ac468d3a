//! BackendConfigPolicies.

use std::sync::Arc;
use std::time::Duration;

use super::{
    BACKEND, BASE, CompiledConfig, TO_DFP, condition, errors, get, kgateway_policy, problems,
    route, rule, run, warnings, with_route,
};
use crate::resources::{Kind, ObjectRef};
use crate::snapshot::{
    BackendDestination, BackendDns, BackendSettings, CircuitBreakers, HashCookie, HashKey,
    HashPolicy, HealthCheck, HealthProbe, Http2Keepalive, Http2Settings, LoadBalancing,
    LookupFamily, OutlierDetection, ProxyVersion, ResolverId, RetryBudget, RuleAction, SlowStart,
    TcpKeepalive,
};

mod target;
mod tls;
mod tls_files;

const AT: &str = "BackendConfigPolicy apps/p";

fn named(name: &str, line: &str) -> String {
    let spec = format!("  targetRefs: [{BACKEND}]\n  {line}\n");
    kgateway_policy("BackendConfigPolicy", name, "apps", &spec)
}

fn policy(line: &str) -> String {
    named("p", line)
}

fn reference(name: &str) -> ObjectRef {
    ObjectRef::new(Kind::BackendConfigPolicy, "apps", name)
}

fn settings(compiled: &CompiledConfig) -> Arc<BackendSettings> {
    let RuleAction::Forward(backends) = &rule(compiled, 8080, "a.b", "/").unwrap().action else {
        panic!("not forwarded");
    };
    match &backends.backends[0].destination {
        BackendDestination::Dynamic(to) => to.settings.clone(),
        BackendDestination::Static(to) => to.settings.clone(),
        other => panic!("{other:?}"),
    }
}

/// Changes the default settings to the expected ones.
type SettingsChange = fn(&mut BackendSettings);

const GOOD: &[(&str, SettingsChange)] = &[
    ("# nothing", |_| {}),
    ("connectTimeout: 1500ms", |s| {
        s.connect_timeout = Duration::from_millis(1500);
    }),
    (
        "healthCheck: {timeout: 2s, interval: 5s, unhealthyThreshold: 3, healthyThreshold: 0, http: {path: '/ready?x', method: HEAD}}",
        |s| {
            s.health_check = Some(Arc::new(HealthCheck {
                timeout: Duration::from_secs(2),
                interval: Duration::from_secs(5),
                unhealthy_threshold: 3,
                healthy_threshold: 1,
                probe: HealthProbe::Http {
                    host: None,
                    path: "/ready?x".to_owned(),
                    method: http::Method::HEAD,
                },
            }));
        },
    ),
    (
        "healthCheck: {timeout: 1s, interval: 1s, unhealthyThreshold: 1, healthyThreshold: 1, tcp: {send: '00fF', receive: ['0a']}}",
        |s| {
            s.health_check = Some(Arc::new(HealthCheck {
                timeout: Duration::from_secs(1),
                interval: Duration::from_secs(1),
                unhealthy_threshold: 1,
                healthy_threshold: 1,
                probe: HealthProbe::Tcp {
                    send: vec![0, 255],
                    receive: vec![vec![10]],
                },
            }));
        },
    ),
    ("tcpKeepalive: {}", |s| {
        s.tcp_keepalive = Some(TcpKeepalive::default());
    }),
    (
        "tcpKeepalive: {keepAliveTime: 1m, keepAliveInterval: 1s, keepAliveProbes: 127}",
        |s| {
            s.tcp_keepalive = Some(TcpKeepalive {
                time: Some(Duration::from_secs(60)),
                interval: Some(Duration::from_secs(1)),
                probes: Some(127),
            });
        },
    ),
    ("loadBalancer: {}", |_| {}),
    ("loadBalancer: {roundRobin: {}}", |_| {}),
    ("loadBalancer: {random: {}}", |s| {
        s.load_balancing = LoadBalancing::Random;
    }),
    ("loadBalancer: {leastRequest: {}}", |s| {
        s.load_balancing = LoadBalancing::LeastRequest { choices: 2 };
    }),
    ("loadBalancer: {leastRequest: {choiceCount: 0}}", |s| {
        s.load_balancing = LoadBalancing::LeastRequest { choices: 2 };
    }),
    (
        "loadBalancer: {leastRequest: {choiceCount: 5}, closeConnectionsOnHostSetChange: true}",
        |s| s.load_balancing = LoadBalancing::LeastRequest { choices: 5 },
    ),
    (
        "loadBalancer: {closeConnectionsOnHostSetChange: false}",
        |s| s.close_on_address_change = false,
    ),
    ("outlierDetection: {}", |s| {
        s.outlier_detection = Some(OutlierDetection::default());
    }),
    (
        "outlierDetection: {consecutive5xx: 0, enforcingConsecutive5xx: 50, \
         consecutiveLocalOriginFailure: 3, enforcingConsecutiveLocalOriginFailure: 0, \
         splitExternalLocalOriginErrors: true, interval: 1ms, baseEjectionTime: 1m, maxEjectionPercent: 100}",
        |s| {
            s.outlier_detection = Some(OutlierDetection {
                consecutive_5xx: 0,
                enforcing_5xx: 50,
                consecutive_local: 3,
                enforcing_local: 0,
                split: true,
                interval: Duration::from_millis(1),
                base_ejection_time: Duration::from_secs(60),
                max_ejection_percent: 100,
            });
        },
    ),
    (
        "circuitBreakers: {maxRetries: 0, trackRemaining: false}",
        |s| s.circuit_breakers.max_retries = 0,
    ),
    ("circuitBreakers: {retryBudget: {}}", |s| {
        s.circuit_breakers.retry_budget = Some(RetryBudget {
            percent: 20,
            interval: None,
            least: 3,
        });
    }),
    (
        "circuitBreakers: {retryBudget: {budgetPercent: 5, budgetInterval: 10s, minRetryConcurrency: 0}}",
        |s| {
            s.circuit_breakers.retry_budget = Some(RetryBudget {
                percent: 5,
                interval: Some(Duration::from_secs(10)),
                least: 0,
            });
        },
    ),
    (
        "circuitBreakers: {maxConnections: 1, maxPendingRequests: 2, maxRequests: 2147483647}",
        |s| {
            s.circuit_breakers = CircuitBreakers {
                max_connections: 1,
                max_pending_requests: 2,
                max_requests: 2_147_483_647,
                max_retries: 3,
                retry_budget: None,
            };
        },
    ),
    ("perConnectionBufferLimitBytes: 0", |s| s.replay_limit = 0),
    ("perConnectionBufferLimitBytes: 4096", |s| {
        s.replay_limit = 4096;
    }),
    ("commonHttpProtocolOptions: {}", |_| {}),
    (
        "commonHttpProtocolOptions: {idleTimeout: 1h, maxRequestsPerConnection: 10}",
        |s| {
            s.idle_timeout = Some(Duration::from_secs(3600));
            s.max_requests_per_connection = Some(10);
        },
    ),
    (
        "commonHttpProtocolOptions: {maxRequestsPerConnection: 0}",
        |_| {},
    ),
    ("http2ProtocolOptions: {}", |_| {}),
    (
        "http2ProtocolOptions: {initialStreamWindowSize: 64Ki, initialConnectionWindowSize: 2147483647, \
         maxConcurrentStreams: 7, connectionKeepalive: {interval: 30s, timeout: 5s}}",
        |s| {
            s.http2 = Http2Settings {
                initial_stream_window: 65_536,
                initial_connection_window: 2_147_483_647,
                max_concurrent_streams: 7,
                keepalive: Some(Http2Keepalive {
                    interval: Duration::from_secs(30),
                    timeout: Duration::from_secs(5),
                }),
            };
        },
    ),
    (
        "http2ProtocolOptions: {initialConnectionWindowSize: '65535', connectionKeepalive: {timeout: 5s}}",
        |s| s.http2.initial_connection_window = 65_535,
    ),
    (
        "loadBalancer: {leastRequest: {slowStart: {window: 20s, aggression: '1.5', minWeightPercent: 15}}}",
        |s| {
            s.load_balancing = LoadBalancing::LeastRequest { choices: 2 };
            s.slow_start = Some(SlowStart {
                window: Duration::from_secs(20),
                aggression: 1500,
                min_weight: 15,
            });
        },
    ),
    ("loadBalancer: {roundRobin: {slowStart: {}}}", |_| {}),
    ("loadBalancer: {maglev: {}}", |s| {
        s.load_balancing = LoadBalancing::Hash
    }),
    (
        "loadBalancer: {ringHash: {hashPolicies: [{header: {name: X-User}, terminal: true}, {cookie: {name: sid, \
         path: /, ttl: 10m, sameSite: Lax, secure: true, httpOnly: true}}, {sourceIP: {}}]}}",
        |s| {
            s.load_balancing = LoadBalancing::Hash;
            let cookie = HashCookie {
                name: "sid".into(),
                ttl: Some(Duration::from_secs(600)),
                attributes: "; Path=/; SameSite=Lax; Secure; HttpOnly".into(),
            };
            let policy = |key, terminal| HashPolicy { key, terminal };
            let header = HashKey::Header(http::HeaderName::from_static("x-user"));
            s.hash = Some(Arc::new([
                policy(header, true),
                policy(HashKey::Cookie(cookie), false),
                policy(HashKey::SourceIp, false),
            ]));
        },
    ),
    ("upstreamProxyProtocol: {}", |s| {
        s.proxy_protocol = Some(ProxyVersion::V1)
    }),
    ("upstreamProxyProtocol: {version: V2}", |s| {
        s.proxy_protocol = Some(ProxyVersion::V2)
    }),
    ("dns: {refreshRate: 20s, lookupFamily: V4Only}", |s| {
        s.dns = Some(BackendDns {
            refresh_rate: Some(Duration::from_secs(20)),
            family: Some(LookupFamily::V4Only),
        });
    }),
    ("dns: {refreshRate: 20s, respectTTL: true}", |s| {
        s.dns = Some(BackendDns::default())
    }),
    (
        "commonHttpProtocolOptions: {maxHeadersCount: 64, maxStreamDuration: 2m}",
        |s| {
            s.max_header_fields = Some(64);
            s.max_stream_duration = Some(Duration::from_secs(120));
        },
    ),
    (
        "commonHttpProtocolOptions: {maxHeadersCount: 0, maxStreamDuration: 0s}",
        |_| {},
    ),
];

const PERCENT: &str = "0 to 100 is allowed";
const COUNT: &str = "0 to 2147483647 is allowed";
const LIMIT: &str = "1 to 2147483647 is allowed";
const WINDOW: &str = "65535 to 2147483647 is allowed";
const ONE_OF: &str =
    "exactly one of the fields in [leastRequest roundRobin ringHash maglev random] must be set";

/// A line of `spec`, the field at fault without `spec.`, and the message.
const WRONG: &[(&str, &str, &str)] = &[
    (
        "dns: {refreshRate: 0s}",
        "dns.refreshRate",
        "at least 1ms is needed",
    ),
    (
        "dns: {lookupFamily: V5Only}",
        "dns.lookupFamily",
        "Auto, V4Only, V6Only, V4Preferred, V6Preferred and All are supported",
    ),
    (
        "upstreamProxyProtocol: {version: V3}",
        "upstreamProxyProtocol.version",
        "V1 and V2 are supported",
    ),
    (
        "loadBalancer: {ringHash: {hashPolicies: [{header: {name: a}, sourceIP: {}}]}}",
        "loadBalancer.ringHash.hashPolicies[0]",
        "exactly one of the fields in [header cookie sourceIP] must be set",
    ),
    (
        "loadBalancer: {maglev: {hashPolicies: [{header: {name: 'a b'}}]}}",
        "loadBalancer.maglev.hashPolicies[0].header.name",
        "not a header name",
    ),
    (
        "loadBalancer: {maglev: {hashPolicies: [{cookie: {name: a, path: '/;x'}}]}}",
        "loadBalancer.maglev.hashPolicies[0].cookie.path",
        "not the path of a cookie",
    ),
    (
        "loadBalancer: {maglev: {hashPolicies: [{cookie: {name: 'a=b'}}]}}",
        "loadBalancer.maglev.hashPolicies[0].cookie.name",
        "not the name of a cookie",
    ),
    (
        "loadBalancer: {roundRobin: {slowStart: {window: 1s, aggression: '0'}}}",
        "loadBalancer.roundRobin.slowStart.aggression",
        "Aggression, if specified, must be a string representing a number greater than 0.0",
    ),
    (
        "loadBalancer: {leastRequest: {slowStart: {minWeightPercent: 101}}}",
        "loadBalancer.leastRequest.slowStart.minWeightPercent",
        PERCENT,
    ),
    (
        "healthCheck: {timeout: 1s, interval: 1s, unhealthyThreshold: 1, healthyThreshold: 1}",
        "healthCheck",
        "exactly one of the fields in [http grpc tcp] must be set",
    ),
    (
        "healthCheck: {timeout: 0s, interval: 1s, unhealthyThreshold: 1, healthyThreshold: 1, grpc: {}}",
        "healthCheck.timeout",
        "at least 1ms is needed",
    ),
    (
        "healthCheck: {timeout: 1s, interval: 1s, unhealthyThreshold: -1, healthyThreshold: 1, grpc: {}}",
        "healthCheck.unhealthyThreshold",
        COUNT,
    ),
    (
        "healthCheck: {timeout: 1s, interval: 1s, unhealthyThreshold: 1, healthyThreshold: 1, http: {path: ready}}",
        "healthCheck.http.path",
        "not a path: it begins with '/' and has no blanks",
    ),
    (
        "healthCheck: {timeout: 1s, interval: 1s, unhealthyThreshold: 1, healthyThreshold: 1, http: {path: /, method: CONNECT}}",
        "healthCheck.http.method",
        "GET, HEAD, POST, PUT, DELETE, OPTIONS, TRACE and PATCH are supported",
    ),
    (
        "healthCheck: {timeout: 1s, interval: 1s, unhealthyThreshold: 1, healthyThreshold: 1, http: {path: /, host: 'a b'}}",
        "healthCheck.http.host",
        "the host has a character that is not a letter, a digit, '-', '_' or '.'",
    ),
    (
        "healthCheck: {timeout: 1s, interval: 1s, unhealthyThreshold: 1, healthyThreshold: 1, tcp: {receive: ['00']}}",
        "healthCheck.tcp",
        "receive requires send to be set",
    ),
    (
        "healthCheck: {timeout: 1s, interval: 1s, unhealthyThreshold: 1, healthyThreshold: 1, tcp: {send: '0'}}",
        "healthCheck.tcp.send",
        "an even number of hexadecimal digits is needed, at most 1024",
    ),
    (
        "http2ProtocolOptions: {initialStreamWindowSize: 65534}",
        "http2ProtocolOptions.initialStreamWindowSize",
        WINDOW,
    ),
    (
        "http2ProtocolOptions: {initialConnectionWindowSize: 2Gi}",
        "http2ProtocolOptions.initialConnectionWindowSize",
        WINDOW,
    ),
    (
        "http2ProtocolOptions: {initialConnectionWindowSize: much}",
        "http2ProtocolOptions.initialConnectionWindowSize",
        "not a number of bytes, such as 65536 or 64Ki",
    ),
    (
        "http2ProtocolOptions: {maxConcurrentStreams: 0}",
        "http2ProtocolOptions.maxConcurrentStreams",
        LIMIT,
    ),
    (
        "http2ProtocolOptions: {connectionKeepalive: {interval: 0s, timeout: 1s}}",
        "http2ProtocolOptions.connectionKeepalive.interval",
        "at least 1ms is needed",
    ),
    (
        "http2ProtocolOptions: {connectionKeepalive: {timeout: 0s}}",
        "http2ProtocolOptions.connectionKeepalive.timeout",
        "at least 1ms is needed",
    ),
    (
        "connectTimeout: 0s",
        "connectTimeout",
        "at least 1ms is needed",
    ),
    (
        "connectTimeout: 5 s",
        "connectTimeout",
        "not a duration: one to four of <1 to 5 digits><h, m, s or ms>, as in 1h30m or 500ms",
    ),
    (
        "tcpKeepalive: {keepAliveTime: 999ms}",
        "tcpKeepalive.keepAliveTime",
        "at least 1s is needed",
    ),
    (
        "tcpKeepalive: {keepAliveInterval: 10h}",
        "tcpKeepalive.keepAliveInterval",
        "at most 32767s is allowed",
    ),
    (
        "tcpKeepalive: {keepAliveProbes: 0}",
        "tcpKeepalive.keepAliveProbes",
        "1 to 127 is allowed",
    ),
    (
        "tcpKeepalive: {keepAliveProbes: 128}",
        "tcpKeepalive.keepAliveProbes",
        "1 to 127 is allowed",
    ),
    (
        "loadBalancer: {roundRobin: {}, random: {}}",
        "loadBalancer",
        ONE_OF,
    ),
    (
        "loadBalancer: {leastRequest: {choiceCount: -1}}",
        "loadBalancer.leastRequest.choiceCount",
        COUNT,
    ),
    (
        "outlierDetection: {consecutive5xx: -1}",
        "outlierDetection.consecutive5xx",
        COUNT,
    ),
    (
        "outlierDetection: {consecutiveLocalOriginFailure: 2147483648}",
        "outlierDetection.consecutiveLocalOriginFailure",
        COUNT,
    ),
    (
        "outlierDetection: {enforcingConsecutive5xx: 101}",
        "outlierDetection.enforcingConsecutive5xx",
        PERCENT,
    ),
    (
        "outlierDetection: {enforcingConsecutiveLocalOriginFailure: 256}",
        "outlierDetection.enforcingConsecutiveLocalOriginFailure",
        PERCENT,
    ),
    (
        "outlierDetection: {maxEjectionPercent: -1}",
        "outlierDetection.maxEjectionPercent",
        PERCENT,
    ),
    (
        "outlierDetection: {interval: 0s}",
        "outlierDetection.interval",
        "at least 1ms is needed",
    ),
    (
        "outlierDetection: {baseEjectionTime: 0ms}",
        "outlierDetection.baseEjectionTime",
        "at least 1ms is needed",
    ),
    (
        "circuitBreakers: {trackRemaining: false}",
        "circuitBreakers",
        "at least one of the fields in [maxConnections maxPendingRequests maxRequests maxRetries retryBudget] must be set",
    ),
    (
        "circuitBreakers: {maxRetries: 1, retryBudget: {}}",
        "circuitBreakers",
        "at most one of the fields in [maxRetries retryBudget] may be set",
    ),
    (
        "circuitBreakers: {retryBudget: {budgetPercent: 101}}",
        "circuitBreakers.retryBudget.budgetPercent",
        PERCENT,
    ),
    (
        "circuitBreakers: {retryBudget: {budgetInterval: 0s}}",
        "circuitBreakers.retryBudget.budgetInterval",
        "at least 1ms is needed",
    ),
    (
        "circuitBreakers: {maxConnections: 0}",
        "circuitBreakers.maxConnections",
        LIMIT,
    ),
    (
        "circuitBreakers: {maxPendingRequests: 0}",
        "circuitBreakers.maxPendingRequests",
        LIMIT,
    ),
    (
        "circuitBreakers: {maxRequests: 0}",
        "circuitBreakers.maxRequests",
        LIMIT,
    ),
    (
        "circuitBreakers: {maxRetries: -1}",
        "circuitBreakers.maxRetries",
        COUNT,
    ),
    (
        "perConnectionBufferLimitBytes: -1",
        "perConnectionBufferLimitBytes",
        COUNT,
    ),
    (
        "commonHttpProtocolOptions: {idleTimeout: 0s}",
        "commonHttpProtocolOptions.idleTimeout",
        "0s would keep idle connections forever, which is not supported",
    ),
    (
        "commonHttpProtocolOptions: {maxRequestsPerConnection: -1}",
        "commonHttpProtocolOptions.maxRequestsPerConnection",
        COUNT,
    ),
    (
        "commonHttpProtocolOptions: {maxHeadersCount: 10001}",
        "commonHttpProtocolOptions.maxHeadersCount",
        "0 to 10000 is allowed",
    ),
    (
        "commonHttpProtocolOptions: {maxStreamDuration: -1s}",
        "commonHttpProtocolOptions.maxStreamDuration",
        "not a duration: one to four of <1 to 5 digits><h, m, s or ms>, as in 1h30m or 500ms",
    ),
];

#[test]
fn fields_become_settings() {
    assert_eq!(*settings(&with_route("")), BackendSettings::default());
    for (line, change) in GOOD {
        let compiled = with_route(&policy(line));
        assert!(compiled.report.accepted(), "{}", compiled.report.table());
        let mut expected = BackendSettings {
            policy: Some(reference("p")),
            ..BackendSettings::default()
        };
        change(&mut expected);
        assert_eq!(*settings(&compiled), expected, "{line}");
    }
}

#[test]
fn what_is_wrong_is_named_and_fails_closed() {
    for (line, field, message) in WRONG.iter().copied() {
        let compiled = with_route(&policy(line));
        let fault = format!("spec.{field}: {message}");
        let expected = format!("t.yaml:20: {AT}: {fault}");
        assert_eq!(problems(&compiled), [expected], "{line}");
        assert_eq!(get(&compiled, "a.b"), format!("1*refuse {AT}: {fault}"));
        assert_eq!(
            condition(&compiled, AT, "Accepted"),
            format!("false Invalid: {fault}")
        );
        assert!(condition(&compiled, AT, "Attached").starts_with("false Pending"));
    }
}

#[test]
fn a_backend_with_settings_of_dns_has_a_resolver_of_its_own() {
    let compiled = with_route(&policy(
        "dns: {refreshRate: 20s, lookupFamily: V6Preferred}",
    ));
    let resolvers = &compiled.snapshot.resolvers;
    let own = resolvers.iter().find(|(id, _)| **id != ResolverId::System);
    let (id, own) = own.unwrap();
    assert_eq!([own.min_ttl, own.max_ttl], [Duration::from_secs(20); 2]);
    assert_eq!(own.family, LookupFamily::V6Preferred);
    let RuleAction::Forward(backends) = &rule(&compiled, 8080, "a.b", "/").unwrap().action else {
        panic!("not forwarded");
    };
    let BackendDestination::Dynamic(to) = &backends.backends[0].destination else {
        panic!("another backend");
    };
    assert_eq!(to.resolver, *id);
    assert_eq!(with_route("").snapshot.resolvers.len(), 1);
}

#[test]
fn what_is_checked_is_known_once_and_hosts_of_clients_are_not() {
    let check = "healthCheck: {timeout: 1s, interval: 1s, unhealthyThreshold: 1, healthyThreshold: 1, grpc: {}}";
    let dynamic = with_route(&policy(check));
    assert!(dynamic.report.accepted(), "{}", dynamic.report.table());
    let warned = warnings(&dynamic);
    assert!(
        warned[0].contains("spec.healthCheck: has no effect on Backend apps/dfp: its hosts"),
        "{warned:?}"
    );
    assert!(dynamic.snapshot.checked.is_empty());

    let base = BASE.replace(
        "dynamicForwardProxy: {}",
        "static: {hosts: [{host: 192.0.2.1, port: 80}, {host: 192.0.2.2, port: 80}]}",
    );
    let rules = format!(
        "  rules:\n  - {{{TO_DFP}}}\n  - {{{TO_DFP}, matches: [{{path: {{value: /b}}}}]}}\n"
    );
    let compiled = run(&format!("{base}{}{}", policy(check), route(&rules)));
    assert!(compiled.report.accepted(), "{}", compiled.report.table());
    let checked = &compiled.snapshot.checked;
    assert_eq!(checked.len(), 1);
    assert!(!checked[0].is_service);
}

#[test]
fn every_fault_is_told_at_once() {
    let lines = "loadBalancer: {ringHash: {}, maglev: {hashPolicies: [{}]}}\n  tls: {}\n  connectTimeout: 0s";
    let compiled = with_route(&policy(lines));
    let fields: Vec<_> = compiled.report.problems.iter().map(|p| &*p.field).collect();
    assert_eq!(
        fields,
        [
            "spec.loadBalancer",
            "spec.loadBalancer.maglev.hashPolicies[0]",
            "spec.tls",
            "spec.connectTimeout",
        ]
    );
}

#[test]
fn what_kgateway_does_not_have_is_unknown() {
    let cases = [
        (
            "connectTimeOut: 1s",
            "connectTimeOut: unknown field; did you mean connectTimeout?",
        ),
        (
            "loadBalancer: {random: {seed: 1}}",
            "loadBalancer.random.seed: unknown field",
        ),
        (
            "circuitBreakers: {maxRequests: many}",
            "circuitBreakers.maxRequests: needs a whole number, not the text \"many\"",
        ),
    ];
    for (line, error) in cases {
        let text = format!("{BASE}---\n{}", policy(line));
        assert_eq!(errors(&text), [format!("t.yaml:20: {AT}: spec.{error}")]);
    }
}

/// A proxy, and a policy on the Backend that says this of its tunnel.
fn tunnelled(line: &str) -> String {
    let proxy = "apiVersion: gateway.kgateway.dev/v1alpha1\nkind: Backend\nmetadata: {name: proxy, namespace: apps}\n\
                 spec: {type: Static, static: {hosts: [{host: proxy.example, port: 3128}]}}\n---\n";
    format!("{proxy}{}", policy(line))
}

#[test]
fn connections_may_go_through_a_proxy() {
    const TO_PROXY: &str =
        "proxy: {backendRef: {group: gateway.kgateway.dev, kind: Backend, name: proxy}}";
    let line = format!(
        "tunnel: {{{TO_PROXY}, headers: [{{name: Proxy-Authorization, value: Basic Zm9vOmJhcg==}}]}}"
    );
    let compiled = with_route(&tunnelled(&line));
    assert!(compiled.report.accepted(), "{}", compiled.report.table());
    let tunnel = settings(&compiled).tunnel.clone().unwrap().proxy;
    assert_eq!(
        (tunnel.host.to_string(), tunnel.port.get()),
        ("proxy.example".to_owned(), 3128)
    );
    let [(name, value)] = &tunnel.headers[..] else {
        panic!("{:?}", tunnel.headers);
    };
    assert_eq!(name, "proxy-authorization");
    assert_eq!(value.as_bytes(), b"Basic Zm9vOmJhcg==");
    let shown = serde_json::to_string(&tunnel).unwrap();
    assert!(
        !shown.contains("Zm9v") && !format!("{tunnel:?}").contains("Zm9v"),
        "{shown}"
    );

    for (line, fault) in [
        (
            "tunnel: {proxy: {backendRef: {name: proxy, port: 80}}}".to_owned(),
            "tunnel.proxy.backendRef: Service apps/proxy not found",
        ),
        (
            "tunnel: {proxy: {backendRef: {name: proxy}}}".to_owned(),
            "tunnel.proxy.backendRef: Must have port for Service reference",
        ),
        (
            "tunnel: {proxy: {backendRef: {group: a.example, kind: Odd, name: proxy}}}".to_owned(),
            "tunnel.proxy.backendRef: unknown kind a.example/Odd: Service and Backend are supported",
        ),
        (
            format!(
                "tunnel: {{{}}}",
                TO_PROXY.replace("name: proxy", "name: none")
            ),
            "tunnel.proxy.backendRef: ",
        ),
        (
            format!(
                "tunnel: {{{}}}",
                TO_PROXY.replace("name: proxy", "name: dfp")
            ),
            "tunnel.proxy.backendRef: Backend apps/dfp has to be of type Static, with one host",
        ),
        (
            format!("tunnel: {{{TO_PROXY}, headers: [{{name: Host, value: a}}]}}"),
            "tunnel.headers[0].name: this header cannot be modified",
        ),
        (
            format!("tunnel: {{{TO_PROXY}}}\n  upstreamProxyProtocol: {{}}"),
            "tunnel: upstreamProxyProtocol would be for the proxy",
        ),
        (
            format!(
                "tunnel: {{{TO_PROXY}}}\n  healthCheck: {{timeout: 1s, interval: 1s, unhealthyThreshold: 1, healthyThreshold: 1, tcp: {{}}}}"
            ),
            "tunnel: healthCheck goes past the proxy",
        ),
    ] {
        let compiled = with_route(&tunnelled(&line));
        let told = problems(&compiled);
        let fault = format!("spec.{fault}");
        assert!(
            told.iter().any(|problem| problem.contains(&fault)),
            "{line}: {told:?}"
        );
    }
}

/// Another policy, which is for the proxy.
fn on_proxy(line: &str) -> String {
    let spec = format!(
        "  targetRefs: [{{group: gateway.kgateway.dev, kind: Backend, name: proxy}}]\n  {line}\n"
    );
    kgateway_policy("BackendConfigPolicy", "q", "apps", &spec)
}

#[test]
fn a_proxy_is_reached_as_its_own_policies_say() {
    const LINE: &str =
        "tunnel: {proxy: {backendRef: {group: gateway.kgateway.dev, kind: Backend, name: proxy}}}";
    let with = |policy: &str| with_route(&format!("{}{policy}", tunnelled(LINE)));
    let compiled = with(&on_proxy(
        "tls: {wellKnownCACertificates: System, sni: p.example}",
    ));
    assert!(compiled.report.accepted(), "{}", compiled.report.table());
    let of_backend = settings(&compiled);
    assert_eq!(of_backend.tls, None);
    let proxy = &of_backend.tunnel.as_ref().unwrap().proxy;
    let sni = proxy.tls.as_ref().unwrap().sni.as_ref();
    assert_eq!(sni.unwrap().as_str(), "p.example");
    for (line, fault) in [
        (
            LINE,
            "BackendConfigPolicy apps/q has Backend apps/proxy reached through a proxy itself",
        ),
        (
            "tls: {wellKnownCACertificates: Ours}",
            "BackendConfigPolicy apps/q: spec.tls.wellKnownCACertificates: only System is supported",
        ),
    ] {
        let told = problems(&with(&on_proxy(line)));
        let fault = format!("{AT}: spec.tunnel.proxy.backendRef: {fault}");
        assert!(
            told.iter().any(|it| it.contains(&fault)),
            "{fault} {told:?}"
        );
    }
    let service = "---
apiVersion: v1
kind: Service
metadata: {name: squid, namespace: apps}
spec: {ports: [{name: http, port: 3128}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: squid-1, namespace: apps, labels: {kubernetes.io/service-name: squid}}
addressType: IPv4
ports: [{name: http, port: 13128}]
endpoints: [{addresses: [10.0.0.7]}]
";
    let line = "tunnel: {proxy: {backendRef: {name: squid, port: 3128}}}";
    let compiled = with_route(&format!("{}{service}", policy(line)));
    assert!(compiled.report.accepted(), "{}", compiled.report.table());
    let tunnel = settings(&compiled).tunnel.clone().unwrap();
    assert_eq!(
        tunnel.proxy.host.to_string(),
        "squid.apps.svc.cluster.local"
    );
    assert!(tunnel.proxy.is_service);
    let endpoints = tunnel.endpoints.unwrap();
    assert_eq!(endpoints[..], ["10.0.0.7:13128".parse().unwrap()]);
}
