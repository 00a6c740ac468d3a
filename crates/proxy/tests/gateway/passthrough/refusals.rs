//! Refused passthrough connections, and the alerts that their clients receive.

use egret_testkit::gateway::{LOOPBACK, documents, listener_policy, traffic_policy};
use egret_testkit::upstream::raw::RawServer;
use egret_testkit::{ClosedPort, DnsServer, Gateway};

use super::{
    ACCESS_DENIED, DECODE_ERROR, ILLEGAL_PARAMETER, INTERNAL_ERROR, MISSING_EXTENSION, alert,
    answer, dynamic, hello, hello_with_more, passthrough_config, routed,
};

#[test]
fn who_is_refused_is_told_by_an_alert() {
    let (dns, refused) = (DnsServer::start(), ClosedPort::start());
    dns.nxdomain("gone.example");
    dns.a("down.example", ["127.0.0.1"], 60);
    dns.a("inside.example", ["10.0.0.1"], 60);
    let gateway = Gateway::start(&passthrough_config(&dns, refused.addr().port()));
    for (at, (name, description, status, reason)) in [
        ("blocked.example", Some(ACCESS_DENIED), 403, "egress_policy"),
        ("inside.example", Some(ACCESS_DENIED), 403, "address_denied"),
        ("gone.example", Some(INTERNAL_ERROR), 502, "dns_error"),
        ("down.example", Some(INTERNAL_ERROR), 502, "connect_refused"),
        ("a.test", None, 404, "no_listener"),
        ("example", None, 404, "no_listener"),
        ("192.0.2.1", Some(MISSING_EXTENSION), 400, "no_server_name"),
    ]
    .into_iter()
    .enumerate()
    {
        let told = answer(&gateway, &hello(name));
        assert_eq!(told, description.map_or_else(Vec::new, alert), "{name}");
        let record = &gateway.wait_for_records(at + 1)[at];
        assert_eq!(record["status"], status, "{record}");
        assert_eq!(record["reason"], reason, "{record}");
        assert!(record["details"].is_string(), "{record}");
        let asked = record.get("sni").and_then(|sni| sni.as_str());
        assert_eq!(asked, Some(name).filter(|_| reason != "no_server_name"));
        let metric = format!("egret_refusals_total{{reason=\"{reason}\"}}");
        assert!(gateway.metric(&metric) > 0.0, "{reason}");
    }
    let denied = &gateway.wait_for_records(1)[0];
    assert_eq!(denied["policy"], "kgateway-system/blocked");
    assert_eq!(denied["rule"], "no");
    assert_eq!(dns.lookups_for("blocked.example"), 0, "nobody is asked");
}

#[test]
fn rbac_sees_the_server_name() {
    let (dns, server) = (DnsServer::with_a_example(), RawServer::echo());
    let who = traffic_policy(
        "who",
        "rbac: {policy: {matchExpressions: [\"request.form == 'sni' && request.host == 'a.example' && \
         egress.host == connection.requested_server_name\"]}}",
    );
    let config = passthrough_config(&dns, server.port());
    let gateway = Gateway::start(&documents(&[&config, &who]));
    assert_eq!(answer(&gateway, &hello("b.example")), alert(ACCESS_DENIED));
    let record = &gateway.wait_for_records(1)[0];
    assert_eq!(
        (&record["reason"], &record["status"]),
        (&"rbac".into(), &403.into())
    );
    let mut client = gateway.connect();
    let named = hello("a.example");
    client.send(&named);
    assert_eq!(client.read_exactly(named.len()), named);
}

/// With Encrypted Client Hello the outer name is checked, and the access log says that there may be an inner name.
#[test]
fn an_encrypted_hello_is_judged_by_the_name_outside() {
    let (dns, server) = (DnsServer::with_a_example(), RawServer::echo());
    let gateway = Gateway::start(&passthrough_config(&dns, server.port()));
    let denied = hello_with_more("blocked.example");
    assert_eq!(answer(&gateway, &denied), alert(ACCESS_DENIED));
    let mut client = gateway.connect();
    let hello = hello_with_more("a.example");
    client.send(&hello);
    assert_eq!(client.read_exactly(hello.len()), hello);
    drop(client);
    for record in gateway.wait_for_records(2) {
        assert_eq!(record["ech"], true, "{record}");
    }
}

#[test]
fn without_a_route_the_connection_is_closed() {
    let dns = DnsServer::with_a_example();
    let other = dynamic(443).replace("'*.example'", "b.example");
    let gateway = Gateway::start(&documents(&[&routed(&dns, &other), LOOPBACK]));
    assert_eq!(answer(&gateway, &hello("a.example")), b"");
    assert_eq!(gateway.wait_for_records(1)[0]["reason"], "no_route");
}

#[test]
fn loopback_and_the_gateway_itself_are_out_of_reach() {
    let (dns, server) = (DnsServer::with_a_example(), RawServer::echo());
    let mut gateway = Gateway::start(&routed(&dns, &dynamic(server.port())));
    let name = hello("a.example");
    assert_eq!(
        answer(&gateway, &name),
        alert(ACCESS_DENIED),
        "the built-in list"
    );
    for own in [gateway.address(), gateway.admin()] {
        gateway.apply(&passthrough_config(&dns, own.port()));
        assert_eq!(answer(&gateway, &name), alert(ACCESS_DENIED), "{own}");
    }
    let records = gateway.wait_for_records(3);
    assert!(
        records
            .iter()
            .all(|record| record["reason"] == "address_denied")
    );
    assert_eq!(server.connections(), 0);
}

#[test]
fn what_is_no_hello_is_closed_with_or_without_an_alert() {
    let dns = DnsServer::with_a_example();
    let gateway = Gateway::start(&passthrough_config(&dns, 443));
    let mut twice = hello("a.example");
    // A handshake message of another type.
    twice[5] = 2;
    let numeric = {
        let mut hello = hello("aaaaaaa.example");
        let at = hello
            .windows(15)
            .position(|it| it == b"aaaaaaa.example")
            .unwrap();
        hello[at..at + 15].copy_from_slice(b"192.168.100.300");
        hello
    };
    for (at, (begin, told, reason)) in [
        (b"\x80\x2e\x01\0\x02".to_vec(), vec![], "not_tls"),
        (b"\x15\x03\x01\0\x02\x02\x28".to_vec(), vec![], "not_tls"),
        (twice, alert(DECODE_ERROR), "malformed_hello"),
        (numeric, alert(ILLEGAL_PARAMETER), "malformed_hello"),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(answer(&gateway, &begin), told, "{reason}");
        assert_eq!(gateway.wait_for_records(at + 1)[at]["reason"], reason);
    }
    // HTTP in the clear is answered in its own words.
    let told = answer(&gateway, b"GET / HTTP/1.1\r\nhost: a.example\r\n\r\n");
    let told = String::from_utf8(told).unwrap();
    assert!(
        told.starts_with("HTTP/1.1 400 Bad Request: this port speaks TLS"),
        "{told}"
    );
    assert_eq!(gateway.wait_for_records(5)[4]["reason"], "not_tls");
    // A client that leaves during the handshake is not logged.
    let mut client = gateway.connect();
    client.send(&hello("a.example")[..20]);
    client.shutdown_write();
    assert!(client.is_closed());
    assert_eq!(gateway.wait_for_records(5).len(), 5);
}

#[test]
fn half_a_hello_is_not_waited_for_for_ever() {
    let dns = DnsServer::with_a_example();
    let limit = &listener_policy("short", "{transportSocketConnectTimeout: 100ms}");
    let gateway = Gateway::start(&documents(&[&passthrough_config(&dns, 443), limit]));
    let mut silent = gateway.connect();
    let mut slow = gateway.connect();
    slow.send(&hello("a.example")[..20]);
    assert!(silent.is_closed() && slow.is_closed());
    let record = &gateway.wait_for_records(1)[0];
    assert_eq!(record["reason"], "handshake_timeout");
    assert_eq!(record["client"], slow.local_addr().to_string());
}
