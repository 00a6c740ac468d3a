//! Tests of the built binary: its commands, signals, limits and memory.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use egret_testkit::gateway::{LOOPBACK, resolver_policy};
use egret_testkit::{Ca, Client, DnsServer, Upstream};

use served::{ServeSetup, ServedProcess, lines, wait_for};

mod access_log;
mod changes;
mod check;
mod cluster;
mod controller;
mod credentials;
mod encrypted_dns;
mod explain;
mod import;
mod init;
mod learn;
mod monitoring;
mod served;
mod state;
mod stderr;
mod top;
mod tunnel;

/// A Gateway, and a route of every request to the host that it names.
const GATEWAY: &str = "\
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: out, namespace: edge}
spec:
  gatewayClassName: egret
  listeners: [{name: http, protocol: HTTP, port: 8080}]
---
apiVersion: gateway.kgateway.dev/v1alpha1
kind: Backend
metadata: {name: dfp, namespace: edge}
spec: {type: DynamicForwardProxy, dynamicForwardProxy: {}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: all, namespace: edge}
spec:
  parentRefs: [{name: out}]
  rules:
  - name: rest
    backendRefs: [{group: gateway.kgateway.dev, kind: Backend, name: dfp}]
";

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("examples")
        .join(name)
}

fn egret(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_egret"))
        .args(arguments)
        .output()
        .unwrap()
}

#[test]
fn examples_are_accepted() {
    for name in ["quickstart", "offline", "resilient"] {
        let folder = example(name);
        let output = egret(&["check", folder.to_str().unwrap()]);
        assert!(output.status.success(), "{output:?}");
        // Two of them are open to whoever reaches them, and say so.
        let warnings = String::from_utf8(output.stderr).unwrap();
        let is_open = name != "offline";
        assert_eq!(warnings.lines().count(), usize::from(is_open), "{warnings}");
        assert!(warnings.contains("an open proxy") == is_open, "{warnings}");
        let told = String::from_utf8(output.stdout).unwrap();
        let warnings = if is_open { "1 warning" } else { "0 warnings" };
        assert_eq!(
            told,
            format!("0 errors, {warnings}: this would be served\n")
        );
        let output = egret(&["check", "-v", folder.to_str().unwrap()]);
        let table = String::from_utf8(output.stdout).unwrap();
        assert!(
            table.contains("HTTPRoute") && table.contains("Accepted"),
            "{table}"
        );
    }
}

#[test]
fn the_example_of_tls_needs_a_certificate() {
    let folder = tempfile::tempdir().unwrap();
    for file in fs::read_dir(example("tls")).unwrap() {
        let file = file.unwrap();
        // The Secret may exist because somebody followed the example.
        if file.file_name() != "secret.yaml" {
            fs::copy(file.path(), folder.path().join(file.file_name())).unwrap();
        }
    }
    let output = egret(&["check", folder.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(
        told.contains("Secret kgateway-system/certificate not found"),
        "{told}"
    );
    // An expired one is served, and told.
    for (years, expected) in [
        (None, None),
        (Some((2001, 2002)), Some("expired at 2002-12-31")),
    ] {
        let issued = Ca::new().issue_for(["localhost"], years);
        let entries =
            serde_json::json!({"tls.crt": issued.certificate_pem(), "tls.key": issued.key_pem()});
        let secret = serde_json::json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "certificate", "namespace": "kgateway-system"},
            "type": "kubernetes.io/tls",
            "stringData": entries,
        });
        fs::write(folder.path().join("secret.json"), secret.to_string()).unwrap();
        let output = egret(&["check", folder.path().to_str().unwrap()]);
        assert!(output.status.success(), "{output:?}");
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(told.contains("expired"), expected.is_some(), "{told}");
        assert!(told.contains(expected.unwrap_or_default()), "{told}");
    }
}

#[test]
fn check_names_the_place_of_every_mistake() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mistakes.yaml");
    fs::write(
        &file,
        "apiVersion: gateway.kgateway.dev/v1alpha1\nkind: Backend\nmetadata:\n  name: a\n  namespace: b\n\
         spec:\n  dynamicForwardProxy:\n    enableTsl: true\n",
    )
    .unwrap();
    let output = egret(&["check", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8(output.stderr).unwrap();
    let expected = format!(
        "error: {}:8: Backend b/a: spec.dynamicForwardProxy.enableTsl: unknown field; did you mean enableTls?",
        file.display()
    );
    assert!(
        told.lines().any(|line| line.starts_with(&expected)),
        "{told}"
    );
    let output = egret(&["serve", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn reports_come_in_every_format() {
    let folder = example("quickstart");
    let folder = folder.to_str().unwrap();
    let json = egret(&["check", folder, "-o", "json"]);
    let report: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(report["objects"].as_array().unwrap().len(), 3);
    assert!(
        String::from_utf8(egret(&["check", folder, "-o", "yaml"]).stdout)
            .unwrap()
            .contains("objects:")
    );
}

#[test]
fn bad_usage_exits_with_2() {
    for arguments in [
        &[][..],
        &["serve"],
        &["serve", "x", "--workers", "0"],
        &["nonsense"],
    ] {
        assert_eq!(egret(arguments).status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn a_taken_port_is_told() {
    let served = ServedProcess::start(&[]);
    let output = egret(&[
        "serve",
        served.setup.folder.path().to_str().unwrap(),
        "--admin",
        "127.0.0.1:0",
    ]);
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(
        told.contains(&format!("cannot listen on {}", served.setup.address)),
        "{told}"
    );
    assert_eq!(told.matches("cannot listen on").count(), 1, "{told}");
    assert!(told.contains("error: not started, "), "{told}");
}

#[test]
fn the_guide_works_and_files_can_change_under_it() {
    let (dns, upstream) = (DnsServer::start(), Upstream::start());
    dns.a("httpbin.example", ["127.0.0.1"], 60);
    let mut served = ServedProcess::start(&[(
        "policies.yaml",
        &format!("{LOOPBACK}---\n{}", resolver_policy(dns.addr(), "")),
    )]);
    let stdout = lines(served.process.stdout.take().unwrap());
    let host = format!("httpbin.example:{}", upstream.port());
    let mut client = Client::connect(served.setup.address);
    assert_eq!(client.get("/", &host).status, 200);
    let record: serde_json::Value =
        serde_json::from_str(&wait_for(&stdout, "httpbin.example")).unwrap();
    assert_eq!(
        (&record["status"], &record["route"]),
        (&200.into(), &"httpbin/dfp-httproute/0".into())
    );
    assert_eq!(served.ask("/readyz").text(), "ready\n");

    // A file is deleted, and restored.
    let backend = fs::read_to_string(served.setup.folder.path().join("backend.yaml")).unwrap();
    fs::remove_file(served.setup.folder.path().join("backend.yaml")).unwrap();
    wait_for(&served.stderr, "generation=2");
    assert_eq!(client.get("/", &host).status, 500);
    served.write("backend.yaml", &backend);
    wait_for(&served.stderr, "generation=3");
    assert_eq!(client.get("/", &host).status, 200);

    // A file is invalid: the last valid configuration stays in effect, and the error names the place.
    served.write("backend.yaml", &backend.replace("spec:", "spec: ["));
    let told = wait_for(&served.stderr, "backend.yaml:");
    assert_eq!(client.get("/", &host).status, 200);
    let report = served.ask("/report").json();
    let error = report["errors"][0].as_str().unwrap();
    assert_eq!(format!("error: {error}"), told);
    served.write("backend.yaml", &backend);
    wait_for(&served.stderr, "generation=4");
    assert_eq!(
        served.ask("/report").json()["errors"],
        serde_json::json!([])
    );
    assert_eq!(dns.lookups_for("httpbin.example"), 1);

    // On SIGTERM, the request in progress finishes, and the exit code is 0.
    client.send_request(format!("GET /hold/x HTTP/1.1\r\nhost: {host}\r\n\r\n"));
    upstream.wait_for_requests(4);
    served.signal("TERM");
    wait_for(&served.stderr, "stopping");
    upstream.release("x");
    assert_eq!(client.read_response().status, 200);
    assert_eq!(served.process.wait().unwrap().code(), Some(0));
}

#[test]
fn what_does_not_finish_is_cut_off_and_logged() {
    let upstream = Upstream::start();
    let mut served = ServedProcess::start(&[("policies.yaml", LOOPBACK)]);
    let stdout = lines(served.process.stdout.take().unwrap());
    let mut client = Client::connect(served.setup.address);
    let host = format!("127.0.0.1:{}", upstream.port());
    client.send_request(format!("GET /hang HTTP/1.1\r\nhost: {host}\r\n\r\n"));
    upstream.wait_for_requests(1);
    served.signal("TERM");
    wait_for(&served.stderr, "stopping");
    // A signal within a second is the same request to stop; a later one stops the process at once.
    served.signal("TERM");
    let id = served.process.id();
    let again = thread::spawn(move || signal_until_gone(id));
    wait_for(&served.stderr, "asked again");
    assert_eq!(served.process.wait().unwrap().code(), Some(0));
    assert!(client.is_closed());
    again.join().unwrap();
    let record: serde_json::Value = serde_json::from_str(&wait_for(&stdout, "/hang")).unwrap();
    assert_eq!(record["reason"], "drained");
}

#[test]
fn before_it_drains_the_process_says_that_it_is_not_ready_and_serves_on() {
    let upstream = Upstream::start();
    let setup = ServeSetup::new(&[("policies.yaml", LOOPBACK)]);
    let mut served = setup.start(|command| {
        command.args(["--shutdown-delay", "10m"]);
    });
    served.signal("TERM");
    wait_for(&served.stderr, "not ready any more");
    let ready = served.ask("/readyz");
    assert_eq!((ready.status, ready.text()), (503, "not ready: stopping\n"));
    // A new connection is served.
    let host = format!("127.0.0.1:{}", upstream.port());
    let mut client = Client::connect(served.setup.address);
    assert_eq!(client.get("/", &host).status, 200);
    // A second signal ends the delay; whether one a moment later counts, time tells.
    let id = served.process.id();
    let again = thread::spawn(move || signal_until_gone(id));
    wait_for(&served.stderr, "all requests have finished");
    assert_eq!(served.process.wait().unwrap().code(), Some(0));
    again.join().unwrap();
}

#[test]
fn an_admin_address_that_others_reach_needs_a_token() {
    let setup = ServeSetup::new(&[]);
    let open = "0.0.0.0:0".parse().unwrap();
    let refused = setup.command_under("", open).output().unwrap();
    assert_eq!(refused.status.code(), Some(1));
    let told = String::from_utf8(refused.stderr).unwrap();
    assert!(told.contains("it needs --admin-token"), "{told}");

    let token = setup.folder.path().join(".token");
    fs::write(&token, "s3cret\n").unwrap();
    let by_file = setup.start(|command| {
        command.arg("--admin-token").arg(&token);
    });
    let by_variable = ServeSetup::new(&[]).start(|command| {
        command.env("EGRET_ADMIN_TOKEN", "s3cret");
    });
    for served in [by_file, by_variable] {
        assert_eq!(served.ask("/metrics").status, 401);
        assert_eq!(served.ask("/readyz").text(), "ready\n");
        let metrics = Client::connect(served.admin).request(format!(
            "GET /metrics HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer s3cret\r\n\r\n",
            served.admin
        ));
        assert_eq!(metrics.status, 200);
    }
}

#[test]
fn header_fields_of_pushed_metrics_are_of_a_file_or_the_environment() {
    let collector = Upstream::start();
    let endpoint = format!("http://{}", collector.addr());
    let setup = ServeSetup::new(&[]);
    let headers = setup.folder.path().join(".headers");
    let command = || {
        let mut command = setup.command_under("", "127.0.0.1:0".parse().unwrap());
        command.args(["--otlp-metrics-endpoint", &endpoint]);
        command.env("OTEL_EXPORTER_OTLP_HEADERS", "x-key=s3cret,broken");
        command
    };
    let fault = |mut command: Command| {
        let refused = command.output().unwrap();
        assert_eq!(refused.status.code(), Some(1));
        String::from_utf8(refused.stderr).unwrap()
    };
    let told = fault(command());
    let expected = "OTEL_EXPORTER_OTLP_HEADERS: field 2: not a header field";
    assert!(told.contains(expected), "{told}");
    fs::write(&headers, "x-key s3cret").unwrap();
    let mut by_file = command();
    by_file.arg("--otlp-metrics-headers").arg(&headers);
    let told = fault(by_file);
    assert!(
        told.contains(".headers: line 1: not a header field"),
        "{told}"
    );
    assert!(!told.contains("s3cret"), "{told}");

    // The last push, when the process ends, is the first one here; the variable of metrics goes before the one of all signals.
    let mut served = ServeSetup::new(&[]).start(|command| {
        command.args(["--otlp-metrics-endpoint", &endpoint]);
        command.env("OTEL_EXPORTER_OTLP_HEADERS", "x-key=of-all");
        command.env("OTEL_EXPORTER_OTLP_METRICS_HEADERS", "X-Key=of%20metrics");
    });
    served.signal("TERM");
    assert_eq!(served.process.wait().unwrap().code(), Some(0));
    let requests = collector.requests();
    assert_eq!(requests[0].header("x-key"), Some("of metrics"));
}

/// Sends SIGTERM every tenth of a second until the process is gone.
fn signal_until_gone(id: u32) {
    let gone = || {
        let mut kill = Command::new("kill");
        let sent = kill.args(["-s", "TERM", &id.to_string()]);
        !sent.stderr(Stdio::null()).status().unwrap().success()
    };
    while !gone() {
        thread::park_timeout(Duration::from_millis(100));
    }
}

#[test]
fn a_listener_is_bound_elsewhere_on_its_port_at_once_and_its_loss_is_told() {
    let served = ServedProcess::start(&[]);
    let gateway = fs::read_to_string(served.setup.folder.path().join("gateway.yaml")).unwrap();
    let second = gateway.replace(
        "[{type: IPAddress, value: 127.0.0.77}]",
        "[{type: IPAddress, value: '::ffff:127.0.0.77'}]",
    );
    assert_ne!(gateway, second);
    // This listener has the same address by another name, so that both cannot be bound at the same time.
    served.write("gateway.yaml", &second);
    wait_for(&served.stderr, "generation=2");
    assert_eq!(served.ask("/readyz").text(), "ready\n");
    assert!(Client::try_connect(served.setup.address).is_ok());

    fs::remove_file(served.setup.folder.path().join("gateway.yaml")).unwrap();
    wait_for(&served.stderr, "there is no listener");
}

#[test]
fn a_hangup_reads_the_files_again() {
    let served = ServedProcess::start(&[]);
    served.signal("HUP");
    wait_for(&served.stderr, "generation=2");
    assert_eq!(served.ask("/healthz").status, 200);
}

#[test]
fn as_many_descriptors_as_are_allowed_are_used() {
    let served = ServedProcess::start_under("ulimit -Sn 100", &[]);
    let limits = fs::read_to_string(format!("/proc/{}/limits", served.process.id())).unwrap();
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    let numbers: Vec<_> = line.unwrap().split_whitespace().skip(3).collect();
    assert_eq!(numbers[0], numbers[1]);
    assert_ne!(numbers[0], "100");
}

#[test]
fn without_descriptors_idle_connections_go_and_the_refusal_says_why() {
    let upstream = Upstream::start();
    let served = ServedProcess::start_under(
        "ulimit -n 60; export EGRET_MAX_CONNECTIONS=0",
        &[("policies.yaml", LOOPBACK)],
    );
    let host = format!("127.0.0.1:{}", upstream.port());
    let mut client = Client::connect(served.setup.address);
    assert_eq!(client.get("/", &host).status, 200);
    assert_eq!(upstream.open_connections(), 1);
    let others: Vec<_> = (0..60)
        .map(|_| Client::connect(served.setup.address))
        .collect();
    // Idle upstream connections are closed to make room for clients, which is not enough.
    wait_for(&served.stderr, "no connection can be accepted");
    upstream.wait_for_open_connections(0);
    // Clients take the remaining descriptors.
    upstream.keep_alive(false);
    let mut response = client.get("/", &host);
    while response.status == 200 {
        response = client.get("/", &host);
    }
    assert_eq!(response.status, 503);
    let told = response.header("proxy-status").unwrap();
    assert!(told.contains("error=connection_limit_reached"), "{told}");
    assert!(told.contains("no descriptor"), "{told}");
    drop(others);
    while response.status != 200 {
        response = client.get("/", &host);
        assert!([200, 503].contains(&response.status), "{response:?}");
    }
}

#[test]
fn metrics_are_openmetrics() {
    let served = ServedProcess::start(&[]);
    let metrics = served.ask("/metrics");
    assert!(metrics.text().ends_with("# EOF\n"));
    assert!(
        metrics
            .text()
            .contains("egret_request_duration_seconds_bucket{le=\"+Inf\"} 0\n"),
        "{}",
        metrics.text()
    );
}

#[test]
fn a_gibibyte_passes_in_each_direction_in_constant_memory() {
    const GIBIBYTE: u64 = 1 << 30;
    let (dns, upstream) = (DnsServer::start(), Upstream::start());
    dns.a("big.example", ["127.0.0.1"], 60);
    let served = ServedProcess::start(&[(
        "policies.yaml",
        &format!("{LOOPBACK}---\n{}", resolver_policy(dns.addr(), "")),
    )]);
    let host = format!("big.example:{}", upstream.port());
    let mut client = Client::connect(served.setup.address);
    assert_eq!(client.get("/bytes/1000", &host).status, 200);
    let before = served.memory("VmRSS:");

    client.send_request(format!(
        "GET /bytes/{GIBIBYTE} HTTP/1.1\r\nhost: {host}\r\n\r\n"
    ));
    assert_eq!(client.read_head().status, 200);
    assert_eq!(client.read_body_discarding(), GIBIBYTE);
    client.send_request(format!(
        "POST /sink HTTP/1.1\r\nhost: {host}\r\ncontent-length: {GIBIBYTE}\r\n\r\n"
    ));
    client.send_body_of(GIBIBYTE);
    let response = client.read_response();
    assert_eq!(
        (response.status, response.text().trim()),
        (200, GIBIBYTE.to_string().as_str())
    );

    let extra = served.memory("VmHWM:").saturating_sub(before);
    assert!(extra < 32 * 1024, "{extra} KiB");
}
