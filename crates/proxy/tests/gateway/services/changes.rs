//! Endpoints that come and go.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use egret_testkit::client::get;
use egret_testkit::{Client, Gateway, Upstream, wait_until};

use super::{UPGRADE, shop};

#[test]
fn connections_to_endpoints_that_stay_are_kept_and_the_others_are_closed() {
    let [first, second] = [Upstream::start(), Upstream::start()];
    let mut gateway = Gateway::start(&shop(&[first.addr()]));
    let mut client = Client::connect(gateway.address_of(8080));
    let mut request = || assert_eq!(client.get("/", "shop.example").status, 200);
    request();

    gateway.apply(&shop(&[first.addr(), second.addr()]));
    // An endpoint that is new is connected to beside the requests, and then has its turn.
    wait_until("a request to the new endpoint", || {
        request();
        !second.requests().is_empty()
    });
    assert_eq!(first.connections(), 1);

    gateway.apply(&shop(&[second.addr()]));
    let before = first.requests().len();
    for _ in 0..4 {
        request();
    }
    assert_eq!(first.requests().len(), before);
    first.wait_for_open_connections(0);
    assert_eq!(second.connections(), 1);

    gateway.apply(&shop(&[]));
    assert_eq!(client.get("/", "shop.example").status, 503);
    second.wait_for_open_connections(0);
    gateway.apply(&shop(&[first.addr()]));
    assert_eq!(client.get("/", "shop.example").status, 200);
}

/// An endpoint is closed only when the gateway has been told that it is gone, as a pod that is deleted is.
#[test]
fn no_request_fails_while_endpoints_come_and_go() {
    let stays = Upstream::start();
    let mut gateway = Gateway::start_with_workers(&shop(&[stays.addr()]), 2);
    let address = gateway.address_of(8080);
    let (stop, served) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let mut client = Client::connect(address);
                while !stop.load(Ordering::Relaxed) {
                    let response = client.get("/", "shop.example");
                    if response.status != 200 {
                        // The others stop too, so that the test does not wait for them.
                        stop.store(true, Ordering::Relaxed);
                    }
                    assert_eq!(response.status, 200, "{response:?}");
                    served.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for _ in 0..10 {
            let comes = Upstream::start();
            gateway.apply(&shop(&[stays.addr(), comes.addr()]));
            wait_until("a request to the endpoint that has come", || {
                !comes.requests().is_empty() || stop.load(Ordering::Relaxed)
            });
            gateway.apply(&shop(&[stays.addr()]));
            comes.wait_for_open_connections(0);
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!(served.load(Ordering::Relaxed) > 10);
}

#[test]
fn a_tunnel_outlives_its_endpoint_and_a_request_too() {
    let [first, second] = [Upstream::start(), Upstream::start()];
    let mut gateway = Gateway::start(&shop(&[first.addr()]));
    let address = gateway.address_of(8080);
    let mut tunnel = Client::connect(address);
    tunnel.send_request(UPGRADE);
    assert_eq!(tunnel.read_head().status, 101);
    let mut held = Client::connect(address);
    held.send_request("GET /hold/x HTTP/1.1\r\nhost: shop.example\r\n\r\n");
    // The one that has become a tunnel is one of them.
    first.wait_for_requests(2);

    gateway.apply(&shop(&[second.addr()]));
    assert_eq!(get(address, "/", "shop.example").status, 200);
    assert_eq!(second.requests().len(), 1);
    tunnel.send("still here");
    assert_eq!(tunnel.read_exactly(10), b"still here");
    first.release("x");
    assert_eq!(held.read_response().status, 200);

    // Another Service, and so another route, is a change that the tunnel does not outlive.
    let moved = shop(&[second.addr()]).replace("name: shop, port: 80", "name: other, port: 80");
    gateway.apply(&moved);
    assert!(tunnel.is_closed());
}
