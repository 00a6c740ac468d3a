//! What services are told of exchanges, as it is on the wire.

use std::sync::Arc;

use egret_config::access_log::{AnyValue, LogCollector, LogSinks, OpenTelemetryLog, ServiceLog};
use egret_testkit::protobuf::{messages, numbers, texts};
use http::HeaderName;
use serde_json::Value;

use super::super::format::tests::situations::{self, Situation};
use super::*;
use crate::telemetry::outbox;

/// What is told of an exchange, and where.
fn told(to: CollectedLog, situation: &Situation) -> (OutboxAddress, Vec<u8>) {
    let collectors = vec![LogCollector { to, filter: None }];
    let log = LogSinks::with_collectors(Vec::new(), collectors);
    let mut told = None;
    situation.with_record(&log.inputs, |record| {
        let facts = LineFacts {
            record,
            inputs: &log.inputs,
        };
        told = Some(entry(&log.collectors[0].to, facts));
    });
    told.unwrap()
}

fn record(log: OpenTelemetryLog, situation: &Situation) -> Vec<u8> {
    told(CollectedLog::OpenTelemetry(Arc::new(log)), situation).1
}

fn open_telemetry() -> OpenTelemetryLog {
    (*outbox::tests::log("a")).clone()
}

fn service_log() -> ServiceLog {
    ServiceLog {
        collector: open_telemetry().collector,
        name: "egress".to_owned(),
        request_headers: vec![HeaderName::from_static("x-a")],
        response_headers: vec![HeaderName::from_static("content-type")],
        response_trailers: Vec::new(),
    }
}

fn http(situation: &Situation) -> Vec<u8> {
    let (to, entry) = told(CollectedLog::Service(Arc::new(service_log())), situation);
    assert!(matches!(to, OutboxAddress::HttpLog(_)));
    entry
}

#[test]
fn a_log_record_has_a_body_attributes_and_times() {
    let format = |text| LogFormat::text(text).unwrap();
    let values = AnyValue::List(vec![
        AnyValue::Text(format("%PROTOCOL%")),
        AnyValue::Map(vec![("k".to_owned(), AnyValue::Text(format("x")))]),
    ]);
    let log = OpenTelemetryLog {
        body: Some(format("%RESPONSE_CODE% %REQ(:METHOD)%")),
        attributes: vec![("list".to_owned(), values)],
        ..open_telemetry()
    };
    let record = record(log, &situations::served());
    assert_eq!(texts(&record, &[5, 1]), ["200 GET"]);
    assert_eq!(texts(&record, &[6, 1]), ["list"]);
    assert_eq!(texts(&record, &[6, 2, 5, 1, 1]), ["HTTP/1.1"]);
    assert_eq!(texts(&record, &[6, 2, 5, 1, 6, 1, 1]), ["k"]);
    assert_eq!(texts(&record, &[6, 2, 5, 1, 6, 1, 2, 1]), ["x"]);
    assert_eq!(numbers(&record, &[1]), [1_795_874_497_654_799_000]);
    assert_eq!(numbers(&record, &[11]).len(), 1);
}

#[test]
fn without_a_body_it_is_the_line_of_the_default_log() {
    let record = record(open_telemetry(), &situations::denied());
    let [body] = texts(&record, &[5, 1]).try_into().unwrap();
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["verdict"], "deny");
}

#[test]
fn an_entry_about_http_has_the_fields_of_envoy() {
    let entry = http(&situations::served());
    // The protocol, the method, the status.
    assert_eq!(numbers(&entry, &[2]), [2]);
    assert_eq!(numbers(&entry, &[3, 1]), [1]);
    assert_eq!(numbers(&entry, &[4, 1, 1]), [200]);
    // The type of the entry, the attempts, the client's address.
    assert_eq!(numbers(&entry, &[1, 33]), [6]);
    assert_eq!(numbers(&entry, &[1, 24]), [1]);
    assert_eq!(texts(&entry, &[1, 2, 1, 2]), ["9.9.9.9"]);
    assert_eq!(texts(&entry, &[4, 6]), ["via_upstream"]);
    // The path is told without its query.
    let [path] = texts(&entry, &[3, 5]).try_into().unwrap();
    assert!(!path.contains('?'), "{path}");
    assert_eq!(texts(&entry, &[3, 13, 1]), ["x-a"]);
    assert_eq!(messages(&entry, &[1, 16]), [[0; 0]; 0]);
}

#[test]
fn flags_are_the_fields_of_their_numbers() {
    // A connection that failed (6) after as many retries as may be (16).
    assert_eq!(numbers(&http(&situations::exhausted()), &[1, 16, 16]), [1]);
    assert_eq!(numbers(&http(&situations::limited()), &[1, 16, 8]), [1]);
    assert_eq!(numbers(&http(&situations::left()), &[1, 16, 15]), [1]);
}

#[test]
fn what_envoy_has_no_field_for_is_in_tags() {
    let entry = http(&situations::denied());
    let keys = texts(&entry, &[1, 22, 1]);
    let values = texts(&entry, &[1, 22, 2]);
    let verdict = keys.iter().position(|key| key == "verdict").unwrap();
    assert_eq!(values[verdict], "deny");
    assert!(keys.iter().any(|key| key == "policy"), "{keys:?}");
}

#[test]
fn tls_that_is_passed_through_is_an_entry_about_tcp() {
    let all = situations::all();
    let (_, passed) = all
        .iter()
        .find(|(name, _)| name.contains("passthrough"))
        .unwrap();
    let (to, entry) = told(CollectedLog::Service(Arc::new(service_log())), passed);
    assert!(matches!(to, OutboxAddress::TcpLog(_)));
    assert_eq!(numbers(&entry, &[1, 33]), [3]);
    assert_eq!(texts(&entry, &[1, 4, 3]).len(), 1);
    assert_eq!(numbers(&entry, &[2, 1]).len(), 1);
}
