//! Configuration changes under traffic, and draining.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use egret_testkit::gateway::{LOOPBACK, QUICKSTART, documents, quickstart_config, resolver_policy};
use egret_testkit::{Client, DnsServer, Gateway, Upstream};

const BACKEND: &str = include_str!("../../../../examples/quickstart/backend.yaml");

fn condition<'a>(report: &'a serde_json::Value, kind: &str, name: &str) -> &'a serde_json::Value {
    let objects = report["objects"].as_array().unwrap();
    let wanted = |object: &&serde_json::Value| object["object"].as_str().unwrap().starts_with(kind);
    let object = objects
        .iter()
        .find(wanted)
        .unwrap_or_else(|| panic!("no {kind} in {report:#}"));
    let conditions = object["status"]["parents"][0]["conditions"]
        .as_array()
        .unwrap();
    conditions
        .iter()
        .find(|condition| condition["type"] == name)
        .unwrap()
}

#[test]
fn a_backend_that_goes_and_comes_back() {
    let (dns, upstream) = (DnsServer::with_a_example(), Upstream::start());
    let whole = quickstart_config(dns.addr());
    let without = whole.replace(BACKEND, "");
    assert_ne!(whole, without);
    let mut gateway = Gateway::start(&whole);
    let mut client = gateway.connect();
    let host = format!("a.example:{}", upstream.port());
    assert_eq!(client.get("/", &host).status, 200);

    gateway.apply(&without);
    let response = client.get("/", &host);
    assert_eq!(response.status, 500);
    assert!(
        response
            .header("proxy-status")
            .unwrap()
            .contains("error=proxy_configuration_error"),
        "{response:?}"
    );
    let report = gateway.ask("/report").json();
    let resolved = condition(&report, "HTTPRoute", "ResolvedRefs");
    assert_eq!(
        (&resolved["status"], &resolved["reason"]),
        (&"False".into(), &"BackendNotFound".into())
    );

    gateway.apply(&whole);
    assert_eq!(client.get("/", &host).status, 200);
    // The change lost neither the cached name nor the connection.
    assert_eq!(
        (dns.lookups_for("a.example"), upstream.connections()),
        (1, 1)
    );
}

#[test]
fn settings_change_and_caches_stay() {
    let (dns, upstream) = (DnsServer::with_a_example(), Upstream::start());
    let mut gateway = Gateway::start(&quickstart_config(dns.addr()));
    let mut client = gateway.connect();
    let host = format!("a.example:{}", upstream.port());
    assert_eq!(client.get("/", &host).status, 200);
    let changed = resolver_policy(
        dns.addr(),
        "  maxTTL: 10m\n  hosts: [{hostname: fixed.example, addresses: [127.0.0.1]}]\n",
    );
    gateway.apply(&documents(&[QUICKSTART, LOOPBACK, &changed]));
    assert_eq!(client.get("/", &host).status, 200);
    assert_eq!(
        client
            .get("/", &format!("fixed.example:{}", upstream.port()))
            .status,
        200
    );
    assert_eq!(
        (
            dns.lookups_for("a.example"),
            dns.queries_for("fixed.example")
        ),
        (1, 0)
    );
}

#[test]
fn listeners_open_and_close_and_the_others_do_not_notice() {
    let (dns, upstream) = (DnsServer::with_a_example(), Upstream::start());
    let one = quickstart_config(dns.addr());
    let second = "    - protocol: HTTP\n      port: 8081\n      name: second\n      allowedRoutes: {namespaces: {from: All}}\n";
    let two = one.replacen("  listeners:\n", &format!("  listeners:\n{second}"), 1);
    let mut gateway = Gateway::start_with_workers(&one, 3);
    let first = gateway.address();
    let mut client = gateway.connect();
    let host = format!("a.example:{}", upstream.port());
    assert_eq!(client.get("/", &host).status, 200);

    gateway.apply(&two);
    assert_eq!(gateway.address_of(8080), first);
    let added = gateway.address_of(8081);
    assert_eq!(egret_testkit::client::get(added, "/", &host).status, 200);

    gateway.apply(&one);
    // Every worker has closed its socket, so that an overlapping listener could be bound.
    let refused = Client::try_connect(added).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    assert_eq!(client.get("/", &host).status, 200);
}

#[test]
fn no_request_fails_while_configurations_change() {
    let (dns, upstream) = (DnsServer::with_a_example(), Upstream::start());
    let one = quickstart_config(dns.addr());
    let two = documents(&[
        &one,
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: other}\n",
    ]);
    let three = one.replace(
        "rules:\n    - backendRefs:",
        "rules:\n    - timeouts: {request: 1h}\n      backendRefs:",
    );
    let mut gateway = Gateway::start_with_workers(&one, 2);
    let (address, host) = (gateway.address(), format!("a.example:{}", upstream.port()));
    let stop = AtomicBool::new(false);
    let requests = thread::scope(|scope| {
        let clients: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let (mut client, mut count) = (Client::connect(address), 0);
                    while !stop.load(Ordering::Relaxed) {
                        assert_eq!(client.get("/", &host).status, 200);
                        count += 1;
                        if count % 50 == 0 {
                            client = Client::connect(address);
                        }
                    }
                    count
                })
            })
            .collect();
        for _ in 0..30 {
            for yaml in [&two, &three, &one] {
                gateway.apply(yaml);
            }
        }
        stop.store(true, Ordering::Relaxed);
        clients
            .into_iter()
            .map(|client| client.join().unwrap())
            .sum::<usize>()
    });
    assert!(requests > 0);
    assert_eq!(dns.lookups_for("a.example"), 1);
}

#[test]
fn a_refused_configuration_is_told_and_the_last_good_one_stays() {
    let (dns, upstream) = (DnsServer::with_a_example(), Upstream::start());
    let gateway = Gateway::start(&quickstart_config(dns.addr()));
    gateway.reject("broken.yaml:3: bad indentation");
    let report = gateway.ask("/report").json();
    assert_eq!(
        report["errors"],
        serde_json::json!(["broken.yaml:3: bad indentation"])
    );
    assert_eq!(gateway.metric("egret_config_current"), 0.0);
    assert_eq!(
        gateway
            .get(&format!("a.example:{}", upstream.port()), "/")
            .status,
        200
    );
    assert_eq!(gateway.ask("/readyz").status, 200);
}

#[test]
fn stopping_lets_requests_finish_and_takes_no_more() {
    let (dns, upstream) = (DnsServer::with_a_example(), Upstream::start());
    let mut gateway = Gateway::start(&quickstart_config(dns.addr()));
    let (address, admin) = (gateway.address(), gateway.admin());
    let host = format!("a.example:{}", upstream.port());
    let mut idle = gateway.connect();
    assert_eq!(idle.get("/", &host).status, 200);
    let mut busy = gateway.connect();
    busy.send_request(format!("GET /hold/x HTTP/1.1\r\nhost: {host}\r\n\r\n"));
    upstream.wait_for_requests(2);

    let drained = gateway.begin_drain(Duration::from_secs(60));
    assert!(idle.is_closed());
    let refused = (0..1000).any(|_| {
        thread::yield_now();
        Client::try_connect(address).is_err()
    });
    assert!(refused);
    let ready = egret_testkit::client::get(admin, "/readyz", &admin.to_string());
    assert_eq!((ready.status, ready.text()), (503, "not ready: stopping\n"));

    upstream.release("x");
    let response = busy.read_response();
    assert_eq!(
        (response.status, response.header("connection")),
        (200, Some("close"))
    );
    assert_eq!(gateway.block_on(drained).unwrap(), 0);
    assert_eq!(gateway.wait_for_records(2).len(), 2);
}

#[test]
fn what_does_not_finish_in_time_is_cut_off() {
    let (dns, upstream) = (DnsServer::with_a_example(), Upstream::start());
    let mut gateway = Gateway::start(&quickstart_config(dns.addr()));
    let mut busy = gateway.connect();
    busy.send_request(format!(
        "GET /hang HTTP/1.1\r\nhost: a.example:{}\r\n\r\n",
        upstream.port()
    ));
    upstream.wait_for_requests(1);
    assert_eq!(gateway.drain(Duration::from_millis(50)), 1);
    assert!(busy.is_closed());
    // The request was aborted, and is logged.
    assert_eq!(gateway.wait_for_records(1)[0]["reason"], "drained");
}
