//! `egret explain` and `egret replay`: what the binary says of requests that it does not send.

use std::fs;

use egret_testkit::{Client, Upstream};
use serde_json::Value;
use tempfile::TempDir;

use super::served::{ServedProcess, lines, wait_for};
use super::{GATEWAY, egret};

fn policy(rules: &str) -> String {
    format!(
        "---\napiVersion: egret.dev/v1alpha1\nkind: EgressPolicy\nmetadata: {{name: names, namespace: edge}}\n\
         spec:\n  targetRefs: [{{group: gateway.networking.k8s.io, kind: Gateway, name: out}}]\n{rules}"
    )
}

const PARTNERS: &str = "  defaultAction: Deny\n  rules:\n  - {name: partners, action: Allow, hosts: [a.example], reason: OPS-1}\n";

/// Runs a command on a configuration. Returns whether it succeeded, stdout and stderr.
fn run(
    folder: &TempDir,
    command: &str,
    config: &str,
    arguments: &[&str],
) -> (Option<i32>, String, String) {
    let file = folder.path().join("egret.yaml");
    fs::write(&file, config).unwrap();
    let output = egret(&[&[command, file.to_str().unwrap()], arguments].concat());
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

#[test]
fn people_read_what_is_decided_and_by_what() {
    let folder = tempfile::tempdir().unwrap();
    let config = format!("{GATEWAY}{}", policy(PARTNERS));
    let (code, told, error) = run(
        &folder,
        "explain",
        &config,
        &["--url", "http://a.example/x"],
    );
    assert_eq!((code, &*error), (Some(0), ""));
    assert_eq!(
        told,
        "forwarded: allowed by rule partners of EgressPolicy edge/names (OPS-1)
  socket       *:8080
  listener     edge/out/http
  route        edge/all/rest
  backend      Backend edge/dfp
  destination  a.example:80 (http)
  egress       EgressPolicy edge/names (mode: Enforce)
  note         each address is judged once the name is resolved
"
    );
    let inside = ["--url", "https://a.example/", "--address", "10.0.0.1"];
    let (code, told, _) = run(&folder, "explain", &config, &inside);
    assert_eq!(code, Some(1));
    assert!(
        told.starts_with("refused with 403: 10.0.0.1 (a.example)"),
        "{told}"
    );
    assert!(
        told.contains("\n  addresses    10.0.0.1 deny (private)\n"),
        "{told}"
    );
}

#[test]
fn programs_read_json_and_the_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let config = format!("{GATEWAY}{}", policy(PARTNERS));
    let asked = ["--url", "b.example", "--via", "absolute", "-o", "json"];
    let (code, told, error) = run(&folder, "explain", &config, &asked);
    assert_eq!((code, &*error), (Some(1), ""));
    let told: Value = serde_json::from_str(&told).unwrap();
    let [one] = &told.as_array().unwrap()[..] else {
        panic!("{told}");
    };
    assert_eq!(one["outcome"], "refused");
    assert_eq!(one["status"], 403);
    assert_eq!(one["reason"], "egress_policy");
    assert_eq!(one["policy"], "EgressPolicy edge/names");
}

#[test]
fn questions_that_nobody_can_answer_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, code, expected) in [
        (
            &["--url", "ftp://a.example/"][..],
            2,
            "--url: ftp://a.example/: the scheme is not",
        ),
        (
            &["--url", "x", "--via", "socks"],
            2,
            "[possible values: host, absolute, connect, sni]",
        ),
        (
            &["--url", "x", "--via", "sni"],
            1,
            "no listener takes requests of this form",
        ),
        (
            &["--url", "x", "--listener", "edge/out/other"],
            1,
            "no listener edge/out/other; there are: edge/out/http",
        ),
    ] {
        let (got, _, error) = run(&folder, "explain", GATEWAY, arguments);
        assert_eq!(got, Some(code), "{error}");
        assert!(error.contains(expected), "{error}");
    }
    let (code, _, error) = run(&folder, "explain", "kind: [", &["--url", "x"]);
    assert_eq!(code, Some(1));
    assert!(error.contains("egret.yaml:1: "), "{error}");
}

fn line(host: &str, rest: &str) -> String {
    format!(
        "{{\"client\":\"10.0.0.1:5\",\"listener\":\"edge/out/http\",\"authority\":\"{host}\",\"destination\":\"{host}:80\",\
         \"scheme\":\"http\",\"method\":\"GET\",\"path\":\"/x\",\"protocol\":\"HTTP/1.1\",{rest}}}\n"
    )
}

#[test]
fn what_would_be_decided_differently_is_listed() {
    let folder = tempfile::tempdir().unwrap();
    let served = r#""verdict":"allow","status":200"#;
    let refused = r#""verdict":"deny","policy":"edge/old","rule":"no-c","reason":"egress_policy","id":"1","status":403"#;
    let log = [
        line("a.example", served),
        line("b.example", served),
        line("b.example", served),
        line(
            "a.example",
            r#""verdict":"audit","policy":"edge/old","status":200"#,
        ),
        line("c.example", refused),
        line("d.example", refused),
        line(
            "a.example",
            r#""verdict":"deny","reason":"rate_limit","id":"1","status":429"#,
        ),
        line(
            "a.example",
            &format!("{served},\"upstream\":\"10.0.0.7:80\""),
        ),
        "something else\n".to_owned(),
    ]
    .concat();
    let file = folder.path().join("access.log");
    fs::write(&file, log).unwrap();
    let file = file.to_str().unwrap();
    let rules = "  defaultAction: Deny\n  rules:\n  - {name: some, action: Allow, hosts: [a.example, c.example]}\n";
    let config = format!("{GATEWAY}{}", policy(rules));
    let (code, told, error) = run(&folder, "replay", &config, &["--log", file]);
    assert_eq!((code, &*error), (Some(1), ""));
    assert_eq!(
        told,
        "GET b.example/x by 10.0.0.1 at edge/out/http (2 requests)
  recorded  allowed
  now       refused: egress_policy by edge/names
GET a.example/x by 10.0.0.1 at edge/out/http
  recorded  allowed
  now       refused: address_denied
GET c.example/x by 10.0.0.1 at edge/out/http
  recorded  refused: egress_policy by rule no-c of edge/old
  now       allowed by rule some of edge/names
4 of 7 requests would be decided differently; 1 were not judged; 1 lines are not of Egret's access log
"
    );
    let (_, told, _) = run(&folder, "replay", &config, &["--log", file, "-o", "json"]);
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["judged"], 7);
    assert_eq!(told["changes"][0]["requests"], 2);
    assert_eq!(told["changes"][0]["now"]["verdict"], "refuse");
}

const BASIC: &str = "---
apiVersion: gateway.kgateway.dev/v1alpha1
kind: TrafficPolicy
metadata: {name: who, namespace: edge}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: out}]
  basicAuth: {users: [\"ann:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\"]}
";

/// What a configuration makes of a log of one line: the exit code and what is said.
fn replayed(config: &str, line: &str) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("access.log");
    fs::write(&file, line).unwrap();
    let (code, told, error) = run(
        &folder,
        "replay",
        config,
        &["--log", file.to_str().unwrap()],
    );
    assert_eq!(error, "");
    (code, told)
}

#[test]
fn what_depends_on_more_than_the_log_tells_is_unknown() {
    const SERVED: &str = r#""verdict":"allow","status":200"#;
    const TEAM: &str = "  - {name: team, action: Deny, hosts: [a.example], ports: [80], when: 'request.headers[\"x-team\"] == \"b\"'}\n";
    const CERTIFIED: &str = "  - {name: team, action: Deny, clients: [{certificate: CN=a}]}\n";
    let rules = |rules: &str| format!("{GATEWAY}{}", policy(&format!("  rules:\n{rules}")));
    let by_rule =
        "unknown: rule team of EgressPolicy edge/names may depend on more than the log tells\n";
    let allowed = "0 of 1 requests would be decided differently\n";
    let first = "  - {name: first, action: Allow, hosts: [a.example]}\n";
    let by_port = TEAM.replace("[80]", "[81]");
    let by_host = TEAM.replace("request.headers[\"x-team\"]", "egress.host");
    let basic = format!("{GATEWAY}{BASIC}");
    let by_credentials = "unknown: the log has no credentials\n";
    let refused =
        r#""verdict":"deny","policy":"edge/who","reason":"authentication","id":"1","status":407"#;
    for (config, line, expected) in [
        (rules(TEAM), line("a.example", SERVED), by_rule),
        (rules(CERTIFIED), line("a.example", SERVED), by_rule),
        // Another rule decides, or this one is about something else.
        (
            rules(&format!("{first}{TEAM}")),
            line("a.example", SERVED),
            allowed,
        ),
        (rules(TEAM), line("b.example", SERVED), allowed),
        (rules(&by_port), line("a.example", SERVED), allowed),
        (rules(&by_host), line("a.example", SERVED), allowed),
        (basic.clone(), line("a.example", SERVED), by_credentials),
        (
            basic.clone(),
            line("a.example", &format!("\"user\":\"ann\",{SERVED}")),
            allowed,
        ),
        (basic, line("a.example", refused), allowed),
    ] {
        let (code, told) = replayed(&config, &line);
        assert!(told.contains(expected), "{config}{line}{told}");
        assert_eq!(code, Some(i32::from(expected != allowed)), "{told}");
    }
}

const INSIDE: &str = "\
apiVersion: egret.dev/v1alpha1
kind: EgressPolicy
metadata: {name: inside, namespace: kgateway-system}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: http}]
  defaultAction: Deny
  addresses: {allow: [127.0.0.0/8]}
  rules: [{name: local, action: Allow, hosts: [127.0.0.1]}]
";

#[test]
fn the_configuration_that_wrote_a_log_changes_nothing() {
    let upstream = Upstream::start();
    let mut served = ServedProcess::start(&[("inside.yaml", INSIDE)]);
    let written = lines(served.process.stdout.take().unwrap());
    let mut client = Client::connect(served.setup.address);
    let host = upstream.addr().to_string();
    assert_eq!(client.get("/y", &host).status, 200);
    let mut log = wait_for(&written, "destination") + "\n";
    assert_eq!(client.get("/y", "b.example").status, 403);
    log += &(wait_for(&written, "destination") + "\n");
    let file = served.setup.folder.path().join("access.log");
    fs::write(&file, log).unwrap();
    let replay = || {
        let folder = served.setup.folder.path().to_str().unwrap();
        let output = egret(&["replay", folder, "--log", file.to_str().unwrap()]);
        let told = String::from_utf8(output.stdout).unwrap();
        (output.status.code(), told)
    };
    let same = "0 of 2 requests would be decided differently\n";
    assert_eq!(replay(), (Some(0), same.to_owned()));
    served.write("inside.yaml", &INSIDE.replace("127.0.0.1]", "b.example]"));
    let (code, told) = replay();
    assert_eq!(code, Some(1));
    assert!(
        told.ends_with("2 of 2 requests would be decided differently\n"),
        "{told}"
    );
}
