//! What the readers of a record make of it, field by field.

use std::collections::BTreeMap;
use std::io::Write;
use std::slice;
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use egret_config::access_log::AccessLog;
use egret_config::expression::RequestForm;
use egret_config::name::{DnsName, Host, Port};
use egret_config::policy::egress::DecidingRule;
use egret_config::policy::traffic::TrafficSettings;
use egret_config::resources::{Kind, ObjectRef};
use egret_config::route::RouteTable;
use egret_config::snapshot::{
    Listener, ListenerProtocol, Misconfiguration, RouteFilters, RouteRule, RouteTimeouts,
    RuleAction, Scheme,
};
use http::{HeaderValue, Method, StatusCode};
use serde_json::{Value, json};

use super::access_log::{LogFiles, WorkerLogs};
use super::outbox::Outbox;
use super::{ExchangeMetrics, RecordReaders, WorkerTelemetry};
use crate::clock;
use crate::dns::AnswerSource;
use crate::message::trace::bytes_of;
use crate::record::{ExchangeEnd, ExchangeForm, FollowedRedirect, FormatFacts, Record, Verdict};
use crate::refusal::{Reason, RefusalId};

/// A log that a test can read.
#[derive(Clone, Default)]
struct SharedOutput(Arc<Mutex<Vec<u8>>>);

impl Write for SharedOutput {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The line that the access log writes for a record.
fn logged(record: &Record<'_>) -> Value {
    let output = SharedOutput::default();
    let files = LogFiles::start(Box::new(output.clone()), None).unwrap();
    let logs = WorkerLogs::new(Arc::clone(&files));
    logs.write(&AccessLog::Default, record, &Outbox::new(Arc::default()));
    logs.flush();
    files.end();
    let line = output.0.lock().unwrap();
    serde_json::from_slice(&line).unwrap()
}

fn listener() -> Listener {
    Listener {
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
    }
}

fn rule() -> RouteRule {
    RouteRule {
        mirrors: Vec::new(),
        route: ObjectRef::new(Kind::HttpRoute, "apps", "any"),
        index: 3,
        name: None,
        policies: Arc::new(TrafficSettings::default()),
        filters: RouteFilters::default(),
        timeouts: RouteTimeouts::default(),
        session: None,
        action: RuleAction::Refuse(Misconfiguration {
            object: ObjectRef::new(Kind::HttpRoute, "apps", "any"),
            message: "".into(),
        }),
    }
}

fn allowed_by_first() -> Verdict {
    Verdict::Allowed(DecidingRule {
        policy: Some(ObjectRef::new(Kind::EgressPolicy, "edge", "partners")),
        rule: Some("first".into()),
        reason: Some("OPS-12".into()),
        error: None,
    })
}

/// What the log makes of a record in which every field has a value.
fn whole_line(id: RefusalId) -> Value {
    json!({
        "time": "1970-01-01T00:00:01.500Z",
        "total_ms": 40.0,
        "client": "192.0.2.1:4000",
        "sni": "front.example",
        "ech": true,
        "user": "ann",
        "listener": "edge/http/public",
        "route": "apps/any/3",
        "method": "GET",
        "scheme": "https",
        "form": "host",
        "authority": "api.example",
        "destination": "api.example:443",
        "path": "/v1",
        "protocol": "HTTP/1.1",
        "status": 502,
        "reason": "connect_refused",
        "details": "the upstream refused the connection",
        "id": id.to_string(),
        "generation": 7,
        "trace_id": "0af7651916cd43dd8448eb211c80319c",
        "user_agent": "u".repeat(200),
        "verdict": "allow",
        "policy": "edge/partners",
        "rule": "first",
        "rule_reason": "OPS-12",
        "upstream": "203.0.113.7:443",
        "reused": true,
        "retries": 2,
        "redirects": [{"status": 302, "destination": "front.example:80", "location": "https://api.example/v1"}],
        "dns": "hit",
        "dns_ms": 1.0,
        "connect_ms": 2.0,
        "tls_ms": 3.0,
        "first_byte_ms": 30.0,
        "bytes_received": 10,
        "bytes_sent": 20,
    })
}

/// Every field is named here, so that a new one does not compile until it is said what the log makes of it.
#[test]
fn the_access_log_tells_every_field_of_a_record() {
    let (listener, rule) = (listener(), rule());
    let sni: DnsName = "front.example".parse().unwrap();
    let host: Host = "api.example".parse().unwrap();
    let millis = Duration::from_millis;
    let id = RefusalId::random();
    let user_agent = HeaderValue::try_from("u".repeat(201)).unwrap();
    let redirect = FollowedRedirect {
        status: 302,
        destination: Some("front.example:80".to_owned()),
        location: "https://api.example/v1".to_owned(),
    };
    let record = Record {
        started: Some(UNIX_EPOCH + millis(1500)),
        duration: millis(40),
        client: Some("192.0.2.1:4000".parse().unwrap()),
        sni: Some(&sni),
        ech: true,
        user: Some("ann"),
        listener: Some(&listener),
        rule: Some(&rule),
        backend: None,
        form: ExchangeForm::Messages,
        asked_by: Some(RequestForm::Host),
        method: Some(&Method::GET),
        scheme: Some(Scheme::Https),
        authority: Some("api.example"),
        destination: Some((&host, Port::HTTPS)),
        path: "/v1",
        protocol: "HTTP/1.1",
        status: Some(StatusCode::BAD_GATEWAY),
        end: Some(ExchangeEnd::Refused(Reason::ConnectRefused)),
        details: Some("the upstream refused the connection".into()),
        refusal: Some(id),
        generation: 7,
        trace_id: bytes_of("0af7651916cd43dd8448eb211c80319c"),
        span_id: None,
        user_agent: Some(&user_agent),
        verdict: Some(allowed_by_first()),
        upstream: Some("203.0.113.7:443".parse().unwrap()),
        reused: true,
        retries: 2,
        redirects: slice::from_ref(&redirect),
        resolution: Some((AnswerSource::Hit, millis(1))),
        connect: Some(millis(2)),
        tls: Some(millis(3)),
        first_byte: Some(millis(30)),
        request_bytes: 10,
        response_bytes: 20,
        // The default log tells nothing of them.
        facts: FormatFacts::default(),
    };
    assert_eq!(logged(&record), whole_line(id));
}

#[test]
fn the_access_log_leaves_out_what_is_not_known() {
    let line = logged(&Record::default());
    let expected = json!({
        "time": "", "client": "", "bytes_received": 0, "bytes_sent": 0, "total_ms": 0.0,
    });
    assert_eq!(line, expected);
}

#[test]
fn an_exchange_is_counted_by_its_form() {
    let count = |form, status| {
        let metrics = Arc::new(ExchangeMetrics::default());
        let files = LogFiles::start(Box::new(SharedOutput::default()), None).unwrap();
        let telemetry = WorkerTelemetry::new(
            Arc::clone(&metrics),
            RecordReaders {
                logs: WorkerLogs::new(Arc::clone(&files)),
                refusals: Arc::default(),
                outbox: Outbox::new(Arc::default()),
            },
            Arc::default(),
            Arc::default(),
        );
        files.end();
        telemetry.count(
            &Record {
                form,
                status,
                duration: Duration::from_millis(1),
                request_bytes: 10,
                response_bytes: 20,
                ..Record::default()
            },
            clock::now(),
        );
        let mut responses = BTreeMap::new();
        metrics.responses.add_to(&mut responses);
        let ok: u64 = responses.values().sum();
        let bytes = (metrics.request_bytes.get(), metrics.response_bytes.get());
        (
            ok,
            metrics.unanswered.get(),
            metrics.duration.snapshot().count(),
            bytes,
        )
    };
    let ok = Some(StatusCode::OK);
    // Bytes of tunnels are counted as they move.
    assert_eq!(count(ExchangeForm::Messages, ok), (1, 0, 1, (10, 20)));
    assert_eq!(count(ExchangeForm::Messages, None), (0, 1, 1, (10, 20)));
    assert_eq!(count(ExchangeForm::Tunnel, ok), (1, 0, 0, (0, 0)));
    assert_eq!(count(ExchangeForm::Tls, ok), (0, 0, 0, (0, 0)));
}
