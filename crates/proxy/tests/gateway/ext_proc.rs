//! `extProc` of a TrafficPolicy: a service reads and changes requests and responses.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::net::SocketAddr;

use egret_testkit::client::connect_request;
use egret_testkit::gateway::{documents, egress_policy, quickstart_config, traffic_policy};
use egret_testkit::grpc::stream::{StreamMessage, StreamService, StreamStep};
use egret_testkit::protobuf::{Written, messages, numbers, texts};
use egret_testkit::{DnsServer, Gateway, Http2Client, Response, Upstream};

mod bodies;
mod failures;
mod how_to;
mod responses;

/// The fields of `ProcessingRequest`.
const REQUEST_HEADERS: u32 = 2;
const RESPONSE_HEADERS: u32 = 3;
const REQUEST_BODY: u32 = 4;
const RESPONSE_BODY: u32 = 5;
const REQUEST_TRAILERS: u32 = 6;
const RESPONSE_TRAILERS: u32 = 7;

/// The GatewayExtension `changer`, whose service is there, and the policy that refers to it.
fn changer(service: SocketAddr, extension: &str, policy: &str) -> String {
    let (ip, port) = (service.ip(), service.port());
    let extension = format!(
        "apiVersion: gateway.kgateway.dev/v1alpha1
kind: Backend
metadata: {{name: changer, namespace: kgateway-system}}
spec: {{static: {{hosts: [{{host: {ip}, port: {port}}}]}}}}
---
apiVersion: gateway.kgateway.dev/v1alpha1
kind: GatewayExtension
metadata: {{name: changer, namespace: kgateway-system}}
spec:
  extProc:
    grpcService: {{backendRef: {{group: gateway.kgateway.dev, kind: Backend, name: changer}}}}
    {extension}
"
    );
    let policy = format!("extProc: {{extensionRef: {{name: changer}}{policy}}}");
    documents(&[&extension, &traffic_policy("changer", &policy)])
}

/// Whose answers may take as long as they want.
const PATIENT: &str = "messageTimeout: 60s";

struct TestSetup {
    gateway: Gateway,
    upstream: Upstream,
    dns: DnsServer,
}

impl TestSetup {
    fn new(service: SocketAddr, extension: &str, others: &[&str]) -> Self {
        Self::with_upstream(Upstream::start(), &changer(service, extension, ""), others)
    }

    /// The service gets this.
    fn processing(service: &StreamService, mode: &str, more: &str) -> Self {
        let extension = format!("{PATIENT}\n    processingMode: {{{mode}}}\n    {more}");
        Self::new(service.addr(), &extension, &[])
    }

    fn with_upstream(upstream: Upstream, changer: &str, others: &[&str]) -> Self {
        let dns = DnsServer::with_a_example();
        let text = documents(&[&quickstart_config(dns.addr()), changer]);
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

    fn head(&self, start: &str, fields: &str) -> String {
        format!("{start} HTTP/1.1\r\nhost: {}\r\n{fields}\r\n", self.host())
    }

    fn ask(&self, start: &str, fields: &str, body: &str) -> Response {
        let length = match body {
            "" => String::new(),
            body => format!("content-length: {}\r\n", body.len()),
        };
        let head = self.head(start, &format!("{fields}{length}"));
        self.gateway.connect().request(format!("{head}{body}"))
    }
}

/// Which question a message is: a field of `ProcessingRequest`.
fn kind(message: &[u8]) -> u32 {
    let is_asked = |field: &u32| !messages(message, &[*field]).is_empty();
    (REQUEST_HEADERS..=RESPONSE_TRAILERS)
        .find(is_asked)
        .expect("a question")
}

/// The value of a header in a question about headers.
fn asked(message: &[u8], name: &str) -> Option<String> {
    let kind = kind(message);
    let keys = texts(message, &[kind, 1, 1, 1]);
    let values = texts(message, &[kind, 1, 1, 3]);
    let at = keys.iter().position(|key| key == name)?;
    Some(values[at].clone())
}

/// The piece of a body in a question, and whether it is the last.
fn piece(message: &[u8]) -> (Vec<u8>, bool) {
    let kind = kind(message);
    let body = messages(message, &[kind, 1]).concat();
    (body, !numbers(message, &[kind, 2]).is_empty())
}

/// An answer to the question of this kind.
fn answer(kind: u32, common: &Written) -> StreamStep {
    // The fields of the answers are those of the questions, but for one.
    let field = match kind {
        REQUEST_HEADERS => 1,
        RESPONSE_HEADERS => 2,
        REQUEST_BODY => 3,
        RESPONSE_BODY => 4,
        REQUEST_TRAILERS => 5,
        _ => 6,
    };
    let answer = match kind {
        REQUEST_TRAILERS | RESPONSE_TRAILERS => common.clone(),
        _ => Written::default().message(1, common),
    };
    StreamStep::Say(Written::default().message(field, &answer))
}

/// The answer that changes nothing.
fn same(message: StreamMessage<'_>) -> Vec<StreamStep> {
    vec![answer(kind(message.bytes), &Written::default())]
}

fn option(key: &str, value: &str) -> Written {
    let field = Written::default().text(1, key).text(3, value);
    Written::default().message(1, &field)
}

/// `CommonResponse` with a header mutation.
fn fields(set: &[(&str, &str)], remove: &[&str]) -> Written {
    let mutation = set
        .iter()
        .fold(Written::default(), |written, (key, value)| {
            written.message(1, &option(key, value))
        });
    let mutation = remove
        .iter()
        .fold(mutation, |written, name| written.text(2, name));
    Written::default().message(2, &mutation)
}

/// `CommonResponse` with another body.
fn body(data: &[u8]) -> Written {
    Written::default().message(3, &Written::default().bytes(1, data))
}

/// `ProcessingResponse` with an immediate response.
fn immediate(status: u64, text: &str) -> StreamStep {
    let response = Written::default()
        .message(1, &Written::default().number(1, status))
        .message(
            2,
            &Written::default().message(1, &option("x-why", "policy")),
        )
        .text(3, text)
        .message(4, &Written::default().number(1, 7))
        .text(5, "by_test");
    StreamStep::Say(Written::default().message(7, &response))
}

#[test]
fn headers_are_changed_both_ways_over_one_connection() {
    let service = StreamService::start(|message| {
        let kind = kind(message.bytes);
        let changes = match kind {
            REQUEST_HEADERS => {
                // Nobody said that the service gets credentials for the proxy.
                assert_eq!(asked(message.bytes, "proxy-authorization"), None);
                let from = asked(message.bytes, ":path").unwrap();
                let set = [
                    ("x-from", &*from),
                    ("host", "evil.example"),
                    (":method", "PUT"),
                ];
                fields(&set, &["x-secret", "content-length"])
            }
            _ => {
                let status = asked(message.bytes, ":status").unwrap();
                fields(
                    &[("x-seen", &status), ("content-length", "1")],
                    &["x-upstream"],
                )
            }
        };
        vec![answer(kind, &changes)]
    });
    let setup = TestSetup::new(service.addr(), PATIENT, &[]);
    let secret = "x-secret: s\r\nproxy-authorization: Basic c2VjcmV0\r\n";
    let response = setup.ask("POST /a?b=c", secret, "body");
    assert_eq!(
        (response.status, response.header("x-seen")),
        (200, Some("200"))
    );
    assert_eq!(response.header("x-upstream"), None);
    let http2 = Http2Client::connect(setup.gateway.address());
    let response = http2.get(&format!("http://{}/h2", setup.host()));
    assert_eq!(
        (response.status, response.header("x-seen")),
        (200, Some("200"))
    );
    let requests = setup.upstream.requests();
    assert_eq!(requests[0].header("x-from"), Some("/a?b=c"));
    assert_eq!(requests[0].header("x-secret"), None);
    assert_eq!(requests[0].header("host"), Some(&*setup.host()));
    assert_eq!(
        (requests[0].method.as_str(), &*requests[0].body),
        ("POST", &b"body"[..])
    );
    assert_eq!(requests[1].header("x-from"), Some("/h2"));
    // A call is a stream of one connection, which ends with the request.
    service.wait_for_ended(2);
    assert_eq!(service.connections(), 1);
    let calls = service.calls();
    let ends = |message: &Vec<u8>| numbers(message, &[kind(message), 3]);
    assert_eq!(
        calls[0].iter().map(ends).collect::<Vec<_>>(),
        [Vec::<u64>::new(), Vec::new()]
    );
    assert_eq!(calls[1].iter().map(ends).next(), Some(vec![1]));
}

#[test]
fn the_service_refuses_requests_before_dns_and_in_every_form() {
    let service = StreamService::start(|message| {
        let host = asked(message.bytes, ":authority").unwrap_or_default();
        match host.starts_with("new.") {
            true => vec![immediate(403, "not you")],
            false => same(message),
        }
    });
    let setup = TestSetup::new(service.addr(), PATIENT, &[]);
    for refused in [
        setup.gateway.get("new.example", "/"),
        setup
            .gateway
            .connect()
            .request(connect_request("new.example:443")),
    ] {
        assert_eq!((refused.status, refused.text()), (403, "not you"));
        assert_eq!(refused.header("x-why"), Some("policy"));
        assert_eq!(refused.header("grpc-status"), None);
        let told = refused.header("proxy-status").unwrap();
        assert!(told.contains("error=http_request_denied"), "{told}");
        assert!(told.contains("by_test"), "{told}");
    }
    let http2 = Http2Client::connect(setup.gateway.address());
    let grpc =
        http::Request::post("http://new.example/s/m").header("content-type", "application/grpc");
    let refused = http2.request(grpc.body(()).unwrap(), b"").unwrap();
    assert_eq!(
        (refused.status, refused.header("grpc-status")),
        (200, Some("7"))
    );
    assert_eq!(setup.dns.lookups_for("new.example"), 0);
    let mut tunnel = setup.gateway.connect();
    assert_eq!(tunnel.request(connect_request(&setup.host())).status, 200);
    assert_eq!(tunnel.get("/", &setup.host()).status, 200);
    // Of a tunnel the service gets the header of the CONNECT.
    let calls = service.calls();
    let last = calls.last().unwrap();
    assert_eq!(last.len(), 1);
    assert_eq!(asked(&last[0], ":method").as_deref(), Some("CONNECT"));
    setup
        .gateway
        .wait_for_metric("egret_refusals_total{reason=\"ext_proc\"}", 3.0);
}

#[test]
fn egress_policies_are_asked_about_another_path() {
    let service = StreamService::start(|message| {
        let path = asked(message.bytes, ":path").unwrap_or_default();
        let to = match &*path {
            "/bad" => "/private",
            "/odd" => "no path",
            _ => "/public?x=1",
        };
        vec![answer(kind(message.bytes), &fields(&[(":path", to)], &[]))]
    });
    let egress = egress_policy(
        "paths",
        "rules: [{name: no, action: Deny, paths: [/private], hosts: [a.example]}]",
    );
    let strict = format!("{PATIENT}\n    failOpen: false");
    let setup = TestSetup::new(service.addr(), &strict, &[&egress]);
    assert_eq!(setup.ask("GET /", "", "").status, 200);
    assert_eq!(setup.upstream.requests()[0].target, "/public?x=1");
    assert_eq!(setup.ask("GET /bad", "", "").status, 403);
    assert_eq!(setup.ask("GET /odd", "", "").status, 500);
    assert_eq!(setup.upstream.requests().len(), 1);
}

#[test]
fn credentials_that_the_service_sets_reach_the_upstream() {
    let service = StreamService::start(|message| {
        let set = [("authorization", "Bearer own")];
        vec![answer(kind(message.bytes), &fields(&set, &[]))]
    });
    let basic = traffic_policy(
        "users",
        "basicAuth: {users: ['ann:{SHA}qUqP5cyxm6YcTAhz05Hph5gvu9M=']}",
    );
    let setup = TestSetup::new(service.addr(), PATIENT, &[&basic]);
    let response = setup.ask("GET /", "authorization: Basic YW5uOnRlc3Q=\r\n", "");
    assert_eq!(response.status, 200);
    let request = &setup.upstream.requests()[0];
    assert_eq!(request.header("authorization"), Some("Bearer own"));
    // It is not shown what is refused before.
    assert_eq!(setup.ask("GET /", "", "").status, 401);
    assert_eq!(service.calls().len(), 1);
}

#[test]
fn a_route_goes_without_the_service_and_a_policy_chooses_what_it_gets() {
    let service = StreamService::start(same);
    let route = "apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: off, namespace: kgateway-system}
spec:
  parentRefs: [{name: http}]
  hostnames: [a.example]
  rules:
  - matches: [{path: {value: /off}}]
    backendRefs: [{name: dfp-backend, namespace: httpbin, group: gateway.kgateway.dev, kind: Backend}]
---
apiVersion: gateway.networking.k8s.io/v1beta1
kind: ReferenceGrant
metadata: {name: all, namespace: httpbin}
spec:
  from: [{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: kgateway-system}]
  to: [{group: gateway.kgateway.dev, kind: Backend}]
---
apiVersion: gateway.kgateway.dev/v1alpha1
kind: TrafficPolicy
metadata: {name: off, namespace: kgateway-system}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: HTTPRoute, name: off}]
  extProc: {disable: {}}
";
    let policy = ", processingMode: {requestHeaderMode: SKIP, responseHeaderMode: SEND}";
    let changer = changer(service.addr(), PATIENT, policy);
    let setup = TestSetup::with_upstream(Upstream::start(), &changer, &[route]);
    assert_eq!(setup.ask("GET /off", "", "").status, 200);
    assert!(service.calls().is_empty());
    let other = format!("127.0.0.1:{}", setup.upstream.port());
    assert_eq!(setup.gateway.get(&other, "/").status, 200);
    let calls = service.calls();
    let kinds: Vec<u32> = calls[0].iter().map(|message| kind(message)).collect();
    assert_eq!(kinds, [RESPONSE_HEADERS]);
}

#[test]
fn the_service_is_told_attributes_and_what_a_token_says() {
    let service = StreamService::start(same);
    let issuer = egret_testkit::TokenIssuer::new("one");
    let keys = egret_testkit::token::key_set([&issuer]);
    let tokens = format!(
        "apiVersion: gateway.kgateway.dev/v1alpha1
kind: GatewayExtension
metadata: {{name: tokens, namespace: kgateway-system}}
spec: {{jwt: {{providers: [{{name: p, issuer: me, jwks: {{local: {{inline: '{keys}'}}}}}}]}}}}
"
    );
    let auth = traffic_policy("auth", "jwtAuth: {extensionRef: {name: tokens}}");
    let extension = format!(
        "{PATIENT}
    requestAttributes: [request.path, source.user, egress.port, \"request.headers['x-none']\"]
    metadataOptions: {{forwarding: {{untyped: [envoy.filters.http.jwt_authn]}}}}"
    );
    let setup = TestSetup::new(service.addr(), &extension, &[&tokens, &auth]);
    let token = issuer.token(&serde_json::json!({"iss": "me", "sub": "ann"}));
    let field = format!("authorization: Bearer {token}\r\n");
    assert_eq!(setup.ask("GET /a?b", &field, "").status, 200);
    let calls = service.calls();
    let [request, response] = &calls[0][..] else {
        panic!("two questions");
    };
    // `google.protobuf.Struct`s by name.
    assert_eq!(texts(request, &[9, 1]), ["envoy.filters.http.ext_proc"]);
    let names = texts(request, &[9, 2, 1, 1]);
    assert_eq!(names, ["egress.port", "request.path", "source.user"]);
    assert_eq!(texts(request, &[9, 2, 1, 2, 3]), ["/a?b", "ann"]);
    assert!(messages(response, &[9]).is_empty());
    for message in [request, response] {
        assert_eq!(texts(message, &[8, 1, 1]), ["envoy.filters.http.jwt_authn"]);
        assert_eq!(texts(message, &[8, 1, 2, 1, 1]), ["payload"]);
        let claims = texts(message, &[8, 1, 2, 1, 2, 5, 1, 1]);
        assert_eq!(claims, ["iss", "sub"]);
    }
}

#[test]
fn the_service_is_told_what_another_has_said_that_was_asked_before() {
    let value = Written::default().text(3, "gold");
    let entry = Written::default().text(1, "tier").message(2, &value);
    let said = Written::default().message(1, &entry);
    let door = egret_testkit::grpc::start(move |_| {
        let code = Written::default().number(1, 0);
        let answer = Written::default().message(1, &code).message(4, &said);
        egret_testkit::grpc::GrpcAnswer::Message(answer)
    });
    let (ip, port) = (door.addr().ip(), door.addr().port());
    let extension = format!(
        "apiVersion: gateway.kgateway.dev/v1alpha1
kind: Backend
metadata: {{name: door, namespace: kgateway-system}}
spec: {{static: {{hosts: [{{host: {ip}, port: {port}}}]}}}}
---
apiVersion: gateway.kgateway.dev/v1alpha1
kind: GatewayExtension
metadata: {{name: door, namespace: kgateway-system}}
spec:
  extAuth:
    grpcService: {{requestTimeout: 60s, backendRef: {{group: gateway.kgateway.dev, kind: Backend, name: door}}}}
"
    );
    let auth = traffic_policy("auth", "extAuth: {extensionRef: {name: door}}");
    for (names, told) in [
        ("envoy.filters.http.ext_authz", 1),
        ("envoy.filters.http.jwt_authn", 0),
    ] {
        let service = StreamService::start(same);
        let forwarding =
            format!("{PATIENT}\n    metadataOptions: {{forwarding: {{untyped: [{names}]}}}}");
        let setup = TestSetup::new(service.addr(), &forwarding, &[&extension, &auth]);
        assert_eq!(setup.ask("GET /", "", "").status, 200);
        for message in &service.calls()[0] {
            // A `google.protobuf.Struct` by name.
            assert_eq!(texts(message, &[8, 1, 1]), vec![names; told]);
            assert_eq!(texts(message, &[8, 1, 2, 1, 1]), vec!["tier"; told]);
            assert_eq!(texts(message, &[8, 1, 2, 1, 2, 3]), vec!["gold"; told]);
        }
    }
}
