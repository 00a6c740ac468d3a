//! Interim responses (RFC 9110 15.2) and `Expect: 100-continue` (10.1.1), between either version of HTTP and either.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use egret_testkit::gateway::{LOOPBACK, QUICKSTART, documents};
use egret_testkit::upstream::raw::{Http2Frame, RawConnection, RawServer};
use egret_testkit::{Gateway, Http2Client, Response};
use http::Request;

/// The version of HTTP that an upstream speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Http {
    One,
    Two,
}

const BOTH: [Http; 2] = [Http::One, Http::Two];

/// What a scripted upstream does with one request.
struct UpstreamStream<'a> {
    connection: &'a mut RawConnection,
    http: Http,
    /// The stream of HTTP/2.
    stream: u32,
}

impl<'a> UpstreamStream<'a> {
    /// Reads the head of a request. `None` if the connection ends instead.
    fn begin(connection: &'a mut RawConnection, http: Http) -> Option<Self> {
        let stream = if http == Http::One {
            connection.read_head()?;
            0
        } else {
            connection.read_preface()?;
            connection.send_frame(&Http2Frame::settings());
            connection.read_frame_of(Http2Frame::HEADERS)?.stream
        };
        Some(Self {
            connection,
            http,
            stream,
        })
    }

    /// Sends the head of an interim response with a `Link`.
    fn inform(&mut self, status: &str) {
        if self.http == Http::One {
            self.connection.send(format!(
                "HTTP/1.1 {status} Interim\r\nlink: </a>\r\nconnection: x-hop\r\nx-hop: 1\r\n\r\n"
            ));
            return;
        }
        // `:status` and `link` by the static table (RFC 7541 A).
        let fields = [b"\x08\x03", status.as_bytes(), b"\x0f\x1e\x04</a>"].concat();
        self.send_head(&fields, 0x4);
    }

    /// Sends a final response without content, the last of the connection: the gateway would else send the next request
    /// on a connection that is about to be closed.
    fn answer(&mut self) {
        if self.http == Http::One {
            self.connection
                .send("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
        } else {
            self.connection
                .send_frame(&Http2Frame::go_away(self.stream));
            self.send_head(b"\x88\x0f\x0d\x010", 0x5);
        }
    }

    fn send_head(&mut self, fields: &[u8], flags: u8) {
        let frame = Http2Frame {
            flags,
            ..Http2Frame::new(Http2Frame::HEADERS, self.stream, fields)
        };
        self.connection.send_frame(&frame);
    }

    /// Waits for the first bytes of the body.
    fn read_body(&mut self) {
        if self.http == Http::One {
            self.connection.read_exactly(5);
        } else {
            self.connection.read_frame_of(Http2Frame::DATA);
        }
    }
}

/// An upstream that does this with each request, and a gateway that sends every request there.
fn serve(
    http: Http,
    script: impl Fn(&mut UpstreamStream<'_>) + Send + Sync + 'static,
) -> (RawServer, Gateway) {
    let upstream = RawServer::start(move |connection| {
        if let Some(mut stream) = UpstreamStream::begin(connection, http) {
            script(&mut stream);
            stream.connection.close();
        }
    });
    let protocol = match http {
        Http::One => "",
        Http::Two => "appProtocol: kubernetes.io/h2c, ",
    };
    let port = upstream.port();
    let backend =
        format!("type: Static\n  static: {{{protocol}hosts: [{{host: 127.0.0.1, port: {port}}}]}}");
    let dynamic = "type: DynamicForwardProxy\n  dynamicForwardProxy: {}";
    let yaml = documents(&[QUICKSTART, LOOPBACK]).replace(dynamic, &backend);
    (upstream, Gateway::start(&yaml))
}

fn assert_informs(interim: &Response, status: u16, what: Http) {
    assert_eq!(interim.status, status, "{what:?}");
    assert_eq!(interim.header("link"), Some("</a>"), "{what:?}");
    for absent in ["x-hop", "connection", "content-length"] {
        assert_eq!(interim.header(absent), None, "{what:?}");
    }
}

/// They come before the answer is there.
#[test]
fn interim_responses_are_passed_on() {
    for http in BOTH {
        let read = Arc::new(Barrier::new(2));
        let theirs = Arc::clone(&read);
        let (_upstream, gateway) = serve(http, move |stream| {
            stream.inform("102");
            theirs.wait();
            stream.inform("103");
            theirs.wait();
            stream.answer();
        });
        let mut client = gateway.connect();
        client.send_request("GET / HTTP/1.1\r\nhost: a.example\r\n\r\n");
        assert_informs(&client.read_head(), 102, http);
        read.wait();
        assert_informs(&client.read_head(), 103, http);
        read.wait();
        assert_eq!(client.read_response().status, 200);

        let client = Http2Client::connect(gateway.address());
        let request = Request::get("http://a.example/").body(()).unwrap();
        let mut stream = client.open(request, true);
        assert_informs(&stream.interim().unwrap().unwrap(), 102, http);
        read.wait();
        assert_informs(&stream.interim().unwrap().unwrap(), 103, http);
        read.wait();
        assert_eq!(stream.response().unwrap().status, 200);
    }
}

/// A client of HTTP/1.0 knows none, and nothing was asked for that a 100 would answer.
#[test]
fn who_would_misread_them_gets_none() {
    for http in BOTH {
        let (_upstream, gateway) = serve(http, |stream| {
            stream.inform("100");
            stream.inform("103");
            stream.answer();
        });
        let mut client = gateway.connect();
        client.send_request("GET / HTTP/1.0\r\nhost: a.example\r\n\r\n");
        assert_eq!(client.read_head().status, 200);
        let mut client = gateway.connect();
        client.send_request("GET / HTTP/1.1\r\nhost: a.example\r\n\r\n");
        assert_informs(&client.read_head(), 103, http);
    }
}

/// What policies and filters take from responses is in no interim one either.
#[test]
fn the_changes_of_filters_hold_for_them() {
    let (upstream, mut gateway) = serve(Http::One, |stream| {
        stream.inform("103");
        stream.answer();
    });
    let filter =
        "filters: [{type: ResponseHeaderModifier, responseHeaderModifier: {remove: [link]}}]";
    let port = upstream.port();
    let backend = format!("type: Static\n  static: {{hosts: [{{host: 127.0.0.1, port: {port}}}]}}");
    let dynamic = "type: DynamicForwardProxy\n  dynamicForwardProxy: {}";
    let yaml = documents(&[QUICKSTART, LOOPBACK]).replace(dynamic, &backend);
    let rules = "  rules:\n    - ";
    assert!(yaml.contains(rules), "{yaml}");
    gateway.apply(&yaml.replace(rules, &format!("{rules}{filter}\n      ")));
    let mut client = gateway.connect();
    client.send_request("GET / HTTP/1.1\r\nhost: a.example\r\n\r\n");
    let interim = client.read_head();
    assert_eq!((interim.status, interim.header("link")), (103, None));
}

/// An upstream that goes on for ever with them is cut short; the answer arrives.
#[test]
fn no_more_are_passed_on_than_make_sense() {
    let (_upstream, gateway) = serve(Http::One, |stream| {
        for _ in 0..1000 {
            stream.inform("103");
        }
        stream.answer();
    });
    let mut client = gateway.connect();
    client.send_request("GET / HTTP/1.1\r\nhost: a.example\r\n\r\n");
    let mut interim = 0;
    while client.read_head().status == 103 {
        interim += 1;
    }
    assert!((1..=16).contains(&interim), "{interim}");
}

/// The client is asked for its body as soon as the upstream asks, and not only when it has said nothing for a second.
#[test]
fn the_consent_of_the_upstream_is_passed_on_at_once() {
    for http in BOTH {
        let quickest = |asks: bool| {
            let (_upstream, gateway) = serve(http, move |stream| {
                if asks {
                    stream.inform("100");
                }
                stream.read_body();
                stream.answer();
            });
            let quickest = |exchange: &dyn Fn()| (0..3).map(|_| duration(exchange)).min();
            [
                quickest(&|| upload_over_http1(&gateway)),
                quickest(&|| upload_over_http2(&gateway)),
            ]
        };
        let (asked, unasked) = (quickest(true), quickest(false));
        assert!(asked[0] < unasked[0], "{http:?}: {asked:?} {unasked:?}");
        assert!(asked[1] < unasked[1], "{http:?}: {asked:?} {unasked:?}");
    }
}

fn upload_over_http1(gateway: &Gateway) {
    let mut client = gateway.connect();
    client.send_request(
        "POST / HTTP/1.1\r\nhost: a.example\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n",
    );
    assert_eq!(client.read_head().status, 100);
    client.send("hello");
    assert_eq!(client.read_response().status, 200);
}

fn upload_over_http2(gateway: &Gateway) {
    let client = Http2Client::connect(gateway.address());
    let request = Request::post("http://a.example/").header("expect", "100-continue");
    let mut stream = client.open(request.body(()).unwrap(), false);
    assert_eq!(stream.interim().unwrap().unwrap().status, 100);
    stream.send(b"hello", true).unwrap();
    assert_eq!(stream.response().unwrap().status, 200);
}

#[test]
fn an_answer_without_consent_comes_without_a_100() {
    for http in BOTH {
        let (_upstream, gateway) = serve(http, |stream| stream.answer());
        let mut client = gateway.connect();
        client.send_request(
            "POST / HTTP/1.1\r\nhost: a.example\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n",
        );
        assert_eq!(client.read_head().status, 200, "{http:?}");
        let client = Http2Client::connect(gateway.address());
        let request = Request::post("http://a.example/").header("expect", "100-continue");
        let mut stream = client.open(request.body(()).unwrap(), false);
        assert!(stream.interim().unwrap().is_none(), "{http:?}");
        assert_eq!(stream.head().unwrap().status, 200);
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the test measures with the clock of the machine"
)]
fn duration(exchange: &dyn Fn()) -> Duration {
    let begin = Instant::now();
    exchange();
    begin.elapsed()
}
