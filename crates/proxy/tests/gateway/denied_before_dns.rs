//! What any policy denies is never looked up, whatever the form of the request.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::any::Any;
use std::net::SocketAddr;

use bytes::Bytes;
use egret_testkit::client::connect_request;
use egret_testkit::gateway::{LOOPBACK, documents, egress_policy, resolver_policy, traffic_policy};
use egret_testkit::grpc::stream::{StreamService, StreamStep};
use egret_testkit::grpc::{self, GrpcAnswer};
use egret_testkit::protobuf::Written;
use egret_testkit::token::key_set;
use egret_testkit::{
    Ca, Client, ClosedPort, DnsServer, Gateway, Http2Client, RawServer, TlsClient, TokenIssuer,
    Upstream,
};

/// A Gateway with an HTTP and a TLS passthrough listener, which lead anywhere.
const ROUTES: &str = "\
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: http, namespace: kgateway-system}
spec:
  gatewayClassName: kgateway
  listeners:
  - {name: http, protocol: HTTP, port: 8080}
  - {name: tls, protocol: TLS, port: 8443, tls: {mode: Passthrough}}
---
apiVersion: gateway.kgateway.dev/v1alpha1
kind: Backend
metadata: {name: any, namespace: kgateway-system}
spec: {type: DynamicForwardProxy, dynamicForwardProxy: {}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: http, namespace: kgateway-system}
spec:
  parentRefs: [{name: http, sectionName: http}]
  rules: [{backendRefs: [{group: gateway.kgateway.dev, kind: Backend, name: any}]}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: TLSRoute
metadata: {name: tls, namespace: kgateway-system}
spec:
  parentRefs: [{name: http, sectionName: tls}]
  hostnames: ['*.example']
  rules: [{backendRefs: [{group: gateway.kgateway.dev, kind: Backend, name: any}]}]
";

/// The host that nobody may look up, and one whose requests take from limits before.
const NEW: &str = "new.example";
const KNOWN: &str = "a.example";

/// The forms of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Host,
    Absolute,
    Connect,
    Upgrade,
    Http2,
    Http2Connect,
    Sni,
}

const EVERY: &[Form] = &[
    Form::Host,
    Form::Absolute,
    Form::Connect,
    Form::Upgrade,
    Form::Http2,
    Form::Http2Connect,
    Form::Sni,
];
/// Of the connections of a TLSRoute nothing but the server name and the client's address is known.
const NOT_SNI: &[Form] = EVERY.split_last().unwrap().1;
/// Requests that have a body and a method of their own.
const WITH_BODY: &[Form] = &[Form::Host, Form::Absolute, Form::Http2];

/// A policy that denies what goes to [`NEW`], with what it needs.
struct Denial {
    by: &'static str,
    forms: &'static [Form],
    objects: String,
    /// Whether the policy lets one request through, which is to [`KNOWN`].
    lets_one: bool,
    /// The services that it asks.
    services: Vec<Box<dyn Any>>,
}

impl Denial {
    fn new(by: &'static str, forms: &'static [Form], objects: String) -> Self {
        Self {
            by,
            forms,
            objects,
            lets_one: false,
            services: Vec::new(),
        }
    }

    fn traffic(by: &'static str, forms: &'static [Form], spec: &str) -> Self {
        Self::new(by, forms, traffic_policy("denies", spec))
    }

    fn egress(by: &'static str, spec: &str) -> Self {
        Self::new(by, EVERY, egress_policy("denies", spec))
    }

    fn letting_one(self) -> Self {
        Self {
            lets_one: true,
            ..self
        }
    }

    /// A policy that asks a service, which is there.
    fn asking(
        by: &'static str,
        forms: &'static [Form],
        (extension, policy): (&str, &str),
        (at, service): (SocketAddr, Box<dyn Any>),
    ) -> Self {
        let (ip, port) = (at.ip(), at.port());
        let backend = "backendRef: {group: gateway.kgateway.dev, kind: Backend, name: service}";
        let extension = extension.replace("$BACKEND", backend);
        let service_objects = format!(
            "apiVersion: gateway.kgateway.dev/v1alpha1
kind: Backend
metadata: {{name: service, namespace: kgateway-system}}
spec: {{static: {{hosts: [{{host: {ip}, port: {port}}}]}}}}
---
apiVersion: gateway.kgateway.dev/v1alpha1
kind: GatewayExtension
metadata: {{name: service, namespace: kgateway-system}}
spec: {{{extension}}}
"
        );
        let objects = documents(&[&service_objects, &traffic_policy("denies", policy)]);
        Self {
            services: vec![service],
            ..Self::new(by, forms, objects)
        }
    }
}

const AUTH: &str = "extAuth: {extensionRef: {name: service}}";
const TOKENS: &str = "jwtAuth: {extensionRef: {name: service}}";

fn at<T: 'static>(service: T, addr: impl Fn(&T) -> SocketAddr) -> (SocketAddr, Box<dyn Any>) {
    (addr(&service), Box::new(service))
}

fn with_policies() -> Vec<Denial> {
    let key = "apiVersion: v1
kind: Secret
metadata: {name: keys, namespace: kgateway-system}
stringData: {one: key}
";
    let keyed = traffic_policy("denies", "apiKeyAuth: {secretRef: {name: keys}}");
    let bucket = "tokenBucket: {maxTokens: 1, fillInterval: 1000s}";
    vec![
        Denial::traffic(
            "faultInjection",
            NOT_SNI,
            "faultInjection: {abort: {httpStatus: 503}}",
        ),
        Denial::traffic("csrf", WITH_BODY, "csrf: {}"),
        Denial::traffic("acl", EVERY, "acl: {defaultAction: deny}"),
        Denial::traffic(
            "basicAuth",
            EVERY,
            "basicAuth: {users: ['ann:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=']}",
        ),
        Denial::new("apiKeyAuth", EVERY, documents(&[key, &keyed])),
        Denial::traffic(
            "rbac",
            EVERY,
            "rbac: {action: Deny, policy: {matchExpressions: [\"egress.host == 'new.example'\"]}}",
        ),
        Denial::traffic("buffer", WITH_BODY, "buffer: {maxRequestSize: 1}"),
        Denial::egress(
            "a rule",
            "rules: [{name: no, action: Deny, hosts: [new.example]}]",
        ),
        Denial::egress(
            "a rule with an expression",
            "rules: [{name: no, action: Deny, hosts: ['*'], when: \"egress.host.startsWith('new.')\"}]",
        ),
        Denial::egress(
            "the default",
            "defaultAction: Deny\n  rules: [{name: a, action: Allow, hosts: [a.example]}]",
        ),
        Denial::traffic(
            "rateLimit.local",
            EVERY,
            &format!("rateLimit: {{local: {{{bucket}}}}}"),
        )
        .letting_one(),
        Denial::egress("limits", &format!("limits: [{{name: one, {bucket}}}]")).letting_one(),
        Denial::egress(
            "limits of what is open",
            "limits: [{name: one, maxConcurrent: 1}]",
        )
        .letting_one(),
    ]
}

/// Nobody is there.
fn closed() -> (SocketAddr, Box<dyn Any>) {
    at(ClosedPort::start(), ClosedPort::addr)
}

/// Services that know who may ask.
fn with_doors() -> Vec<Denial> {
    let refused = Written::default().message(1, &Written::default().number(1, 7));
    let door = grpc::start(move |_| GrpcAnswer::Message(refused.clone()));
    let over_http = Upstream::start().answering(|_| {
        let refused = http::Response::builder().status(403);
        refused.body(Bytes::new()).ok()
    });
    let keys = key_set([&TokenIssuer::new("one")]);
    let inline =
        format!("jwt: {{providers: [{{name: p, jwks: {{local: {{inline: '{keys}'}}}}}}]}}");
    let remote =
        "jwt: {providers: [{name: p, jwks: {remote: {url: 'http://keys.example/', $BACKEND}}}]}";
    vec![
        Denial::asking("jwtAuth", EVERY, (&inline, TOKENS), closed()),
        Denial::asking("jwtAuth without keys", EVERY, (remote, TOKENS), closed()),
        Denial::asking(
            "extAuth over gRPC",
            EVERY,
            (
                "extAuth: {grpcService: {requestTimeout: 60s, $BACKEND}}",
                AUTH,
            ),
            at(door, Upstream::addr),
        ),
        Denial::asking(
            "extAuth over HTTP",
            EVERY,
            (
                "extAuth: {httpService: {requestTimeout: 60s, $BACKEND}}",
                AUTH,
            ),
            at(over_http, Upstream::addr),
        ),
        Denial::asking(
            "extAuth without its service",
            EVERY,
            (
                "extAuth: {grpcService: {requestTimeout: 60s, $BACKEND}}",
                AUTH,
            ),
            closed(),
        ),
    ]
}

/// Services that count and change requests.
fn with_services() -> Vec<Denial> {
    let over = grpc::start(|_| GrpcAnswer::Message(Written::default().number(1, 2)));
    let processing = StreamService::start(|_| {
        let status = Written::default().number(1, 403);
        let immediate = Written::default().message(1, &status);
        vec![StreamStep::Say(Written::default().message(7, &immediate))]
    });
    vec![
        Denial::asking(
            "rateLimit.global",
            EVERY,
            (
                "rateLimit: {domain: d, timeout: 60s, grpcService: {$BACKEND}}",
                "rateLimit: {global: {descriptors: [{entries: [{type: RemoteAddress}]}], extensionRef: {name: service}}}",
            ),
            at(over, Upstream::addr),
        ),
        Denial::asking(
            "rateLimit.global without its service",
            EVERY,
            (
                "rateLimit: {domain: d, failOpen: false, timeout: 60s, grpcService: {$BACKEND}}",
                "rateLimit: {global: {descriptors: [{entries: [{type: RemoteAddress}]}], extensionRef: {name: service}}}",
            ),
            closed(),
        ),
        Denial::asking(
            "extProc",
            NOT_SNI,
            (
                "extProc: {messageTimeout: 60s, grpcService: {$BACKEND}}",
                "extProc: {extensionRef: {name: service}}",
            ),
            at(processing, StreamService::addr),
        ),
        Denial::asking(
            "extProc without its service",
            NOT_SNI,
            (
                "extProc: {messageTimeout: 60s, failOpen: false, grpcService: {$BACKEND}}",
                "extProc: {extensionRef: {name: service}}",
            ),
            closed(),
        ),
    ]
}

struct TestSetup {
    gateway: Gateway,
    dns: DnsServer,
    known: RawServer,
}

impl TestSetup {
    fn new(objects: &str) -> Self {
        let dns = DnsServer::with_a_example();
        let resolver = resolver_policy(dns.addr(), "");
        let text = documents(&[ROUTES, LOOPBACK, &resolver, objects]);
        Self {
            gateway: Gateway::start(&text),
            dns,
            known: RawServer::silent(),
        }
    }

    fn connect(&self) -> Client {
        Client::connect(self.gateway.address_of(8080))
    }

    /// Opens a tunnel to [`KNOWN`], which takes from limits and stays open.
    fn take_one(&self) -> Client {
        let mut tunnel = self.connect();
        let authority = format!("{KNOWN}:{}", self.known.port());
        assert_eq!(tunnel.request(connect_request(&authority)).status, 200);
        tunnel
    }

    /// Asks for [`NEW`] in this form: the status of the answer, or `None` if the connection ends without one.
    fn ask(&self, form: Form) -> Option<u16> {
        let http1 = |start: &str, rest: &str| {
            let request = format!("{start} HTTP/1.1\r\nhost: {NEW}\r\n{rest}");
            Some(self.connect().request(request).status)
        };
        let body = "content-length: 4\r\n\r\nbody";
        let http2 = || Http2Client::connect(self.gateway.address_of(8080));
        match form {
            Form::Host => http1("POST /", body),
            Form::Absolute => http1(&format!("POST http://{NEW}/"), body),
            Form::Connect => Some(
                self.connect()
                    .request(connect_request("new.example:443"))
                    .status,
            ),
            Form::Upgrade => http1("GET /", "connection: upgrade\r\nupgrade: websocket\r\n\r\n"),
            Form::Http2 => {
                let request = http::Request::post(format!("http://{NEW}/"))
                    .body(())
                    .unwrap();
                Some(http2().request(request, b"body").unwrap().status)
            }
            Form::Http2Connect => {
                let client = http2();
                let mut stream = client.open_tunnel("new.example:443");
                Some(stream.head().unwrap().status)
            }
            Form::Sni => {
                let tls = TlsClient::new(&Ca::new(), NEW, &[]);
                let mut client = Client::connect(self.gateway.address_of(8443));
                client.send(tls.hello());
                // An alert, and the end.
                client.read_to_end();
                None
            }
        }
    }

    fn lookups(&self) -> usize {
        self.dns.lookups_for(NEW)
    }
}

/// Without it nothing would be proved by the absence of queries.
#[test]
fn what_nothing_denies_is_looked_up_in_every_form() {
    for form in EVERY {
        let setup = TestSetup::new("");
        let status = setup.ask(*form);
        assert_eq!(status, (*form != Form::Sni).then_some(502), "{form:?}");
        assert!(setup.lookups() > 0, "{form:?}");
    }
}

#[test]
fn what_a_policy_denies_is_not_looked_up_in_any_form() {
    let denials = [with_policies(), with_doors(), with_services()];
    for denial in denials.into_iter().flatten() {
        let setup = TestSetup::new(&denial.objects);
        let taken = denial.lets_one.then(|| setup.take_one());
        for form in denial.forms {
            let status = setup.ask(*form);
            let case = format!("{} {form:?} {status:?}", denial.by);
            match form {
                Form::Sni => assert_eq!(status, None, "{case}"),
                _ => assert!(status.is_some_and(|it| it >= 400 && it != 502), "{case}"),
            }
            assert_eq!(setup.lookups(), 0, "{case}");
        }
        drop((taken, denial.services));
    }
}
