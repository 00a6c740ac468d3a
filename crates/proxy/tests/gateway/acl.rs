//! `acl` of a TrafficPolicy, in every form of request.

use egret_testkit::client::connect_request;
use egret_testkit::gateway::{documents, quickstart_config, traffic_policy};
use egret_testkit::{Client, DnsServer, Gateway, Http2Client, Upstream};

const DENIED: &str = "acl:
    defaultAction: allow
    rules: [{name: this machine, cidrs: [127.0.0.0/8], action: deny}]
    denyResponse: {statusCode: 451, blockedByHeaderName: X-Blocked-By, headers: [{name: x-why, value: acl}]}";

#[test]
fn a_client_is_denied_by_its_address_before_dns() {
    let (dns, upstream) = (DnsServer::with_a_example(), Upstream::start());
    let basis = quickstart_config(dns.addr());
    let mut gateway = Gateway::start(&documents(&[&basis, &traffic_policy("acl", DENIED)]));
    let host = format!("a.example:{}", upstream.port());
    let mut client = Client::connect(gateway.address());
    for response in [
        client.get("/", &host),
        client.get(&format!("http://{host}/"), &host),
        client.request(connect_request(&host)),
    ] {
        assert_eq!(response.status, 451, "{response:?}");
        assert_eq!(response.header("x-blocked-by"), Some("this machine"));
        assert_eq!(response.header("x-why"), Some("acl"));
        let told =
            "egret: the client 127.0.0.1 is denied by rule this machine of acl of TrafficPolicy";
        assert!(response.text().starts_with(told), "{response:?}");
    }
    let http2 = Http2Client::connect(gateway.address());
    assert_eq!(http2.get(&format!("http://{host}/")).status, 451);
    assert_eq!(dns.lookups_for("a.example"), 0);
    assert_eq!(upstream.requests().len(), 0);
    for record in gateway.wait_for_records(4) {
        assert_eq!(record["reason"], "acl", "{record}");
        assert_eq!(record["verdict"], "deny", "{record}");
        assert_eq!(record["rule"], "this machine", "{record}");
    }
    let allowed = traffic_policy("acl", &DENIED.replace("action: deny", "action: allow"));
    gateway.apply(&documents(&[&basis, &allowed]));
    assert_eq!(
        Client::connect(gateway.address()).get("/", &host).status,
        200
    );
}
