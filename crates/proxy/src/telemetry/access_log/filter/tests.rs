//! Which exchanges filters let through.

use egret_config::access_log::{
    ComparisonOperator, GrpcStatusSet, HeaderTest, LogFormat, LogPath, LogShare, LogSink, LogSinks,
    NumberComparison, ResponseFlag,
};

use super::super::format::tests::situations::{self, Situation};
use super::*;

fn passes(filter: LogFilter, situation: &Situation) -> bool {
    let log = LogSinks::new(vec![LogSink {
        path: LogPath::Stdout,
        format: LogFormat::text("").unwrap(),
        filter: Some(filter),
    }]);
    let mut is_admitted = false;
    situation.with_record(&log.inputs, |record| {
        let facts = LineFacts {
            record,
            inputs: &log.inputs,
        };
        let filter = log.sinks[0].filter.as_ref().unwrap();
        is_admitted = admits(filter, facts, &|_| 42);
    });
    is_admitted
}

const fn number(operator: ComparisonOperator, value: u32) -> NumberComparison {
    NumberComparison { operator, value }
}

use ComparisonOperator::{AtLeast, AtMost, Equal};

#[test]
fn by_the_status_of_the_response() {
    let (served, refused) = (situations::served(), situations::refused());
    let left = situations::left();
    let by = |operator, value| LogFilter::StatusCode(number(operator, value));
    assert!(passes(by(Equal, 0), &left) && !passes(by(Equal, 0), &served));
    assert!(passes(by(AtLeast, 400), &refused) && !passes(by(AtLeast, 400), &served));
    assert!(passes(by(AtMost, 200), &left) && passes(by(AtMost, 200), &served));
    // A refusal of gRPC has the status 200 of HTTP.
    let grpc = situations::grpc(200, Some("14"), None);
    assert!(!passes(by(AtLeast, 400), &grpc));
}

#[test]
fn by_how_long_it_took() {
    let by = |operator, value| LogFilter::Duration(number(operator, value));
    assert!(passes(by(AtLeast, 2), &situations::served()));
    assert!(!passes(by(AtLeast, 3), &situations::served()));
    assert!(passes(by(AtMost, 0), &situations::refused()));
}

#[test]
fn by_a_line_of_a_header() {
    let served = situations::served();
    let by = |name: &str, value: &str| {
        LogFilter::Header(HeaderCondition {
            name: name.parse().unwrap(),
            value: HeaderTest::Exact(value.to_owned()),
        })
    };
    assert!(passes(by("x-a", "avalue"), &served));
    assert!(!passes(by("x-a", "other"), &served));
    // One line of two is enough.
    assert!(passes(by("x-repeated", "two"), &served));
    assert!(!passes(by("x-repeated", "one,two"), &served));
    assert!(passes(by("x-empty", ""), &served));
    assert!(!passes(by("x-none", ""), &served));
    assert!(!passes(by("x-a", "avalue"), &situations::left()));
}

#[test]
fn by_the_status_of_grpc_which_every_response_has() {
    let by = |exclude| {
        LogFilter::GrpcStatus(GrpcStatusSet {
            statuses: vec![0, 14],
            exclude,
        })
    };
    let ok = situations::grpc(200, None, Some("0"));
    let missing = situations::grpc(200, None, Some("5"));
    assert!(passes(by(false), &ok) && !passes(by(false), &missing));
    assert!(!passes(by(true), &ok) && passes(by(true), &missing));
    // That of HTTP stands for it: 502 for UNAVAILABLE, and 200 for UNKNOWN.
    assert!(passes(by(false), &situations::refused()));
    assert!(!passes(by(false), &situations::served()));
}

#[test]
fn by_flags() {
    let by = |flags: &[ResponseFlag]| LogFilter::Flags(flags.to_vec());
    let (uf, dc) = (
        ResponseFlag::UpstreamConnectionFailure,
        ResponseFlag::DownstreamConnectionTermination,
    );
    assert!(passes(by(&[dc, uf]), &situations::refused()));
    assert!(!passes(by(&[dc]), &situations::refused()));
    assert!(passes(by(&[dc]), &situations::left()));
    assert!(!passes(by(ResponseFlag::ALL), &situations::served()));
}

#[test]
fn by_expressions_whose_errors_let_nothing_through() {
    let (served, refused) = (situations::served(), situations::refused());
    for (text, of_served, of_refused) in [
        ("response.code >= 400", false, true),
        ("response.flags > 0", false, true),
        ("response.flags == 32", false, true),
        ("response.code_details == 'via_upstream'", true, false),
        ("response.grpc_status == 14", false, true),
        ("response.size == 308", true, false),
        ("request.headers['x-a'] == 'avalue'", true, false),
        ("!(request.headers['x-a'] == 'avalue')", false, false),
        ("request.headers['x-repeated'] == 'one,two'", true, false),
        ("request.headers['x-a'] == 'x' || true", true, true),
        (
            "request.method == 'GET' && request.host == 'a.test'",
            true,
            true,
        ),
        ("request.query.contains('q=1')", true, false),
        (
            "request.scheme == 'http' && egress.port == 18080",
            true,
            false,
        ),
        ("source.address == '9.9.9.9:0'", true, false),
    ] {
        let by = || LogFilter::Expression(Expression::compile_for_log(text).unwrap());
        assert_eq!(passes(by(), &served), of_served, "{text}");
        assert_eq!(passes(by(), &refused), of_refused, "{text}");
    }
    let any = || LogFilter::Expression(Expression::compile_for_log("true").unwrap());
    for (name, situation) in situations::all() {
        assert!(passes(any(), &situation), "{name}");
    }
}

#[test]
fn by_what_a_request_is_for_and_whether_it_is_traced() {
    let served = situations::served();
    assert!(passes(LogFilter::NotHealthCheck, &served));
    assert!(!passes(
        LogFilter::NotHealthCheck,
        &situations::health_check()
    ));
    assert!(passes(LogFilter::Sampled, &situations::sampled()));
    // What upstreams are told of and no collector is.
    assert!(!passes(LogFilter::Sampled, &served));
}

#[test]
fn by_chance_and_by_several() {
    let served = situations::served();
    let share = |numerator| {
        LogFilter::Share(LogShare {
            numerator,
            denominator: 100,
        })
    };
    // The lot is 42.
    assert!(passes(share(43), &served) && !passes(share(42), &served));
    assert!(!passes(share(0), &served) && passes(share(100), &served));
    assert!(passes(LogFilter::All, &served) && !passes(LogFilter::None, &served));
    let every = |filters: Vec<_>| passes(LogFilter::Every(filters), &served);
    let either = |filters: Vec<_>| passes(LogFilter::Either(filters), &served);
    assert!(every(vec![LogFilter::All, share(43)]));
    assert!(!every(vec![LogFilter::All, share(42)]));
    assert!(either(vec![LogFilter::None, share(43)]));
    assert!(!either(vec![LogFilter::None, share(42)]));
}
