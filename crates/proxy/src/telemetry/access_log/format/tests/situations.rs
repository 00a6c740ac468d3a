//! The kinds of exchange that the table is about.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use egret_config::access_log::{AccessLog, LogInputs};
use egret_config::certificate::{AlternativeName, CertificateFacts, CertificateValidity};
use egret_config::name::{DnsName, Host, Port};
use egret_config::policy::egress::DecidingRule;
use egret_config::policy::traffic::TrafficSettings;
use egret_config::resources::{Kind, ObjectRef};
use egret_config::route::RouteTable;
use egret_config::snapshot::{
    FixedResponse, Listener, ListenerProtocol, Misconfiguration, RouteFilters, RouteRule,
    RouteTimeouts, RuleAction, Scheme,
};
use http::request::Parts;
use http::{HeaderMap, Method, Request, Response, StatusCode};

use crate::dns::AnswerSource;
use crate::record::{
    ClientFacts, ClientTlsFacts, ExchangeEnd, ExchangeForm, FormatFacts, MessageFields, Record,
    RequestOrigin, RetryEnd, TunnelEnd, UpstreamFacts, Verdict,
};
use crate::refusal::Reason;

/// One exchange, and what its record is made of.
pub(in crate::telemetry) struct Situation {
    /// The request; `None` for TLS that is passed through.
    request: Option<Request<()>>,
    /// What was sent on of it.
    sent: Option<Request<()>>,
    response: Option<Response<()>>,
    trailers: HeaderMap,
    /// The size of the response's body, if the head does not say it.
    length: Option<u64>,
    listener: Listener,
    rule: RouteRule,
    authority: Option<&'static str>,
    backend: Option<ObjectRef>,
    client: ClientFacts,
    destination: Option<(Host, Port)>,
    sni: Option<DnsName>,
    /// What borrows nothing.
    record: Record<'static>,
}

impl Situation {
    /// Calls a function with the record, for a log that asks for this.
    pub(in crate::telemetry) fn with_record(
        &self,
        inputs: &LogInputs,
        look: impl FnOnce(&Record<'_>),
    ) {
        let mut messages = MessageFields::default();
        let parts = self.request.as_ref().map(parts);
        if let Some(parts) = &parts {
            let origin = RequestOrigin {
                scheme: Scheme::Http,
                authority: self.authority.unwrap_or_default(),
                is_described: false,
            };
            messages.receive(inputs, parts, origin);
        }
        if let Some(sent) = &self.sent {
            messages.send(inputs, &parts_of(sent));
        }
        if let Some(response) = &self.response {
            messages.respond(inputs, response.headers(), self.length);
        }
        if !self.trailers.is_empty() {
            messages.end(inputs, &self.trailers);
        }
        let base = self.record.clone();
        look(&Record {
            started: Some(UNIX_EPOCH + Duration::new(1_795_874_497, 654_799_000)),
            listener: Some(&self.listener),
            rule: Some(&self.rule),
            backend: self.backend.as_ref(),
            sni: self.sni.as_ref(),
            authority: self.authority,
            method: parts.as_ref().map(|parts| &parts.method),
            path: parts.as_ref().map_or("", |parts| parts.uri.path()),
            destination: self.destination.as_ref().map(|(host, port)| (host, *port)),
            status: self.response.as_ref().map(Response::status),
            facts: FormatFacts {
                messages: Some(&messages),
                client: Some(&self.client),
                ..base.facts
            },
            ..base
        });
    }

    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    fn answered(mut self, response: http::response::Builder) -> Self {
        self.response = Some(response.body(()).unwrap());
        self
    }

    /// The gateway's own text, of this size.
    fn told(self, status: u16, length: u64) -> Self {
        let response = Response::builder()
            .status(status)
            .header("content-type", "text/plain");
        let mut told = self.answered(response);
        told.length = Some(length);
        told.record.response_bytes = length;
        told
    }

    fn goes_to(mut self, host: &str, port: u16) -> Self {
        self.destination = Some((host.parse().unwrap(), Port::new(port).unwrap()));
        self
    }

    /// There was a connection to this address.
    fn connected(mut self, address: &str, connect: u64) -> Self {
        let record = &mut self.record;
        record.upstream = Some(address.parse().unwrap());
        record.connect = Some(micros(connect));
        record.facts.upstream = UpstreamFacts {
            is_connected: true,
            local: Some("127.0.0.1:43168".parse().unwrap()),
            has_answered: true,
            ..UpstreamFacts::default()
        };
        self
    }
}

fn parts(request: &Request<()>) -> Parts {
    parts_of(request)
}

fn parts_of(request: &Request<()>) -> Parts {
    let mut copy = Request::new(());
    copy.method_mut().clone_from(request.method());
    copy.uri_mut().clone_from(request.uri());
    copy.headers_mut().clone_from(request.headers());
    copy.into_parts().0
}

const fn micros(count: u64) -> Duration {
    Duration::from_micros(count)
}

fn object(kind: Kind, name: &str) -> ObjectRef {
    ObjectRef::new(kind, "apps", name)
}

fn base(request: Option<Request<()>>, authority: Option<&'static str>) -> Situation {
    let listener = Listener {
        gateway: ObjectRef::new(Kind::Gateway, "edge", "http"),
        set: None,
        name: "public".to_owned(),
        full_name: "edge/http/public".into(),
        hostname: None,
        protocol: ListenerProtocol::Http,
        access_log: AccessLog::Default,
        http: None,
        routes: RouteTable::default(),
        refuse: None,
    };
    let rule = RouteRule {
        session: None,
        mirrors: Vec::new(),
        route: object(Kind::HttpRoute, "any"),
        index: 3,
        name: None,
        policies: Arc::new(TrafficSettings::default()),
        filters: RouteFilters::default(),
        timeouts: RouteTimeouts::default(),
        action: RuleAction::Refuse(Misconfiguration {
            object: object(Kind::HttpRoute, "any"),
            message: "".into(),
        }),
    };
    let client = "127.0.0.1:39554".parse().unwrap();
    Situation {
        sent: None,
        response: None,
        trailers: HeaderMap::new(),
        length: None,
        listener,
        rule,
        authority,
        backend: Some(object(Kind::Backend, "up")),
        client: ClientFacts {
            id: 7,
            peer: Some(client),
            local: Some("127.0.0.1:10001".parse().unwrap()),
            tls: None,
        },
        destination: None,
        sni: None,
        record: Record {
            client: Some(client),
            protocol: "HTTP/1.1",
            facts: FormatFacts {
                whole_request: request.as_ref().map(|_| Duration::ZERO),
                ..FormatFacts::default()
            },
            ..Record::default()
        },
        request,
    }
}

fn get(path: &str) -> http::request::Builder {
    Request::get(path).header("host", "a.test")
}

fn a_test(request: http::request::Builder) -> Situation {
    base(Some(request.body(()).unwrap()), Some("a.test"))
}

fn connect(authority: &'static str) -> Situation {
    let request = Request::builder().method(Method::CONNECT).uri(authority);
    let request = request.header("host", authority).body(()).unwrap();
    base(Some(request), Some(authority))
}

/// A request with all kinds of fields, which was served.
pub(in crate::telemetry) fn served() -> Situation {
    let odd = http::HeaderValue::from_bytes(b"\"q\\ \t caf\xe9").unwrap();
    let request = get("/p?q=1&e=a%20b&q=2")
        .header("x-a", "avalue")
        .header("x-b", "bvalue")
        .header("x-empty", "")
        .header("x-repeated", "one")
        .header("x-repeated", "two")
        .header("x-request-id", "an-id")
        .header("x-odd", odd)
        .header("x-utf8", "café");
    let response = Response::builder()
        .header("content-type", "text/plain")
        .header("content-length", "308")
        .header("x-up", "1");
    let served = a_test(request)
        .answered(response)
        .goes_to("127.0.0.1", 18080);
    served.connected("127.0.0.1:18080", 100).with(|it| {
        it.trailers.insert("x-tr", "tv".parse().unwrap());
        it.record.client = Some("9.9.9.9:0".parse().unwrap());
        it.record.facts.upstream.protocol = Some("HTTP/1.1");
        it.record.response_bytes = 308;
        it.record.first_byte = Some(micros(1000));
        it.record.duration = micros(2000);
    })
}

/// A request whose upstream refused the connection.
pub(in crate::telemetry) fn refused() -> Situation {
    let refused = a_test(get("/refused"))
        .told(502, 98)
        .goes_to("127.0.0.1", 18099);
    refused.with(|it| {
        it.record.upstream = Some("127.0.0.1:18099".parse().unwrap());
        it.record.connect = Some(micros(80));
        it.record.end = Some(ExchangeEnd::Refused(Reason::ConnectRefused));
        it.record.facts.code_details = Some("upstream_reset_before_response_started{remote_connection_failure|delayed_connect_error:_Connection_refused}");
        it.record.facts.transport_failure = Some("delayed_connect_error:_Connection_refused");
        it.record.first_byte = Some(micros(200));
        it.record.duration = micros(200) + Duration::from_nanos(9274);
    })
}

fn forbidden() -> Situation {
    connect("t.test:443").told(403, 19).with(|it| {
        it.record.end = Some(ExchangeEnd::Refused(Reason::Rbac));
        it.record.facts.code_details = Some("rbac_access_denied_matched_policy[p1]");
        it.record.first_byte = Some(micros(50));
        it.record.duration = micros(50) + Duration::from_nanos(12719);
    })
}

fn direct() -> Situation {
    a_test(get("/direct")).told(200, 12).with(|it| {
        it.backend = None;
        it.rule.action = RuleAction::Respond(FixedResponse {
            format: None,
            status: StatusCode::OK,
            body: "hello, world".into(),
        });
        it.record.first_byte = Some(micros(40));
        it.record.duration = micros(40) + Duration::from_nanos(10245);
    })
}

fn tunnel(end: TunnelEnd) -> Situation {
    let opened = connect("ok.test:18081").answered(Response::builder());
    let opened = opened.goes_to("ok.test", 18081);
    opened.connected("127.0.0.1:18081", 20).with(|it| {
        it.record.form = ExchangeForm::Tunnel;
        it.record.resolution = Some((AnswerSource::Miss, micros(919)));
        it.record.request_bytes = 10;
        it.record.response_bytes = 10;
        it.record.first_byte = Some(micros(1000));
        it.record.duration = micros(201_000);
        it.record.end = Some(ExchangeEnd::Tunnel(end));
    })
}

fn closed_by_server() -> Situation {
    tunnel(TunnelEnd::UpstreamClosed).with(|it| {
        it.record.resolution = Some((AnswerSource::Hit, micros(11)));
        it.record.connect = Some(micros(25));
        it.record.request_bytes = 6;
        it.record.response_bytes = 3;
        it.record.duration = micros(401_000);
    })
}

fn no_such_name() -> Situation {
    let failed = connect("nx.test:443").told(502, 22).goes_to("nx.test", 443);
    failed.with(|it| {
        it.record.resolution = Some((AnswerSource::Miss, micros(590)));
        it.record.end = Some(ExchangeEnd::Refused(Reason::DnsError));
        it.record.facts.code_details =
            Some("dns_resolution_failure{cares_norecords:Domain_name_not_found}");
        it.record.first_byte = Some(micros(600));
        it.record.duration = micros(600) + Duration::from_nanos(10786);
    })
}

fn web_socket() -> Situation {
    let switched = a_test(get("/ws")).answered(Response::builder().status(101));
    let switched = switched.goes_to("127.0.0.1", 18080);
    switched.connected("127.0.0.1:18080", 23).with(|it| {
        it.record.form = ExchangeForm::Tunnel;
        it.record.facts.upstream.protocol = Some("HTTP/1.1");
        it.record.request_bytes = 10;
        it.record.response_bytes = 10;
        it.record.first_byte = Some(micros(215));
        it.record.duration = micros(400_000);
        it.record.end = Some(ExchangeEnd::Tunnel(TunnelEnd::ClientClosed));
    })
}

fn passed_through() -> Situation {
    let passed = base(None, None).goes_to("ok.test", 18443);
    passed.connected("127.0.0.1:18443", 15).with(|it| {
        it.sni = Some("ok.test".parse().unwrap());
        it.record.form = ExchangeForm::Tls;
        it.record.protocol = "TLS";
        it.record.request_bytes = 647;
        it.record.response_bytes = 2064;
        it.record.duration = micros(128_000);
        it.record.end = Some(ExchangeEnd::Tunnel(TunnelEnd::ClientClosed));
    })
}

/// The columns of the table.
pub(in crate::telemetry) fn all() -> [(&'static str, Situation); 9] {
    [
        ("a request that was served", served()),
        ("a refused connection", refused()),
        ("a refused CONNECT", forbidden()),
        ("a direct response", direct()),
        (
            "a tunnel that its client closed",
            tunnel(TunnelEnd::ClientClosed),
        ),
        ("a tunnel that its server closed", closed_by_server()),
        ("a name that does not exist", no_such_name()),
        ("a WebSocket", web_socket()),
        ("passthrough", passed_through()),
    ]
}

/// A gRPC call whose response has this status of HTTP, and of gRPC in its head and its trailers.
pub(in crate::telemetry) fn grpc(
    status: u16,
    head: Option<&str>,
    trailer: Option<&str>,
) -> Situation {
    let request = get("/pkg.Service/Call").header("content-type", "application/grpc+proto");
    let mut response = Response::builder().status(status);
    if let Some(head) = head {
        response = response.header("grpc-status", head);
    }
    let called = a_test(request)
        .answered(response)
        .connected("127.0.0.1:18080", 1);
    called.with(|it| {
        if let Some(trailer) = trailer {
            it.trailers.insert("grpc-status", trailer.parse().unwrap());
        }
    })
}

/// A request whose path and host were changed.
pub(in crate::telemetry) fn rewritten() -> Situation {
    let sent = Request::get("/new?q=1").header("host", "other.test");
    a_test(get("/old?q=1")).with(|it| it.sent = Some(sent.body(()).unwrap()))
}

/// A client with a certificate.
pub(in crate::telemetry) fn mutual_tls() -> Situation {
    let certificate = CertificateFacts {
        names: vec![
            AlternativeName::Uri("spiffe://t/cl".to_owned()),
            AlternativeName::Uri("spiffe://t/cl2".to_owned()),
            AlternativeName::Dns("cl.test".to_owned()),
            AlternativeName::Dns("cl2.test".to_owned()),
            AlternativeName::Ip("10.1.2.3".parse().unwrap()),
            AlternativeName::Email("c@cl.test".to_owned()),
        ],
        subject: Vec::new(),
        validity: CertificateValidity {
            not_before: 1_795_874_292,
            not_after: 1_798_466_292,
        },
    };
    served().with(|it| {
        it.client.tls = Some(ClientTlsFacts {
            version: Some("TLSv1.3"),
            cipher: Some("TLS_AES_256_GCM_SHA384"),
            group: Some("X25519"),
            certificate: Some(Arc::new(certificate)),
        });
    })
}

/// A request that an EgressPolicy denied.
pub(in crate::telemetry) fn denied() -> Situation {
    let denied = a_test(get("/")).told(403, 20).goes_to("mail.test", 443);
    denied.with(|it| {
        it.record.end = Some(ExchangeEnd::Refused(Reason::EgressPolicy));
        it.record.facts.code_details = Some("egress_policy_denied{edge/partners,no-mail}");
        it.record.duration = micros(250);
        it.record.verdict = Some(Verdict::Denied(DecidingRule {
            policy: Some(ObjectRef::new(Kind::EgressPolicy, "edge", "partners")),
            rule: Some("no-mail".into()),
            ..DecidingRule::default()
        }));
    })
}

/// A request that was retried as often as its policy allows.
pub(in crate::telemetry) fn exhausted() -> Situation {
    refused().with(|it| {
        it.record.end = Some(ExchangeEnd::Refused(Reason::UpstreamClosed));
        it.record.facts.upstream.last_retry = Some(RetryEnd::Exhausted);
    })
}

/// A request that was not retried because too many retries were in progress.
pub(in crate::telemetry) fn limited() -> Situation {
    served().with(|it| it.record.facts.upstream.last_retry = Some(RetryEnd::Limited))
}

/// A request whose client left before the response.
pub(in crate::telemetry) fn left() -> Situation {
    a_test(get("/slow")).with(|it| it.record.end = Some(ExchangeEnd::ClientClosed))
}

/// A request that a listener answered as a health check.
pub(in crate::telemetry) fn health_check() -> Situation {
    direct().with(|it| it.record.facts.is_health_check = true)
}

/// A request whose spans are told to a collector.
pub(in crate::telemetry) fn sampled() -> Situation {
    served().with(|it| {
        it.record.trace_id = Some([0xab; 16]);
        it.record.span_id = Some([0x0c; 8]);
        it.record.facts.is_sampled = true;
    })
}
