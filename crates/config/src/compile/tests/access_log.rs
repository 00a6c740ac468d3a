//! `accessLog` of ListenerPolicies: what is logged at which listener, and what is wrong with a sink.

use std::time::Duration;

use serde_json::json;

use super::{CompiledConfig, condition, kgateway_policy, problems, with_route};
use crate::access_log::{AccessLog, AnyValue, CollectedLog, LogPath};
use crate::snapshot::BackendDestination;

const GATEWAY: &str = "targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: gw}]";

fn policy(kind: &str, sinks: &str) -> CompiledConfig {
    let spec = match kind {
        "ListenerPolicy" => {
            format!("  {GATEWAY}\n  default: {{httpSettings: {{accessLog: {sinks}}}}}\n")
        }
        _ => format!("  {GATEWAY}\n  accessLog: {sinks}\n"),
    };
    with_route(&kgateway_policy(kind, "x", "infra", &spec))
}

fn log(compiled: &CompiledConfig) -> &AccessLog {
    &compiled.snapshot.sockets.values().next().unwrap().listeners[0].access_log
}

/// The warnings about the policy.
fn warnings(compiled: &CompiledConfig) -> Vec<String> {
    let all = compiled.report.warnings.iter().map(ToString::to_string);
    let of_policy = all.filter_map(|line| Some(line.split_once("infra/x: ")?.1.to_owned()));
    of_policy.collect()
}

#[test]
fn the_sinks_of_a_policy_take_the_place_of_the_default_log() {
    let sinks = r#"[{fileSink: {path: /dev/stdout, stringFormat: "%RESPONSE_CODE%\n"}}, {fileSink: {path: /var/log/egret.log, jsonFormat: {code: "%RESPONSE_CODE%", n: 1}}}]"#;
    for kind in ["ListenerPolicy", "HTTPListenerPolicy"] {
        let compiled = policy(kind, sinks);
        assert!(compiled.report.accepted(), "{}", compiled.report.table());
        assert_eq!(warnings(&compiled), [""; 0]);
        assert!(
            condition(&compiled, &format!("{kind} infra/x#gw"), "Attached").starts_with("true")
        );
        let sinks = log(&compiled).sinks();
        let paths: Vec<_> = sinks.iter().map(|sink| &sink.path).collect();
        assert_eq!(
            paths,
            [
                &LogPath::Stdout,
                &LogPath::File("/var/log/egret.log".into())
            ]
        );
        let told = serde_json::to_value(log(&compiled)).unwrap();
        let expected = json!({"Sinks": {"sinks": [
            {"path": "Stdout", "format": "%RESPONSE_CODE%\n"},
            {"path": {"File": "/var/log/egret.log"}, "format": {"code": "%RESPONSE_CODE%", "n": 1}},
        ]}});
        assert_eq!(told, expected);
    }
}

#[test]
fn what_is_wrong_with_a_sink_is_told_and_fails_closed() {
    for (sink, at, message) in [
        (
            "{}",
            "",
            "exactly one of the fields in [fileSink grpcService openTelemetry] must be set",
        ),
        (
            "{fileSink: {path: logs, stringFormat: x}}",
            ".fileSink.path",
            "\"logs\" is no absolute path, such as /dev/stdout",
        ),
        (
            "{fileSink: {path: /dev/stdout}}",
            ".fileSink",
            "exactly one of the fields in [stringFormat jsonFormat] must be set",
        ),
        (
            "{fileSink: {path: /dev/stdout, stringFormat: x, jsonFormat: {a: b}}}",
            ".fileSink",
            "exactly one of the fields in [stringFormat jsonFormat] must be set",
        ),
        (
            "{fileSink: {path: /dev/stdout, stringFormat: \"code %RESPONSE_COD%\"}}",
            ".fileSink.stringFormat",
            "at position 5: %RESPONSE_COD%: no such command operator; did you mean RESPONSE_CODE?",
        ),
        (
            "{fileSink: {path: /dev/stdout, jsonFormat: {a: {b: \"%REQ%\"}}}}",
            ".fileSink.jsonFormat.a.b",
            "at position 0: %REQ%: requires parameters",
        ),
    ] {
        let compiled = policy("HTTPListenerPolicy", &format!("[{sink}]"));
        let expected =
            format!("t.yaml:20: HTTPListenerPolicy infra/x: spec.accessLog[0]{at}: {message}");
        let problems = problems(&compiled);
        assert!(problems.contains(&expected), "{expected} {problems:?}");
        let socket = compiled.snapshot.sockets.values().next().unwrap();
        assert!(socket.listeners[0].refuse.is_some(), "{sink}");
    }
}

#[test]
fn operators_without_a_value_here_are_a_warning() {
    let sinks =
        r#"[{fileSink: {path: /dev/stdout, stringFormat: "%UPSTREAM_TLS_CIPHER% %PROTOCOL%"}}]"#;
    for kind in ["ListenerPolicy", "HTTPListenerPolicy"] {
        let compiled = policy(kind, sinks);
        assert!(compiled.report.accepted());
        let expected = "spec: accessLog: what these command operators tell is not known here, so that they print what stands for no value: UPSTREAM_TLS_CIPHER";
        assert_eq!(warnings(&compiled), [expected]);
    }
}

/// The filter of a sink, as the configuration shows it.
fn filter(filter: &str) -> Result<serde_json::Value, String> {
    let sink = format!("[{{fileSink: {{path: /dev/stdout, stringFormat: x}}, filter: {filter}}}]");
    let compiled = policy("HTTPListenerPolicy", &sink);
    match problems(&compiled)
        .iter()
        .find_map(|line| line.split_once("spec.accessLog[0].filter"))
    {
        Some((_, fault)) => Err(fault.to_owned()),
        None => Ok(serde_json::to_value(&log(&compiled).sinks()[0].filter).unwrap()),
    }
}

#[test]
fn filters_are_compiled() {
    for (written, expected) in [
        (
            "{statusCodeFilter: {op: GE, value: 400}}",
            json!({"StatusCode": {"operator": "AtLeast", "value": 400}}),
        ),
        (
            "{durationFilter: {op: LE, value: 4294967295}}",
            json!({"Duration": {"operator": "AtMost", "value": u32::MAX}}),
        ),
        (
            "{headerFilter: {header: {name: X-Log, value: \"1\"}}}",
            json!({"Header": {"name": "x-log", "value": {"Exact": "1"}}}),
        ),
        (
            "{headerFilter: {header: {type: RegularExpression, name: x, value: \"a.*\"}}}",
            json!({"Header": {"name": "x", "value": {"Regex": "a.*"}}}),
        ),
        (
            "{grpcStatusFilter: {statuses: [OK, UNAVAILABLE], exclude: true}}",
            json!({"GrpcStatus": {"statuses": [0, 14], "exclude": true}}),
        ),
        (
            "{responseFlagFilter: {flags: [UF, DC]}}",
            json!({"Flags": ["UpstreamConnectionFailure", "DownstreamConnectionTermination"]}),
        ),
        ("{notHealthCheckFilter: true}", json!("NotHealthCheck")),
        ("{notHealthCheckFilter: false}", json!("All")),
        ("{traceableFilter: true}", json!("Sampled")),
        ("{traceableFilter: false}", json!("All")),
        (
            "{runtimeFilter: {runtimeKey: k, percentSampled: {numerator: 5, denominator: MILLION}}}",
            json!({"Share": {"numerator": 5, "denominator": 1_000_000}}),
        ),
        ("{runtimeFilter: {runtimeKey: k}}", json!("None")),
        (
            "{celFilter: {match: \"response.code >= 400 || response.flags > 0\"}}",
            json!({"Expression": "response.code >= 400 || response.flags > 0"}),
        ),
        (
            "{andFilter: [{traceableFilter: true}, {statusCodeFilter: {op: EQ, value: 0}}]}",
            json!({"Every": ["Sampled", {"StatusCode": {"operator": "Equal", "value": 0}}]}),
        ),
        (
            "{orFilter: [{notHealthCheckFilter: true}, {traceableFilter: true}]}",
            json!({"Either": ["NotHealthCheck", "Sampled"]}),
        ),
    ] {
        assert_eq!(filter(written), Ok(expected), "{written}");
    }
}

#[test]
fn what_is_wrong_with_a_filter_is_told() {
    for (written, expected) in [
        ("{}", ": exactly one filter is needed"),
        (
            "{traceableFilter: true, notHealthCheckFilter: true}",
            ": exactly one filter is needed",
        ),
        (
            "{traceableFilter: true, orFilter: [{traceableFilter: true}, {traceableFilter: true}]}",
            ": exactly one filter is needed",
        ),
        (
            "{orFilter: [{traceableFilter: true}]}",
            ".orFilter: at least two filters are needed",
        ),
        (
            "{andFilter: [{traceableFilter: true}, {}]}",
            ".andFilter[1]: exactly one filter is needed",
        ),
        (
            "{statusCodeFilter: {op: GT, value: 1}}",
            ".statusCodeFilter.op: GT is not EQ, GE or LE",
        ),
        (
            "{durationFilter: {op: EQ, value: -1}}",
            ".durationFilter.value: -1 is not from 0 to 4294967295",
        ),
        (
            "{responseFlagFilter: {flags: [UF, UAX]}}",
            ".responseFlagFilter.flags[1]: UAX is no response flag",
        ),
        (
            "{responseFlagFilter: {flags: []}}",
            ".responseFlagFilter.flags: at least one is needed",
        ),
        (
            "{grpcStatusFilter: {statuses: [UNAVAILABEL]}}",
            ".grpcStatusFilter.statuses[0]: UNAVAILABEL is no status of gRPC; did you mean UNAVAILABLE?",
        ),
        (
            "{headerFilter: {header: {type: RegularExpression, name: x, value: \"(\"}}}",
            ".headerFilter.header.value: ",
        ),
        (
            "{celFilter: {match: \"response.cod > 1\"}}",
            ".celFilter.match: at character 1: there is no attribute response.cod: there are response.code, ",
        ),
        (
            "{celFilter: {match: \"response.code\"}}",
            ".celFilter.match: at character 1: ",
        ),
    ] {
        let fault = filter(written).unwrap_err();
        assert!(fault.starts_with(expected), "{written}: {fault}");
    }
}

/// A Backend that a log may be sent to.
const COLLECTOR: &str = "---
apiVersion: gateway.kgateway.dev/v1alpha1
kind: Backend
metadata: {name: collector, namespace: infra}
spec: {static: {hosts: [{host: 192.0.2.1, port: 4317}]}}
";
const TO_COLLECTOR: &str =
    "logName: x, backendRef: {group: gateway.kgateway.dev, kind: Backend, name: collector}";

#[test]
fn services_are_sinks_and_are_called_as_the_policy_says() {
    let sinks = format!(
        "[{{openTelemetry: {{grpcService: {{{TO_COLLECTOR}, authority: logs, timeout: 2s, retryPolicy: {{numRetries: 3}}}},
            resourceAttributes: {{values: [{{key: a, value: {{kvListValue: {{values: [{{key: b, value: {{arrayValue: [{{stringValue: c}}]}}}}]}}}}}}]}}}}}},
          {{grpcService: {{{TO_COLLECTOR}, additionalRequestHeadersToLog: [X-A]}}}}]"
    );
    for kind in ["ListenerPolicy", "HTTPListenerPolicy"] {
        let text = match kind {
            "ListenerPolicy" => {
                format!("  {GATEWAY}\n  default: {{httpSettings: {{accessLog: {sinks}}}}}\n")
            }
            _ => format!("  {GATEWAY}\n  accessLog: {sinks}\n"),
        };
        let policy = kgateway_policy(kind, "x", "infra", &text);
        let compiled = with_route(&format!("{policy}{COLLECTOR}"));
        assert!(compiled.report.accepted(), "{}", compiled.report.table());
        let AccessLog::Sinks(log) = log(&compiled) else {
            panic!("no sinks");
        };
        let [
            CollectedLog::OpenTelemetry(telemetry),
            CollectedLog::Service(service),
        ] = [&log.collectors[0].to, &log.collectors[1].to]
        else {
            panic!("{log:?}");
        };
        let called = &telemetry.collector.service;
        assert_eq!((called.authority.as_str(), called.retries), ("logs", 3));
        assert_eq!(called.timeout, Duration::from_secs(2));
        let value = AnyValue::List(vec![AnyValue::Text("c".to_owned())]);
        let value = AnyValue::Map(vec![("b".to_owned(), value)]);
        assert_eq!(telemetry.resource, [("a".to_owned(), value)]);
        assert_eq!(service.collector.service.authority, "192.0.2.1:4317");
        assert!(log.inputs.request_headers.iter().any(|name| name == "x-a"));
        for log in &log.collectors {
            let id = &log.to.collector().service.id;
            assert!(compiled.snapshot.services.contains_key(id), "{id}");
        }
    }
}

/// Traffic does not depend on a log.
#[test]
fn a_collector_that_is_missing_is_a_warning() {
    let sinks = format!("[{{openTelemetry: {{grpcService: {{{TO_COLLECTOR}}}}}}}]");
    let compiled = policy("ListenerPolicy", &sinks);
    assert!(compiled.report.accepted(), "{}", compiled.report.table());
    let [warning] = warnings(&compiled).try_into().unwrap();
    let expected = "spec.default.httpSettings.accessLog[0].openTelemetry.grpcService.backendRef: ";
    assert!(warning.starts_with(expected), "{warning}");
    assert!(warning.ends_with(": nothing is sent there"), "{warning}");
    let AccessLog::Sinks(log) = log(&compiled) else {
        panic!("no sinks");
    };
    let id = &log.collectors[0].to.collector().service.id;
    let service = &compiled.snapshot.services[id];
    assert!(matches!(service.destination, BackendDestination::Refuse(_)));
}

#[test]
fn what_is_wrong_with_a_collector_is_told() {
    let of_telemetry =
        |more: &str| format!("[{{openTelemetry: {{grpcService: {{{TO_COLLECTOR}}}, {more}}}}}]");
    for (sinks, expected) in [
        (
            of_telemetry("body: \"%RESPONSE_COD%\""),
            "openTelemetry.body: at position 0: %RESPONSE_COD%: no such command operator; did you mean RESPONSE_CODE?",
        ),
        (
            of_telemetry(
                "attributes: {values: [{key: a, value: {stringValue: a, arrayValue: []}}]}",
            ),
            "openTelemetry.attributes.values[0].value: exactly one of the fields in [stringValue arrayValue kvListValue] must be set",
        ),
        (
            of_telemetry("attributes: {values: [{key: a, value: {kvListValue: {}}}]}"),
            "openTelemetry.attributes.values[0].value.kvListValue: values are needed",
        ),
        (
            format!(
                "[{{grpcService: {{{TO_COLLECTOR}, additionalRequestHeadersToLog: ['a b']}}}}]"
            ),
            "grpcService.additionalRequestHeadersToLog[0]: \"a b\" is no name of a header field",
        ),
        (
            format!(
                "[{{grpcService: {{{TO_COLLECTOR}, initialMetadata: [{{key: host, value: x}}]}}}}]"
            ),
            "grpcService.initialMetadata[0].key: not the name of a header field that may be set",
        ),
        (
            "[{grpcService: {logName: x, backendRef: {kind: Pod, name: x}}}]".to_owned(),
            "grpcService.backendRef: unknown kind /Pod: Service and Backend are supported",
        ),
    ] {
        let found = problems(&policy("ListenerPolicy", &sinks)).concat();
        assert!(found.contains(expected), "{found}");
    }
}
