//! What a refusal says, and where: the status line, the body, `Proxy-Status` and the log.

use egret_testkit::client::connect_request;
use egret_testkit::gateway::{
    QUICKSTART, documents, egress_policy, listener_policy, quickstart_config,
};
use egret_testkit::{ClosedPort, DnsServer, Gateway, Response, Upstream};
use serde_json::{Value, json};

/// The value of the parameter `id` of `Proxy-Status`.
fn id(response: &Response) -> &str {
    let status = response.header("proxy-status").expect("why");
    let (_, id) = status.split_once("; id=\"").expect("an identity");
    id.trim_end_matches('"')
}

/// The request was refused with these words, and logged with them and the same identity.
fn assert_told(response: &Response, record: &Value, expected: &str) {
    assert_eq!(response.text(), format!("egret: {expected}\n"));
    assert!(response.reason.ends_with(&format!(": {expected}")));
    assert_eq!(record["details"], expected);
    assert_eq!(record["id"], id(response));
    assert_eq!(record["generation"], 1);
}

#[test]
fn what_was_judged_is_named_in_all_places() {
    let (dns, closed) = (DnsServer::start(), ClosedPort::start());
    dns.a("ledger.example", ["10.1.2.3"], 60);
    dns.a("a.example", ["127.0.0.1"], 60);
    dns.nxdomain("nx.example");
    let policy = egress_policy(
        "partners",
        "rules: [{name: no-mail, action: Deny, ports: [25]}]",
    );
    let gateway = Gateway::start(&documents(&[&quickstart_config(dns.addr()), &policy]));
    let closed_host = format!("a.example:{}", closed.addr().port());
    let refused = format!(
        "127.0.0.1:{} (a.example): the upstream refused the connection",
        closed.addr().port()
    );
    let mail = "mail.example:25 is denied by rule no-mail of EgressPolicy kgateway-system/partners";
    for (at, (host, status_line, upstream, expected)) in [
        ("mail.example:25", "403 Forbidden: ", Value::Null, mail),
        (
            "nx.example",
            "502 Bad Gateway: ",
            Value::Null,
            "nx.example: the name does not exist (NXDOMAIN)",
        ),
        (
            "ledger.example",
            "403 Forbidden: ",
            json!("10.1.2.3:80"),
            "10.1.2.3 (ledger.example) is private: addresses of a rule of an EgressPolicy on the Gateway may open it",
        ),
        (
            &closed_host,
            "502 Bad Gateway: ",
            json!(format!("127.0.0.1:{}", closed.addr().port())),
            &refused,
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let response = gateway.get(host, "/");
        assert!(
            format!("{} {}", response.status, response.reason).starts_with(status_line),
            "{response:?}"
        );
        let record = &gateway.wait_for_records(at + 1)[at];
        assert_told(&response, record, expected);
        assert_eq!(record["upstream"], upstream, "{host}");
    }
}

#[test]
fn a_refusal_is_told_where_nothing_is_logged() {
    let quiet = listener_policy("quiet", "{httpSettings: {accessLog: []}}");
    let gateway = Gateway::start(&documents(&[QUICKSTART, &quiet]));
    let response = gateway.get("10.9.9.9", "/");
    assert_eq!(response.status, 403);
    assert!(response.text().starts_with("egret: 10.9.9.9 is private: "));
    assert!(!id(&response).is_empty());
}

#[test]
fn a_request_is_found_by_its_trace_and_its_client() {
    let gateway = Gateway::start(QUICKSTART);
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let agent = "probe/1.0 ".repeat(30);
    let response = gateway.connect().request(format!(
        "GET / HTTP/1.1\r\nhost: 10.9.9.9\r\ntraceparent: 00-{trace}-b7ad6b7169203331-01\r\nuser-agent: {agent}\r\n\r\n"
    ));
    assert_eq!(response.status, 403);
    let record = &gateway.wait_for_records(1)[0];
    assert_eq!(record["trace_id"], trace);
    assert_eq!(record["user_agent"], agent[..200]);
}

#[test]
fn who_speaks_another_protocol_is_told_so() {
    let gateway = Gateway::start(QUICKSTART);
    let hello = b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00";
    for (at, (first, answer, details)) in [
        (
            &hello[..],
            &b"HTTP/1.1 400 Bad Request: this port speaks HTTP in the clear"[..],
            "this port speaks HTTP in the clear, and the client began with TLS",
        ),
        (
            b"\x05\x01\x00",
            b"\x05\xff",
            "this port is an HTTP proxy, and the client began with SOCKS",
        ),
        (
            b"\x04\x01\x00\x50\x7f\x00\x00\x01\x00",
            b"\x00\x5b",
            "this port is an HTTP proxy, and the client began with SOCKS",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let mut client = gateway.connect();
        client.send(first);
        client.shutdown_write();
        let told = client.read_to_end();
        assert!(told.starts_with(answer), "{}", told.escape_ascii());
        let record = &gateway.wait_for_records(at + 1)[at];
        assert_eq!(record["reason"], "not_http");
        assert_eq!(record["details"], details);
    }
}

/// Most clients take the first head after a CONNECT for the answer, whatever its status, and what follows for the tunnel.
#[test]
fn nothing_comes_before_the_answer_to_a_connect_and_nothing_frames_it() {
    let (dns, upstream) = (DnsServer::with_a_example(), Upstream::start());
    let gateway = Gateway::start(&quickstart_config(dns.addr()));
    let held = dns.hold("a.example");
    let mut client = gateway.connect();
    let authority = format!("a.example:{}", upstream.port());
    let request =
        connect_request(&authority).replace("\r\n\r\n", "\r\nexpect: 100-continue\r\n\r\n");
    client.send_request(request);
    dns.wait_for_queries("a.example", 1);
    assert!(client.is_idle());
    held.release();
    let head = client.read_head();
    assert_eq!(head.status, 200);
    for field in ["content-length", "transfer-encoding", "content-type"] {
        assert_eq!(head.header(field), None, "{field}");
    }
    // A refusal has a body, and says so.
    let refused = gateway.connect().request(connect_request("10.9.9.9:443"));
    assert_eq!(refused.status, 403);
    assert!(
        refused
            .reason
            .starts_with("Forbidden: 10.9.9.9 is private: ")
    );
}
