use egret_testkit::protobuf::{messages, numbers, texts};
use http::HeaderValue;

use super::super::access_log::situations::{self, Situation};
use super::*;
use crate::telemetry::outbox;

fn tracing() -> Tracing {
    Tracing {
        collector: outbox::tests::log("a").collector.clone(),
        service_name: "http.edge".into(),
        sampling: 10_000,
        max_path: 3,
        spawns_upstream_span: true,
        detects_environment: false,
        attributes: Vec::new(),
    }
}

fn traced(tracing: Tracing, headers: &HeaderMap) -> TracedRequest {
    let trace = Trace::of(
        None,
        &HeaderMap::new(),
        TracePropagation::default(),
        true,
        tracing.spawns_upstream_span,
    )
    .unwrap();
    TracedRequest::new(trace, &Arc::new(tracing), headers)
}

fn spans(situation: &Situation) -> Vec<Vec<u8>> {
    let mut spans = Vec::new();
    situation.with_record(&LogInputs::default(), |record| {
        spans = traced(tracing(), &HeaderMap::new()).spans(record);
    });
    spans
}

/// The text of an attribute.
fn attribute(span: &[u8], key: &str) -> Option<String> {
    let attributes = messages(span, &[9]);
    let found = attributes.iter().find(|it| texts(it, &[1]) == [key])?;
    texts(found, &[2, 1]).pop()
}

#[test]
fn a_served_request_has_a_span_and_one_of_its_way() {
    let [server, client] = spans(&situations::served()).try_into().unwrap();
    assert_eq!(
        (numbers(&server, &[6]), texts(&server, &[5])),
        (vec![2], vec!["ingress".to_owned()])
    );
    assert_eq!(numbers(&client, &[6]), [3]);
    assert_eq!(messages(&client, &[4]), messages(&server, &[2]));
    assert_eq!(messages(&client, &[1]), messages(&server, &[1]));
    assert_eq!(attribute(&server, "http.method").as_deref(), Some("GET"));
    assert_eq!(
        attribute(&server, "http.status_code").as_deref(),
        Some("200")
    );
    assert_eq!(attribute(&server, "response_flags").as_deref(), Some("-"));
    // Three bytes of the path, and nothing of the query.
    let url = attribute(&server, "http.url").unwrap();
    assert!(
        url.len() <= "http://a.test/xx".len() && !url.contains('?'),
        "{url}"
    );
    assert_eq!(attribute(&client, "http.url"), None);
    assert_eq!(messages(&server, &[15]), [[0; 0]; 0]);
    let (start, end) = (numbers(&server, &[7])[0], numbers(&server, &[8])[0]);
    assert!(start < end);
    let times = numbers(&server, &[11, 1]);
    assert!(
        !times.is_empty() && times.iter().all(|at| (start..=end).contains(at)),
        "{times:?}"
    );
}

#[test]
fn what_was_refused_is_an_error_and_says_why() {
    let [server] = spans(&situations::denied()).try_into().unwrap();
    assert_eq!(attribute(&server, "error").as_deref(), Some("true"));
    assert_eq!(attribute(&server, "egret.verdict").as_deref(), Some("deny"));
    assert!(attribute(&server, "error.type").is_some());
    assert_eq!(numbers(&server, &[15, 3]), [2]);
}

#[test]
fn policies_give_attributes() {
    use egret_config::snapshot::SpanAttribute;
    let given = |name: &str, source, default: Option<&str>| SpanAttribute {
        name: name.into(),
        source,
        default: default.map(Into::into),
    };
    let header = |name| AttributeSource::RequestHeader(HeaderName::from_static(name));
    let tracing = Tracing {
        attributes: vec![
            given("literal", AttributeSource::Literal("x".into()), None),
            given("header", header("x-team"), None),
            given("default", header("x-none"), Some("y")),
            given("none", header("x-none"), None),
            given(
                "environment",
                AttributeSource::Environment("EGRET_NONE".into()),
                Some("z"),
            ),
        ],
        ..tracing()
    };
    let mut headers = HeaderMap::new();
    headers.insert("x-team", HeaderValue::from_static("red"));
    headers.insert(REQUEST_ID, HeaderValue::from_static("1"));
    let traced = traced(tracing, &headers);
    let told: Vec<_> = traced.attributes.iter().map(|it| it.key.as_str()).collect();
    assert_eq!(
        told,
        [
            "literal",
            "header",
            "default",
            "environment",
            "guid:x-request-id"
        ]
    );
}
