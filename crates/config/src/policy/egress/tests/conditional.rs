//! Rules that hold for a time, or under an expression.

use http::{HeaderMap, HeaderName, HeaderValue, Uri, Version};

use super::super::{AskedRequest, Expiry};
use super::*;
use crate::expression::{
    AbsentHeaders, EgressDestination, Expression, KeptRequest, RequestForm, RequestHead,
    RequestView,
};

/// A request to `a.example` with the header `x-team`, as it is kept.
fn kept(form: RequestForm, team: Option<&str>) -> KeptRequest {
    let (host, method) = ("a.example".parse().unwrap(), Method::GET);
    let mut headers = HeaderMap::new();
    if let Some(team) = team {
        let name = HeaderName::from_static("x-team");
        headers.insert(name, HeaderValue::from_str(team).unwrap());
    }
    let head = RequestHead {
        method: if form == RequestForm::Connect {
            &Method::CONNECT
        } else {
            &method
        },
        uri: &Uri::from_static("/v1"),
        version: Version::HTTP_11,
        headers: &headers,
    };
    let view = RequestView {
        form,
        scheme: None,
        host: &host,
        port: None,
        head: (form != RequestForm::Sni).then_some(head),
        source: "192.0.2.1:1".parse().unwrap(),
        listener: "0.0.0.0:80".parse().unwrap(),
        server_name: None,
        user: None,
        certificate: None,
        claims: None,
        egress: EgressDestination {
            scheme: None,
            host: &host,
            port: Port::HTTP,
        },
        response: None,
    };
    view.keep()
}

fn when(text: &str) -> Option<Expression> {
    Some(Expression::compile(text, AbsentHeaders::ReadEmpty).unwrap())
}

/// The decision about a request to `a.example:80`, and the error in the expression that denied it.
fn judge(egress: &EgressPolicySet, request: Option<&KeptRequest>) -> (String, Option<String>) {
    let host = "a.example".parse().unwrap();
    let decision = egress.check(EgressRequest {
        asked: request.map(|request| AskedRequest {
            request,
            scheme: Some("http"),
        }),
        ..attempt(&host, "80")
    });
    let error = decision.error.as_ref().map(ToString::to_string);
    (told(decision), error)
}

#[test]
fn a_rule_and_an_exception_end_at_their_time() {
    let mut only = policy("only");
    only.default_action = EgressAction::Deny;
    only.rules = vec![rule("old", EgressAction::Allow, &["a.example"])];
    only.rules[0].expires = Some(Expiry::parse("1970-01-01T00:16:40Z").unwrap());
    only.rules[0].reason = Some("OPS-12".into());
    only.rules[0].allow_addresses = vec!["10.0.0.0/8".parse().unwrap()];
    let mut denies = policy("denies");
    denies.rules = vec![rule("freeze", EgressAction::Deny, &["b.example"])];
    denies.rules[0].expires = only.rules[0].expires;
    denies.allow_addresses = vec![AddressException {
        expires: only.rules[0].expires,
        ..net("127.0.0.0/8")
    }];
    let egress = egress([only, denies]);
    assert!(egress.reads_time() && !egress.reads_requests());
    let (a, b) = ("a.example".parse().unwrap(), "b.example".parse().unwrap());
    for (now, by_name, frozen, address, loopback) in [
        (999, "allow denies/-", "deny only/-", true, true),
        (1000, "deny only/-", "deny only/-", false, false),
        (i64::MAX, "deny only/-", "deny only/-", false, false),
    ] {
        let at = |host| EgressRequest {
            now,
            ..attempt(host, "80")
        };
        assert_eq!(told(egress.check(at(&a))), by_name, "{now}");
        assert_eq!(told(egress.check(at(&b))), frozen, "{now}");
        let allowed = |ip: [u8; 4]| egress.check_address(ip.into(), at(&a)).is_ok();
        assert_eq!(allowed([10, 1, 2, 3]), address, "{now}");
        assert_eq!(allowed([127, 0, 0, 1]), loopback, "{now}");
    }
}

#[test]
fn a_denial_that_has_ended_denies_nothing() {
    let mut denies = policy("denies");
    denies.rules = vec![rule("freeze", EgressAction::Deny, &["a.example"])];
    denies.rules[0].expires = Some(Expiry::parse("1970-01-01T00:16:40Z").unwrap());
    denies.rules[0].reason = Some("OPS-12".into());
    let egress = egress([denies]);
    let host = "a.example".parse().unwrap();
    let at = |now| {
        egress.check(EgressRequest {
            now,
            ..attempt(&host, "80")
        })
    };
    let before = at(999).deciding_rule();
    assert_eq!(before.rule.as_deref(), Some("freeze"));
    assert_eq!(before.reason.as_deref(), Some("OPS-12"));
    assert_eq!(told(at(1000)), "allow denies/-");
}

#[test]
fn an_expression_is_one_more_condition() {
    let mut billing = policy("p");
    billing.default_action = EgressAction::Deny;
    billing.rules = vec![rule("billing", EgressAction::Allow, &["a.example"])];
    billing.rules[0].when = when("request.headers['x-team'] == 'billing' && egress.port == 80");
    let egress = egress([billing]);
    assert!(egress.reads_requests() && !egress.reads_time());
    for (team, expected) in [
        (Some("billing"), "allow p/billing"),
        (Some("other"), "deny p/-"),
        // A missing header reads as "".
        (None, "deny p/-"),
    ] {
        let request = kept(RequestForm::Host, team);
        assert_eq!(judge(&egress, Some(&request)), (expected.to_owned(), None));
    }
    // A request of the gateway's own has nothing that an expression could be about.
    assert_eq!(judge(&egress, None).0, "deny p/-");
}

#[test]
fn an_error_denies_whatever_the_action_and_the_default() {
    let text = "int(request.headers['x-team']) == 1";
    let error = Some("a value is not a number".to_owned());
    let no_number = kept(RequestForm::Host, Some("x"));
    let number = kept(RequestForm::Host, Some("2"));
    for (action, mode, expected, error) in [
        (
            EgressAction::Allow,
            EgressMode::Enforce,
            "deny p/odd",
            &error,
        ),
        (
            EgressAction::Deny,
            EgressMode::Enforce,
            "deny p/odd",
            &error,
        ),
        (
            EgressAction::Allow,
            EgressMode::Audit,
            "allow! p/odd",
            &error,
        ),
    ] {
        let mut odd = policy("p");
        odd.mode = mode;
        odd.rules = vec![
            rule("odd", action, &[]),
            rule("rest", EgressAction::Allow, &[]),
        ];
        odd.rules[0].when = when(text);
        odd.rules[0].allow_addresses = vec!["10.0.0.0/8".parse().unwrap()];
        let egress = egress([odd]);
        assert_eq!(
            judge(&egress, Some(&no_number)),
            (expected.to_owned(), error.clone())
        );
        assert_eq!(judge(&egress, Some(&number)).0, "allow p/rest");
        // Nor does it open an address.
        let host = "a.example".parse().unwrap();
        let attempt = EgressRequest {
            asked: Some(AskedRequest {
                request: &no_number,
                scheme: None,
            }),
            ..attempt(&host, "80")
        };
        assert!(egress.check_address([10, 1, 2, 3].into(), attempt).is_err());
    }
}

/// What a tunnel hides is neither an error nor true.
#[test]
fn an_expression_about_what_is_hidden_never_matches() {
    let connect = kept(RequestForm::Connect, Some("ops"));
    let sni = kept(RequestForm::Sni, None);
    for (text, in_connect, in_sni) in [
        ("request.path == '/v1' || true", "allow p/-", "allow p/-"),
        (
            "!(request.headers['x-team'] == 'dev')",
            "deny p/no",
            "allow p/-",
        ),
        ("request.form != 'host'", "deny p/no", "deny p/no"),
    ] {
        let mut denies = policy("p");
        denies.rules = vec![rule("no", EgressAction::Deny, &[])];
        denies.rules[0].when = when(text);
        let egress = egress([denies]);
        assert_eq!(
            judge(&egress, Some(&connect)),
            (in_connect.to_owned(), None),
            "{text}"
        );
        assert_eq!(
            judge(&egress, Some(&sni)),
            (in_sni.to_owned(), None),
            "{text}"
        );
    }
}
