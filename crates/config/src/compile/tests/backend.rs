//! Backends.

use super::{BASE, TO_DFP, condition, get, problems, route, rule, run};
use crate::snapshot::{BackendDestination, HttpVersion, RuleAction};

const ONE_OF: &str =
    "exactly one of the fields in [aws static dynamicForwardProxy gcp priorityGroups] must be set";

/// `spec`, the field at fault, and the message.
const WRONG: &[(&str, &str, &str)] = &[
    ("{}", "spec", ONE_OF),
    (
        "{dynamicForwardProxy: {}, static: {hosts: [{host: a, port: 1}]}}",
        "spec",
        ONE_OF,
    ),
    (
        "{type: DynamicForwardProxy, static: {hosts: [{host: a, port: 1}]}}",
        "spec",
        "dynamicForwardProxy backend must be specified when type is 'DynamicForwardProxy'",
    ),
    (
        "{type: Static}",
        "spec",
        "static backend must be specified when type is 'Static'",
    ),
    (
        "{type: AWS}",
        "spec",
        "aws backend must be specified when type is 'AWS'",
    ),
    (
        "{type: AWS, aws: {lambda: {functionName: f}}}",
        "spec.aws",
        "not supported yet",
    ),
    ("{gcp: {host: a}}", "spec.gcp", "not supported yet"),
    (
        "{priorityGroups: []}",
        "spec.priorityGroups",
        "not supported yet",
    ),
    (
        "{static: {hosts: []}}",
        "spec.static.hosts",
        "at least one host is needed",
    ),
    (
        "{static: {hosts: [{host: a, port: 0}]}}",
        "spec.static.hosts[0].port",
        "not a port: 1 to 65535",
    ),
    (
        "{static: {appProtocol: h3, hosts: [{host: a, port: 1}]}}",
        "spec.static.appProtocol",
        "h3 is not supported; http2, grpc, grpc-web, kubernetes.io/h2c and kubernetes.io/ws are",
    ),
    (
        "{static: {hosts: [{host: 'a b', port: 1}]}}",
        "spec.static.hosts[0].host",
        "the host has a character that is not a letter, a digit, '-', '_' or '.'",
    ),
];

#[test]
fn backends_say_what_is_wrong_with_them() {
    for (spec, field, message) in WRONG.iter().copied() {
        let base = BASE.replace("{dynamicForwardProxy: {}}", spec);
        let compiled = run(&format!(
            "{base}{}",
            route(&format!("  rules: [{{{TO_DFP}}}]\n"))
        ));
        let fault = if field == "spec" {
            message.to_owned()
        } else {
            format!("{field}: {message}")
        };
        assert_eq!(
            condition(&compiled, "Backend apps/dfp", "Accepted"),
            format!("false Invalid: Backend error: \"{fault}\"")
        );
        assert_eq!(
            problems(&compiled),
            [format!("t.yaml:12: Backend apps/dfp: {field}: {message}")]
        );
        assert_eq!(
            get(&compiled, "a.b"),
            format!("1*refuse Backend apps/dfp: {fault}")
        );
    }
}

#[test]
fn static_hosts_are_names_and_addresses() {
    let hosts = "{static: {hosts: [{host: A.example, port: 80}, {host: '2001:db8::1', port: 81}, {host: '[::1]', port: 82}, {host: 192.0.2.1, port: 83}]}}";
    let base = BASE.replace("{dynamicForwardProxy: {}}", hosts);
    let compiled = run(&format!(
        "{base}{}",
        route(&format!("  rules: [{{{TO_DFP}}}]\n"))
    ));
    assert!(compiled.report.accepted());
    assert_eq!(
        get(&compiled, "a.b"),
        "1*static apps/dfp [a.example:80 [2001:db8::1]:81 [::1]:82 192.0.2.1:83]"
    );
    let two = BASE.replace(
        "{dynamicForwardProxy: {}}",
        "{static: {hosts: [{host: '', port: 0}]}}",
    );
    assert!(
        condition(&run(&two), "Backend apps/dfp", "Accepted")
            .contains("Backend has 2 errors: \"spec.static")
    );
}

#[test]
fn app_protocols_say_which_http_is_spoken() {
    for (line, expected) in [
        ("", HttpVersion::Auto),
        ("appProtocol: http2, ", HttpVersion::Http2),
        ("appProtocol: grpc, ", HttpVersion::Http2),
        ("appProtocol: grpc-web, ", HttpVersion::Http2),
        ("appProtocol: kubernetes.io/h2c, ", HttpVersion::Http2),
        ("appProtocol: kubernetes.io/ws, ", HttpVersion::Http1),
    ] {
        let spec = format!("{{static: {{{line}hosts: [{{host: a, port: 1}}]}}}}");
        let base = BASE.replace("{dynamicForwardProxy: {}}", &spec);
        let compiled = run(&format!(
            "{base}{}",
            route(&format!("  rules: [{{{TO_DFP}}}]\n"))
        ));
        assert!(compiled.report.accepted(), "{}", compiled.report.table());
        let RuleAction::Forward(backends) = &rule(&compiled, 8080, "a.b", "/").unwrap().action
        else {
            panic!("not forwarded");
        };
        let BackendDestination::Static(to) = &backends.backends[0].destination else {
            panic!("not static");
        };
        assert_eq!(to.version, expected, "{line}");
    }
}
