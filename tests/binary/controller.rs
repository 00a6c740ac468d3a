//! `egret controller`: what becomes of a Gateway, who of two controllers writes, and what is left when it is over.

use std::fs;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::Receiver;

use egret_testkit::{ApiServer, client, wait_until};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::served::{lines, wait_for};

/// A cluster, and the controllers that run in it.
struct ClusterSetup {
    server: ApiServer,
    folder: TempDir,
}

struct ControllerProcess {
    process: Child,
    stderr: Receiver<String>,
    probes: SocketAddr,
}

impl ClusterSetup {
    fn new() -> Self {
        let setup = Self {
            server: ApiServer::start(),
            folder: tempfile::tempdir().unwrap(),
        };
        let kubeconfig = setup.folder.path().join("kubeconfig");
        fs::write(kubeconfig, setup.server.kubeconfig()).unwrap();
        let class = json!({"controllerName": "egret.dev/gateway"});
        setup.server.put(object("GatewayClass", "", "egret", class));
        setup
    }

    fn gateway(&self, name: &str) {
        let spec = json!({
            "gatewayClassName": "egret",
            "listeners": [{"name": "http", "protocol": "HTTP", "port": 8080}],
        });
        self.server.put(object("Gateway", "infra", name, spec));
    }

    fn start(&self, identity: &str) -> ControllerProcess {
        let mut process = Command::new(env!("CARGO_BIN_EXE_egret"))
            .args(["controller", "--probe-address", "127.0.0.1:0"])
            .args(["--identity", identity, "--kubeconfig"])
            .arg(self.folder.path().join("kubeconfig"))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = lines(process.stderr.take().unwrap());
        let line = wait_for(&stderr, "probes on http://");
        let address = line.split("http://").nth(1).unwrap().trim_end_matches('/');
        ControllerProcess {
            probes: address.parse().unwrap(),
            process,
            stderr,
        }
    }

    /// Waits until the condition `Programmed` of a Gateway has this status and reason.
    fn until_programmed(&self, name: &str, expected: &str) {
        wait_until(&format!("{name} is programmed: {expected}"), || {
            let gateway = self.server.get("Gateway", "infra", name);
            let conditions = gateway.map(|gateway| gateway["status"]["conditions"].clone());
            let conditions = conditions.as_ref().and_then(Value::as_array);
            conditions.into_iter().flatten().any(|condition| {
                let text = |field: &str| condition[field].as_str().unwrap_or_default();
                condition["type"] == "Programmed"
                    && format!("{} {}", text("status"), text("reason")) == expected
            })
        });
    }

    fn has(&self, kind: &str, namespace: &str, name: &str) -> bool {
        self.server.get(kind, namespace, name).is_some()
    }
}

impl ControllerProcess {
    fn asked(&self, path: &str) -> client::Response {
        client::get(self.probes, path, "probe.test")
    }

    fn stop(mut self) {
        let process = self.process.id().to_string();
        let asked = Command::new("kill").args(["-s", "TERM", &process]).status();
        assert!(asked.unwrap().success());
        assert!(self.process.wait().unwrap().success());
    }
}

impl Drop for ControllerProcess {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What a controller exports.
pub(super) fn metrics() -> String {
    let cluster = ClusterSetup::new();
    let controller = cluster.start("one");
    controller.asked("/metrics").text().to_owned()
}

fn object(kind: &str, namespace: &str, name: &str, spec: Value) -> Value {
    let mut metadata = json!({"name": name});
    if !namespace.is_empty() {
        metadata["namespace"] = namespace.into();
    }
    json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": kind, "metadata": metadata, "spec": spec})
}

#[test]
fn a_gateway_becomes_a_deployment_and_a_service() {
    let cluster = ClusterSetup::new();
    let controller = cluster.start("one");
    cluster.gateway("http");
    cluster.gateway("a.b");
    cluster.until_programmed("http", "True Programmed");
    for kind in [
        "ServiceAccount",
        "ConfigMap",
        "Service",
        "Deployment",
        "PodDisruptionBudget",
    ] {
        let made = cluster.server.get(kind, "infra", "http");
        let owner = made.unwrap()["metadata"]["ownerReferences"][0].clone();
        let gateway = cluster.server.get("Gateway", "infra", "http").unwrap();
        assert_eq!(owner["uid"], gateway["metadata"]["uid"], "{kind}");
    }
    let binding = "egret-proxy:infra:http";
    assert!(cluster.has("ClusterRoleBinding", "", binding));
    // A Service cannot have this name, and nothing is half made.
    cluster.until_programmed("a.b", "False Invalid");
    assert!(!cluster.has("Deployment", "infra", "a.b"));
    // The load balancer is there.
    let mut service = cluster.server.get("Service", "infra", "http").unwrap();
    service["status"] = json!({"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}});
    cluster.server.put(service);
    wait_until("the address is in the status", || {
        let gateway = cluster.server.get("Gateway", "infra", "http").unwrap();
        gateway["status"]["addresses"] == json!([{"type": "IPAddress", "value": "192.0.2.1"}])
    });
    assert_eq!(controller.asked("/healthz").status, 200);
    assert_eq!(controller.asked("/readyz").text(), "ready: leads\n");
    assert!(
        controller
            .asked("/metrics")
            .text()
            .contains("egret_controller_leader 1\n")
    );
    // What somebody changes is changed back, and what somebody deletes is made again.
    let mut deployment = cluster.server.get("Deployment", "infra", "http").unwrap();
    deployment["spec"]["template"]["spec"]["containers"][0]["image"] = json!("other");
    cluster.server.put(deployment);
    cluster.server.delete("Service", "infra", "http");
    wait_until("the drift is corrected", || {
        let deployment = cluster.server.get("Deployment", "infra", "http").unwrap();
        let image = &deployment["spec"]["template"]["spec"]["containers"][0]["image"];
        *image != json!("other") && cluster.has("Service", "infra", "http")
    });
    // What has no owner goes with its Gateway.
    cluster.server.delete("Gateway", "infra", "http");
    wait_until("the binding is gone", || {
        !cluster.has("ClusterRoleBinding", "", binding)
    });
    cluster.server.stop();
    let away = "ready: leads; the API server is away, nothing is written: ";
    wait_until("word of the outage", || {
        let ready = controller.asked("/readyz");
        ready.status == 200 && ready.text().starts_with(away)
    });
    controller.stop();
}

#[test]
fn of_two_controllers_one_writes_and_the_other_takes_over() {
    let cluster = ClusterSetup::new();
    cluster.gateway("http");
    let first = cluster.start("one");
    cluster.until_programmed("http", "True Programmed");
    let second = cluster.start("two");
    wait_until("the second is ready", || {
        second.asked("/readyz").status == 200
    });
    assert_eq!(second.asked("/readyz").text(), "ready: another leads\n");
    let writes = |server: &ApiServer| {
        let writes = server.writes().into_iter();
        writes.filter(|write| !write.contains("/leases")).count()
    };
    let before = writes(&cluster.server);
    // The first gives its lease up, and the second need not wait until it runs out.
    first.stop();
    wait_for(&second.stderr, "this controller leads");
    cluster.gateway("more");
    cluster.until_programmed("more", "True Programmed");
    assert!(writes(&cluster.server) > before);
    let lease = cluster
        .server
        .get("Lease", "egret-system", "egret-controller")
        .unwrap();
    assert_eq!(lease["spec"]["holderIdentity"], "two");
}
