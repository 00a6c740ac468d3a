//! A controller and a fake API server: what was not written when it should have been is written later.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::sync::Arc;
use std::thread::{self, JoinHandle};

use egret_cluster::controller::{self, ControllerOptions, ControllerState, LeaseOptions};
use egret_cluster::provision::ProvisionSettings;
use egret_cluster::{ClusterAccess, ConnectionState, LeaseTimes};
use egret_testkit::{ApiServer, wait_until};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

/// Every write that a Gateway and a route lead to.
const WRITES: [&str; 9] = [
    "gatewayclasses/egret/status",
    "gateways/http/status",
    "httproutes/r/status",
    "serviceaccounts/http",
    "clusterrolebindings/egret-proxy:infra:http",
    "configmaps/http",
    "services/http",
    "deployments/http",
    "poddisruptionbudgets/http",
];

/// A controller that runs until this is dropped.
struct RunningController {
    state: Arc<ControllerState>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl RunningController {
    fn start(server: &ApiServer) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("kubeconfig");
        std::fs::write(&file, server.kubeconfig()).unwrap();
        let runtime = Runtime::new().unwrap();
        let access = runtime.block_on(ClusterAccess::find(Some(&file))).unwrap();
        let state = Arc::new(ControllerState::default());
        let (stop, stopped) = oneshot::channel::<()>();
        let of_task = state.clone();
        let run = move || {
            let stopped = async { drop(stopped.await) };
            let run = controller::run(&access, options(), of_task, stopped);
            runtime.block_on(run).unwrap();
            runtime.shutdown_background();
        };
        Self {
            state,
            stop: Some(stop),
            thread: Some(thread::spawn(run)),
        }
    }
}

impl Drop for RunningController {
    fn drop(&mut self) {
        drop(self.stop.take());
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(thread::panicking() || matches!(ended, Some(Ok(()))));
    }
}

fn options() -> ControllerOptions {
    ControllerOptions {
        provision: ProvisionSettings {
            controller_name: "egret.dev/gateway".to_owned(),
            image: "egret:1".to_owned(),
            require_egress_policy: false,
            version: "1",
        },
        lease: LeaseOptions {
            namespace: "egret-system".to_owned(),
            name: "egret-controller".to_owned(),
            identity: "one".to_owned(),
            times: LeaseTimes::default(),
        },
        unix_time: || 1_800_000_000,
    }
}

fn object(kind: &str, namespace: &str, name: &str, spec: &Value) -> Value {
    let mut metadata = json!({"name": name});
    if !namespace.is_empty() {
        metadata["namespace"] = namespace.into();
    }
    json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": kind, "metadata": metadata, "spec": spec})
}

fn cluster() -> ApiServer {
    let server = ApiServer::start();
    let class = json!({"controllerName": "egret.dev/gateway"});
    server.put(object("GatewayClass", "", "egret", &class));
    let listener = json!({"name": "http", "protocol": "HTTP", "port": 8080});
    let gateway = json!({"gatewayClassName": "egret", "listeners": [listener]});
    server.put(object("Gateway", "infra", "http", &gateway));
    let route = json!({"parentRefs": [{"name": "http"}]});
    server.put(object("HTTPRoute", "infra", "r", &route));
    server
}

/// Whether a condition at this place of a status has this status and generation.
fn has(server: &ApiServer, kind: &str, place: &str, condition: &str, generation: u64) -> bool {
    let (namespace, name) = match kind {
        "GatewayClass" => ("", "egret"),
        "Gateway" => ("infra", "http"),
        _ => ("infra", "r"),
    };
    let object = server.get(kind, namespace, name).unwrap_or_default();
    let conditions = object.pointer(place).and_then(Value::as_array);
    conditions.into_iter().flatten().any(|it| {
        it["type"] == condition && it["status"] == "True" && it["observedGeneration"] == generation
    })
}

fn is_settled(server: &ApiServer) -> bool {
    has(server, "GatewayClass", "/status/conditions", "Accepted", 1)
        && has(server, "Gateway", "/status/conditions", "Programmed", 1)
        && has(
            server,
            "HTTPRoute",
            "/status/parents/0/conditions",
            "Accepted",
            1,
        )
        && server.get("PodDisruptionBudget", "infra", "http").is_some()
        && server
            .get("ClusterRoleBinding", "", "egret-proxy:infra:http")
            .is_some()
}

/// Waits until each of these has been written, or tried to be, so often.
fn until_tried(server: &ApiServer, writes: &[&str], times: usize) {
    for write in writes {
        wait_until(&format!("{times} attempts of {write}"), || {
            let all = server.writes();
            all.iter().filter(|it| it.ends_with(write)).count() >= times
        });
    }
}

fn every_write_recovers(code: u16) {
    let server = cluster();
    server.refuse_writes(code, &WRITES);
    let controller = RunningController::start(&server);
    // Statuses follow the Service, and are written once it is there or is refused.
    until_tried(&server, &WRITES, 2);
    server.refuse_writes(200, &[]);
    wait_until("everything is written", || is_settled(&server));
    // What has no owner is deleted, however often that fails.
    let binding = "clusterrolebindings/egret-proxy:infra:http";
    server.refuse_writes(code, &[binding]);
    let before = server.writes().len();
    server.delete("Gateway", "infra", "http");
    wait_until("two attempts to delete", || {
        let writes = server.writes();
        let deleted = writes[before..].iter();
        deleted
            .filter(|it| it.starts_with("DELETE") && it.ends_with(binding))
            .count()
            >= 2
    });
    server.refuse_writes(200, &[]);
    wait_until("the binding is deleted", || {
        server
            .get("ClusterRoleBinding", "", "egret-proxy:infra:http")
            .is_none()
    });
    drop(controller);
}

#[test]
fn what_is_forbidden_is_written_when_it_is_permitted() {
    every_write_recovers(403);
}

#[test]
fn what_conflicts_is_written_when_nobody_else_writes() {
    every_write_recovers(409);
}

#[test]
fn what_is_invalid_is_written_when_it_is_not() {
    every_write_recovers(422);
}

#[test]
fn what_fails_for_want_of_time_is_written_later() {
    every_write_recovers(429);
}

#[test]
fn what_fails_in_the_server_is_written_later() {
    every_write_recovers(500);
}

/// A server that starts does not know all kinds yet.
#[test]
fn statuses_that_are_not_found_are_written_later() {
    let server = cluster();
    let statuses = &WRITES[..3];
    server.refuse_writes(404, statuses);
    let _controller = RunningController::start(&server);
    until_tried(&server, statuses, 2);
    server.refuse_writes(200, &[]);
    wait_until("everything is written", || is_settled(&server));
}

#[test]
fn changes_during_an_outage_are_written_soon_after() {
    let server = cluster();
    let controller = RunningController::start(&server);
    wait_until("everything is written", || is_settled(&server));
    assert!(controller.state.is_leader());
    for is_silent in [false, true] {
        match is_silent {
            true => server.hang(),
            false => server.stop(),
        }
        let is_away = || matches!(controller.state.connection(), ConnectionState::Away(_));
        wait_until("word of the outage", is_away);
        let metrics = controller.state.metrics();
        assert!(metrics.contains("egret_config_source_connected 0\n"));
        // Another may lead by then, for all it knows.
        wait_until("the end of its lease", || !controller.state.is_leader());
        let mut route = server.get("HTTPRoute", "infra", "r").unwrap();
        let generation = route["metadata"]["generation"].as_u64().unwrap();
        route["spec"]["hostnames"] = json!([format!("{is_silent}.example")]);
        server.put(route);
        server.delete("Service", "infra", "http");
        server.resume();
        let place = "/status/parents/0/conditions";
        wait_until("the change and the Service are written", || {
            has(&server, "HTTPRoute", place, "Accepted", generation + 1)
                && server.get("Service", "infra", "http").is_some()
        });
    }
}

/// Pods that come and go change the objects of Gateways all the time.
#[test]
fn a_new_gateway_does_not_wait_until_those_of_others_are_quiet() {
    let server = cluster();
    let _controller = RunningController::start(&server);
    wait_until("everything is written", || is_settled(&server));
    let mut deployment = server.get("Deployment", "infra", "http").unwrap();
    let listener = json!({"name": "http", "protocol": "HTTP", "port": 8080});
    let gateway = json!({"gatewayClassName": "egret", "listeners": [listener]});
    server.put(object("Gateway", "infra", "second", &gateway));
    let mut number = 0;
    wait_until("the objects of the new Gateway, in all the noise", || {
        number += 1;
        deployment["status"] = json!({"observedGeneration": number});
        server.put(deployment.clone());
        server.get("Service", "infra", "second").is_some()
    });
}
