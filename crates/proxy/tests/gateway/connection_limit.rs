//! The limit of client connections of a listener.

use egret_testkit::client::connect_request;
use egret_testkit::gateway::{QUICKSTART, quickstart_config};
use egret_testkit::{Client, DnsServer, Gateway, Upstream};

const REFUSED: &str = "egret_refusals_total{reason=\"too_many_connections\"}";

#[test]
fn more_than_may_be_are_told_and_closed() {
    // The limit is shared by all workers.
    let gateway = Gateway::start_limited(QUICKSTART, 2, 3);
    let held: Vec<_> = (0..3).map(|_| gateway.connect()).collect();
    gateway.wait_for_metric("egret_downstream_connections", 3.0);
    for refused in 1..=3 {
        let mut client = gateway.connect();
        let response = client.read_response();
        assert_eq!(response.status, 503);
        let told = response.header("proxy-status").expect("why");
        assert!(told.starts_with("egret; error=connection_limit_reached; "));
        assert_eq!(response.header("connection"), Some("close"));
        assert_eq!(
            response.text(),
            "egret: the listener has too many connections\n"
        );
        assert!(client.is_closed());
        gateway.wait_for_metric(REFUSED, f64::from(refused));
    }
    assert!(held.iter().all(Client::is_idle));
    drop(held);
    gateway.wait_for_metric("egret_downstream_connections", 0.0);
    assert_eq!(
        gateway.get("127.0.0.1", "/").status,
        403,
        "it is served again"
    );
}

#[test]
fn each_listener_has_its_own_and_the_admin_server_none() {
    let second = "    - {protocol: HTTP, port: 8081, name: second, allowedRoutes: {namespaces: {from: All}}}";
    let both = QUICKSTART.replace("  listeners:\n", &format!("  listeners:\n{second}\n"));
    let gateway = Gateway::start_limited(&both, 1, 1);
    let first = Client::connect(gateway.address_of(8080));
    gateway.wait_for_metric("egret_downstream_connections", 1.0);
    let mut other = Client::connect(gateway.address_of(8081));
    assert_eq!(other.get("/", "127.0.0.1").status, 403);
    assert_eq!(
        Client::connect(gateway.address_of(8080))
            .read_response()
            .status,
        503
    );
    assert_eq!(gateway.ask("/healthz").status, 200);
    assert!(first.is_idle());
}

#[test]
fn a_tunnel_holds_its_place_to_its_end() {
    let (dns, upstream) = (DnsServer::with_a_example(), Upstream::start());
    let gateway = Gateway::start_limited(&quickstart_config(dns.addr()), 1, 1);
    let authority = format!("a.example:{}", upstream.port());
    let mut tunnel = gateway.connect();
    let connect = connect_request(&authority);
    assert_eq!(tunnel.request(connect).status, 200);
    assert_eq!(gateway.connect().read_response().status, 503);
    assert_eq!(tunnel.get("/status/204", "a.example").status, 204);
    drop(tunnel);
    gateway.wait_for_metric("egret_downstream_connections", 0.0);
    assert_eq!(gateway.get(&authority, "/status/204").status, 204);
}
