//! What listeners do with messages whatever their routes are.

use http::HeaderValue;

use super::{CompiledConfig, GATEWAY, kgateway_policy, problems, warnings, with_route};
use crate::snapshot::{ListenerHttp, RequestIds, ServerHeader, StripPort};

fn with(line: &str) -> CompiledConfig {
    let spec = format!("  targetRefs: [{GATEWAY}]\n  default: {{httpSettings: {{{line}}}}}\n");
    with_route(&kgateway_policy("ListenerPolicy", "p", "infra", &spec))
}

fn http(compiled: &CompiledConfig) -> Option<ListenerHttp> {
    let socket = compiled.snapshot.sockets.values().next().unwrap();
    socket.listeners[0].http.as_deref().cloned()
}

/// Changes the settings that do nothing to the expected ones.
type Change = fn(&mut ListenerHttp);

#[test]
fn fields_become_settings() {
    let cases: [(&str, Change); 9] = [
        ("generateRequestId: true", |s| {
            s.request_ids = RequestIds::Generated
        }),
        (
            "generateRequestId: true, preserveExternalRequestId: true",
            |s| {
                s.request_ids = RequestIds::Completed;
            },
        ),
        ("serverHeaderTransformation: Overwrite", |s| {
            let name = HeaderValue::from_static("egret");
            s.server = Some(ServerHeader { name, keeps: false });
        }),
        (
            "serverHeaderTransformation: AppendIfAbsent, serverName: edge",
            |s| {
                let name = HeaderValue::from_static("edge");
                s.server = Some(ServerHeader { name, keeps: true });
            },
        ),
        ("healthCheck: {path: /alive}", |s| {
            s.health_path = Some("/alive".into())
        }),
        ("stripHostPortMode: MatchingPort", |s| {
            s.strip_port = Some(StripPort::Matching)
        }),
        ("stripHostPortMode: AnyPort", |s| {
            s.strip_port = Some(StripPort::Any)
        }),
        ("pathWithEscapedSlashesAction: RejectRequest", |s| {
            s.rejects_escaped_slashes = true
        }),
        ("defaultHostForHttp10: A.example", |s| {
            s.default_host = Some("a.example".parse().unwrap())
        }),
    ];
    for (line, change) in cases {
        let compiled = with(line);
        assert!(compiled.report.accepted(), "{}", compiled.report.table());
        let mut expected = ListenerHttp::default();
        change(&mut expected);
        assert_eq!(http(&compiled), Some(expected), "{line}");
    }
    for line in [
        "",
        "serverHeaderTransformation: PassThrough",
        "preserveExternalRequestId: true",
        "generateRequestId: false",
        "pathWithEscapedSlashesAction: KeepUnchanged",
    ] {
        assert_eq!(http(&with(line)), None, "{line}");
    }
}

#[test]
fn what_is_wrong_is_named() {
    for (line, fault) in [
        (
            "serverHeaderTransformation: Keep",
            "serverHeaderTransformation: Overwrite, AppendIfAbsent and",
        ),
        (
            "stripHostPortMode: Some",
            "stripHostPortMode: MatchingPort and AnyPort are supported",
        ),
        (
            "pathWithEscapedSlashesAction: UnescapeAndForward",
            "pathWithEscapedSlashesAction: RejectRequest and",
        ),
        (
            "healthCheck: {path: alive}",
            "healthCheck.path: not a path: it begins with a slash",
        ),
        (
            "defaultHostForHttp10: 'a b'",
            "defaultHostForHttp10: not a host",
        ),
    ] {
        let told = problems(&with(line));
        let expected = format!("spec.default.httpSettings.{fault}");
        assert!(told[0].contains(&expected), "{told:?}");
    }
}

#[test]
fn what_is_done_in_any_case_is_told() {
    for line in [
        "acceptHttp10: true",
        "preserveHttp1HeaderCase: true",
        "proxy100Continue: true",
        "stripTrailingHostDot: true",
        "uuidRequestIdConfig: {packTraceReason: true}",
    ] {
        let compiled = with(line);
        assert!(compiled.report.accepted(), "{}", compiled.report.table());
        let told = warnings(&compiled);
        assert!(
            told.len() == 1 && told[0].contains("has no effect: "),
            "{told:?}"
        );
    }
}
