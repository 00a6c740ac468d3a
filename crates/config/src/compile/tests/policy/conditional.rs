//! `when`, `expires` and `reason` of rules, and the same of exceptions.

use super::{policy, problems, targets, two_rules, warnings};
use crate::compile::tests::{BASE, CompiledConfig};
use crate::compile::{CompileOptions, compile};
use crate::load::{ConfigFile, load};

/// Compiles a policy on the Gateway with these lines in its spec, at a time in seconds of Unix time.
fn at(now: i64, lines: &str) -> CompiledConfig {
    let spec = format!("{}{lines}", targets("{Gateway: gw}"));
    let text = format!("{BASE}{}{}", policy("p", "infra", &spec), two_rules());
    let loaded = load([ConfigFile {
        name: "t.yaml",
        text: &text,
    }]);
    assert!(loaded.errors.is_empty(), "{:?}", loaded.errors);
    let options = CompileOptions {
        now: Some(now),
        ..CompileOptions::default()
    };
    compile(&loaded.resources, &options)
}

#[test]
fn they_are_compiled_and_served() {
    let compiled = at(
        0,
        "  rules:
  - name: old
    action: Allow
    hosts: [old.example]
    when: request.headers['x-team'] == 'billing'
    expires: 1970-02-01T00:00:00Z
    reason: 'OPS-12: old billing host'
  addresses:
    allow: [10.20.0.0/16, {cidr: 10.30.0.0/16, expires: '1970-01-31T00:00:00Z', reason: OPS-13}]
",
    );
    assert!(compiled.report.accepted(), "{}", compiled.report.table());
    let egress = super::egress(&compiled, "/");
    let json = serde_json::to_value(&*egress.policies[0]).unwrap();
    let rule = &json["rules"][0];
    assert_eq!(rule["when"], "request.headers['x-team'] == 'billing'");
    assert_eq!(rule["expires"], "1970-02-01T00:00:00Z");
    assert_eq!(rule["reason"], "OPS-12: old billing host");
    assert_eq!(
        json["allow_addresses"],
        serde_json::json!([
            {"net": "10.20.0.0/16"},
            {"net": "10.30.0.0/16", "expires": "1970-01-31T00:00:00Z", "reason": "OPS-13"},
        ])
    );
    let expiries = compiled.snapshot.expiries.iter().map(ToString::to_string);
    assert!(expiries.eq(["1970-01-31T00:00:00Z", "1970-02-01T00:00:00Z"]));
    assert!(egress.reads_requests() && egress.reads_time());
}

#[test]
fn what_is_wrong_is_named() {
    let long = format!("reason: {}", "x".repeat(201));
    for (line, field, message) in [
        (
            "when: 'request.pth == 1'",
            "rules[0].when",
            "at character 1: there is no attribute request.pth",
        ),
        ("when: ''", "rules[0].when", "at character 1: empty"),
        (
            "expires: tomorrow",
            "rules[0].expires",
            "not a time (RFC 3339)",
        ),
        (
            "expires: 2026-12-31",
            "rules[0].expires",
            "not a time (RFC 3339)",
        ),
        ("reason: ' '", "rules[0].reason", "empty, or not one line"),
        (&long, "rules[0].reason", "has more than 200 bytes"),
    ] {
        let compiled = at(
            0,
            &format!("  rules:\n  - action: Deny\n    hosts: [a.example]\n    {line}\n"),
        );
        let expected = format!("EgressPolicy infra/p: spec.{field}: {message}");
        assert!(
            problems(&compiled)[0].contains(&expected),
            "{:#?}",
            problems(&compiled)
        );
    }
    for (exception, message) in [
        (
            "{cidr: 10.0.0.1, until: x}",
            "not an address or network, nor",
        ),
        ("1", "not an address or network, nor"),
        ("{cidr: x}", "not an IP address or network"),
        ("{cidr: 10.0.0.1, expires: x}", "expires: not a time"),
        ("{cidr: 10.0.0.1, reason: ''}", "reason: empty"),
    ] {
        let compiled = at(0, &format!("  addresses: {{allow: [{exception}]}}\n"));
        let expected = format!("EgressPolicy infra/p: spec.addresses.allow[0]: {message}");
        assert!(
            problems(&compiled)[0].contains(&expected),
            "{:#?}",
            problems(&compiled)
        );
    }
}

#[test]
fn an_end_is_warned_of_seven_days_before_and_after() {
    const DAY: i64 = 24 * 60 * 60;
    let lines = "  defaultAction: Deny
  rules:
  - {name: old, action: Allow, hosts: [old.example], expires: '1970-02-01T00:00:00Z', reason: OPS-12}
  addresses: {allow: [{cidr: 10.30.0.0/16, expires: '1970-02-01T00:00:00Z'}]}
";
    for (day, rule, exception) in [
        (23, None, None),
        (
            24,
            Some("the rule matches nothing from 1970-02-01T00:00:00Z on, which is soon (OPS-12)"),
            Some("the addresses are not allowed from 1970-02-01T00:00:00Z on, which is soon"),
        ),
        (
            31,
            Some("the rule matches nothing since 1970-02-01T00:00:00Z (OPS-12)"),
            Some("the addresses are not allowed since 1970-02-01T00:00:00Z"),
        ),
    ] {
        let warned = warnings(&at(day * DAY, lines));
        let told = |field: &str| {
            let prefix = format!("EgressPolicy infra/p: spec.{field}.expires: ");
            let mut told = warned
                .iter()
                .filter_map(|warning| Some(warning.split_once(&prefix)?.1));
            told.next()
        };
        assert_eq!(told("rules[0]"), rule, "{warned:#?}");
        assert_eq!(told("addresses.allow[0]"), exception, "{warned:#?}");
    }
}

/// A rule that holds for some requests or for some time leaves the others to those after it.
#[test]
fn a_conditional_rule_does_not_cover_others() {
    for (condition, covers) in [
        ("", true),
        (", when: source.port > 1", false),
        (", expires: '2100-01-01T00:00:00Z'", false),
    ] {
        let lines = format!(
            "  rules:\n  - {{name: a, action: Deny{condition}}}\n  - {{name: b, action: Allow, hosts: [a.example]}}\n"
        );
        let warned = warnings(&at(0, &lines));
        let is_warned = warned.iter().any(|warning| warning.contains("never used"));
        assert_eq!(is_warned, covers, "{condition} {warned:#?}");
    }
}

#[test]
fn an_expression_that_reads_what_a_tunnel_hides_is_warned_of() {
    for (when, expected) in [
        ("request.path == '/'", true),
        (
            "request.url_path.startsWith('/x') || request.form == 'host'",
            true,
        ),
        ("request.headers['x-a'] == 'b'", false),
        ("has(request.path)", false),
    ] {
        let lines = format!("  rules:\n  - {{name: a, action: Deny, when: \"{when}\"}}\n");
        let warned = warnings(&at(0, &lines));
        let told = "rule a has an expression that reads what a tunnel hides, and never matches inside a tunnel";
        let is_warned = warned.iter().any(|warning| warning.contains(told));
        assert_eq!(is_warned, expected, "{when} {warned:#?}");
    }
}

/// What can only be a tunnel shows no request: an expression that reads one would hold for nobody.
#[test]
fn an_expression_that_nothing_can_show_is_refused() {
    let listeners = |protocol: &str| {
        let listener = "protocol: HTTP, port: 8080,";
        let tls = format!("protocol: {protocol}, tls: {{mode: Passthrough}}, port: 8443,");
        match protocol {
            "HTTP" => BASE.to_owned(),
            _ => BASE.replace(listener, &tls),
        }
    };
    let (path, host) = ("request.path == '/'", "egress.host == 'a.example'");
    for (protocol, target, when, is_refused) in [
        ("HTTP", "{Gateway: gw}", path, false),
        ("TLS", "{Gateway: gw}", path, true),
        ("TLS", "{Gateway: gw}", "request.headers['a'] == 'b'", true),
        ("TLS", "{Gateway: gw}", host, false),
        ("TLS", "{TLSRoute: t}", path, true),
        ("TLS", "{TLSRoute: t}", "request.form == 'sni'", false),
        ("TLS", "{TLSRoute: t}, {HTTPRoute: r}", path, false),
    ] {
        let rule = format!("  rules: [{{action: Deny, when: \"{when}\"}}]\n");
        let spec = format!("{}{rule}", targets(target));
        let text = format!("{}{}", listeners(protocol), policy("p", "infra", &spec));
        let compiled = super::super::run(&text);
        let message = "EgressPolicy infra/p: spec.rules[0].when: reads a request, and every target";
        let problems = problems(&compiled);
        let told = problems.iter().any(|problem| problem.contains(message));
        assert_eq!(told, is_refused, "{protocol} {target} {when} {problems:#?}");
    }
}
