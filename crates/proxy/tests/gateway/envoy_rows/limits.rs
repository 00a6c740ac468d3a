//! `rateLimit.local`.

use egret_testkit::client::connect_request;

use super::{ask, call};
use crate::with_policy::WithPolicy;

fn local(bucket: &str, more: &str) -> WithPolicy {
    WithPolicy::start(&format!(
        "rateLimit: {{local: {{tokenBucket: {{{bucket}}}{more}}}}}"
    ))
}

const ONE: &str = "maxTokens: 1, fillInterval: 1000s";

#[test]
fn a_refusal_has_the_fields_of_the_bucket() {
    // Four tokens in 10000 s are one each 2500 s.
    let setup = local("maxTokens: 4, tokensPerFill: 4, fillInterval: 10000s", "");
    for _ in 0..4 {
        let allowed = ask(&setup, "GET /", "");
        assert_eq!(allowed.status, 200);
        // Envoy would tell them of each request.
        assert_eq!(allowed.header("x-ratelimit-limit"), None);
    }
    let refused = ask(&setup, "GET /", "");
    assert_eq!(
        (refused.status, refused.text()),
        (429, "local_rate_limited")
    );
    assert_eq!(refused.header("x-ratelimit-limit"), Some("4"));
    assert_eq!(refused.header("x-ratelimit-remaining"), Some("0"));
    assert_eq!(refused.header("x-envoy-ratelimited"), None);
    let reset = refused.header("x-ratelimit-reset").unwrap();
    let seconds: u32 = reset.parse().unwrap();
    assert!((2400..=2500).contains(&seconds), "{seconds}");
    // Envoy does not send this one.
    assert_eq!(refused.header("retry-after"), Some(reset));
}

#[test]
fn what_is_not_enabled_or_not_enforced_refuses_nothing() {
    for more in [", percentEnabled: 0", ", percentEnforced: 0"] {
        let setup = local(ONE, more);
        for _ in 0..3 {
            assert_eq!(ask(&setup, "GET /", "").status, 200, "{more}");
        }
    }
}

#[test]
fn a_call_of_grpc_is_refused_in_its_own_words() {
    let setup = local(ONE, "");
    assert_eq!(ask(&setup, "GET /", "").status, 200);
    let told = call(&setup, &[]);
    let expected = (200, Some("14".into()), Some("local_rate_limited".into()));
    assert_eq!(told, expected);
}

#[test]
fn a_connect_takes_one_token_and_ends_its_connection_when_it_is_refused() {
    let setup = local(ONE, "");
    let mut tunnel = setup.gateway.connect();
    assert_eq!(tunnel.request(connect_request(&setup.host)).status, 200);
    for _ in 0..3 {
        assert_eq!(tunnel.get("/", &setup.host).status, 200);
    }
    let mut refused = setup.gateway.connect();
    let response = refused.request(connect_request(&setup.host));
    assert_eq!(
        (response.status, response.text()),
        (429, "local_rate_limited")
    );
    assert_eq!(response.header("connection"), Some("close"));
    assert!(refused.is_closed());
}
