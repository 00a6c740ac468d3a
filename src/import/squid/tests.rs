use egret_config::api::egret::{EgressAction, EgressClientSpec, EgressRuleSpec, PortText};

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
acl localnet src 0.0.0.1-0.255.255.255 # RFC 1122
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
    assert_eq!(last.name.as_deref(), Some("line-13"));
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
            "acl b browser -i ^curl\nhttp_access deny b",
            "request.useragent.matches('(?i)^curl')",
        ),
        (
            "acl u proxy_auth_regex ^ci-\nhttp_access deny !u",
            "!(source.user.matches('^ci-'))",
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
    assert_eq!(lines, [5, 6, 7, 9, 10], "{:?}", imported.left);
    assert!(imported.left[0].message.ends_with("; the line is left out"));
    assert!(
        imported.left[1]
            .message
            .ends_with("; the line denies without it")
    );
    let rules: Vec<_> = imported.policy.rules.iter().map(condition).collect();
    let near = Some(vec![source("10.0.0.0/8")]);
    assert_eq!(
        rules,
        [
            EgressRuleSpec {
                action: DENY,
                hosts: Some(vec!["a.example".to_owned()]),
                ..EgressRuleSpec::default()
            },
            EgressRuleSpec {
                action: ALLOW,
                clients: near,
                ..EgressRuleSpec::default()
            },
        ]
    );
    assert_eq!(imported.policy.default_action, Some(DENY));
}

/// The clients of the rules that allow, and the default action.
fn allowed_clients(text: &str) -> (Vec<Vec<String>>, Option<EgressAction>) {
    let imported = imported(text);
    assert_eq!(left(&imported), [], "{text}");
    let networks = |rule: &EgressRuleSpec| {
        let clients = rule.clients.iter().flatten();
        clients.filter_map(|client| client.source.clone()).collect()
    };
    let allows = imported.policy.rules.iter().filter(|it| it.action == ALLOW);
    (
        allows.map(networks).collect(),
        imported.policy.default_action,
    )
}

#[test]
fn who_is_in_no_network_is_denied_what_follows() {
    const LISTS: &str = "acl near src 10.0.0.0/8 192.168.0.0/16\nacl ours src 10.1.0.0/16 172.16.0.0/12\n\
                         acl a dstdomain a.example\nacl people proxy_auth ann\n";
    let (near, both) = (["10.0.0.0/8", "192.168.0.0/16"], ["10.1.0.0/16"]);
    for (lines, expected) in [
        ("deny !near\nallow all", vec![&near[..]]),
        ("deny all !near\nallow a\ndeny all", vec![&near[..]]),
        ("deny !near\nallow a ours\ndeny all", vec![&both[..]]),
        ("deny !near\nallow people a\ndeny all", vec![&near[..]]),
        ("deny !near\ndeny !ours\nallow all", vec![&both[..]]),
        (
            "allow a\ndeny !ours\nallow near\ndeny all",
            vec![&[], &both[..]],
        ),
        // Who is not denied by the last line is allowed.
        ("deny !near\ndeny a", vec![&near[..]]),
    ] {
        let lines = lines.replace("allow", "http_access allow");
        let lines = lines.replace("deny", "http_access deny");
        let (clients, default) = allowed_clients(&format!("{LISTS}{lines}"));
        assert_eq!(clients, expected, "{lines}");
        assert_eq!(default, Some(DENY), "{lines}");
    }
}

#[test]
fn users_in_networks_are_in_any_order() {
    const LISTS: &str = "acl near src 10.0.0.0/8\nacl people proxy_auth REQUIRED\n";
    for lines in ["people near", "near people"] {
        let imported = imported(&format!("{LISTS}http_access allow {lines}"));
        assert_eq!(left(&imported), [], "{lines}");
        let rule = &imported.policy.rules[0];
        assert_eq!(rule.clients, Some(vec![source("10.0.0.0/8")]), "{lines}");
        assert_eq!(rule.when.as_deref(), Some("source.user != ''"), "{lines}");
    }
}

#[test]
fn ranges_of_addresses_are_networks() {
    for (values, expected) in [
        ("192.0.2.1-192.0.2.2", &["192.0.2.1/32", "192.0.2.2/32"][..]),
        ("10.0.0.0-10.1.255.255", &["10.0.0.0/15"]),
        ("10.0.0.0-10.1.0.0/255.255.0.0", &["10.0.0.0/15"]),
        ("10.4.0.0-10.5.0.0/16", &["10.4.0.0/15"]),
        ("fd00::1-fd00::2", &["fd00::1/128", "fd00::2/128"]),
        // Nobody has an address of these.
        ("0.0.0.1-0.255.255.255 10.1.1.1", &["10.1.1.1/32"]),
    ] {
        let text = format!("acl a src {values}\nhttp_access allow a");
        assert_eq!(allowed_clients(&text).0, [expected], "{values}");
    }
    let imported =
        imported("acl a src 10.0.0.9-10.0.0.1 10.1.1.1 gate.example\nhttp_access allow a");
    assert_eq!(imported.left.len(), 2, "{:?}", imported.left);
}

#[test]
fn a_list_without_some_of_its_values_denies_no_less() {
    const LISTS: &str = "acl a dstdomain a.example\nacl gone dstdomain \"/nonexistent/gone\"\n\
                         acl some dstdomain b.example \"/nonexistent/gone\"\n\
                         acl odd dstdomain c.example a..b\nacl group any-of a gone\n";
    for (line, rules, default) in [
        ("deny gone", 0, DENY),
        ("deny some a", 1, ALLOW),
        ("deny group a", 1, ALLOW),
        ("allow gone", 0, DENY),
        ("allow some", 1, DENY),
        ("allow a !some", 0, DENY),
        // Nobody can ask for what is no name.
        ("deny odd", 1, ALLOW),
        ("allow a !odd", 1, DENY),
    ] {
        let imported = imported(&format!("{LISTS}http_access {line}"));
        let policy = &imported.policy;
        assert_eq!(policy.rules.len(), rules, "{line}: {:?}", policy.rules);
        assert_eq!(policy.default_action, Some(default), "{line}");
        let hosts = policy.rules.iter().filter_map(|rule| rule.hosts.as_ref());
        assert_eq!(hosts.filter(|hosts| hosts.is_empty()).count(), 0, "{line}");
    }
}

#[test]
fn the_manager_of_the_cache_is_nobody_however_it_is_said() {
    for lines in [
        "acl manager proto cache_object",
        "acl manager url_regex -i ^cache_object:// +i ^https?://[^/]+/squid-internal-mgr/",
        "acl other proto FTP cache_object\nhttp_access deny other",
    ] {
        let text = format!(
            "{lines}\nhttp_access allow localhost manager\nhttp_access deny manager\nhttp_access allow all"
        );
        let imported = imported(&text);
        assert_eq!(left(&imported), [], "{lines}");
        assert_eq!(imported.policy.rules, [], "{lines}");
        assert_eq!(imported.policy.default_action, Some(ALLOW), "{lines}");
    }
}

#[test]
fn files_that_are_included_are_read_in_their_place() {
    let folder = tempfile::tempdir().unwrap();
    let parts = folder.path().join("conf.d");
    fs::create_dir(&parts).unwrap();
    let write = |name: &str, text: &str| fs::write(parts.join(name), text).unwrap();
    write("20-more.conf", "http_access allow b\ninclude more.list\n");
    write(
        "10-lists.conf",
        "acl b dstdomain b.example\nssl_bump peek all\n",
    );
    write("old.bak", "http_access deny all\n");
    write("more.list", "\n\nhttp_access deny c missing\n");
    let text = "acl c dstdomain c.example\ninclude /nonexistent/conf.d/*.conf\n\
                include /nonexistent/none.conf\nhttp_access allow c\n";
    let imported = import(text, &folder.path().join("squid.conf"));
    let names = imported
        .policy
        .rules
        .iter()
        .map(|it| it.name.as_deref().unwrap());
    assert_eq!(
        names.collect::<Vec<_>>(),
        ["20-more-line-1", "more-line-3", "line-4"]
    );
    let expected = [
        (2, "10-lists:2: ssl_bump: "),
        (2, "more:3: there is no acl missing; "),
        (3, "include: /nonexistent/none.conf is not there"),
    ];
    assert_eq!(imported.left.len(), expected.len(), "{:?}", imported.left);
    for (left, (line, message)) in imported.left.iter().zip(expected) {
        assert!(
            left.line == line && left.message.starts_with(message),
            "{left:?}"
        );
    }
}

#[test]
fn addresses_that_are_denied_late_are_told() {
    let text = "acl a dstdomain a.example\nacl bad dst 203.0.113.9\nhttp_access allow a\nhttp_access deny bad\nhttp_access allow all";
    let imported = imported(text);
    assert_eq!(imported.policy.addresses.as_ref().unwrap().deny.len(), 1);
    assert_eq!(imported.left.len(), 1);
    assert_eq!(imported.left[0].line, 4);
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
    fs::write(
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

#[test]
fn a_line_that_denies_without_its_conditions_says_what_that_means() {
    let text = "acl bad url_regex exe$\nacl a dstdomain a.example\nhttp_access deny bad\nhttp_access allow a\n";
    let imported = imported(text);
    assert_eq!(imported.policy.rules, []);
    assert_eq!(imported.policy.default_action, Some(DENY));
    let lines: Vec<_> = imported.left.iter().map(|left| left.line).collect();
    assert_eq!(lines, [3, 3], "{:?}", imported.left);
    let told = &imported.left[1].message;
    assert!(told.contains("take it out of the file"), "{told}");
}

#[test]
fn a_file_of_something_else_is_told() {
    let imported = imported("services:\n- name: a\n");
    assert_eq!(imported.policy.default_action, Some(DENY));
    let [(0, told)] = left(&imported)[..] else {
        panic!("{:?}", imported.left)
    };
    assert!(told.contains("is this a squid.conf?"), "{told}");
}
