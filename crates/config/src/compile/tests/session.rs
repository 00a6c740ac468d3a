//! `sessionPersistence` of rules.

use std::time::Duration;

use super::{TO_DFP, problems, route, route_of, rule, with_base};
use crate::snapshot::{SessionPersistence, SessionToken};

/// What a rule makes of the field.
fn session(kind: &str, field: &str) -> SessionPersistence {
    let rules = format!("  rules:\n  - {TO_DFP}\n    sessionPersistence: {field}\n");
    let compiled = with_base(&route_of(kind, "r", &rules));
    assert!(compiled.report.accepted(), "{}", compiled.report.table());
    let rule = super::request(
        &compiled,
        (8080, "a.example"),
        (&http::Method::POST, "/s/m"),
        &[("content-type", "application/grpc")],
    );
    let session = rule.expect("a rule").session.as_deref();
    session.expect("a session").clone()
}

fn cookie(name: &str, is_permanent: bool) -> SessionToken {
    SessionToken::Cookie {
        name: name.into(),
        is_permanent,
    }
}

#[test]
fn a_session_has_a_token_and_may_end() {
    let header = |name| SessionToken::Header(http::HeaderName::from_static(name));
    let (minute, hour) = (
        Some(Duration::from_secs(60)),
        Some(Duration::from_secs(3600)),
    );
    for (field, token, absolute_timeout, idle_timeout) in [
        ("{}", cookie("sessionPersistence", false), None, None),
        (
            "{sessionName: sid, type: Cookie}",
            cookie("sid", false),
            None,
            None,
        ),
        (
            "{absoluteTimeout: 1h}",
            cookie("sessionPersistence", true),
            hour,
            None,
        ),
        (
            "{absoluteTimeout: 1h, idleTimeout: 1m, cookieConfig: {lifetimeType: Session}}",
            cookie("sessionPersistence", false),
            hour,
            minute,
        ),
        (
            "{absoluteTimeout: 1h, cookieConfig: {lifetimeType: Permanent}}",
            cookie("sessionPersistence", true),
            hour,
            None,
        ),
        (
            "{type: Header}",
            header("x-session-persistence"),
            None,
            None,
        ),
        (
            "{type: Header, sessionName: X-Sid, idleTimeout: 0s}",
            header("x-sid"),
            None,
            None,
        ),
    ] {
        for kind in ["HTTPRoute", "GRPCRoute"] {
            let expected = SessionPersistence {
                token: token.clone(),
                absolute_timeout,
                idle_timeout,
            };
            assert_eq!(session(kind, field), expected, "{kind} {field}");
        }
    }
}

#[test]
fn what_is_wrong_is_named() {
    let long = format!("{{sessionName: {}}}", "a".repeat(129));
    for (field, fault) in [
        (
            "{sessionName: 'a;b'}",
            ".sessionName: not the name of a cookie or a header",
        ),
        (&*long, ".sessionName: at most 128 characters are allowed"),
        ("{absoluteTimeout: 1d}", ".absoluteTimeout: "),
        ("{idleTimeout: x}", ".idleTimeout: "),
        (
            "{cookieConfig: {lifetimeType: Permanent}}",
            ": AbsoluteTimeout must be specified when cookie lifetimeType is Permanent",
        ),
        (
            "{type: Header, cookieConfig: {}}",
            ": cookieConfig can only be set with type Cookie",
        ),
    ] {
        let rules = format!("  rules:\n  - {TO_DFP}\n    sessionPersistence: {field}\n");
        let compiled = with_base(&route(&rules));
        let told = problems(&compiled).join("\n");
        let expected = format!("spec.rules[0].sessionPersistence{fault}");
        assert!(told.contains(&expected), "{field}: {told}");
        let session = &rule(&compiled, 8080, "a.example", "/")
            .expect("a rule")
            .session;
        assert!(session.is_none(), "{field}");
    }
}
