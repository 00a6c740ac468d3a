//! Reads from a fake API server, which is away, forgets and refuses as a real one does.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::sync::Arc;
use std::time::Duration;

use egret_cluster::{ClusterObjects, ClusterReader, ConnectionState, ReadScope, connect};
use egret_config::compile::CompileOptions;
use egret_config::resources::{Kind, ObjectRef};
use egret_testkit::{ApiServer, wait_until};
use serde_json::{Value, json};
use tokio::runtime::Handle;
use tokio::time::timeout;

fn gateway(name: &str) -> Value {
    json!({
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": {"namespace": "infra", "name": name},
        "spec": {
            "gatewayClassName": "egret",
            "listeners": [{"name": "http", "protocol": "HTTP", "port": 8080}],
        },
    })
}

fn route(name: &str, parent: &str) -> Value {
    json!({
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"namespace": "infra", "name": name},
        "spec": {"parentRefs": [{"name": parent}]},
    })
}

fn of_gateway() -> ReadScope {
    ReadScope::Gateway(ObjectRef::new(Kind::Gateway, "infra", "http"))
}

async fn start(server: &ApiServer, scope: ReadScope) -> ClusterReader {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kubeconfig");
    std::fs::write(&file, server.kubeconfig()).unwrap();
    let client = connect(Some(&file)).await.unwrap();
    let options = CompileOptions {
        placement: egret_config::compile::GatewayPlacement::Apart,
        ..CompileOptions::default()
    };
    ClusterReader::start(client, scope, options, &Handle::current())
}

async fn changed(reader: &mut ClusterReader) -> Arc<ClusterObjects> {
    let changed = timeout(Duration::from_secs(20), reader.changed()).await;
    changed.unwrap_or_else(|_| panic!("nothing is told; missing: {:?}", reader.missing()))
}

/// Waits until what is told is as it should be.
async fn until(
    reader: &mut ClusterReader,
    is_there: impl Fn(&ClusterObjects) -> bool,
) -> Arc<ClusterObjects> {
    loop {
        let objects = changed(reader).await;
        if is_there(&objects) {
            return objects;
        }
    }
}

async fn until_connection(reader: &ClusterReader, is_there: bool) {
    let mut states = reader.connection();
    let state = states.wait_for(|state| match state {
        ConnectionState::Connected => is_there,
        ConnectionState::Away(_) => !is_there,
        ConnectionState::Unknown => false,
    });
    timeout(Duration::from_secs(20), state)
        .await
        .unwrap()
        .unwrap();
}

fn routes(objects: &ClusterObjects) -> Vec<&str> {
    let routes = objects.resources().http_routes.keys();
    routes.map(|route| &*route.name).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_are_told_when_all_are_known_and_when_they_change() {
    let server = ApiServer::start();
    server.uninstall(&["grpcroutes", "backendconfigpolicies"]);
    for object in [
        gateway("http"),
        gateway("other"),
        route("a", "http"),
        route("b", "other"),
    ] {
        server.put(object);
    }
    let mut reader = start(&server, of_gateway()).await;
    let objects = changed(&mut reader).await;
    assert_eq!(routes(&objects), ["a"]);
    assert_eq!(objects.resources().gateways.len(), 1);
    server.put(route("b", "http"));
    assert_eq!(
        routes(&*until(&mut reader, |now| routes(now).len() == 2).await),
        ["a", "b"]
    );
    let mut bad = route("c", "http");
    bad["spec"]["rules"] = json!("all");
    server.put(bad);
    server.delete("HTTPRoute", "infra", "a");
    let objects = until(&mut reader, |now| !now.problems().is_empty()).await;
    let objects = match routes(&objects).len() {
        1 => objects,
        _ => changed(&mut reader).await,
    };
    assert_eq!(routes(&objects), ["b"]);
    assert_eq!(
        objects.problems()[0].to_string(),
        "HTTPRoute infra/c: spec.rules: needs a list, not the text \"all\""
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_while_the_server_is_away_is_a_difference_after_its_return() {
    let server = ApiServer::start();
    server.put(route("a", "http"));
    server.put(route("b", "http"));
    let mut reader = start(&server, ReadScope::All).await;
    assert_eq!(routes(&*changed(&mut reader).await), ["a", "b"]);
    until_connection(&reader, true).await;
    server.stop();
    until_connection(&reader, false).await;
    server.delete("HTTPRoute", "infra", "a");
    server.put(route("c", "http"));
    // The versions before are forgotten.
    server.expire();
    server.resume();
    // No list tells less or more in between.
    assert_eq!(routes(&*changed(&mut reader).await), ["b", "c"]);
    until_connection(&reader, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_is_told_from_one_that_is_quiet() {
    let server = ApiServer::start();
    server.put(route("a", "http"));
    let mut reader = start(&server, ReadScope::All).await;
    changed(&mut reader).await;
    until_connection(&reader, true).await;
    server.hang();
    server.put(route("b", "http"));
    until_connection(&reader, false).await;
    let lists = |server: &ApiServer| {
        let requests = server.requests();
        requests
            .iter()
            .filter(|one| one.contains("httproutes?&limit=500"))
            .count()
    };
    let before = lists(&server);
    server.resume();
    assert_eq!(routes(&*changed(&mut reader).await), ["a", "b"]);
    // The connections of watches may be dead, and are made anew, without a list of everything.
    wait_until("second watch", || {
        let requests = server.requests();
        let watches = requests
            .iter()
            .filter(|one| one.contains("httproutes?&watch=true"));
        watches.count() == 2
    });
    until_connection(&reader, true).await;
    assert_eq!(lists(&server), before);
    server.put(route("c", "http"));
    assert_eq!(routes(&*changed(&mut reader).await), ["a", "b", "c"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn services_of_a_gateway_are_read_by_name_until_there_are_many() {
    let server = ApiServer::start();
    for number in 0..40 {
        let name = format!("s{number:02}");
        server.put(json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"namespace": "infra", "name": name},
            "spec": {"ports": [{"port": 80}]},
        }));
        server.put(json!({
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "namespace": "infra", "name": name, "labels": {"kubernetes.io/service-name": name},
            },
            "addressType": "IPv4",
            "ports": [{"port": 8080}],
            "endpoints": [{"addresses": ["192.0.2.1"]}],
        }));
    }
    let with_services = |count: usize| {
        let refs = (0..count).map(|number| json!({"name": format!("s{number:02}"), "port": 80}));
        let mut route = route("a", "http");
        route["spec"]["rules"] = json!([{"backendRefs": refs.collect::<Vec<_>>()}]);
        route
    };
    server.put(gateway("http"));
    server.put(with_services(2));
    let mut reader = start(&server, of_gateway()).await;
    let objects = changed(&mut reader).await;
    let count = |objects: &ClusterObjects| {
        let resources = objects.resources();
        (resources.services.len(), resources.endpoint_slices.len())
    };
    assert_eq!(count(&objects), (2, 2));
    server.put(with_services(33));
    until(&mut reader, |now| count(now) == (40, 40)).await;
    server.put(with_services(1));
    until(&mut reader, |now| count(now) == (1, 1)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_went_back_is_read_anew() {
    let server = ApiServer::start();
    server.put(route("a", "http"));
    let backup = server.backup();
    let mut reader = start(&server, ReadScope::All).await;
    changed(&mut reader).await;
    for name in ["b", "c", "d"] {
        server.put(route(name, "http"));
    }
    until(&mut reader, |now| routes(now).len() == 4).await;
    server.restore(backup);
    server.put(route("e", "http"));
    let objects = until(&mut reader, |now| routes(now).len() == 2).await;
    assert_eq!(routes(&objects), ["a", "e"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_of_a_gateway_are_read_by_name_or_by_label() {
    let server = ApiServer::start();
    let mut https = gateway("http");
    https["spec"]["listeners"] = json!([{
        "name": "https", "protocol": "HTTPS", "port": 8443,
        "tls": {"certificateRefs": [{"name": "own"}, {"name": "refused"}]},
    }]);
    server.put(https);
    server.put(json!({
        "apiVersion": "gateway.kgateway.dev/v1alpha1",
        "kind": "TrafficPolicy",
        "metadata": {"namespace": "infra", "name": "keys"},
        "spec": {
            "targetRefs": [{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "http"}],
            "apiKeyAuth": {"secretSelector": {"matchLabels": {"keys": "yes"}}},
        },
    }));
    server.put(json!({
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "GatewayClass",
        "metadata": {"name": "egret"},
        "spec": {"controllerName": "egret.dev/gateway"},
    }));
    for (name, labels) in [
        ("own", json!({})),
        ("refused", json!({})),
        ("keys", json!({"keys": "yes"})),
        ("foreign", json!({})),
    ] {
        server.put(json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"namespace": "infra", "name": name, "labels": labels},
        }));
    }
    server.forbid(&["metadata.name%3Drefused"]);
    let mut reader = start(&server, of_gateway()).await;
    let objects = changed(&mut reader).await;
    let secrets = objects.resources().secrets.keys();
    let secrets: Vec<&str> = secrets.map(|secret| &*secret.name).collect();
    assert_eq!(secrets, ["keys", "own"]);
    assert_eq!(
        objects.problems()[0].to_string(),
        "Secret infra/refused: not permitted to be read, or not there"
    );
    let requests = server.requests();
    let all = |path: &str| {
        requests
            .iter()
            .any(|one| one.starts_with(&format!("/api/v1/{path}?")))
    };
    assert!(!all("secrets") && !all("configmaps") && !all("namespaces/infra/configmaps"));
    // A Role that comes late is in time.
    server.forbid(&[]);
    let objects = until(&mut reader, |now| now.problems().is_empty()).await;
    assert_eq!(objects.resources().secrets.len(), 3);
    // A reference that is gone is not read any more.
    server.put(gateway("http"));
    until(&mut reader, |now| now.resources().secrets.len() == 1).await;
}

/// A server that has just started permits nothing, for a while.
#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_was_read_is_not_gone_at_the_first_refusal() {
    let server = ApiServer::start();
    server.put(json!({
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": {"namespace": "infra", "name": "http"},
        "spec": {
            "gatewayClassName": "egret",
            "listeners": [{
                "name": "https", "protocol": "HTTPS", "port": 8443,
                "tls": {"certificateRefs": [{"name": "own"}]},
            }],
        },
    }));
    server.put(json!({
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "GatewayClass",
        "metadata": {"name": "egret"},
        "spec": {"controllerName": "egret.dev/gateway"},
    }));
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"namespace": "infra", "name": "own"},
    });
    server.put(secret.clone());
    let mut reader = start(&server, of_gateway()).await;
    assert_eq!(changed(&mut reader).await.resources().secrets.len(), 1);
    server.forbid(&["secrets"]);
    let before = server.requests().len();
    server.expire();
    wait_until("five refusals", || {
        let requests = server.requests();
        let refused = requests[before..].iter();
        refused.filter(|one| one.contains("/secrets?")).count() >= 5
    });
    server.forbid(&[]);
    let mut changed_secret = secret;
    changed_secret["metadata"]["labels"] = json!({"seen": "yes"});
    server.put(changed_secret);
    // In all that is told until the Secret is read again, it is there.
    loop {
        let objects = changed(&mut reader).await;
        let secrets: Vec<_> = objects.resources().secrets.values().collect();
        assert_eq!(secrets.len(), 1);
        if secrets[0].value.metadata.labels.is_some() {
            break;
        }
    }
}

/// A measurement: `cargo test -p egret-cluster --test reader ten_thousand -- --ignored --nocapture`.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures memory, and asserts little"]
async fn ten_thousand_routes_take_little_memory_with_their_statuses() {
    let server = ApiServer::start();
    for number in 0..10_000 {
        let mut route = route(&format!("r{number}"), &format!("g{}", number % 100));
        let matches = json!([{"path": {"type": "PathPrefix", "value": format!("/{number}")}}]);
        let backend = json!({"group": "gateway.kgateway.dev", "kind": "Backend", "name": "dfp"});
        route["spec"]["rules"] = json!([{"matches": matches, "backendRefs": [backend]}]);
        let condition = |kind: &str| {
            json!({
                "type": kind, "status": "True", "reason": kind, "observedGeneration": 1,
                "message": "Successfully accepted Route", "lastTransitionTime": "2026-01-01T00:00:00Z",
            })
        };
        route["status"] = json!({"parents": [{
            "parentRef": {"name": "g"}, "controllerName": "egret.dev/gateway",
            "conditions": [condition("Accepted"), condition("ResolvedRefs"), condition("Programmed")],
        }]});
        server.put(route);
    }
    let memory = || {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:"));
        line.unwrap_or_default().to_owned()
    };
    println!("the server alone: {}", memory());
    let mut reader = start(&server, ReadScope::All).await;
    let objects = reader.changed().await;
    assert_eq!(routes(&objects).len(), 10_000);
    println!("with the reader: {}", memory());
}
