//! Metrics that are pushed to a collector of OpenTelemetry, beside those that are scraped.

use std::time::Duration;

use egret_testkit::gateway::{documents, egress_policy, quickstart_config};
use egret_testkit::grpc::{self, GrpcAnswer};
use egret_testkit::protobuf::{Written, messages, numbers, texts};
use egret_testkit::upstream::RecordedRequest;
use egret_testkit::{ClosedPort, DnsServer, Gateway, Upstream, wait_until};

/// Far more often than anybody wants.
const INTERVAL: Duration = Duration::from_millis(50);
/// `ExportMetricsServiceRequest`: the metrics of a scope of a resource.
const METRICS: [u32; 3] = [1, 2, 2];

/// The newest metric of this name among what was told.
fn metric(told: &[Vec<u8>], name: &str) -> Option<Vec<u8>> {
    let metrics = told.iter().flat_map(|request| messages(request, &METRICS));
    let mut metrics = metrics.filter(|metric| texts(metric, &[1]) == [name]);
    metrics.next_back()
}

/// The value of the series with an attribute of this value.
fn value(metric: &[u8], attribute: &str) -> Option<u64> {
    let points = messages(metric, &[7, 1]);
    let mut points = points.iter().filter(|point| {
        let values = texts(point, &[7, 2, 1]);
        values.iter().any(|value| value == attribute)
    });
    numbers(points.next()?, &[6]).pop()
}

/// Waits until what a collector was told has what is wanted.
fn wait_for<T>(
    collector: &Upstream,
    wanted: impl Fn(&[Vec<u8>]) -> Option<T>,
    of: fn(&RecordedRequest) -> Vec<u8>,
) -> T {
    for count in 1.. {
        collector.wait_for_complete_requests(count);
        let requests = collector.requests();
        let told: Vec<_> = requests.iter().map(of).collect();
        if let Some(found) = wanted(&told) {
            return found;
        }
    }
    unreachable!("there is always a next push")
}

#[test]
fn a_collector_is_told_over_grpc_what_is_scraped() {
    let (dns, upstream) = (DnsServer::with_a_example(), Upstream::start());
    let collector = grpc::start(|_| GrpcAnswer::Message(Written::default()));
    let endpoint = format!("grpc://{}", collector.addr());
    // Policies about the traffic of clients say nothing about the gateway's own.
    let denial = egress_policy(
        "denial",
        "defaultAction: Deny\n  rules: [{action: Allow, hosts: [a.example]}]",
    );
    let config = documents(&[&quickstart_config(dns.addr()), &denial]);
    let gateway = Gateway::start_pushing(&config, &endpoint, INTERVAL);
    let host = format!("a.example:{}", upstream.port());
    assert_eq!(gateway.get(&host, "/").status, 200);
    let message = |request: &RecordedRequest| grpc::message(request).to_vec();
    let responses = wait_for(
        &collector,
        |told| {
            let found = metric(told, "egret_responses_total")?;
            value(&found, "200").map(|_| found)
        },
        message,
    );
    assert_eq!(value(&responses, "200"), Some(1));
    // A sum that only grows, since the start.
    assert_eq!(numbers(&responses, &[7, 2]), [2]);
    assert_eq!(numbers(&responses, &[7, 3]), [1]);
    let requests = collector.requests();
    let method = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";
    assert!(
        requests[0].target.ends_with(method),
        "{}",
        requests[0].target
    );
    let told: Vec<_> = requests.iter().map(message).collect();
    let duration = metric(&told, "egret_request_duration_seconds").unwrap();
    assert_eq!(numbers(&duration, &[9, 1, 4]).len(), 1);
    let resource = texts(&told[0], &[1, 1, 1, 1]);
    assert!(
        resource.contains(&"service.name".to_owned()),
        "{resource:?}"
    );
}

#[test]
fn a_collector_is_told_over_http() {
    let dns = DnsServer::with_a_example();
    let collector = Upstream::start();
    let endpoint = format!("http://{}", collector.addr());
    let _gateway = Gateway::start_pushing(&quickstart_config(dns.addr()), &endpoint, INTERVAL);
    wait_for(
        &collector,
        |told| metric(told, "egret_config_generation"),
        |request| request.body.clone(),
    );
    let requests = collector.requests();
    assert_eq!(requests[0].target, "/v1/metrics");
    assert_eq!(
        requests[0].header("content-type"),
        Some("application/x-protobuf")
    );
}

#[test]
fn a_collector_is_told_the_credentials_that_a_file_has_now_and_nobody_else_is() {
    let dns = DnsServer::with_a_example();
    let collector = Upstream::start();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("headers");
    std::fs::write(&file, "Authorization: Bearer first-s3cret\n").unwrap();
    let endpoint = format!("http://{}", collector.addr());
    let config = quickstart_config(dns.addr());
    let gateway = Gateway::start_pushing_with_headers(&config, &endpoint, &file, INTERVAL);
    let wait_for_push_with = |credentials: &str| {
        for count in 1.. {
            collector.wait_for_complete_requests(count);
            let requests = collector.requests();
            let mut told = requests.iter().map(|it| it.header("authorization"));
            if told.next_back().flatten() == Some(credentials) {
                return;
            }
        }
    };
    wait_for_push_with("Bearer first-s3cret");
    // A file that is not right in between, as one that is just being written, changes nothing.
    for text in ["", "Authorization: Bearer second-s3cret\n"] {
        std::fs::write(&file, text).unwrap();
    }
    wait_for_push_with("Bearer second-s3cret");
    for path in [
        "/config",
        "/metrics",
        "/overview",
        "/readyz",
        "/connections",
    ] {
        let answer = gateway.ask(path);
        assert_eq!(answer.status, 200, "{path}");
        assert!(!answer.text().contains("s3cret"), "{path}");
    }
}

#[test]
fn traffic_goes_on_without_the_collector_and_what_is_lost_is_told() {
    let (dns, upstream, closed) = (
        DnsServer::with_a_example(),
        Upstream::start(),
        ClosedPort::start(),
    );
    let endpoint = format!("grpc://{}", closed.addr());
    let gateway = Gateway::start_pushing(&quickstart_config(dns.addr()), &endpoint, INTERVAL);
    let has_lost = || gateway.metric("egret_otlp_dropped_total") > 0.0;
    wait_until("metric that is lost", has_lost);
    let host = format!("a.example:{}", upstream.port());
    assert_eq!(gateway.get(&host, "/").status, 200);
    let ready = gateway.ask("/readyz");
    assert_eq!(ready.status, 200);
    let body = ready.text();
    assert!(
        body.contains("telemetry is being lost: the collector"),
        "{body}"
    );
    let overview = gateway.ask("/overview");
    assert!(
        overview.text().contains("telemetry is being lost"),
        "{}",
        overview.text()
    );
}

#[test]
fn the_last_values_are_told_before_the_process_ends() {
    let dns = DnsServer::with_a_example();
    let collector = grpc::start(|_| GrpcAnswer::Message(Written::default()));
    let endpoint = format!("grpc://{}", collector.addr());
    let config = quickstart_config(dns.addr());
    let mut gateway = Gateway::start_pushing(&config, &endpoint, Duration::from_secs(3600));
    gateway.drain(Duration::from_secs(10));
    assert_eq!(collector.requests().len(), 1);
}
