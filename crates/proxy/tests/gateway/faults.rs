//! `faultInjection` of a TrafficPolicy.

use egret_testkit::client::connect_request;
use egret_testkit::{Client, Http2Client};

use crate::with_policy::WithPolicy;

fn start(fault: &str) -> WithPolicy {
    WithPolicy::start(&format!("faultInjection: {fault}"))
}

#[test]
fn requests_of_every_form_are_failed_before_dns() {
    let setup = start("{abort: {httpStatus: 418}}");
    let (gateway, host) = (&setup.gateway, &setup.host);
    let mut client = Client::connect(gateway.address());
    for response in [
        client.get("/", host),
        client.get(&format!("http://{host}/"), host),
        client.request(connect_request(host)),
    ] {
        assert_eq!(response.status, 418, "{response:?}");
        assert_eq!(response.text(), "fault filter abort");
        let status = response.header("proxy-status").unwrap();
        assert!(status.contains("error=proxy_internal_response"), "{status}");
    }
    assert_eq!(setup.dns.lookups_for("a.example"), 0);
    assert_eq!(setup.upstream.requests().len(), 0);
    for record in gateway.wait_for_records(3) {
        assert_eq!(record["reason"], "fault", "{record}");
    }
}

#[test]
fn a_status_of_grpc_is_for_calls_and_is_no_consent_to_a_tunnel() {
    let setup = start("{abort: {grpcStatus: 8}}");
    let (gateway, host) = (&setup.gateway, &setup.host);
    let http2 = Http2Client::connect(gateway.address());
    let call = http::Request::post(format!("http://{host}/s/m"))
        .header("content-type", "application/grpc")
        .body(());
    let response = http2.request(call.unwrap(), b"").unwrap();
    assert_eq!(response.status, 200, "{response:?}");
    assert_eq!(response.header("grpc-status"), Some("8"));
    assert_eq!(response.header("grpc-message"), Some("fault filter abort"));
    let plain = gateway.get(host, "/");
    assert_eq!(plain.status, 200);
    assert_eq!(plain.header("grpc-status"), None);
    let tunnel = Client::connect(gateway.address()).request(connect_request(host));
    assert_eq!(tunnel.status, 503, "{tunnel:?}");
}

#[test]
fn a_request_waits_and_is_sent() {
    let setup = start("{delay: {fixedDelay: 100ms}}");
    assert_eq!(setup.gateway.get(&setup.host, "/").status, 200);
    let record = &setup.gateway.wait_for_records(1)[0];
    assert!(
        record["first_byte_ms"].as_f64().unwrap() >= 100.0,
        "{record}"
    );
    // No fault is allowed.
    let none = start("{abort: {httpStatus: 418}, delay: {fixedDelay: 1h}, maxActiveFaults: 0}");
    assert_eq!(none.gateway.get(&none.host, "/").status, 200);
}

#[test]
fn a_response_is_sent_slowly() {
    // 5000 bytes a second.
    let setup = start("{responseRateLimit: {kbitsPerSecond: 40}}");
    let response = setup.gateway.get(&setup.host, "/bytes/1000");
    assert_eq!((response.status, response.body.len()), (200, 1000));
    let record = &setup.gateway.wait_for_records(1)[0];
    assert!(record["total_ms"].as_f64().unwrap() >= 150.0, "{record}");
}
