//! Services that are down, slow, wrong or that send too much, whichever of them a policy asks: what requests get, within
//! which time, that nobody else waits, and that all is well again once the service is.
//!
//! What a service may say wrongly in its own protocol is with its policy: `ext_auth`, `ext_proc::failures`, `global_limit`,
//! `jwt_auth::keys`.

use std::any::Any;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::LazyLock;

use bytes::Bytes;
use egret_testkit::gateway::{documents, quickstart_config};
use egret_testkit::grpc::stream::{StreamService, StreamStep};
use egret_testkit::grpc::{self, GrpcAnswer};
use egret_testkit::protobuf::Written;
use egret_testkit::token::key_set;
use egret_testkit::{
    Client, ClosedPort, DnsServer, Gateway, RawServer, Response, SharedPort, TokenIssuer, Upstream,
};
use serde_json::json;

/// The services that a policy may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Service {
    AuthOverGrpc,
    AuthOverHttp,
    Processing,
    Limits,
    Keys,
}

const ALL: [Service; 5] = [
    Service::AuthOverGrpc,
    Service::AuthOverHttp,
    Service::Processing,
    Service::Limits,
    Service::Keys,
];

/// Who signs the tokens of all requests.
static ISSUER: LazyLock<TokenIssuer> = LazyLock::new(|| TokenIssuer::new("one"));

/// A time far in the future.
const EXPIRES: u64 = 4_102_444_800;

impl Service {
    /// The extension that names the service, and the field of the policy that names the extension.
    fn extension(self, timeout: &str, fails_open: bool) -> (String, &'static str) {
        let backend = "backendRef: {group: gateway.kgateway.dev, kind: Backend, name: service}";
        let open = format!("failOpen: {fails_open}");
        match self {
            Self::AuthOverGrpc => (
                format!(
                    "extAuth: {{{open}, grpcService: {{requestTimeout: {timeout}, {backend}}}}}"
                ),
                "extAuth: {extensionRef: {name: service}}",
            ),
            Self::AuthOverHttp => (
                format!(
                    "extAuth: {{{open}, httpService: {{requestTimeout: {timeout}, {backend}}}}}"
                ),
                "extAuth: {extensionRef: {name: service}}",
            ),
            Self::Processing => (
                format!(
                    "extProc: {{{open}, messageTimeout: {timeout}, grpcService: {{{backend}}}}}"
                ),
                "extProc: {extensionRef: {name: service}}",
            ),
            Self::Limits => (
                format!(
                    "rateLimit: {{domain: d, {open}, timeout: {timeout}, grpcService: {{{backend}}}}}"
                ),
                "rateLimit: {global: {descriptors: [{entries: [{type: RemoteAddress}]}], extensionRef: {name: service}}}",
            ),
            Self::Keys => (
                format!(
                    "jwt: {{providers: [{{name: p, issuer: me, jwks: {{remote: {{url: 'http://keys.example/keys', \
                     asyncFetch: {{failedRefetchDuration: 1ms}}, {backend}}}}}}}]}}"
                ),
                "jwtAuth: {extensionRef: {name: service}}",
            ),
        }
    }

    /// The status of a request about which there is no answer, or none in time.
    fn refusal(self, is_late: bool) -> u16 {
        match self {
            Self::AuthOverGrpc | Self::AuthOverHttp => 403,
            Self::Processing if is_late => 504,
            Self::Processing | Self::Limits => 500,
            Self::Keys => 401,
        }
    }

    /// Starts a service that lets everything through.
    fn start(self, port: u16) -> Box<dyn Any> {
        let ip = Ipv4Addr::LOCALHOST;
        let say = |message: Written| move |_: &[u8]| GrpcAnswer::Message(message.clone());
        match self {
            Self::AuthOverGrpc => {
                let ok = Written::default().message(1, &Written::default().number(1, 0));
                Box::new(grpc::start_on_port(ip, port, say(ok)))
            }
            Self::AuthOverHttp => Box::new(Upstream::start_on_port(ip, port)),
            Self::Processing => Box::new(StreamService::start_on_port(ip, port, |message| {
                // The answer has the number of the question.
                let kind = if message.nth == 0 { 1 } else { 2 };
                let nothing = Written::default().message(1, &Written::default());
                vec![StreamStep::Say(Written::default().message(kind, &nothing))]
            })),
            Self::Limits => Box::new(grpc::start_on_port(
                ip,
                port,
                say(Written::default().number(1, 1)),
            )),
            Self::Keys => {
                let keys = Bytes::from(key_set([&*ISSUER]));
                let server = Upstream::start_on_port(ip, port);
                Box::new(server.answering(move |_| Some(http::Response::new(keys.clone()))))
            }
        }
    }
}

/// A gateway with two routes, to a.example and to b.example: a policy asks the service about the first.
struct TestSetup {
    gateway: Gateway,
    upstream: Upstream,
    _dns: DnsServer,
}

impl TestSetup {
    fn new(service: Service, at: SocketAddr, timeout: &str, fails_open: bool) -> Self {
        let dns = DnsServer::with_a_example();
        dns.a("b.example", ["127.0.0.1"], 60);
        let (extension, policy) = service.extension(timeout, fails_open);
        let (ip, port) = (at.ip(), at.port());
        let objects = format!(
            "apiVersion: gateway.kgateway.dev/v1alpha1
kind: Backend
metadata: {{name: service, namespace: httpbin}}
spec: {{static: {{hosts: [{{host: {ip}, port: {port}}}]}}}}
---
apiVersion: gateway.kgateway.dev/v1alpha1
kind: GatewayExtension
metadata: {{name: service, namespace: httpbin}}
spec: {{{extension}}}
---
apiVersion: gateway.kgateway.dev/v1alpha1
kind: TrafficPolicy
metadata: {{name: asks, namespace: httpbin}}
spec:
  targetRefs: [{{group: gateway.networking.k8s.io, kind: HTTPRoute, name: dfp-httproute}}]
  {policy}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: free, namespace: httpbin}}
spec:
  parentRefs: [{{name: http, namespace: kgateway-system}}]
  hostnames: [b.example]
  rules: [{{backendRefs: [{{name: dfp-backend, group: gateway.kgateway.dev, kind: Backend}}]}}]
"
        );
        let config = quickstart_config(dns.addr());
        Self {
            gateway: Gateway::start(&documents(&[&config, &objects])),
            upstream: Upstream::start(),
            _dns: dns,
        }
    }

    fn request(&self, host: &str) -> String {
        let claims = json!({"iss": "me", "exp": EXPIRES});
        let (token, port) = (ISSUER.token(&claims), self.upstream.port());
        format!("GET / HTTP/1.1\r\nhost: {host}:{port}\r\nauthorization: Bearer {token}\r\n\r\n")
    }

    /// A request that the service is asked about.
    fn ask(&self) -> Response {
        self.gateway.connect().request(self.request("a.example"))
    }
}

/// What may be the matter with a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    /// Nobody listens.
    Down,
    /// Connections are broken off.
    Resets,
    /// Nothing is ever said.
    Silent,
    /// An answer begins, and never ends.
    Stalls,
    /// What is said belongs to no protocol.
    Garbage,
    /// Ten megabytes come, whatever was asked.
    Floods,
}

const LENGTH: usize = 10_000_000;

impl Trouble {
    /// Starts such a service.
    fn start(self) -> (SocketAddr, Box<dyn Any>) {
        let raw =
            |server: RawServer| -> (SocketAddr, Box<dyn Any>) { (server.addr(), Box::new(server)) };
        let head = format!("HTTP/1.1 500 Oops\r\ncontent-length: {LENGTH}\r\n\r\n");
        match self {
            Self::Down => {
                let port = ClosedPort::start();
                (port.addr(), Box::new(port))
            }
            Self::Resets => raw(RawServer::reset_after_head()),
            Self::Silent => raw(RawServer::silent()),
            Self::Stalls => raw(RawServer::answer(head)),
            Self::Garbage => raw(RawServer::answer("hello, this is no answer\r\n\r\n")),
            Self::Floods => {
                let body = "x".repeat(LENGTH);
                raw(RawServer::answer(head + &body))
            }
        }
    }

    /// How long is waited for it: whoever says nothing is given up after this.
    const fn timeout(self) -> &'static str {
        match self {
            Self::Silent | Self::Stalls => "100ms",
            _ => "60s",
        }
    }
}

const TROUBLES: [Trouble; 6] = [
    Trouble::Down,
    Trouble::Resets,
    Trouble::Silent,
    Trouble::Stalls,
    Trouble::Garbage,
    Trouble::Floods,
];

/// What becomes of a request.
fn assert_unanswered(service: Service, trouble: Trouble, fails_open: bool) {
    let (at, _server) = trouble.start();
    let setup = TestSetup::new(service, at, trouble.timeout(), fails_open);
    let response = setup.ask();
    let expected = if fails_open {
        200
    } else {
        service.refusal(trouble == Trouble::Silent)
    };
    let case = format!("{service:?} {trouble:?} open: {fails_open} {response:?}");
    assert_eq!(response.status, expected, "{case}");
    let served = setup.upstream.requests().len();
    assert_eq!(served, usize::from(fails_open), "{case}");
    let told = response.header("proxy-status").unwrap_or_default();
    let is_told = told.contains("error=proxy_internal_error");
    assert_eq!(is_told, !fails_open, "{case}");
}

#[test]
fn without_an_answer_requests_fail_or_pass_as_configured() {
    for service in ALL {
        if service == Service::Keys {
            continue;
        }
        for trouble in TROUBLES {
            for fails_open in [false, true] {
                assert_unanswered(service, trouble, fails_open);
            }
        }
    }
}

/// Keys are waited for longer than a request would be: five seconds.
#[test]
fn without_keys_nobody_is_let_through() {
    std::thread::scope(|scope| {
        for trouble in TROUBLES {
            scope.spawn(move || assert_unanswered(Service::Keys, trouble, false));
        }
    });
}

#[test]
fn nobody_waits_for_a_service_that_is_not_asked_about_them() {
    for service in ALL {
        let silent = RawServer::silent();
        let setup = TestSetup::new(service, silent.addr(), "60s", false);
        let mut waits = setup.gateway.connect();
        waits.send_request(setup.request("a.example"));
        silent.wait_for_connections(1);
        // The only worker serves others meanwhile, on other connections and for other clients.
        let mut others: Vec<Client> = (0..4).map(|_| setup.gateway.connect()).collect();
        for client in &mut others {
            let response = client.request(setup.request("b.example"));
            assert_eq!(response.status, 200, "{service:?}");
        }
        assert!(waits.is_idle(), "{service:?}");
    }
}

#[test]
fn a_service_that_was_down_is_asked_again_at_once() {
    for service in ALL {
        let port = SharedPort::reserve([Ipv4Addr::LOCALHOST]);
        let at = SocketAddr::from((Ipv4Addr::LOCALHOST, port.port()));
        let setup = TestSetup::new(service, at, "60s", false);
        for _ in 0..3 {
            assert_eq!(setup.ask().status, service.refusal(false), "{service:?}");
        }
        let _service = service.start(port.port());
        // Keys are fetched again a millisecond after the last attempt.
        let tries = if service == Service::Keys { 1000 } else { 1 };
        assert!((0..tries).any(|_| setup.ask().status == 200), "{service:?}");
        for _ in 0..3 {
            assert_eq!(setup.ask().status, 200, "{service:?}");
        }
    }
}
