//! `transformation` of a TrafficPolicy.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::io::Write as _;

use egret_testkit::client::connect_request;
use egret_testkit::gateway::{documents, egress_policy, quickstart_config, traffic_policy};
use egret_testkit::{Client, DnsServer, Gateway, Http2Client, Response, Upstream};
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::with_policy::WithPolicy;

mod how_to;

/// A response of 200 with this body.
fn json(body: &str) -> Option<http::Response<bytes::Bytes>> {
    let response = http::Response::builder()
        .header("content-type", "application/json")
        .header("etag", "\"1\"")
        .header("content-digest", "sha-256=:AAAA:");
    response.body(bytes::Bytes::from(body.to_owned())).ok()
}

/// As [`WithPolicy`], with an upstream that answers every request with this body.
fn with_answer(spec: &str, body: &'static str) -> WithPolicy {
    let setup = WithPolicy::start(spec);
    WithPolicy {
        upstream: setup.upstream.answering(move |_| json(body)),
        ..setup
    }
}

fn send(setup: &WithPolicy, head: &str, fields: &str, body: &str) -> Response {
    let (host, length) = (&setup.host, body.len());
    setup.gateway.connect().request(format!(
        "{head} HTTP/1.1\r\nhost: {host}\r\ncontent-length: {length}\r\n{fields}\r\n{body}"
    ))
}

#[test]
fn fields_of_both_messages_are_made_by_templates() {
    let setup = WithPolicy::start(
        r#"transformation:
    request:
      set:
      - {name: x-len, value: 'len_{{ header("content-length") }}'}
      - {name: x-empty, value: ''}
      - {name: x-unset}
      - {name: x-fails, value: '{{ 1 / 0 }}'}
      add: [{name: x-many, value: two}, {name: x-none, value: '{{ header("missing") }}'}]
      remove: [x-gone]
    response:
      set:
      - {name: x-code, value: '{{ header(":status") }}'}
      - {name: x-asked, value: '{{ request_header(":method") }} {{ request_header(":path") }}'}
      add: [{name: x-more, value: ok}]
      remove: [x-upstream]"#,
    );
    let fields = "x-len: old\r\nx-empty: a\r\nx-unset: a\r\nx-fails: a\r\nx-many: one\r\nx-gone: a\r\n\
        connection: x-len\r\n";
    let response = send(&setup, "POST /a?b", fields, "hello");
    assert_eq!(response.header("x-code"), Some("200"), "{response:?}");
    assert_eq!(response.header("x-asked"), Some("POST /a?b"));
    assert_eq!(response.header("x-more"), Some("ok"));
    assert_eq!(response.header("x-upstream"), None);
    let request = &setup.upstream.requests()[0];
    assert_eq!(request.header("x-len"), Some("len_5"));
    let many: Vec<_> = request.headers.get_all("x-many").iter().collect();
    assert_eq!(many, ["one", "two"]);
    for name in ["x-empty", "x-unset", "x-fails", "x-none", "x-gone"] {
        assert_eq!(request.header(name), None, "{name}");
    }
    assert_eq!(request.body, b"hello");
}

#[test]
fn a_refusal_and_the_gateways_own_answers_are_transformed() {
    let dns = DnsServer::with_a_example();
    let policy = traffic_policy(
        "test",
        r#"transformation:
    response:
      set: [{name: x-code, value: '{{ header(":status") }}'}]
      body: {value: 'no: {{ request_header("x-id") }}'}"#,
    );
    let denied = egress_policy(
        "denied",
        "rules: [{name: no, action: Deny, hosts: [denied.example]}]",
    );
    let config = quickstart_config(dns.addr());
    let gateway = Gateway::start(&documents(&[&config, &policy, &denied]));
    let mut client = gateway.connect();
    let response = client.request("GET / HTTP/1.1\r\nhost: denied.example\r\nx-id: 7\r\n\r\n");
    assert_eq!(response.status, 403);
    assert_eq!(response.header("x-code"), Some("403"));
    assert_eq!(response.text(), "no: 7");
    // The status of gRPC is in the fields of a response without a body.
    let http2 = Http2Client::connect(gateway.address());
    let call = http::Request::post("http://denied.example/a.B/C")
        .header("content-type", "application/grpc")
        .body(())
        .unwrap();
    let response = http2.request(call, b"").unwrap();
    assert_eq!(response.header("grpc-status"), Some("7"), "{response:?}");
    assert!(response.body.is_empty());
    // Consent to a tunnel is not made by a template.
    let refused = gateway
        .connect()
        .request(connect_request("denied.example:443"));
    assert_eq!(refused.status, 403);
}

#[test]
fn a_body_is_made_of_json() {
    let setup = with_answer(
        r#"transformation:
    request:
      set: [{name: x-inner, value: 'level_{{ mykey.inner }}'}]
      body: {parseAs: AsJson}
    response:
      set: [{name: x-first, value: '{{ items[0].name }}'}]
      body: {parseAs: AsJson, value: '{"first": "{{ items[0].name }}", "all": {{ items | tojson }}}'}"#,
        r#"{"items": [{"name": "one"}, {"name": "two"}]}"#,
    );
    let fields = "accept-encoding: gzip\r\nrange: bytes=0-1\r\n";
    let response = send(&setup, "POST /", fields, r#"{"mykey": {"inner": "value"}}"#);
    assert_eq!(response.status, 200, "{response:?}");
    let expected = r#"{"first": "one", "all": [{"name": "one"}, {"name": "two"}]}"#;
    assert_eq!(response.text(), expected);
    assert_eq!(response.header("x-first"), Some("one"));
    let length = expected.len().to_string();
    assert_eq!(response.header("content-length"), Some(&*length));
    assert_eq!(response.header("content-type"), Some("application/json"));
    assert_eq!(response.header("etag"), None);
    assert_eq!(response.header("content-digest"), None);
    let request = &setup.upstream.requests()[0];
    assert_eq!(request.header("x-inner"), Some("level_value"));
    assert_eq!(request.body, br#"{"mykey": {"inner": "value"}}"#);
    // The response has to be whole and plain.
    assert_eq!(request.header("accept-encoding"), Some("identity"));
    assert_eq!(request.header("range"), None);
    let refused = send(&setup, "POST /", "", "hello");
    assert_eq!(refused.status, 400);
    let record = &setup.gateway.wait_for_records(2)[1];
    assert_eq!(record["reason"], "transformation", "{record}");
    assert_eq!(setup.upstream.requests().len(), 1);
}

#[test]
fn the_body_of_a_request_is_replaced_for_its_upstream_and_its_retries() {
    let setup = WithPolicy::start(
        r#"transformation:
    request:
      body: {value: '<{{ body() }}>'}
  retry: {attempts: 1, statusCodes: [503], backoffBaseInterval: 1ms}"#,
    );
    let host = &setup.host;
    let chunked = format!(
        "POST /status/503 HTTP/1.1\r\nhost: {host}\r\ntransfer-encoding: chunked\r\netag: \"1\"\r\n\r\n\
         3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n"
    );
    assert_eq!(setup.gateway.connect().request(chunked).status, 503);
    let requests = setup.upstream.requests();
    assert_eq!(requests.len(), 2);
    for request in requests {
        assert_eq!(request.body, b"<abcdef>");
        assert_eq!(request.header("content-length"), Some("8"));
        assert_eq!(request.header("transfer-encoding"), None);
    }
    // A request without a body gets one.
    assert_eq!(setup.gateway.get(host, "/").status, 200);
    assert_eq!(setup.upstream.requests()[2].body, b"<>");
}

#[test]
fn what_is_not_read_passes_as_it_comes() {
    let setup = with_answer(
        r#"transformation:
    request:
      set: [{name: x-a, value: '[{{ body() }}]'}]
      body: {parseAs: None, value: ignored}
    response:
      body: {parseAs: None, value: ignored}"#,
        "as it is",
    );
    let large = "x".repeat(2 << 20);
    let response = send(&setup, "POST /", "", &large);
    assert_eq!(response.text(), "as it is");
    setup.upstream.wait_for_complete_requests(1);
    let request = &setup.upstream.requests()[0];
    assert_eq!(request.header("x-a"), Some("[]"));
    assert_eq!(request.body_length, 2 << 20);
}

#[test]
fn bodies_are_bounded() {
    let setup = WithPolicy::start(
        r#"transformation:
    request: {body: {value: '{{ body() | length }}'}}
    response: {body: {value: '{{ body() | length }}'}}"#,
    );
    let most = "x".repeat(1 << 20);
    assert_eq!(
        send(&setup, "POST /bytes/1048576", "", &most).text(),
        "1048576"
    );
    assert_eq!(setup.upstream.requests()[0].body, b"1048576");
    let refused = send(&setup, "POST /", "", &format!("{most}x"));
    assert_eq!(refused.status, 413);
    for path in ["/bytes/1048577", "/chunked/1048577"] {
        assert_eq!(setup.gateway.get(&setup.host, path).status, 500, "{path}");
    }
    assert_eq!(setup.gateway.get(&setup.host, "/partial/10").status, 502);
    let records = setup.gateway.wait_for_records(5);
    let reasons: Vec<_> = records.iter().map(|record| &record["reason"]).collect();
    assert_eq!(reasons[1], "body_too_large");
    assert_eq!(reasons[2], "transformation");
    assert_eq!(reasons[4], "upstream_closed");
}

#[test]
fn responses_without_content_keep_none() {
    let setup = WithPolicy::start(
        r#"transformation:
    response:
      set: [{name: ":status", value: '{{ request_header("x-status") or header(":status") }}'}]
      body: {value: made}"#,
    );
    let ask = |method: &str, path: &str, status: &str| {
        let host = &setup.host;
        let mut client = setup.gateway.connect();
        client.send_request(format!(
            "{method} {path} HTTP/1.1\r\nhost: {host}\r\nx-status: {status}\r\n\r\n"
        ));
        match method {
            "HEAD" => client.read_head(),
            _ => client.read_response(),
        }
    };
    let made = ask("GET", "/bytes/100", "");
    assert_eq!((made.status, made.text()), (200, "made"));
    let none = ask("GET", "/bytes/100", "204");
    assert_eq!((none.status, none.text()), (204, ""));
    assert_eq!(none.header("content-length"), None);
    let some = ask("GET", "/status/204", "200");
    assert_eq!((some.status, some.text()), (200, ""));
    let head = ask("HEAD", "/bytes/100", "");
    assert_eq!(head.status, 200);
    assert_eq!(head.header("content-length"), None);
    for status in ["101", "600", "abc"] {
        assert_eq!(ask("GET", "/", status).status, 500, "{status}");
    }
}

#[test]
fn tunnels_and_upgrades_are_not_read() {
    let setup = WithPolicy::start(
        r#"transformation:
    request:
      set: [{name: x-a, value: b}]
      body: {value: made}
    response:
      set: [{name: ":status", value: "418"}]
      body: {value: made}"#,
    );
    let host = &setup.host;
    let mut tunnel = setup.gateway.connect();
    assert_eq!(tunnel.request(connect_request(host)).status, 200);
    tunnel.send_request(format!("GET /bytes/3 HTTP/1.1\r\nhost: {host}\r\n\r\n"));
    assert_eq!(tunnel.read_response().body.len(), 3);
    let mut client = Client::connect(setup.gateway.address());
    client.send_request(format!(
        "GET /upgrade HTTP/1.1\r\nhost: {host}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    ));
    assert_eq!(client.read_head().status, 101);
    client.send("ping");
    assert_eq!(client.read_exactly(4), b"ping");
}

#[test]
fn a_new_method_and_path_are_asked_about_again() {
    let (dns, upstream) = (DnsServer::with_a_example(), Upstream::start());
    let policy = traffic_policy(
        "test",
        r#"transformation:
    request:
      set:
      - {name: ":path", value: '{{ request_header("x-path") or header(":path") }}'}
      - {name: ":method", value: '{{ request_header("x-method") or header(":method") }}'}"#,
    );
    let rules = egress_policy(
        "rules",
        "rules: [{name: no-admin, action: Deny, paths: [/admin]}, \
         {name: no-delete, action: Deny, methods: [DELETE]}]",
    );
    let config = quickstart_config(dns.addr());
    let gateway = Gateway::start(&documents(&[&config, &policy, &rules]));
    let host = format!("a.example:{}", upstream.port());
    let ask = |method: &str, fields: &str| {
        let request = format!("{method} /a?b HTTP/1.1\r\nhost: {host}\r\n{fields}\r\n");
        gateway.connect().request(request).status
    };
    assert_eq!(ask("GET", ""), 200);
    assert_eq!(ask("GET", "x-path: /c?d\r\nx-method: PUT\r\n"), 200);
    let said = |at: usize| {
        let request = &upstream.requests()[at];
        format!("{} {}", request.method, request.target)
    };
    assert_eq!(said(0), "GET /a?b");
    assert_eq!(said(1), "PUT /c?d");
    for (fields, status) in [
        ("x-path: /admin\r\n", 403),
        ("x-path: /c/../admin\r\n", 403),
        ("x-method: DELETE\r\n", 403),
        ("x-method: HEAD\r\n", 400),
        ("x-method: CONNECT\r\n", 400),
        ("x-path: admin\r\n", 400),
    ] {
        assert_eq!(ask("GET", fields), status, "{fields}");
    }
    assert_eq!(upstream.requests().len(), 2);
    let record = &gateway.wait_for_records(3)[2];
    assert_eq!(record["rule"], "no-admin", "{record}");
}

#[test]
fn a_transformed_response_is_compressed_after_that() {
    let setup = with_answer(
        "transformation: {response: {body: {value: '{{ body() }}{{ body() }}'}}}\n  \
         compression: {responseCompression: {}}",
        "a text that is long enough to be compressed",
    );
    let host = &setup.host;
    let response = setup.gateway.connect().request(format!(
        "GET / HTTP/1.1\r\nhost: {host}\r\naccept-encoding: gzip\r\n\r\n"
    ));
    assert_eq!(response.header("content-encoding"), Some("gzip"));
    let mut expected = GzEncoder::new(Vec::new(), Compression::default());
    expected
        .write_all(
            "a text that is long enough to be compressed"
                .repeat(2)
                .as_bytes(),
        )
        .unwrap();
    let plain = |data: &[u8]| {
        let mut text = String::new();
        let mut decoder = flate2::read::GzDecoder::new(data);
        std::io::Read::read_to_string(&mut decoder, &mut text).unwrap();
        text
    };
    assert_eq!(plain(&response.body), plain(&expected.finish().unwrap()));
}
