//! Refusals in the words of Envoy.

use egret_config::name::Port;
use egret_config::resources::Kind;
use http::StatusCode;

use super::*;
use crate::refusal::CircuitBreakerLimit;

fn policy() -> ObjectRef {
    ObjectRef::new(Kind::TrafficPolicy, "apps", "one")
}

fn denial(by: DenyingField, rule: Option<&str>, body: Option<&'static str>) -> Refusal {
    Refusal::Denied(Box::new(PolicyDenial {
        policy: policy(),
        by,
        rule: rule.map(Into::into),
        status: StatusCode::FORBIDDEN,
        details: String::new(),
        body: body.map(Into::into),
        headers: Vec::new(),
    }))
}

fn about() -> RefusalSubject {
    RefusalSubject {
        destination: Some(("api.test".parse().unwrap(), Port::HTTPS)),
        address: Some("10.1.2.3:443".parse().unwrap()),
        id: None,
    }
}

#[test]
fn a_refusal_is_told_as_envoy_tells_it_or_with_its_own_word() {
    let reset = |why: &str| format!("upstream_reset_before_response_started{{{why}}}");
    let refused = "remote_connection_failure|delayed_connect_error:_Connection_refused";
    for (refusal, expected) in [
        (Refusal::NoRoute, "route_not_found".to_owned()),
        (Refusal::NoListener, "route_not_found".to_owned()),
        (Refusal::NoEndpoints, "no_healthy_upstream".to_owned()),
        (Refusal::Connect(ConnectFailure::Refused), reset(refused)),
        (
            Refusal::Connect(ConnectFailure::Timeout),
            reset("connection_timeout"),
        ),
        (
            Refusal::Tls(TlsFailure::Protocol("it broke off")),
            reset("remote_connection_failure|TLS_error:|it_broke_off:TLS_error_end"),
        ),
        (Refusal::Terminated, reset("connection_termination")),
        (Refusal::UpstreamProtocol, reset("protocol_error")),
        (
            Refusal::Limit(CircuitBreakerLimit::Pending),
            reset("overflow"),
        ),
        (Refusal::ResponseTimeout, "response_timeout".to_owned()),
        (
            Refusal::Dns(DnsFailure::NxDomain),
            "dns_resolution_failure{cares_norecords:Domain_name_not_found}".to_owned(),
        ),
        (
            Refusal::Dns(DnsFailure::Timeout),
            "dns_resolution_failure{resolve_timeout}".to_owned(),
        ),
        (Refusal::DnsOverload, "dns_cache_overflow".to_owned()),
        (Refusal::HeadTooLarge, "http1.headers_too_large".to_owned()),
        (
            Refusal::Target(TargetError::Missing),
            "missing_host_header".to_owned(),
        ),
        (
            Refusal::Target(TargetError::Repeated),
            "malformed_target".to_owned(),
        ),
        (Refusal::Loop, "loop".to_owned()),
    ] {
        let told = refusal.code_details(&about());
        assert_eq!(told, expected);
        assert!(!told.contains(' '));
    }
}

#[test]
fn why_no_connection_was_made_is_told_only_then() {
    let told = |refusal: Refusal| refusal.transport_failure();
    assert_eq!(
        told(Refusal::Connect(ConnectFailure::Refused)).unwrap(),
        "delayed_connect_error:_Connection_refused"
    );
    assert_eq!(told(Refusal::Connect(ConnectFailure::Timeout)), None);
    assert_eq!(told(Refusal::NoRoute), None);
}

#[test]
fn a_denial_names_the_policy_and_the_rule_without_blanks() {
    let by_rule = |rule: Option<&str>| {
        Refusal::Policy(DecidingRule {
            policy: Some(policy()),
            rule: rule.map(Into::into),
            ..DecidingRule::default()
        })
    };
    let by_address = |policy| {
        let class = "private";
        Refusal::Address(AddressDenied { policy, class })
    };
    for (refusal, expected) in [
        (
            by_rule(Some("no mail")),
            "egress_policy_denied{apps/one,no_mail}".to_owned(),
        ),
        (
            by_rule(None),
            "egress_policy_denied{apps/one,default}".to_owned(),
        ),
        (
            by_address(Some(policy())),
            "egress_address_denied{apps/one,10.1.2.3}".to_owned(),
        ),
        (
            by_address(None),
            "egress_address_denied{private,10.1.2.3}".to_owned(),
        ),
        (
            denial(DenyingField::Rbac, None, None),
            "rbac_access_denied_matched_policy[none]".to_owned(),
        ),
        (
            denial(DenyingField::Acl, Some("p1"), None),
            "rbac_access_denied_matched_policy[p1]".to_owned(),
        ),
        (
            denial(DenyingField::Jwt, None, Some("Jwt is missing")),
            "jwt_authn_access_denied{Jwt_is_missing}".to_owned(),
        ),
        (
            denial(DenyingField::LocalRateLimit, None, None),
            "local_rate_limited".to_owned(),
        ),
        (
            denial(DenyingField::EgressLimit, Some("per-host"), None),
            "egress_policy_limited{apps/one,per-host}".to_owned(),
        ),
        (
            denial(DenyingField::Csrf, None, None),
            "csrf_origin_mismatch".to_owned(),
        ),
        (
            denial(DenyingField::Fault, None, None),
            "fault_filter_abort".to_owned(),
        ),
        (
            denial(DenyingField::Buffer, None, None),
            "request_payload_too_large".to_owned(),
        ),
        (
            denial(DenyingField::PasswordQueue, None, None),
            "overload_of_basic_auth".to_owned(),
        ),
        (
            denial(DenyingField::Transformation, None, None),
            "transformation_error".to_owned(),
        ),
    ] {
        let told = refusal.code_details(&about());
        assert_eq!(told, expected);
        assert!(!told.contains(' '));
    }
}
