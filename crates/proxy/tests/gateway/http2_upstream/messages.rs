//! How requests and responses are converted on their way to an HTTP/2 upstream.

use egret_testkit::gateway::quickstart_config;
use egret_testkit::upstream::Http2Options;
use egret_testkit::upstream::raw::{Http2Frame, RawServer};
use egret_testkit::{DnsServer, Gateway, Http2Client, Upstream};
use http::{HeaderMap, HeaderValue, Request, Version};

use super::{NO_SETTINGS, to_static};

#[test]
fn a_request_is_one_of_http2_and_its_response_one_of_http1() {
    let upstream = Upstream::start_http2(Http2Options::default());
    let gateway = to_static(upstream.port(), NO_SETTINGS);
    let response = gateway.connect().request(
        "POST /a?b=c HTTP/1.1\r\nhost: a.example:8080\r\nconnection: keep-alive, x-hop\r\nx-hop: 1\r\n\
         keep-alive: 1\r\nte: gzip\r\ncookie: a=b\r\ntransfer-encoding: chunked\r\n\r\n\
         4\r\nbody\r\n0\r\n\r\n",
    );
    assert_eq!(response.status, 200, "{response:?}");
    assert!(
        response
            .header("via")
            .is_some_and(|via| via.starts_with("2 egret-"))
    );
    let seen = &upstream.requests()[0];
    assert_eq!(seen.version, Version::HTTP_2);
    assert_eq!(seen.target, "http://a.example:8080/a?b=c");
    assert_eq!(seen.body, b"body");
    assert_eq!(seen.header("cookie"), Some("a=b"));
    for gone in [
        "host",
        "connection",
        "keep-alive",
        "x-hop",
        "te",
        "transfer-encoding",
    ] {
        assert_eq!(seen.header(gone), None, "{gone}");
    }
    let options = "OPTIONS * HTTP/1.1\r\nhost: a.example\r\n\r\n";
    assert_eq!(gateway.connect().request(options).status, 200);
    let head = "HEAD /bytes/10 HTTP/1.1\r\nhost: a.example\r\n\r\n";
    let response = gateway.connect().request(head);
    assert_eq!(response.header("content-length"), Some("10"));
}

#[test]
fn bodies_of_any_size_and_trailers_pass_both_ways() {
    let upstream = Upstream::start_http2(Http2Options::default());
    let gateway = to_static(upstream.port(), NO_SETTINGS);
    let size = 3_000_000;
    let mut client = gateway.connect();
    client.send(format!(
        "POST /sink HTTP/1.1\r\nhost: a.example\r\ncontent-length: {size}\r\n\r\n"
    ));
    client.send_body_of(size);
    let mut posted = gateway.connect();
    let response = posted.request(
        "POST /trailers/10 HTTP/1.1\r\nhost: a.example\r\nconnection: te\r\nte: trailers\r\n\
         trailer: x-sum\r\ntransfer-encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\nx-sum: 4\r\n\r\n",
    );
    assert_eq!(response.status, 200);
    assert_eq!(
        response.trailers.get("x-checked"),
        Some("yes"),
        "{response:?}"
    );
    let requests = upstream.requests();
    let seen = requests
        .iter()
        .find(|one| one.target.ends_with("/trailers/10"));
    let seen = seen.expect("the request");
    assert_eq!(seen.header("te"), Some("trailers"));
    assert_eq!(seen.trailers["x-sum"], "4");
    let mut client = gateway.connect();
    client.send_request(format!(
        "GET /chunked/{size} HTTP/1.1\r\nhost: a.example\r\n\r\n"
    ));
    client.read_head();
    assert_eq!(client.read_body_discarding(), size);
}

#[test]
fn grpc_goes_over_http2_wherever_it_goes() {
    let (dns, upstream) = (
        DnsServer::with_a_example(),
        Upstream::start_http2(Http2Options::default()),
    );
    let gateway = Gateway::start(&quickstart_config(dns.addr()));
    let client = Http2Client::connect(gateway.address());
    let uri = format!("http://a.example:{}/trailers/10", upstream.port());
    let request = Request::post(uri)
        .header("content-type", "application/grpc+proto")
        .header("te", "trailers");
    let mut stream = client.open(request.body(()).expect("a request"), false);
    stream.send(b"message", false).expect("a stream");
    let mut trailers = HeaderMap::new();
    trailers.insert("x-sum", HeaderValue::from_static("7"));
    stream.send_trailers(trailers).expect("a stream");
    let response = stream.response().expect("a response");
    assert_eq!(response.status, 200);
    assert_eq!(response.trailers.get("x-checked"), Some("yes"));
    let seen = &upstream.requests()[0];
    assert_eq!(seen.version, Version::HTTP_2);
    assert_eq!(seen.header("te"), Some("trailers"));
    assert_eq!(
        (&seen.body[..], &seen.trailers["x-sum"]),
        (&b"message"[..], &HeaderValue::from_static("7"))
    );
}

/// Trailers must not have fields for framing, routing, authentication or one hop (RFC 9110, section 6.5.1). HTTP/2 treats
/// some of them as malformed messages, and the others would be used after the checks of the head.
#[test]
fn trailers_bring_nothing_that_the_head_may_not() {
    let upstream = Upstream::start_http2(Http2Options::default());
    let gateway = to_static(upstream.port(), NO_SETTINGS);
    let hostile = "x-sum: 4\r\nconnection: x-hop\r\nx-hop: 1\r\nproxy-authorization: Basic eDp5\r\n\
                   transfer-encoding: chunked\r\ncontent-length: 9\r\nhost: b.example\r\n\
                   authorization: Basic eDp5\r\nx-forwarded-for: 192.0.2.1\r\n";
    let mut client = gateway.connect();
    let response = client.request(format!(
        "POST /sink HTTP/1.1\r\nhost: a.example\r\ntransfer-encoding: chunked\r\n\
         trailer: x-sum, proxy-authorization\r\n\r\n4\r\nbody\r\n0\r\n{hostile}\r\n"
    ));
    assert_eq!(response.status, 200, "{response:?}");
    let seen = &upstream.requests()[0].trailers;
    let names: Vec<_> = seen.keys().map(http::HeaderName::as_str).collect();
    assert_eq!(names, ["x-sum"]);
}

#[test]
fn trailers_of_a_response_bring_nothing_either() {
    let (dns, server) = (
        DnsServer::with_a_example(),
        RawServer::answer_each(
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n4\r\nbody\r\n0\r\n\
             x-sum: 4\r\nconnection: close\r\ntransfer-encoding: chunked\r\ncontent-length: 9\r\n\r\n",
        ),
    );
    let gateway = Gateway::start(&quickstart_config(dns.addr()));
    let client = Http2Client::connect(gateway.address());
    let response = client.get(&format!("http://a.example:{}/", server.port()));
    assert_eq!(response.body, b"body");
    assert_eq!(response.trailers.get("x-sum"), Some("4"));
    assert_eq!(response.trailers.get("content-length"), None);
    assert_eq!(response.trailers.get("connection"), None);
}

/// The upstream ends the stream with a frame of its own, after all bytes of its length.
#[test]
fn a_stream_that_ends_after_its_last_byte_is_whole_and_not_reset() {
    let server = RawServer::start(|connection| {
        if connection.read_preface().is_none() {
            return;
        }
        connection.send_frame(&Http2Frame::settings());
        let (data, headers) = (Http2Frame::DATA, Http2Frame::HEADERS);
        let mut next = None;
        while let Some(request) = next.take().or_else(|| connection.read_frame_of(headers)) {
            let stream = request.stream;
            // `:status: 200` and `content-length: 4` (RFC 7541 A and 6.2.2).
            let head = [0x88, 0x0f, 0x0d, 1, b'4'];
            let end_headers = Http2Frame {
                flags: 4,
                ..Http2Frame::new(headers, stream, head)
            };
            connection.send_frame(&end_headers);
            // The fourth request is a HEAD.
            if stream < 7 {
                connection.send_frame(&Http2Frame::new(data, stream, *b"body"));
            }
            // The response is whole, and the end has not come.
            let ping = Http2Frame::new(Http2Frame::PING, 0, [7; 8]);
            connection.send_frame(&ping);
            while let Some(frame) = connection.read_frame() {
                assert_ne!(frame.kind, Http2Frame::RST_STREAM);
                if frame.kind == Http2Frame::PING {
                    break;
                }
                if frame.kind == headers {
                    // The client has its response, and its next request may come before the answer to the ping.
                    next = Some(frame);
                }
            }
            let end = Http2Frame {
                flags: 1,
                ..Http2Frame::new(data, stream, [])
            };
            connection.send_frame(&end);
        }
    });
    let gateway = to_static(server.port(), NO_SETTINGS);
    let mut client = gateway.connect();
    for _ in 0..3 {
        let response = client.get("/", "a.example");
        assert_eq!(response.text(), "body");
    }
    // A stream of its own has the whole response and its end.
    let response = client.request("HEAD / HTTP/1.1\r\nhost: a.example\r\n\r\n");
    assert_eq!(response.header("content-length"), Some("4"));
    for record in gateway.wait_for_records(4) {
        assert_eq!(record.get("reason"), None, "{record}");
    }
    assert_eq!(server.connections(), 1);
    assert!(!sent_reset(&server.received()[0]));
}

/// Whether frames after the connection preface have a RST_STREAM among them.
fn sent_reset(received: &[u8]) -> bool {
    let mut rest = &received[24..];
    while let [a, b, c, kind, _, _, _, _, _, payload @ ..] = rest {
        if *kind == Http2Frame::RST_STREAM {
            return true;
        }
        let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
        rest = payload.get(length..).unwrap_or_default();
    }
    false
}
