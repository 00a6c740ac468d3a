//! What services are asked, and what their answers mean.

use std::time::Duration;

use egret_config::policy::global_limit::{DescriptorEntry, EntryValue, RateLimitService};
use egret_config::policy::service::{CalledService, ServiceId};
use egret_config::resources::{Kind, ObjectRef};
use egret_testkit::protobuf::Written;
use prost::Message as _;

use super::*;
use crate::message::forwarded::ForwardedFields;
use crate::policy::envoy::HeaderField;
use crate::policy::envoy::rate_limit::Unit;

fn limit(fails_open: bool, tells_limits: bool) -> GlobalRateLimit {
    let policy = ObjectRef::new(Kind::TrafficPolicy, "n", "p");
    let entry = |key: &str, value: &str| DescriptorEntry {
        key: key.to_owned(),
        value: EntryValue::Fixed(value.to_owned()),
    };
    GlobalRateLimit {
        service: RateLimitService {
            grpc: CalledService {
                id: ServiceId::new(&policy, "x"),
                authority: "limits:8081".to_owned(),
                timeout: Duration::from_millis(100),
                retries: 0,
                back_off: (Duration::ZERO, Duration::ZERO),
            },
            domain: "d".to_owned(),
            fails_open,
            tells_limits,
        },
        descriptors: vec![
            vec![entry("a", "b"), entry("c", "d")],
            vec![entry("e", "f")],
        ],
        policy,
    }
}

/// The answer with these fields, as it comes from the wire.
fn answer(message: Written) -> Result<RateLimitResponse, &'static str> {
    Ok(RateLimitResponse::decode(&*message.into_bytes()).unwrap())
}

/// The status of a descriptor.
fn status(code: u64, limit: (u64, Unit, &str), remaining: u64, reset: u64) -> Written {
    let (per_unit, unit, name) = limit;
    let limit = Written::default()
        .number(1, per_unit)
        .number(2, u64::try_from(unit as i32).unwrap())
        .text(3, name);
    let reset = Written::default().number(1, reset).number(2, 500_000_000);
    let status = Written::default().number(1, code).message(2, &limit);
    status.number(3, remaining).message(4, &reset)
}

fn header(key: &str, value: &str) -> Written {
    Written::default().text(1, key).text(2, value)
}

fn text(fields: &[(HeaderName, HeaderValue)]) -> String {
    let field =
        |(name, value): &(HeaderName, HeaderValue)| format!("{name}: {};", value.to_str().unwrap());
    fields.iter().map(field).collect()
}

fn denied(judged: Result<AddedFields, Refusal>) -> PolicyDenial {
    match judged {
        Err(Refusal::Denied(denial)) => *denial,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_question_has_the_domain_and_the_descriptors() {
    let (parts, ()) = http::Request::new(()).into_parts();
    let target = Target {
        scheme: None,
        host: "a.test".parse().unwrap(),
        port: None,
        form: TargetForm::Request,
    };
    let client = ClientIdentity {
        address: ([192, 0, 2, 7], 1).into(),
        listener: ([192, 0, 2, 1], 80).into(),
        scheme: egret_config::snapshot::Scheme::Http,
        server_name: None,
        certificate: None,
        forwarded: ForwardedFields::default(),
    };
    let described = described(&target, &parts, &client, "a.test");
    let bytes = question(&limit(true, false), &described).unwrap();
    let entry = |key: &str, value: &str| Written::default().text(1, key).text(2, value);
    let one = Written::default()
        .message(1, &entry("a", "b"))
        .message(1, &entry("c", "d"));
    let other = Written::default().message(1, &entry("e", "f"));
    let expected = Written::default().text(1, "d");
    let expected = expected.message(2, &one).message(2, &other);
    assert_eq!(bytes.encode_to_vec(), expected.into_bytes());
    let mut none = limit(true, false);
    none.descriptors.clear();
    assert_eq!(question(&none, &described), None);
}

#[test]
fn the_fields_of_the_closest_limit_are_told() {
    let statuses = Written::default()
        .number(1, 1)
        .message(2, &status(1, (10, Unit::Minute, "per-user"), 3, 42))
        .message(2, &status(1, (5, Unit::Second, "a\"b"), 4, 1))
        .message(2, &Written::default().number(1, 1))
        .message(3, &header("x-from", "service"))
        .message(3, &header("content-length", "7"))
        .message(4, &header("x-tier", "gold"))
        .message(4, &header("host", "evil.test"));
    let added = judge(&limit(true, true), answer(statuses.clone())).unwrap();
    assert_eq!(
        text(&added.response),
        "x-ratelimit-limit: 10, 10;w=60;name=\"per-user\", 5;w=1;x-ratelimit-remaining: 3;x-ratelimit-reset: 42;\
         x-from: service;"
    );
    assert_eq!(text(&added.request), "x-tier: gold;");
    let added = judge(&limit(true, false), answer(statuses)).unwrap();
    assert_eq!(text(&added.response), "x-from: service;");
    let none = judge(&limit(true, true), answer(Written::default().number(1, 1)));
    assert_eq!(none.unwrap(), AddedFields::default());
}

#[test]
fn a_limit_that_is_reached_is_told_in_the_words_of_the_service() {
    let reached = Written::default()
        .number(1, 2)
        .message(2, &status(2, (10, Unit::Hour, "hourly"), 0, 42));
    let denial = denied(judge(&limit(true, true), answer(reached.clone())));
    assert_eq!(denial.status, 429);
    assert_eq!(denial.by, DenyingField::GlobalRateLimit);
    assert_eq!(denial.body, None);
    let expected = "rateLimit.global of TrafficPolicy n/p is reached: hourly";
    assert_eq!(denial.details, expected);
    assert_eq!(
        text(&denial.headers),
        "x-ratelimit-limit: 10, 10;w=3600;name=\"hourly\";x-ratelimit-remaining: 0;x-ratelimit-reset: 42;retry-after: 42;"
    );
    let own = reached
        .bytes(5, b"slow down")
        .message(3, &header("retry-after", "7"));
    let denial = denied(judge(&limit(true, false), answer(own)));
    assert_eq!(denial.body.as_deref(), Some("slow down"));
    assert_eq!(text(&denial.headers), "retry-after: 7;");
}

#[test]
fn without_an_answer_requests_pass_or_fail_as_configured() {
    let unknown = || answer(Written::default().number(1, 9));
    for answer in [Err("down"), unknown(), answer(Written::default())] {
        let open = judge(&limit(true, true), answer.clone());
        assert_eq!(open.unwrap(), AddedFields::default());
        let denial = denied(judge(&limit(false, true), answer.clone()));
        assert_eq!(
            (denial.status.as_u16(), denial.by),
            (500, DenyingField::RateLimitService)
        );
        assert!(denial.headers.is_empty());
        if let Err(error) = answer {
            assert!(denial.details.ends_with(error), "{}", denial.details);
        }
    }
}

#[test]
fn windows_are_in_seconds() {
    let all = [
        (Unit::Unknown, None),
        (Unit::Second, Some(1)),
        (Unit::Minute, Some(60)),
        (Unit::Hour, Some(3600)),
        (Unit::Day, Some(86_400)),
        (Unit::Month, Some(2_592_000)),
        (Unit::Year, Some(31_536_000)),
    ];
    for (unit, seconds) in all {
        assert_eq!(unit.seconds(), seconds, "{unit:?}");
    }
    let field = HeaderField::decode(&*header("a", "b").into_bytes()).unwrap();
    assert_eq!((field.key, field.value), ("a".to_owned(), "b".to_owned()));
}
