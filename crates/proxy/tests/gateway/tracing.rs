//! Tracing by a ListenerPolicy: what upstreams are told of the trace, and what the collector is told of the request.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use egret_testkit::gateway::{documents, listener_policy, quickstart_config, traffic_policy};
use egret_testkit::grpc::{self, GrpcAnswer};
use egret_testkit::protobuf::{Written, messages, numbers, texts};
use egret_testkit::{DnsServer, Gateway, Upstream};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

struct TestSetup {
    gateway: Gateway,
    upstream: Upstream,
    collector: Upstream,
    _dns: DnsServer,
}

impl TestSetup {
    /// A gateway whose `tracing` has these fields too.
    fn new(more: &str, settings: &str) -> Self {
        let (dns, upstream) = (DnsServer::with_a_example(), Upstream::start());
        let collector = grpc::start(|_| GrpcAnswer::Message(Written::default()));
        let (ip, port) = (collector.addr().ip(), collector.addr().port());
        let backend = format!(
            "apiVersion: gateway.kgateway.dev/v1alpha1
kind: Backend
metadata: {{name: collector, namespace: kgateway-system}}
spec: {{static: {{hosts: [{{host: {ip}, port: {port}}}]}}}}
"
        );
        let reference = "backendRef: {group: gateway.kgateway.dev, kind: Backend, name: collector}";
        let provider = format!("provider: {{openTelemetry: {{grpcService: {{{reference}}}}}}}");
        let tracing = format!("{{httpSettings: {{{settings} tracing: {{{provider}{more}}}}}}}");
        let policy = listener_policy("tracing", &tracing);
        let config = documents(&[&quickstart_config(dns.addr()), &backend, &policy]);
        Self {
            gateway: Gateway::start_with_workers(&config, 1),
            upstream,
            collector,
            _dns: dns,
        }
    }

    /// Sends a request with this `traceparent`, and gives that of the request that the upstream got.
    fn ask(&self, traceparent: Option<&str>) -> Option<String> {
        let port = self.upstream.port();
        let field = traceparent.map(|value| format!("traceparent: {value}\r\n"));
        let field = field.unwrap_or_default();
        let head =
            format!("GET /p?q=1 HTTP/1.1\r\nhost: a.example:{port}\r\nx-team: red\r\n{field}\r\n");
        assert_eq!(self.gateway.connect().request(head).status, 200);
        let requests = self.upstream.requests();
        requests
            .last()
            .unwrap()
            .header("traceparent")
            .map(str::to_owned)
    }

    /// The spans of the first request that the collector got.
    fn spans(&self) -> Vec<Vec<u8>> {
        self.collector.wait_for_complete_requests(1);
        let requests = self.collector.requests();
        let method = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
        assert!(
            requests[0].target.ends_with(method),
            "{}",
            requests[0].target
        );
        messages(grpc::message(&requests[0]), &[1, 2, 2])
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The text of an attribute.
fn attribute(span: &[u8], key: &str) -> Option<String> {
    let attributes = messages(span, &[9]);
    let found = attributes.iter().find(|it| texts(it, &[1]) == [key])?;
    texts(found, &[2, 1]).pop()
}

#[test]
fn a_request_goes_on_with_its_trace_and_its_spans_are_told() {
    let more =
        ", spawnUpstreamSpan: true, attributes: [{name: team, requestHeader: {name: x-team}}]";
    let setup = TestSetup::new(more, "");
    let sent = setup.ask(Some(&format!("00-{TRACE}-{PARENT}-01"))).unwrap();
    let spans = setup.spans();
    let [server, client] = &spans[..] else {
        panic!("{} spans", spans.len());
    };
    assert_eq!(hex(&messages(server, &[1])[0]), TRACE);
    assert_eq!(hex(&messages(server, &[4])[0]), PARENT);
    assert_eq!(messages(client, &[4]), messages(server, &[2]));
    // The upstream's own spans are below that of the way to it.
    let upstream_span = hex(&messages(client, &[2])[0]);
    assert_eq!(sent, format!("00-{TRACE}-{upstream_span}-01"));
    assert_eq!(attribute(server, "team").as_deref(), Some("red"));
    let url = format!("http://a.example:{}/p", setup.upstream.port());
    assert_eq!(attribute(server, "http.url").as_deref(), Some(url.as_str()));
    assert_eq!(numbers(server, &[6]), [2]);
    let events = texts(server, &[11, 2]);
    assert_eq!(events, ["dns", "connect", "first_byte"]);
    let metrics = setup.gateway.ask("/metrics");
    let exemplar = format!(" # {{trace_id=\"{TRACE}\"}} 0.");
    assert_eq!(metrics.text().matches(&exemplar).count(), 1);
    let requests = setup.collector.requests();
    let resource = messages(grpc::message(&requests[0]), &[1, 1, 1]);
    let name = resource
        .iter()
        .find(|it| texts(it, &[1]) == ["service.name"]);
    assert_eq!(texts(name.unwrap(), &[2, 1]), ["http.kgateway-system"]);
}

#[test]
fn what_is_not_sampled_is_told_to_the_upstream_alone() {
    let setup = TestSetup::new(", randomSampling: 0", "");
    let sent = setup.ask(None).unwrap();
    assert!(sent.starts_with("00-") && sent.ends_with("-00"), "{sent}");
    let sent = setup.ask(Some(&format!("00-{TRACE}-{PARENT}-01"))).unwrap();
    assert!(
        sent.starts_with(&format!("00-{TRACE}-")) && sent.ends_with("-00"),
        "{sent}"
    );
    assert_eq!(setup.ask(Some("malformed")).as_deref(), Some("malformed"));
    let traced = setup.gateway.wait_for_records(3);
    assert_eq!(traced[1]["trace_id"], TRACE);
    assert_eq!(setup.collector.requests().len(), 0);
}

#[test]
fn requests_are_traced_without_a_log_and_refusals_say_why() {
    let setup = TestSetup::new("", "accessLog: [],");
    let denied = setup.gateway.get("10.9.9.9", "/");
    assert_eq!(denied.status, 403);
    let spans = setup.spans();
    let [server] = &spans[..] else {
        panic!("{} spans", spans.len());
    };
    assert_eq!(
        attribute(server, "error.type").as_deref(),
        Some("address_denied")
    );
    assert_eq!(
        attribute(server, "http.status_code").as_deref(),
        Some("403")
    );
    assert!(texts(server, &[15, 2])[0].contains("10.9.9.9"));
}

/// The configuration of a gateway that tells a collector of its spans and its log over HTTP; `more` is in `tracing`.
fn over_http(dns: &DnsServer, collector: &Upstream, more: &str) -> String {
    let (ip, port) = (collector.addr().ip(), collector.addr().port());
    let backend = format!(
        "apiVersion: gateway.kgateway.dev/v1alpha1
kind: Backend
metadata: {{name: collector, namespace: kgateway-system}}
spec: {{static: {{hosts: [{{host: {ip}, port: {port}}}]}}}}
"
    );
    let reference = "backendRef: {group: gateway.kgateway.dev, kind: Backend, name: collector}";
    let metadata = "initialMetadata: [{key: x-key, value: k}]";
    let service = format!("httpService: {{{reference}, {metadata}}}");
    let policy = listener_policy(
        "tracing",
        &format!(
            "{{httpSettings: {{tracing: {{provider: {{openTelemetry: {{{service}}}}}{more}}}, \
             accessLog: [{{openTelemetry: {{httpService: {{{reference}, logName: out}}, body: '%TRACE_ID% %SPAN_ID%'}}}}]}}}}"
        ),
    );
    documents(&[&quickstart_config(dns.addr()), &backend, &policy])
}

#[test]
fn collectors_are_told_over_http_too() {
    let (dns, upstream, collector) = (
        DnsServer::with_a_example(),
        Upstream::start(),
        Upstream::start(),
    );
    let gateway = Gateway::start_with_workers(&over_http(&dns, &collector, ""), 1);
    assert_eq!(
        gateway
            .get(&format!("a.example:{}", upstream.port()), "/p")
            .status,
        200
    );
    collector.wait_for_complete_requests(2);
    let requests = collector.requests();
    let find = |path: &str| {
        let found = requests.iter().find(|request| request.target == path);
        found.unwrap_or_else(|| panic!("{path}: {requests:?}"))
    };
    let (spans, logs) = (find("/v1/traces"), find("/v1/logs"));
    assert_eq!(spans.header("content-type"), Some("application/x-protobuf"));
    assert_eq!(spans.header("x-key"), Some("k"));
    let span = &messages(&spans.body, &[1, 2, 2])[0];
    let (trace, id) = (hex(&messages(span, &[1])[0]), hex(&messages(span, &[2])[0]));
    let record = &messages(&logs.body, &[1, 2, 2])[0];
    assert_eq!(texts(record, &[5, 1]), [format!("{trace} {id}")]);
    assert_eq!(hex(&messages(record, &[10])[0]), id);
}

#[test]
fn a_rule_decides_whether_its_requests_are_traced() {
    let (dns, upstream, collector) = (
        DnsServer::with_a_example(),
        Upstream::start(),
        Upstream::start(),
    );
    let rule = traffic_policy(
        "rule",
        "tracing: {attributes: [{name: a, literal: {value: rule}}], randomSampling: 100}",
    );
    let config = documents(&[
        &over_http(
            &dns,
            &collector,
            ", randomSampling: 0, attributes: [{name: a, literal: {value: listener}}]",
        ),
        &rule,
    ]);
    let gateway = Gateway::start_with_workers(&config, 1);
    assert_eq!(
        gateway
            .get(&format!("a.example:{}", upstream.port()), "/p")
            .status,
        200
    );
    let sent = upstream.requests().pop().unwrap();
    assert!(sent.header("traceparent").unwrap().ends_with("-01"));
    collector.wait_for_complete_requests(2);
    let requests = collector.requests();
    let spans = requests
        .iter()
        .find(|request| request.target == "/v1/traces");
    let span = &messages(&spans.unwrap().body, &[1, 2, 2])[0];
    assert_eq!(attribute(span, "a").as_deref(), Some("rule"));
}
