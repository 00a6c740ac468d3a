//! `extAuth` of TrafficPolicies, and GatewayExtensions with `extAuth`.

use std::time::Duration;

use super::{GATEWAY, ROUTE, kgateway_policy, problems, rule, warnings, with_route};
use crate::compile::CompiledConfig;
use crate::policy::ext_auth::{AuthBody, AuthProtocol, ExtAuth};
use crate::policy::traffic::PolicySetting;

const BACKEND: &str = "---
apiVersion: gateway.kgateway.dev/v1alpha1
kind: Backend
metadata: {name: door, namespace: apps}
spec: {static: {hosts: [{host: door.example, port: 9000}]}}
";
const REF: &str = "backendRef: {group: gateway.kgateway.dev, kind: Backend, name: door}";

fn extension(spec: &str) -> String {
    let spec = spec.replace("$REF", REF);
    kgateway_policy(
        "GatewayExtension",
        "door",
        "apps",
        &format!("  extAuth: {{{spec}}}\n"),
    )
}

fn policy(target: &str, spec: &str) -> String {
    let (name, namespace) = if target == GATEWAY {
        ("g", "infra")
    } else {
        ("p", "apps")
    };
    let spec = format!("  targetRefs: [{target}]\n  extAuth: {{{spec}}}\n");
    kgateway_policy("TrafficPolicy", name, namespace, &spec)
}

/// The rule of a route with `extAuth`, this extension, and more in the policy.
fn compiled(spec: &str, more: &str) -> CompiledConfig {
    let policy = policy(ROUTE, &format!("extensionRef: {{name: door}}{more}"));
    with_route(&format!("{}{policy}{BACKEND}", extension(spec)))
}

fn auth(compiled: &CompiledConfig) -> ExtAuth {
    let rule = rule(compiled, 8080, "a.b", "/").unwrap();
    ExtAuth::clone(rule.policies.ext_auth.value().expect("extAuth"))
}

#[test]
fn what_is_not_said_has_its_default() {
    let compiled = compiled("grpcService: {$REF}", "");
    assert!(compiled.report.accepted(), "{}", compiled.report.table());
    let grpc = auth(&compiled);
    assert_eq!(grpc.protocol, AuthProtocol::Grpc);
    assert_eq!(grpc.service.timeout, Duration::from_millis(200));
    assert_eq!(&*grpc.service.authority, "door.example:9000");
    assert_eq!(
        (grpc.fails_open, grpc.status_on_error.as_u16()),
        (false, 403)
    );
    assert!(grpc.forwarded.is_empty() && grpc.body.is_none() && grpc.context.is_empty());
    let compiled = self::compiled("httpService: {$REF, pathPrefix: /}", "");
    let http = auth(&compiled);
    assert_eq!(http.service.timeout, Duration::from_secs(2));
    let AuthProtocol::Http(of_http) = &http.protocol else {
        panic!("{http:?}");
    };
    assert_eq!(of_http.path_prefix, "");
}

#[test]
fn the_policy_says_more_than_the_extension() {
    let spec = "failOpen: true, statusOnError: 503, headersToForward: [X-A, Host], clearRouteCache: true, statPrefix: x,
        withRequestBody: {maxRequestBytes: 8192, allowPartialMessage: true, packAsBytes: true},
        grpcService: {requestTimeout: 250ms, $REF, retry: {attempts: 2, backoff: {baseInterval: 30ms, maxInterval: 300ms}}}";
    let of_extension = compiled(spec, "");
    assert!(
        of_extension.report.accepted(),
        "{}",
        of_extension.report.table()
    );
    let body = AuthBody {
        most: 8192,
        allows_partial: true,
        as_bytes: true,
    };
    assert_eq!(auth(&of_extension).body, Some(body));
    let warnings = warnings(&of_extension);
    for field in ["clearRouteCache", "statPrefix"] {
        let expected = format!("GatewayExtension apps/door: spec.extAuth.{field}: has no effect");
        assert!(
            warnings.iter().any(|it| it.contains(&expected)),
            "{warnings:#?}"
        );
    }
    let more = ", withRequestBody: {maxRequestBytes: 10}, contextExtensions: {zone: blue}";
    let auth = auth(&compiled(spec, more));
    let body = AuthBody {
        most: 10,
        allows_partial: false,
        as_bytes: false,
    };
    assert_eq!(auth.body, Some(body));
    assert_eq!(auth.context["zone"], "blue");
    assert_eq!(auth.forwarded, ["x-a"]);
    assert_eq!(
        (auth.fails_open, auth.status_on_error.as_u16()),
        (true, 503)
    );
    assert_eq!(
        (auth.service.retries, auth.service.timeout.as_millis()),
        (2, 250)
    );
}

#[test]
fn a_route_cannot_disable_what_its_gateway_asks() {
    let grant = "---
apiVersion: gateway.networking.k8s.io/v1beta1
kind: ReferenceGrant
metadata: {name: g, namespace: apps}
spec:
  from: [{group: gateway.kgateway.dev, kind: TrafficPolicy, namespace: infra}]
  to: [{group: gateway.kgateway.dev, kind: GatewayExtension}]
";
    let gateway = policy(GATEWAY, "extensionRef: {name: door, namespace: apps}");
    let route = policy(ROUTE, "disable: {}");
    let extension = extension("grpcService: {$REF}");
    let both = with_route(&format!("{extension}{gateway}{route}{grant}{BACKEND}"));
    let setting = &rule(&both, 8080, "a.b", "/").unwrap().policies.ext_auth;
    assert!(
        matches!(setting, PolicySetting::Set(by, _) if &*by.name == "g"),
        "{setting:?}"
    );
    let warnings = warnings(&both);
    let expected = "TrafficPolicy apps/p: spec.extAuth: has no effect";
    assert!(
        warnings.iter().any(|it| it.contains(expected)),
        "{warnings:#?}"
    );
}

#[test]
fn faults_name_the_field_and_refuse_the_rule() {
    let good = "grpcService: {$REF}";
    let http = |more: &str| format!("httpService: {{$REF, {more}}}");
    let at = "spec.extAuth";
    for (spec, more, expected) in [
        (
            "failOpen: true".to_owned(),
            "",
            format!("{at}: exactly one of the fields in [grpcService httpService] must be set"),
        ),
        (
            format!("{good}, httpService: {{$REF}}"),
            "",
            format!("{at}: exactly one of the fields in [grpcService httpService] must be set"),
        ),
        (
            format!("{good}, statusOnError: 100"),
            "",
            format!("{at}.statusOnError: 200 to 511 is allowed"),
        ),
        (
            format!("{good}, headersToForward: ['a b']"),
            "",
            format!("{at}.headersToForward: a b: not a header name"),
        ),
        (
            http("pathPrefix: check"),
            "",
            format!("{at}.httpService.pathPrefix: not a path: write /path"),
        ),
        (
            http("pathPrefix: '/a?b'"),
            "",
            format!("{at}.httpService.pathPrefix: not a path: write /path"),
        ),
        (
            http("authorizationRequest: {headersToAdd: {x-a: '%START_TIME%'}}"),
            "",
            format!("{at}.httpService.authorizationRequest.headersToAdd: x-a: format commands"),
        ),
        (
            http("authorizationRequest: {headersToAdd: {host: a}}"),
            "",
            format!("{at}.httpService.authorizationRequest.headersToAdd: host: this header"),
        ),
        (
            "grpcService: {backendRef: {name: none, port: 1}}".to_owned(),
            "",
            format!("{at}.grpcService.backendRef: Service apps/none not found"),
        ),
        (
            good.to_owned(),
            ", withRequestBody: {maxRequestBytes: 0}",
            format!("{at}.withRequestBody.maxRequestBytes: 1 to 2147483647 is allowed"),
        ),
        (
            good.to_owned(),
            ", disable: {}",
            format!("{at}: exactly one of the fields in [extensionRef disable] must be set"),
        ),
    ] {
        let compiled = compiled(&spec, more);
        let problems = problems(&compiled);
        let is_named = problems.iter().any(|problem| problem.contains(&expected));
        assert!(is_named, "{spec} {more}: {problems:#?}");
        let rule = rule(&compiled, 8080, "a.b", "/").unwrap();
        assert!(rule.policies.ext_auth.value().is_none());
    }
}
