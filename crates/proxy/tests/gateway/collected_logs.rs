//! Access logs that are told to services: collectors of OpenTelemetry, and access log services of Envoy.

use std::net::SocketAddr;
use std::time::Duration;

use egret_testkit::gateway::{documents, listener_policy, quickstart_config};
use egret_testkit::grpc::{self, GrpcAnswer};
use egret_testkit::protobuf::{Written, messages, numbers, texts};
use egret_testkit::{ClosedPort, DnsServer, Gateway, RawServer, Upstream};

/// The quickstart whose access log is this sink, which is at a Backend `collector`.
fn config(dns: &DnsServer, collector: SocketAddr, sink: &str) -> String {
    let (ip, port) = (collector.ip(), collector.port());
    let backend = format!(
        "apiVersion: gateway.kgateway.dev/v1alpha1
kind: Backend
metadata: {{name: collector, namespace: kgateway-system}}
spec: {{static: {{hosts: [{{host: {ip}, port: {port}}}]}}}}
"
    );
    let policy = listener_policy("log", &format!("{{httpSettings: {{accessLog: [{sink}]}}}}"));
    documents(&[&quickstart_config(dns.addr()), &backend, &policy])
}

const TO_COLLECTOR: &str =
    "logName: egress, backendRef: {group: gateway.kgateway.dev, kind: Backend, name: collector}";

fn confirming() -> Upstream {
    grpc::start(|_| GrpcAnswer::Message(Written::default()))
}

#[test]
fn a_collector_of_open_telemetry_gets_log_records_in_batches() {
    let (dns, upstream, collector) = (DnsServer::with_a_example(), Upstream::start(), confirming());
    let sink = format!(
        "{{openTelemetry: {{grpcService: {{{TO_COLLECTOR}, initialMetadata: [{{key: x-token, value: secret}}]}},
          body: \"%REQ(:METHOD)% %RESPONSE_CODE%\",
          attributes: {{values: [{{key: verdict, value: {{stringValue: \"%EGRET(verdict)%\"}}}}]}},
          resourceAttributes: {{values: [{{key: service.name, value: {{stringValue: edge}}}}]}}}}}}"
    );
    let gateway = Gateway::start_with_workers(&config(&dns, collector.addr(), &sink), 1);
    let mut client = gateway.connect();
    let host = format!("a.example:{}", upstream.port());
    assert_eq!(client.get("/", &host).status, 200);
    assert_eq!(client.get("/", "10.9.9.9").status, 403);
    collector.wait_for_complete_requests(1);
    let requests = collector.requests();
    let request = &requests[0];
    let method = "/opentelemetry.proto.collector.logs.v1.LogsService/Export";
    assert!(request.target.ends_with(method), "{}", request.target);
    assert_eq!(request.header("x-token"), Some("secret"));
    let message = grpc::message(request);
    let bodies = texts(message, &[1, 2, 2, 5, 1]);
    assert_eq!(bodies, ["GET 200", "GET 403"]);
    let verdicts = texts(message, &[1, 2, 2, 6, 2, 1]);
    assert_eq!(verdicts, ["allow", "deny"]);
    // The policy's word stands in place of the builtin one.
    let mut resource: Vec<_> = texts(message, &[1, 1, 1, 1])
        .into_iter()
        .zip(texts(message, &[1, 1, 1, 2, 1]))
        .collect();
    resource.retain(|(key, _)| key != "node_name");
    let expected = [("log_name", "egress"), ("service.name", "edge")];
    assert_eq!(
        resource,
        expected.map(|(key, value)| (key.to_owned(), value.to_owned()))
    );
    assert_eq!(gateway.metric("egret_otlp_dropped_total"), 0.0);
}

#[test]
fn an_access_log_service_is_told_of_exchanges_that_its_filter_lets_through() {
    let (dns, upstream, service) = (DnsServer::with_a_example(), Upstream::start(), confirming());
    let sink = format!(
        "{{grpcService: {{{TO_COLLECTOR}, additionalRequestHeadersToLog: [X-Team]}},
          filter: {{statusCodeFilter: {{op: GE, value: 400}}}}}}"
    );
    let gateway = Gateway::start_with_workers(&config(&dns, service.addr(), &sink), 1);
    let mut client = gateway.connect();
    let host = format!("a.example:{}", upstream.port());
    assert_eq!(client.get("/", &host).status, 200);
    let denied = client.request(
        "POST /p?secret=1 HTTP/1.1\r\nhost: 10.9.9.9\r\nx-team: red\r\ncontent-length: 0\r\n\r\n",
    );
    assert_eq!(denied.status, 403);
    service.wait_for_complete_requests(1);
    let requests = service.requests();
    let message = grpc::message(&requests[0]);
    assert_eq!(texts(message, &[1, 2]), ["egress"]);
    assert_eq!(numbers(message, &[2, 1, 4, 1, 1]), [403]);
    // POST, without the query.
    assert_eq!(numbers(message, &[2, 1, 3, 1]), [3]);
    assert_eq!(texts(message, &[2, 1, 3, 5]), ["/p"]);
    let header = [
        texts(message, &[2, 1, 3, 13, 1]),
        texts(message, &[2, 1, 3, 13, 2]),
    ];
    assert_eq!(header.concat(), ["x-team", "red"]);
    assert_eq!(messages(message, &[2, 1]).len(), 1);
}

#[test]
fn traffic_goes_on_without_the_collector_and_what_is_lost_is_told() {
    let (dns, upstream, closed) = (
        DnsServer::with_a_example(),
        Upstream::start(),
        ClosedPort::start(),
    );
    let sink = format!("{{openTelemetry: {{grpcService: {{{TO_COLLECTOR}, timeout: 1s}}}}}}");
    let gateway = Gateway::start_with_workers(&config(&dns, closed.addr(), &sink), 1);
    let host = format!("a.example:{}", upstream.port());
    assert_eq!(gateway.get(&host, "/").status, 200);
    gateway.wait_for_metric("egret_otlp_dropped_total", 1.0);
    let ready = gateway.ask("/readyz");
    assert_eq!(ready.status, 200);
    let body = String::from_utf8(ready.body).unwrap();
    assert!(
        body.contains("telemetry is being lost: ListenerPolicy kgateway-system/log"),
        "{body}"
    );
    assert!(!body.contains("secret"), "{body}");
}

#[test]
fn traffic_goes_on_beside_a_collector_that_never_answers() {
    let (dns, upstream, silent) = (
        DnsServer::with_a_example(),
        Upstream::start(),
        RawServer::silent(),
    );
    let sink = format!("{{openTelemetry: {{grpcService: {{{TO_COLLECTOR}, timeout: 100ms}}}}}}");
    let gateway = Gateway::start_with_workers(&config(&dns, silent.addr(), &sink), 1);
    let host = format!("a.example:{}", upstream.port());
    assert_eq!(gateway.get(&host, "/").status, 200);
    gateway.wait_for_metric("egret_otlp_dropped_total", 1.0);
    assert_eq!(gateway.get(&host, "/").status, 200);
    let said = "telemetry is being lost: ListenerPolicy kgateway-system/log";
    let ready = gateway.ask("/readyz");
    assert_eq!(ready.status, 200);
    assert!(ready.text().contains(said), "{}", ready.text());
    let overview = gateway.ask("/overview");
    assert!(overview.text().contains(said), "{}", overview.text());
}

#[test]
fn what_waits_is_sent_before_the_process_ends() {
    let (dns, upstream, collector) = (DnsServer::with_a_example(), Upstream::start(), confirming());
    let sink = format!("{{openTelemetry: {{grpcService: {{{TO_COLLECTOR}}}}}}}");
    let mut gateway = Gateway::start_with_workers(&config(&dns, collector.addr(), &sink), 1);
    let host = format!("a.example:{}", upstream.port());
    assert_eq!(gateway.get(&host, "/").status, 200);
    gateway.drain(Duration::from_secs(10));
    assert_eq!(collector.requests().len(), 1);
}
