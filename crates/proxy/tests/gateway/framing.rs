//! Message framing: one request never becomes two (request smuggling), and bodies are forwarded whole.

use egret_testkit::gateway::quickstart_config;
use egret_testkit::upstream::raw::RawServer;
use egret_testkit::{Client, DnsServer, Gateway, Upstream};

struct TestSetup {
    _dns: DnsServer,
    upstream: Upstream,
    gateway: Gateway,
    host: String,
}

fn start() -> TestSetup {
    let (dns, upstream) = (DnsServer::with_a_example(), Upstream::start());
    let gateway = Gateway::start(&quickstart_config(dns.addr()));
    let host = format!("a.example:{}", upstream.port());
    TestSetup {
        _dns: dns,
        upstream,
        gateway,
        host,
    }
}

/// A second request is hidden where one parser sees a body and another does not. The upstream must receive one request at
/// most.
#[test]
fn ambiguous_framing_never_becomes_two_requests() {
    let hidden = "GET /hidden HTTP/1.1\r\nhost: a.example\r\n\r\n";
    let length = hidden.len();
    let cases = [
        // Both framings, in either order.
        format!("content-length: {length}\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n{hidden}"),
        format!("transfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n{hidden}"),
        // Two lengths.
        format!("content-length: 0\r\ncontent-length: {length}\r\n\r\n{hidden}"),
        format!("content-length: {length}\r\ncontent-length: 0\r\n\r\n{hidden}"),
        format!("content-length: 0, {length}\r\n\r\n{hidden}"),
        format!("content-length: +0\r\n\r\n{hidden}"),
        format!("content-length: 0x0\r\n\r\n{hidden}"),
        format!("content-length: -1\r\n\r\n{hidden}"),
        // Transfer codings that only some parsers accept.
        format!("transfer-encoding: xchunked\r\n\r\n0\r\n\r\n{hidden}"),
        format!("transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n{hidden}"),
        format!("transfer-encoding: identity, chunked\r\n\r\n0\r\n\r\n{hidden}"),
        format!(
            "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n{hidden}"
        ),
        format!("transfer-encoding: ,chunked\r\n\r\n0\r\n\r\n{hidden}"),
        format!("transfer-encoding:\x0bchunked\r\n\r\n0\r\n\r\n{hidden}"),
        format!("transfer-encoding : chunked\r\n\r\n0\r\n\r\n{hidden}"),
        // Chunk sizes.
        format!("transfer-encoding: chunked\r\n\r\n0\n\n{hidden}"),
        format!("transfer-encoding: chunked\r\n\r\n+0\r\n\r\n{hidden}"),
        format!("transfer-encoding: chunked\r\n\r\n-0\r\n\r\n{hidden}"),
        format!("transfer-encoding: chunked\r\n\r\n0x0\r\n\r\n{hidden}"),
        format!("transfer-encoding: chunked\r\n\r\n\r\n{hidden}"),
        format!("transfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\n{hidden}"),
        format!("transfer-encoding: chunked\r\n\r\n1;\nx\r\nz\r\n0\r\n\r\n{hidden}"),
        format!("transfer-encoding: chunked\r\n\r\n1\r\nzz0\r\n\r\n{hidden}"),
        // A continuation line.
        format!("transfer-encoding:\r\n chunked\r\n\r\n0\r\n\r\n{hidden}"),
    ];
    let setup = start();
    for case in &cases {
        let before = setup.upstream.requests().len();
        let mut client = setup.gateway.connect();
        let _ = client.try_send(format!(
            "POST /seen HTTP/1.1\r\nhost: {}\r\n{case}",
            setup.host
        ));
        client.shutdown_write();
        // Whatever the response, the hidden request must not be processed.
        let _ = client.read_to_end();
        let requests = setup.upstream.requests();
        let seen: Vec<_> = requests[before..]
            .iter()
            .map(|request| request.target.as_str())
            .collect();
        assert!(
            seen.is_empty() || seen == ["/seen"],
            "{seen:?} after {case:?}"
        );
    }
}

/// The forwarded request has at most one length, and none with a transfer coding.
#[test]
fn lengths_are_settled_before_they_are_sent_on() {
    let setup = start();
    for (fields, body, length, ends) in [
        (
            "content-length: 5\r\ncontent-length: 5\r\n",
            "hello",
            Some("5"),
            false,
        ),
        (
            "content-length: 2\r\ntransfer-encoding: chunked\r\n",
            "5\r\nhello\r\n0\r\n\r\n",
            None,
            true,
        ),
        (
            "transfer-encoding: chunked\r\ncontent-length: 2\r\n",
            "5\r\nhello\r\n0\r\n\r\n",
            None,
            true,
        ),
    ] {
        let mut client = setup.gateway.connect();
        let head = format!("POST / HTTP/1.1\r\nhost: {}\r\n{fields}\r\n", setup.host);
        let response = client.request(format!("{head}{body}"));
        assert_eq!(response.status, 200, "{fields}");
        let request = setup.upstream.requests().pop().unwrap();
        assert_eq!(request.body, b"hello", "{fields}");
        assert_eq!(request.header("content-length"), length, "{fields}");
        let close = response.header("connection") == Some("close");
        assert_eq!(close, ends, "{fields}");
    }
    for fields in [
        "content-length: 5\r\ncontent-length: 6",
        "content-length: 5, 5",
        "content-length: +5",
        "transfer-encoding: gzip",
    ] {
        let mut client = setup.gateway.connect();
        client.send_request(format!(
            "POST / HTTP/1.1\r\nhost: {}\r\n{fields}\r\n\r\nhello",
            setup.host
        ));
        assert_eq!(client.read_response().status, 400, "{fields}");
        client.read_to_end();
    }
    assert_eq!(setup.upstream.requests().len(), 3);
}

/// The bytes that reach the upstream have exactly one framing.
#[test]
fn what_reaches_the_upstream_has_one_framing() {
    let dns = DnsServer::with_a_example();
    let gateway = Gateway::start(&quickstart_config(dns.addr()));
    let upstream = RawServer::answer_each("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    let mut client = gateway.connect();
    client.send(format!(
        "POST / HTTP/1.1\r\nhost: a.example:{}\r\nConnection: content-length\r\ncontent-length: 3\r\n\r\nabc",
        upstream.port()
    ));
    assert_eq!(client.read_response().status, 200);
    upstream.wait_for_bytes("abc");
    let text = String::from_utf8(upstream.received().concat()).unwrap();
    assert_eq!(text.matches("content-length: 3\r\n").count(), 1, "{text}");
    assert!(
        !text.contains("transfer-encoding") && text.ends_with("\r\n\r\nabc"),
        "{text}"
    );
}

#[test]
fn bodies_pass_whole_whatever_the_method() {
    let setup = start();
    let mut client = setup.gateway.connect();
    for method in ["POST", "PUT", "GET", "DELETE", "PATCH"] {
        for framing in [
            "content-length: 5\r\n\r\nhello",
            "transfer-encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
        ] {
            let request = format!("{method} / HTTP/1.1\r\nhost: {}\r\n{framing}", setup.host);
            assert_eq!(client.request(&request).status, 200, "{request}");
            let request = setup.upstream.requests().pop().unwrap();
            assert_eq!(
                (request.body.as_slice(), request.complete),
                (&b"hello"[..], true),
                "{method} {framing}"
            );
        }
    }
}

#[test]
fn responses_keep_their_framing_and_status() {
    let setup = start();
    let mut client = setup.gateway.connect();
    let response = client.get("/bytes/100000", &setup.host);
    assert_eq!(
        (response.header("content-length"), response.body.len()),
        (Some("100000"), 100_000)
    );
    let response = client.get("/chunked/100000", &setup.host);
    assert_eq!(
        (response.header("transfer-encoding"), response.body.len()),
        (Some("chunked"), 100_000)
    );
    for status in [204, 304, 404, 500, 503] {
        assert_eq!(
            client.get(&format!("/status/{status}"), &setup.host).status,
            status
        );
    }
    let head = client.request(format!(
        "HEAD /bytes/100000 HTTP/1.1\r\nhost: {}\r\n\r\n",
        setup.host
    ));
    assert_eq!(
        (head.status, head.header("content-length"), head.body.len()),
        (200, Some("100000"), 0)
    );
    assert_eq!(setup.upstream.connections(), 1);
}

/// Responses with wrong lengths, or with lengths that parsers read differently.
#[test]
fn a_response_has_one_length() {
    let dns = DnsServer::with_a_example();
    let gateway = Gateway::start(&quickstart_config(dns.addr()));
    let chunked = "transfer-encoding: chunked\r\n";
    let body = "5\r\nhello\r\n0\r\n\r\n";
    for (head, body, lengths) in [
        (format!("{chunked}content-length: 2\r\n"), body, &[][..]),
        (format!("content-length: 2\r\n{chunked}"), body, &[]),
        (
            "content-length: 5\r\ncontent-length: 5\r\n".to_owned(),
            "hello",
            &["5"],
        ),
        ("content-length: 5, 5\r\n".to_owned(), "hello", &["5"]),
    ] {
        let upstream = RawServer::answer(format!("HTTP/1.1 200 OK\r\n{head}\r\n{body}"));
        let response = gateway.get(&format!("a.example:{}", upstream.port()), "/");
        assert_eq!((response.status, response.text()), (200, "hello"), "{head}");
        let told: Vec<_> = response.headers.all("content-length").collect();
        assert_eq!(told, lengths, "{head}");
    }
    for head in [
        "200 OK\r\ncontent-length: 5\r\ncontent-length: 6",
        "200 OK\r\ncontent-length: 5, 6",
        "304 Not Modified\r\ncontent-length: 5\r\ncontent-length: 6",
        "101 Switching Protocols\r\nupgrade: h2c\r\nconnection: upgrade",
    ] {
        let upstream = RawServer::answer(format!("HTTP/1.1 {head}\r\n\r\nhello"));
        let response = gateway.get(&format!("a.example:{}", upstream.port()), "/");
        assert_eq!(response.status, 502, "{head}");
        let told = response.header("proxy-status").unwrap();
        assert!(told.contains("error=http_protocol_error"), "{head}: {told}");
    }
    // Other interim responses are not an error.
    let hints = "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n";
    let upstream = RawServer::answer(format!("{hints}HTTP/1.1 204 No Content\r\n\r\n"));
    let mut client = gateway.connect();
    client.send_request(format!(
        "GET / HTTP/1.1\r\nhost: a.example:{}\r\n\r\n",
        upstream.port()
    ));
    assert_eq!(client.read_head().status, 103);
    assert_eq!(client.read_response().status, 204);
}

/// A proxy removes a blank before the colon of a response's field (RFC 9112 5.1).
#[test]
fn a_blank_before_a_colon_of_a_response_is_removed() {
    let dns = DnsServer::with_a_example();
    let upstream = RawServer::answer(
        "HTTP/1.1 200 OK\r\nserver : x\r\ntransfer-encoding : chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    );
    let gateway = Gateway::start(&quickstart_config(dns.addr()));
    let response = gateway.get(&format!("a.example:{}", upstream.port()), "/");
    assert_eq!((response.status, response.text()), (200, "hello"));
    assert_eq!(response.header("server"), Some("x"));
}

#[test]
fn a_response_that_ends_with_trailers_is_whole_and_its_connection_used_again() {
    let (dns, upstream) = (
        DnsServer::with_a_example(),
        RawServer::answer_each(
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\nx-sum: 4\r\n\r\n",
        ),
    );
    let gateway = Gateway::start(&quickstart_config(dns.addr()));
    let mut client = gateway.connect();
    for field in ["connection: te\r\nte: trailers\r\n", "", ""] {
        let response = client.request(format!(
            "GET / HTTP/1.1\r\nhost: a.example:{}\r\n{field}\r\n",
            upstream.port()
        ));
        assert_eq!(response.text(), "body");
    }
    for record in gateway.wait_for_records(3) {
        assert_eq!(record.get("reason"), None, "{record}");
    }
    assert_eq!(upstream.connections(), 1);
}

#[test]
fn a_response_that_breaks_off_is_not_made_whole() {
    let setup = start();
    for path in ["/partial/100000", "/partial-chunked/100000"] {
        let mut client = setup.gateway.connect();
        client.send_request(format!(
            "GET {path} HTTP/1.1\r\nhost: {}\r\n\r\n",
            setup.host
        ));
        assert!(client.try_read_response().is_err(), "{path}");
    }
    assert_eq!(
        setup.gateway.wait_for_records(2)[0]["reason"],
        "upstream_broke_off"
    );
}

#[test]
fn a_client_that_leaves_ends_the_upstream_request() {
    let setup = start();
    let mut client = setup.gateway.connect();
    client.send_request(format!(
        "GET /hang HTTP/1.1\r\nhost: {}\r\n\r\n",
        setup.host
    ));
    setup.upstream.wait_for_requests(1);
    client.reset();
    setup.upstream.wait_for_open_connections(0);
    let record = &setup.gateway.wait_for_records(1)[0];
    assert_eq!(record["reason"], "client_closed");
    assert!(record.get("status").is_none());
}

/// Whether it reads on shows with the first bytes that it is sent.
#[test]
fn a_client_that_closes_ends_the_upstream_request_with_the_response() {
    let setup = start();
    let mut client = setup.gateway.connect();
    client.send_request(format!(
        "GET /hold/x HTTP/1.1\r\nhost: {}\r\n\r\n",
        setup.host
    ));
    setup.upstream.wait_for_requests(1);
    drop(client);
    setup.upstream.release("x");
    let record = &setup.gateway.wait_for_records(1)[0];
    assert_eq!(record["status"], 200);
}

/// A client may end its direction and read the answer (RFC 9112 9.6).
#[test]
fn a_client_that_sends_no_more_gets_its_answer() {
    let setup = start();
    for (head, body) in [("GET /hold/x", ""), ("POST /hold/x", "hello")] {
        let before = setup.upstream.requests().len();
        let mut client = setup.gateway.connect();
        client.send_request(format!(
            "{head} HTTP/1.1\r\nhost: {}\r\ncontent-length: {}\r\n\r\n{body}",
            setup.host,
            body.len()
        ));
        client.shutdown_write();
        setup.upstream.wait_for_requests(before + 1);
        setup.upstream.release("x");
        assert_eq!(client.read_response().status, 200, "{head}");
        assert!(client.is_closed());
    }
    // One that breaks off in its body does not.
    let mut client = setup.gateway.connect();
    client.send_request(format!(
        "POST / HTTP/1.1\r\nhost: {}\r\ncontent-length: 5\r\n\r\nhel",
        setup.host
    ));
    client.shutdown_write();
    let records = setup.gateway.wait_for_records(3);
    let broken = |record: &&serde_json::Value| record["reason"] == "request_body";
    assert_eq!(records.iter().filter(broken).count(), 1, "{records:#?}");
}

#[test]
fn an_answer_before_the_body_has_come_is_passed_on() {
    let setup = start();
    let mut client = setup.gateway.connect();
    client.send_request(format!(
        "POST /early/413 HTTP/1.1\r\nhost: {}\r\ncontent-length: 1000000\r\n\r\nx",
        setup.host
    ));
    assert_eq!(client.read_response().status, 413);
}

#[test]
fn a_client_that_waits_for_leave_to_send_gets_it() {
    let setup = start();
    let mut client = setup.gateway.connect();
    client.send_request(format!(
        "POST / HTTP/1.1\r\nhost: {}\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n",
        setup.host
    ));
    assert_eq!(client.read_head().status, 100);
    client.send("hello");
    assert_eq!(client.read_response().status, 200);
    assert_eq!(setup.upstream.requests()[0].body, b"hello");
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let setup = start();
    let mut client: Client = setup.gateway.connect();
    for path in ["/status/201", "/bytes/10", "/status/202"] {
        client.send_request(format!(
            "GET {path} HTTP/1.1\r\nhost: {}\r\n\r\n",
            setup.host
        ));
    }
    let statuses: Vec<_> = (0..3).map(|_| client.read_response().status).collect();
    assert_eq!(statuses, [201, 200, 202]);
}

#[test]
fn back_pressure_reaches_the_sender() {
    let setup = start();
    let mut client = setup.gateway.connect();
    // A gibibyte that the client does not read must not be buffered: the upstream stalls once every buffer is full.
    client.send_request(format!(
        "GET /bytes/1073741824 HTTP/1.1\r\nhost: {}\r\n\r\n",
        setup.host
    ));
    assert_eq!(client.read_head().status, 200);
    drop(client);
    setup.upstream.wait_for_open_connections(0);
    let record = &setup.gateway.wait_for_records(1)[0];
    let sent = record["bytes_sent"].as_u64().unwrap();
    assert!(sent < 64 * 1024 * 1024, "{sent}");
    assert_eq!(record["reason"], "client_closed");
}

/// A request that says how far it may go is answered where it ends (RFC 9110 7.6.2).
#[test]
fn a_request_that_may_go_no_further_is_answered_here() {
    let setup = start();
    for (method, field, status, passed) in [
        ("OPTIONS", "max-forwards: 2\r\n", 200, Some("1")),
        ("TRACE", "max-forwards: 1\r\n", 200, Some("0")),
        ("OPTIONS", "max-forwards: 0\r\n", 200, None),
        ("TRACE", "max-forwards: 0\r\n", 501, None),
        ("GET", "max-forwards: 0\r\n", 200, Some("0")),
    ] {
        let before = setup.upstream.requests().len();
        let head = format!("{method} / HTTP/1.1\r\nhost: {}\r\n{field}\r\n", setup.host);
        let response = setup.gateway.connect().request(head);
        assert_eq!(response.status, status, "{method} {field}");
        let requests = setup.upstream.requests();
        let seen = requests[before..].first();
        let seen = seen.map(|request| request.header("max-forwards"));
        assert_eq!(seen, passed.map(Some), "{method} {field}");
    }
}
