//! `extAuth` of a TrafficPolicy: a service says which requests are let through.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use egret_testkit::client::connect_request;
use egret_testkit::gateway::{documents, quickstart_config, traffic_policy};
use egret_testkit::grpc::{self, GrpcAnswer};
use egret_testkit::protobuf::{Written, numbers, texts};
use egret_testkit::{ClosedPort, DnsServer, Gateway, Http2Client, RawServer, Response, Upstream};

/// The GatewayExtension `door`, whose service is there, and the policy that refers to it.
fn door(service: SocketAddr, extension: &str, policy: &str) -> String {
    let (ip, port) = (service.ip(), service.port());
    let backend = "backendRef: {group: gateway.kgateway.dev, kind: Backend, name: door}";
    let extension = extension.replace("$BACKEND", backend);
    let extension = format!(
        "apiVersion: gateway.kgateway.dev/v1alpha1
kind: Backend
metadata: {{name: door, namespace: kgateway-system}}
spec: {{static: {{hosts: [{{host: {ip}, port: {port}}}]}}}}
---
apiVersion: gateway.kgateway.dev/v1alpha1
kind: GatewayExtension
metadata: {{name: door, namespace: kgateway-system}}
spec: {{type: ExtAuth, extAuth: {{{extension}}}}}
"
    );
    let policy = format!("extAuth: {{extensionRef: {{name: door}}{policy}}}");
    documents(&[&extension, &traffic_policy("door", &policy)])
}

const GRPC: &str = "grpcService: {requestTimeout: 60s, $BACKEND}";

struct TestSetup {
    gateway: Gateway,
    upstream: Upstream,
    dns: DnsServer,
}

impl TestSetup {
    fn new(door: &str, others: &[&str]) -> Self {
        let (dns, upstream) = (DnsServer::with_a_example(), Upstream::start());
        let text = documents(&[&quickstart_config(dns.addr()), door]);
        let text = documents(&[&[&*text], others].concat());
        Self {
            gateway: Gateway::start(&text),
            upstream,
            dns,
        }
    }

    fn host(&self) -> String {
        format!("a.example:{}", self.upstream.port())
    }

    fn ask(&self, start: &str, fields: &str, body: &str) -> Response {
        let host = self.host();
        let length = if body.is_empty() {
            String::new()
        } else {
            format!("content-length: {}\r\n", body.len())
        };
        let head = format!("{start} HTTP/1.1\r\nhost: {host}\r\n{fields}{length}\r\n{body}");
        self.gateway.connect().request(head)
    }
}

fn code(code: u64) -> Written {
    Written::default().number(1, code)
}

fn option(key: &str, value: &str) -> Written {
    let field = Written::default().text(1, key).text(2, value);
    Written::default().message(1, &field)
}

/// Lets requests through, with these changes.
fn allow(ok: &Written) -> GrpcAnswer {
    GrpcAnswer::Message(Written::default().message(1, &code(0)).message(3, ok))
}

/// Refuses requests with this status.
fn deny(status: u64, body: &str) -> GrpcAnswer {
    let response = Written::default()
        .message(1, &code(status))
        .message(2, &option("x-why", "a"))
        .message(2, &option("x-why", "b"))
        .text(3, body);
    GrpcAnswer::Message(
        Written::default()
            .message(1, &code(7))
            .message(2, &response),
    )
}

/// The value of a header in a question.
fn asked(message: &[u8], name: &str) -> Option<String> {
    let keys = texts(message, &[1, 4, 2, 3, 1]);
    let values = texts(message, &[1, 4, 2, 3, 2]);
    let at = keys.iter().position(|key| key == name)?;
    Some(values[at].clone())
}

#[test]
fn a_service_is_asked_about_requests_in_every_form_before_dns() {
    let questions = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&questions);
    let service = grpc::start(move |message| {
        let http = |field| texts(message, &[1, 4, 2, field]).concat();
        let line = format!("{} {} {}", http(2), http(5), http(4));
        // Nobody said that the service gets credentials for the proxy.
        assert_eq!(asked(message, "proxy-authorization"), None);
        kept.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(line);
        if http(5).starts_with("new.") {
            deny(418, "not you")
        } else {
            allow(&Written::default())
        }
    });
    let setup = TestSetup::new(&door(service.addr(), GRPC, ""), &[]);
    let host = setup.host();
    let secret = "proxy-authorization: Basic c2VjcmV0\r\n";
    assert_eq!(setup.ask("GET /a?b=c", secret, "").status, 200);
    assert_eq!(
        setup.ask(&format!("GET http://{host}/"), secret, "").status,
        200
    );
    let http2 = Http2Client::connect(setup.gateway.address());
    assert_eq!(http2.get(&format!("http://{host}/h2")).status, 200);
    let mut tunnel = setup.gateway.connect();
    assert_eq!(tunnel.request(connect_request(&host)).status, 200);
    assert_eq!(tunnel.get("/", &host).status, 200);
    for refused in [
        setup.gateway.get("new.example", "/"),
        setup
            .gateway
            .connect()
            .request(connect_request("new.example:443")),
    ] {
        assert_eq!((refused.status, refused.text()), (418, "not you"));
        let why: Vec<_> = refused.headers.all("x-why").collect();
        assert_eq!(why, ["a", "b"]);
        let proxy_status = refused.header("proxy-status").unwrap_or_default();
        assert!(
            proxy_status.contains("error=http_request_denied"),
            "{proxy_status}"
        );
    }
    assert_eq!(setup.dns.lookups_for("new.example"), 0);
    let questions = questions.lock().unwrap_or_else(PoisonError::into_inner);
    let expected = [
        format!("GET {host} /a?b=c"),
        format!("GET {host} /"),
        format!("GET {host} /h2"),
        format!("CONNECT {host} "),
        "GET new.example /".to_owned(),
        "CONNECT new.example:443 ".to_owned(),
    ];
    assert_eq!(*questions, expected);
    assert_eq!(service.connections(), 1);
    setup
        .gateway
        .wait_for_metric("egret_refusals_total{reason=\"ext_auth\"}", 2.0);
}

#[test]
fn the_service_changes_the_request_and_the_response() {
    let service = grpc::start(|_| {
        let ok = Written::default()
            .message(2, &option("x-user", "ann"))
            .message(2, &option("host", "evil.example"))
            .message(2, &option("authorization", "Bearer own"))
            .text(5, "x-secret")
            .message(6, &option("x-seen", "yes"))
            .message(7, &Written::default().text(1, "k").text(2, "v"))
            .text(8, "token");
        allow(&ok)
    });
    // The credentials of `basicAuth` do not go on, and what the service sets in their place does.
    let basic = traffic_policy(
        "users",
        "basicAuth: {users: ['ann:{SHA}qUqP5cyxm6YcTAhz05Hph5gvu9M=']}",
    );
    let rbac = "rbac: {policy: {matchExpressions: [\"request.headers['x-user'] == 'ann'\"]}}";
    let rbac = traffic_policy("rbac", rbac);
    let setup = TestSetup::new(&door(service.addr(), GRPC, ""), &[&basic, &rbac]);
    let fields = "authorization: Basic YW5uOnRlc3Q=\r\nx-user: eve\r\nx-secret: s\r\n";
    let response = setup.ask("GET /a?token=t&b=c", fields, "");
    assert_eq!(response.status, 200);
    assert_eq!(response.header("x-seen"), Some("yes"));
    let request = &setup.upstream.requests()[0];
    assert_eq!(request.target, "/a?b=c&k=v");
    assert_eq!(request.header("x-user"), Some("ann"));
    assert_eq!(request.header("x-secret"), None);
    assert_eq!(request.header("authorization"), Some("Bearer own"));
    assert_eq!(request.header("host"), Some(&*setup.host()));
    let wrong = setup.ask("GET /", "authorization: Basic YW5uOm5v\r\n", "");
    assert_eq!(wrong.status, 401);
    // It is not asked about what is refused before.
    assert_eq!(service.requests().len(), 1);
}

const MIRROR: &str = "apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: mirrored, namespace: httpbin}
spec:
  parentRefs: [{name: http, namespace: kgateway-system}]
  hostnames: [a.example]
  rules:
  - backendRefs: [{name: dfp-backend, group: gateway.kgateway.dev, kind: Backend}]
    filters:
    - type: RequestMirror
      requestMirror: {backendRef: {name: copies, group: gateway.kgateway.dev, kind: Backend}}
";

#[test]
fn the_service_gets_as_much_of_the_body_as_configured_and_the_upstream_all() {
    let questions = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&questions);
    let service = grpc::start(move |message| {
        let body =
            texts(message, &[1, 4, 2, 11]).concat() + &texts(message, &[1, 4, 2, 12]).concat();
        let partial = asked(message, "x-envoy-auth-partial-body");
        let size = numbers(message, &[1, 4, 2, 9]);
        let question = (body, partial.unwrap_or_default(), size);
        kept.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(question);
        allow(&Written::default())
    });
    let copies = Upstream::start();
    let mirror = format!(
        "{MIRROR}---
apiVersion: gateway.kgateway.dev/v1alpha1
kind: Backend
metadata: {{name: copies, namespace: httpbin}}
spec: {{static: {{hosts: [{{host: 127.0.0.1, port: {}}}]}}}}
",
        copies.port()
    );
    let buffer = traffic_policy("buffer", "buffer: {maxRequestSize: 64}");
    let whole = format!("{GRPC}, withRequestBody: {{maxRequestBytes: 10}}");
    let setup = TestSetup::new(&door(service.addr(), &whole, ""), &[&mirror, &buffer]);
    assert_eq!(setup.ask("POST /", "", "0123456789").status, 200);
    let chunked = "transfer-encoding: chunked\r\n\r\n4\r\nabcd\r\n3\r\nefg\r\n0\r\n";
    assert_eq!(setup.ask("POST /", chunked, "").status, 200);
    let too_large = setup.ask("POST /", "", "0123456789x");
    assert_eq!(
        (too_large.status, too_large.text()),
        (413, "Payload Too Large")
    );
    let chunked = "transfer-encoding: chunked\r\n\r\nb\r\n0123456789x\r\n0\r\n";
    assert_eq!(setup.ask("POST /", chunked, "").status, 413);
    assert_eq!(setup.ask("GET /", "", "").status, 200);
    // The policy has its own settings of that.
    let partial =
        ", withRequestBody: {maxRequestBytes: 3, allowPartialMessage: true, packAsBytes: true}";
    let partial = TestSetup::new(&door(service.addr(), &whole, partial), &[&mirror, &buffer]);
    assert_eq!(partial.ask("POST /", "", "0123456789").status, 200);
    assert_eq!(partial.ask("POST /", "", "012").status, 200);
    // `buffer` still counts what was read before.
    assert_eq!(partial.ask("POST /", "", &"x".repeat(65)).status, 413);
    let question = |body: &str, partial: &str, size: &[u64]| {
        (body.to_owned(), partial.to_owned(), size.to_vec())
    };
    let expected = [
        question("0123456789", "false", &[10]),
        question("abcdefg", "false", &[7]),
        question("", "false", &[]),
        question("012", "true", &[10]),
        question("012", "false", &[3]),
        question("xxx", "true", &[65]),
    ];
    let questions = questions.lock().unwrap_or_else(PoisonError::into_inner);
    assert_eq!(*questions, expected);
    let bodies = |upstream: &Upstream| -> Vec<String> {
        let requests = upstream.requests();
        let text = |body: &Vec<u8>| String::from_utf8_lossy(body).into_owned();
        requests.iter().map(|request| text(&request.body)).collect()
    };
    assert_eq!(bodies(&setup.upstream), ["0123456789", "abcdefg", ""]);
    assert_eq!(bodies(&partial.upstream), ["0123456789", "012"]);
    copies.wait_for_complete_requests(5);
    let mut copied = bodies(&copies);
    copied.sort_unstable();
    assert_eq!(copied, ["", "012", "0123456789", "0123456789", "abcdefg"]);
}

#[test]
fn without_an_answer_requests_fail_or_pass_as_configured_and_it_recovers() {
    let lies = || {
        let other = |status: u16, body: Vec<u8>| {
            let response = http::Response::builder().status(status);
            let response = response.header("content-type", "application/grpc");
            GrpcAnswer::Other(response.body(Bytes::from(body)).unwrap_or_default())
        };
        let huge = Written::default().bytes(9, &vec![b'x'; 10_000_000]);
        vec![
            GrpcAnswer::Status(14),
            GrpcAnswer::Message(huge),
            other(200, b"hello".to_vec()),
            other(502, Vec::new()),
        ]
    };
    for (more, expected) in [
        ("", 403),
        (", statusOnError: 503", 503),
        (", failOpen: true", 200),
    ] {
        let next = AtomicUsize::new(0);
        let service = grpc::start(move |_| {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let lie = lies().into_iter().nth(at);
            lie.unwrap_or_else(|| deny(401, "no"))
        });
        let setup = TestSetup::new(&door(service.addr(), &format!("{GRPC}{more}"), ""), &[]);
        for lie in 0..lies().len() {
            let response = setup.ask("GET /", "", "");
            assert_eq!(response.status, expected, "{lie}{more}");
            let proxy_status = response.header("proxy-status").unwrap_or_default();
            let is_told = proxy_status.contains("error=proxy_internal_error");
            assert_eq!(is_told, expected != 200, "{proxy_status}");
        }
        assert_eq!(setup.ask("GET /", "", "").status, 401);
    }
    let silent = RawServer::start(|connection| drop(connection.read_to_end()));
    let closed = ClosedPort::start();
    for (service, timeout) in [(silent.addr(), "100ms"), (closed.addr(), "60s")] {
        let http = "httpService: {requestTimeout: 60s, $BACKEND}";
        for protocol in [GRPC, http] {
            let extension = protocol.replace("60s", timeout);
            let setup = TestSetup::new(&door(service, &extension, ""), &[]);
            assert_eq!(
                setup.ask("GET /", "", "").status,
                403,
                "{service} {extension}"
            );
            let connect = connect_request(&setup.host());
            assert_eq!(setup.gateway.connect().request(connect).status, 403);
        }
    }
}

#[test]
fn a_service_is_asked_over_http() {
    let service = Upstream::start().answering(|request| {
        let key = request.header("x-key").unwrap_or_default();
        let response = http::Response::builder()
            .header("x-user", "ann")
            .header("x-seen", "yes")
            .header("www-authenticate", "Key");
        let (status, body) = match key {
            "good" => (200, ""),
            "created" => (201, "made"),
            "broken" => (500, "oops"),
            _ => (401, "who are you"),
        };
        response.status(status).body(Bytes::from(body)).ok()
    });
    let http = "httpService: {requestTimeout: 60s, pathPrefix: /check, $BACKEND,
        authorizationRequest: {headersToAdd: {x-own: egret}},
        authorizationResponse: {headersToBackend: [x-user], headersToClientOnSuccess: [x-seen]}},
        headersToForward: [X-Key]";
    let setup = TestSetup::new(&door(service.addr(), http, ""), &[]);
    let host = setup.host();
    let secret = "proxy-authorization: Basic c2VjcmV0\r\n";
    let ask = |start: &str, key: &str| {
        setup.ask(
            start,
            &format!("x-key: {key}\r\nx-user: eve\r\nx-other: 1\r\n{secret}"),
            "",
        )
    };
    let response = ask("DELETE /a?b=c", "good");
    assert_eq!(
        (response.status, response.header("x-seen")),
        (200, Some("yes"))
    );
    assert_eq!(response.header("x-user"), None);
    let request = &setup.upstream.requests()[0];
    assert_eq!(request.header("x-user"), Some("ann"));
    assert_eq!(request.header("x-seen"), None);
    let question = &service.requests()[0];
    assert_eq!(
        (question.method.as_str(), &*question.target),
        ("DELETE", "/check/a?b=c")
    );
    assert_eq!(question.header("host"), Some(&*host));
    assert_eq!(question.header("x-own"), Some("egret"));
    for name in ["x-other", "x-user", "proxy-authorization"] {
        assert_eq!(question.header(name), None, "{name}");
    }
    for (key, status, text) in [("created", 201, "made"), ("none", 401, "who are you")] {
        let refused = ask("GET /", key);
        assert_eq!((refused.status, refused.text()), (status, text));
        assert_eq!(refused.header("x-user"), Some("ann"));
        assert_eq!(refused.header("www-authenticate"), Some("Key"));
    }
    assert_eq!(ask("GET /", "broken").status, 403);
    let connect = |key: &str| {
        let head = connect_request(&host);
        let head = head.trim_end_matches("\r\n").to_owned();
        let mut client = setup.gateway.connect();
        client
            .request(format!("{head}\r\nx-key: {key}\r\n\r\n"))
            .status
    };
    assert_eq!(
        (connect("good"), connect("created"), connect("none")),
        (200, 403, 401)
    );
    let questions = service.requests();
    let question = questions
        .last()
        .map(|last| last.header("x-forwarded-method"));
    assert_eq!(question, Some(Some("CONNECT")));
    assert_eq!(setup.upstream.requests().len(), 1);
}

#[test]
fn a_route_cannot_disable_what_its_gateway_asks() {
    let service = grpc::start(|_| deny(403, "no"));
    let route = traffic_policy("route", "extAuth: {disable: {}}")
        .replace(
            "kind: Gateway, name: http",
            "kind: HTTPRoute, name: dfp-httproute",
        )
        .replace("namespace: kgateway-system", "namespace: httpbin");
    let mut setup = TestSetup::new(&door(service.addr(), GRPC, ""), &[&route]);
    assert_eq!(setup.ask("GET /", "", "").status, 403);
    setup.gateway.apply(&quickstart_config(setup.dns.addr()));
    assert_eq!(setup.ask("GET /", "", "").status, 200);
    assert_eq!(service.requests().len(), 1);
}
