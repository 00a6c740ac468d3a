use egret_config::api::egret::{EgressClientSpec, EgressRuleSpec, PortText};

use super::*;

const ALLOW: EgressAction = EgressAction::Allow;
const DENY: EgressAction = EgressAction::Deny;

fn imported(text: &str) -> Imported {
    import(text, Path::new("/nonexistent/squid.conf"))
}

fn left(imported: &Imported) -> Vec<(usize, &str)> {
    imported
        .left
        .iter()
        .map(|left| (left.line, &*left.message))
        .collect()
}

/// What a rule asks for, without its name and reason.
fn condition(rule: &EgressRuleSpec) -> EgressRuleSpec {
    EgressRuleSpec {
        name: None,
        reason: None,
        ..rule.clone()
    }
}

fn source(network: &str) -> EgressClientSpec {
    EgressClientSpec {
        source: Some(network.to_owned()),
        ..EgressClientSpec::default()
    }
}

/// What Debian's squid.conf says without its comments.
const DEBIAN: &str = "\
acl localnet src 10.0.0.0/8
acl localnet src fc00::/7 # RFC 4193
acl SSL_ports port 443
acl CONNECT method CONNECT
acl Safe_ports port 80 443
acl Safe_ports port 1025-65535
http_access deny !Safe_ports
http_access deny CONNECT !SSL_ports
http_access allow localhost manager
http_access deny manager
http_access deny to_localhost
http_access allow localnet
http_access deny all
http_port 3128
";

#[test]
fn the_usual_configuration_is_turned_as_a_whole() {
    let imported = imported(DEBIAN);
    assert_eq!(left(&imported), []);
    assert_eq!(imported.policy.default_action, Some(DENY));
    let rules: Vec<_> = imported.policy.rules.iter().map(condition).collect();
    let when = |when: &str| EgressRuleSpec {
        action: DENY,
        when: Some(when.to_owned()),
        ..EgressRuleSpec::default()
    };
    assert_eq!(
        rules,
        [
            when(
                "!((egress.port == 80 || egress.port == 443 || (egress.port >= 1025 && egress.port <= 65535)))"
            ),
            when("request.form == 'connect' && !(egress.port == 443)"),
            EgressRuleSpec {
                action: ALLOW,
                clients: Some(vec![source("10.0.0.0/8"), source("fc00::/7")]),
                ..EgressRuleSpec::default()
            },
        ]
    );
    let last = &imported.policy.rules[2];
    assert_eq!(last.name.as_deref(), Some("line-12"));
    assert_eq!(last.reason.as_deref(), Some("http_access allow localnet"));
}

#[test]
fn lists_become_fields_of_rules() {
    let text = "\
acl partners dstdomain .Partner.example api.other.example
acl web port 80 8000-8999
acl read method GET HEAD
acl people proxy_auth ann bob
http_access allow partners web read people
http_access deny all
";
    let imported = imported(text);
    assert_eq!(left(&imported), []);
    let user = |name: &str| EgressClientSpec {
        user: Some(name.to_owned()),
        ..EgressClientSpec::default()
    };
    let texts = |texts: &[&str]| Some(texts.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>());
    assert_eq!(
        condition(&imported.policy.rules[0]),
        EgressRuleSpec {
            action: ALLOW,
            hosts: texts(&["partner.example", "*.partner.example", "api.other.example"]),
            ports: Some(vec![
                PortText::Number(80),
                PortText::Text("8000-8999".to_owned())
            ]),
            methods: texts(&["GET", "HEAD"]),
            clients: Some(vec![user("ann"), user("bob")]),
            ..EgressRuleSpec::default()
        }
    );
    assert_eq!(imported.notes.len(), 1);
}

#[test]
fn what_has_no_field_is_an_expression() {
    for (lines, expected) in [
        (
            "acl a dstdomain a.example\nacl b dstdomain .b.example\nhttp_access deny !a !b",
            "!(egress.host == 'a.example') && !((egress.host == 'b.example' || egress.host.endsWith('.b.example')))",
        ),
        (
            "acl a dstdom_regex -i ^ads[0-9]+\\.\nhttp_access deny a",
            "egress.host.matches('(?i)^ads[0-9]+\\\\.')",
        ),
        (
            "acl a urlpath_regex \\.exe$\nhttp_access deny a",
            "(request.form != 'connect' && request.form != 'sni' && request.path.matches('\\\\.exe$'))",
        ),
        (
            "acl m method CONNECT PUT\nhttp_access deny m",
            "(request.form == 'connect' || request.method in ['PUT'])",
        ),
        (
            "acl p port 25\nacl m method POST\nacl bad any-of p m\nhttp_access deny bad",
            "(egress.port == 25 || request.method in ['POST'])",
        ),
        (
            "acl p port 25\nacl m method POST\nacl bad all-of p !m\nhttp_access deny bad",
            "(egress.port == 25 && !(request.method in ['POST']))",
        ),
        (
            "acl u proxy_auth REQUIRED\nhttp_access deny !u",
            "!(source.user != '')",
        ),
    ] {
        let imported = imported(lines);
        assert_eq!(left(&imported), [], "{lines}");
        assert_eq!(
            imported.policy.rules[0].when.as_deref(),
            Some(expected),
            "{lines}"
        );
    }
}

#[test]
fn what_cannot_be_said_allows_nothing() {
    let text = "\
acl work time MTWHF 09:00-17:00
acl inside dst 10.1.0.0/16
acl near src 10.0.0.0/8
acl a dstdomain a.example
http_access allow a work
http_access deny a work
http_access allow inside
http_access deny !near
http_access allow a missing
ssl_bump peek all
http_access allow all
";
    let imported = imported(text);
    let lines: Vec<_> = imported.left.iter().map(|left| left.line).collect();
    // The line that denies everybody is the last one that is asked.
    assert_eq!(lines, [5, 6, 7, 8, 10], "{:?}", imported.left);
    assert!(imported.left[0].message.ends_with("; the line is left out"));
    assert!(
        imported.left[1]
            .message
            .ends_with("; the line denies without it")
    );
    assert_eq!(imported.policy.rules.len(), 1);
    assert_eq!(imported.policy.default_action, Some(DENY));
}

#[test]
fn the_last_line_decides_what_no_line_is_about() {
    for (lines, expected) in [
        ("", DENY),
        ("http_access allow a", DENY),
        ("http_access deny a", ALLOW),
        ("http_access allow all", ALLOW),
        ("http_access deny all\nhttp_access allow a", DENY),
        ("http_access allow a\nhttp_access deny all", DENY),
    ] {
        let imported = imported(&format!("acl a port 1\n{lines}"));
        assert_eq!(imported.policy.default_action, Some(expected), "{lines}");
    }
}

#[test]
fn denied_addresses_are_denied_for_all_names() {
    let text = "acl bad dst 198.51.100.0/255.255.255.0\nacl bad dst 203.0.113.9\nhttp_access deny all bad\nhttp_access allow all";
    let imported = imported(text);
    assert_eq!(left(&imported), []);
    let addresses = imported.policy.addresses.unwrap();
    assert_eq!(addresses.deny, ["198.51.100.0/24", "203.0.113.9/32"]);
    assert_eq!(imported.policy.rules, []);
}

#[test]
fn lists_may_be_in_files() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("names.txt"),
        "# names\n.a.example\n\nb.example\n",
    )
    .unwrap();
    let text = "acl a dstdomain \"/nonexistent/names.txt\"\nacl b dstdomain \"/nonexistent/none\"\nhttp_access allow a\n";
    let imported = import(text, &folder.path().join("squid.conf"));
    let hosts = imported.policy.rules[0].hosts.as_deref();
    let expected = ["a.example", "*.a.example", "b.example"].map(str::to_owned);
    assert_eq!(hosts, Some(&expected[..]));
    assert_eq!(imported.left.len(), 1);
    assert!(
        imported.left[0]
            .message
            .starts_with("acl b: /nonexistent/none: ")
    );
}
