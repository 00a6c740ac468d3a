//! Claims of tokens in expressions.

use serde_json::{Map, Value, json};

use super::*;

fn claims() -> Map<String, Value> {
    let claims = json!({
        "sub": "ann", "team": "pay", "level": 7, "ratio": 2.0, "half": 0.5, "admin": true, "none": null,
        "roles": ["dev", "ops", 3], "scope": "read admin:all write", "org": {"unit": "edge", "https://a.example/x": "y"}
    });
    let Value::Object(claims) = claims else {
        unreachable!("it is one")
    };
    claims
}

fn with_claims(text: &str, claims: Option<&Map<String, Value>>) -> Result<bool, EvaluationError> {
    let sample = Sample::get("/", &[]);
    let expression = Expression::compile(text, AbsentHeaders::AreErrors);
    let expression = expression.unwrap_or_else(|fault| panic!("{text}: {fault}"));
    let claims = claims.map(|claims| Arc::new(claims.clone()));
    let view = RequestView {
        claims: claims.as_ref(),
        ..sample.view()
    };
    let evaluated = expression.evaluate(&view);
    let kept = view.keep();
    assert_eq!(expression.evaluate(&kept.view(view.egress)), evaluated);
    evaluated
}

#[test]
fn claims_are_read_by_both_names_and_with_their_types() {
    let claims = claims();
    for text in [
        "metadata.filter_metadata['envoy.filters.http.jwt_authn']['payload']['team'] == 'pay'",
        "metadata.filter_metadata['envoy.filters.http.jwt_authn'].payload.team == 'pay'",
        "source.claims.team == 'pay'",
        "source.claims['team'].startsWith('p')",
        "source.claims.team in ['other', 'pay']",
        "source.claims.team.matches('^p')",
        "'pay' == source.claims.team",
        "source.claims.level > 6 && source.claims.level in [7]",
        "source.claims.ratio == 2",
        "source.claims.admin && source.claims.admin == true",
        "'ops' in source.claims.roles && !('root' in source.claims.roles)",
        "'write' in source.claims.scope.split(' ') && !('admin' in source.claims.scope.split(' '))",
        "size(source.claims.scope.split(' ')) == 3 && 'read admin' in source.claims.scope.split(':')",
        "source.claims.scope.split('::').size() == 1 && source.claims.team in 'sell,pay'.split(',')",
        "source.claims.org.unit == 'edge'",
        "source.claims.org['https://a.example/x'] == 'y'",
        "'unit' in source.claims.org && 'team' in source.claims",
        "has(source.claims.team) && !has(source.claims.other) && !has(source.claims.none)",
        "has(source.claims.other) ? false : source.claims.team == 'pay'",
    ] {
        assert_eq!(with_claims(text, Some(&claims)), Ok(true), "{text}");
    }
}

#[test]
fn claims_that_are_not_there_or_of_another_type_are_errors() {
    let claims = claims();
    for (text, expected) in [
        ("source.claims.other == 'x'", "the token has no claim other"),
        (
            "source.claims.org.other == 'x'",
            "the token has no claim org.other",
        ),
        ("source.claims.none == 'x'", "the token has no claim none"),
        (
            "source.claims.level == 'x'",
            "the claim level is not a text",
        ),
        (
            "source.claims.half == 1",
            "the claim half is not a whole number",
        ),
        (
            "'ops' in source.claims.roles.split(' ')",
            "the claim roles is not a text",
        ),
        ("source.claims.team", "the claim team is not true or false"),
        (
            "'x' in source.claims.team",
            "the claim team is not a list or an object",
        ),
    ] {
        let error = with_claims(text, Some(&claims)).unwrap_err();
        assert_eq!(error.to_string(), expected, "{text}");
    }
    // Nobody has shown a token.
    assert_eq!(with_claims("has(source.claims.team)", None), Ok(false));
    assert_eq!(with_claims("'team' in source.claims", None), Ok(false));
    assert!(with_claims("source.claims.team == 'pay'", None).is_err());
}

#[test]
fn what_claims_cannot_be_asked_is_told_at_load() {
    for (text, expected) in [
        ("source.claims == 'x'", "these are all claims: name one"),
        ("source.claims.a == source.claims.b", "two claims"),
        (
            "metadata.filter_metadata['other']['x'] == 'y'",
            "metadata.filter_metadata['envoy.filters.http.jwt_authn']['payload']",
        ),
        (
            "source.claims.a[0] == 'x'",
            "the name of a claim is written out",
        ),
    ] {
        let fault = Expression::compile(text, AbsentHeaders::AreErrors).unwrap_err();
        assert!(
            fault.message.contains(expected),
            "{text}: {}",
            fault.message
        );
    }
    // Where TLS is passed through, there is no token.
    let expression = Expression::compile("has(source.claims.a)", AbsentHeaders::AreErrors).unwrap();
    assert!(!expression.inputs().are_hidden(RequestForm::Connect));
    let expression =
        Expression::compile("source.claims.a == ''", AbsentHeaders::AreErrors).unwrap();
    assert!(expression.inputs().are_hidden(RequestForm::Sni));
}
