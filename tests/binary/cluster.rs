//! `egret proxy` with an API server that changes, goes away and comes back.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::Receiver;

use egret_testkit::{ApiServer, Client, SharedPort, client, wait_until};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::served::{lines, wait_for};

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// A cluster with a Gateway whose route answers by itself, and the process that serves it.
struct ClusterSetup {
    server: ApiServer,
    folder: TempDir,
    port: SharedPort,
}

struct ProxyProcess {
    process: Child,
    stderr: Receiver<String>,
    admin: SocketAddr,
}

impl ClusterSetup {
    fn new() -> Self {
        let setup = Self {
            server: ApiServer::start(),
            folder: tempfile::tempdir().unwrap(),
            port: SharedPort::reserve([Ipv4Addr::new(127, 0, 0, 78)]),
        };
        let kubeconfig = setup.folder.path().join("kubeconfig");
        fs::write(kubeconfig, setup.server.kubeconfig()).unwrap();
        for object in [
            object(
                "GatewayClass",
                "",
                "egret",
                json!({"controllerName": "egret.dev/gateway"}),
            ),
            setup.gateway(),
            object(
                "HTTPRoute",
                "infra",
                "r",
                json!({
                    "parentRefs": [{"name": "http"}],
                    "rules": [{"filters": [{"type": "ExtensionRef", "extensionRef":
                        {"group": "gateway.kgateway.dev", "kind": "DirectResponse", "name": "d"}}]}],
                }),
            ),
            answer(201),
        ] {
            setup.server.put(object);
        }
        setup
    }

    fn gateway(&self) -> Value {
        let listener = json!({"name": "http", "protocol": "HTTP", "port": self.port.port()});
        let spec = json!({"gatewayClassName": "egret", "listeners": [listener]});
        object("Gateway", "infra", "http", spec)
    }

    /// Starts the process; it need not serve yet.
    fn start(&self) -> ProxyProcess {
        let mut process = Command::new(env!("CARGO_BIN_EXE_egret"))
            .args(["proxy", "--gateway", "infra/http", "--admin", "127.0.0.1:0"])
            .args([
                "--probe-address",
                "127.0.0.1:0",
                "--workers",
                "1",
                "--kubeconfig",
            ])
            .arg(self.folder.path().join("kubeconfig"))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = lines(process.stderr.take().unwrap());
        let admin = address(&wait_for(&stderr, "admin server on"));
        ProxyProcess {
            process,
            stderr,
            admin,
        }
    }

    fn ask(&self) -> u16 {
        let address = SocketAddr::new(HERE, self.port.port());
        Client::connect(address).get("/", "any.test").status
    }
}

impl ProxyProcess {
    fn asked(&self, path: &str) -> client::Response {
        client::get(self.admin, path, &self.admin.to_string())
    }
}

impl Drop for ProxyProcess {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What a proxy that is connected to its API server exports.
pub(super) fn metrics() -> String {
    let setup = ClusterSetup::new();
    let proxy = setup.start();
    let metrics = || proxy.asked("/metrics").text().to_owned();
    wait_until("connection", || {
        metrics().contains("egret_config_source_connected 1")
    });
    metrics()
}

fn object(kind: &str, namespace: &str, name: &str, spec: Value) -> Value {
    let api_version = match kind {
        "DirectResponse" => "gateway.kgateway.dev/v1alpha1",
        _ => "gateway.networking.k8s.io/v1",
    };
    let mut metadata = json!({"name": name});
    if !namespace.is_empty() {
        metadata["namespace"] = namespace.into();
    }
    json!({"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec})
}

fn answer(status: u16) -> Value {
    object("DirectResponse", "infra", "d", json!({"status": status}))
}

/// The address in a line such as `probes on http://127.0.0.1:1/readyz`.
fn address(line: &str) -> SocketAddr {
    let (_, rest) = line.split_once("http://").unwrap();
    rest.split('/').next().unwrap().parse().unwrap()
}

#[test]
fn the_last_configuration_is_served_while_the_api_server_is_away() {
    let setup = ClusterSetup::new();
    let mut proxy = setup.start();
    let probes = address(&wait_for(&proxy.stderr, "probes on"));
    assert_eq!(setup.ask(), 201);
    assert_eq!(proxy.asked("/readyz").text(), "ready\n");
    let connected = "egret_config_source_connected 1";
    wait_until("connection", || {
        proxy.asked("/metrics").text().contains(connected)
    });

    setup.server.stop();
    wait_for(&proxy.stderr, "the API server is away");
    let away = "ready\nthe API server is away, the last configuration is served";
    wait_until("word of it", || {
        proxy.asked("/readyz").text().starts_with(away)
    });
    assert_eq!(proxy.asked("/readyz").status, 200);
    let report = proxy.asked("/report").json();
    assert_eq!(report["source"]["connected"], false);
    let metrics = client::get(probes, "/metrics", "node.test");
    assert!(metrics.text().contains("egret_config_source_connected 0"));
    assert_eq!(client::get(probes, "/healthz", "node.test").status, 200);
    assert_eq!(client::get(probes, "/report", "node.test").status, 404);
    assert_eq!(setup.ask(), 201);
    setup.server.put(answer(202));
    assert_eq!(setup.ask(), 201);
    setup.server.resume();
    wait_for(&proxy.stderr, "DirectResponse infra/d changed");
    wait_until("new answer", || setup.ask() == 202);

    // A Gateway that is deleted is served no more, until it is back.
    setup.server.delete("Gateway", "infra", "http");
    wait_for(
        &proxy.stderr,
        "Gateway infra/http: it is not in the cluster",
    );
    wait_until("end of the listener", || {
        Client::try_connect(SocketAddr::new(HERE, setup.port.port())).is_err()
    });
    // The status of the Gateway tells that; its pods are as they should be.
    wait_until("ready", || proxy.asked("/readyz").status == 200);
    setup.server.put(setup.gateway());
    wait_for(&proxy.stderr, "1 listener");
    assert_eq!(setup.ask(), 202);

    let id = proxy.process.id().to_string();
    let signalled = Command::new("kill").args(["-s", "TERM", &id]).status();
    assert!(signalled.unwrap().success());
    assert_eq!(proxy.process.wait().unwrap().code(), Some(0));
}

#[test]
fn nothing_is_served_before_everything_is_known() {
    let setup = ClusterSetup::new();
    setup.server.forbid(&["egresspolicies"]);
    let proxy = setup.start();
    wait_for(&proxy.stderr, "cannot read egresspolicies");
    let ready = proxy.asked("/readyz");
    assert_eq!(
        (ready.status, ready.text()),
        (503, "not ready: no configuration has been applied\n")
    );
    setup.server.forbid(&[]);
    wait_for(&proxy.stderr, "listening on");
    assert_eq!(setup.ask(), 201);
    let output = Command::new(env!("CARGO_BIN_EXE_egret"))
        .args(["proxy", "--gateway", "infra/http"])
        .output()
        .unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("not in a pod of a cluster"), "{told}");
    assert_eq!(output.status.code(), Some(1));
}

/// A measurement: `cargo test --release --test binary ten_thousand -- --ignored --nocapture`.
#[test]
#[ignore = "measures memory and time, and asserts little"]
fn ten_thousand_routes_of_other_gateways_cost_little() {
    let setup = ClusterSetup::new();
    for number in 0..10_000 {
        let parent = format!("other-{}", number % 100);
        let matches = json!([{"path": {"type": "PathPrefix", "value": format!("/{number}")}}]);
        let backend = json!({"group": "gateway.kgateway.dev", "kind": "Backend", "name": "dfp"});
        let rules = json!([{"matches": matches, "backendRefs": [backend]}]);
        let spec = json!({"parentRefs": [{"name": parent}], "rules": rules});
        setup
            .server
            .put(object("HTTPRoute", "infra", &format!("r{number}"), spec));
    }
    let proxy = setup.start();
    wait_for(&proxy.stderr, "listening on");
    assert_eq!(setup.ask(), 201);
    let memory = || {
        let status = fs::read_to_string(format!("/proc/{}/status", proxy.process.id())).unwrap();
        let lines = status
            .lines()
            .filter(|line| line.starts_with("VmRSS") || line.starts_with("VmHWM"));
        lines.map(str::to_owned).collect::<Vec<_>>().join(", ")
    };
    println!("after the start: {}", memory());
    for round in 0..5 {
        #[expect(clippy::disallowed_methods, reason = "a measurement")]
        let begin = std::time::Instant::now();
        setup.server.put(answer(202 + round));
        wait_until("new answer", || setup.ask() == 202 + round);
        #[expect(clippy::disallowed_methods, reason = "a measurement")]
        let elapsed = begin.elapsed();
        println!("an update is live after {elapsed:?}");
    }
    setup.server.expire();
    setup.server.put(answer(299));
    wait_until("answer after a list of everything", || setup.ask() == 299);
    println!("after another list of everything: {}", memory());
}
