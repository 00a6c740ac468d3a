//! Filters, timeouts and other fields of a rule.

use super::{TO_DFP, answer, condition, get, problems, route, rule, warnings, with_base};
use crate::snapshot::{PathRewrite, RuleAction, TimeoutSetting};

/// Lines of a rule, and the field at fault.
const UNSUPPORTED: &[(&str, &str)] = &[
    (
        "filters: [{type: ExternalAuth, externalAuth: {protocol: HTTP, backendRef: {name: x}}}]",
        "filters[0].externalAuth",
    ),
    (
        "filters: [{type: ExtensionRef, extensionRef: {group: gateway.kgateway.dev, kind: Backend, name: x}}]",
        "filters[0].extensionRef",
    ),
    ("filters: [{type: CORS}]", "filters[0].type"),
    (
        "filters: [{type: URLRewrite, urlRewrite: {}, cors: {}}]",
        "filters[0].type",
    ),
    (
        "filters: [{type: URLRewrite, urlRewrite: {}}, {type: URLRewrite, urlRewrite: {}}]",
        "filters[1].urlRewrite",
    ),
    (
        "filters: [{type: RequestRedirect, requestRedirect: {}}]",
        "filters[0].requestRedirect",
    ),
    (
        "filters: [{type: URLRewrite, urlRewrite: {path: {type: ReplacePrefixMatch, replacePrefixMatch: /x}}}]\n    \
             matches: [{path: {type: Exact, value: /}}]",
        "filters[0].urlRewrite.path.replacePrefixMatch",
    ),
    (
        "filters: [{type: URLRewrite, urlRewrite: {path: {type: ReplaceFullPath, replacePrefixMatch: /x}}}]",
        "filters[0].urlRewrite.path.type",
    ),
    (
        "filters: [{type: URLRewrite, urlRewrite: {path: {type: ReplaceFullPath, replaceFullPath: '/a?b'}}}]",
        "filters[0].urlRewrite.path.replaceFullPath",
    ),
    (
        "filters: [{type: URLRewrite, urlRewrite: {hostname: '*.a'}}]",
        "filters[0].urlRewrite.hostname",
    ),
    (
        "filters: [{type: URLRewrite, urlRewrite: {hostname: '127.1'}}]",
        "filters[0].urlRewrite.hostname",
    ),
    (
        "filters: [{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: 'a b', value: c}]}}]",
        "filters[0].requestHeaderModifier.set[0].name",
    ),
    (
        "filters: [{type: RequestHeaderModifier, requestHeaderModifier: {add: [{name: a, value: \"c\\n\"}]}}]",
        "filters[0].requestHeaderModifier.add[0].value",
    ),
    (
        "filters: [{type: ResponseHeaderModifier, responseHeaderModifier: {remove: ['Content Length']}}]",
        "filters[0].responseHeaderModifier.remove[0]",
    ),
    (
        "filters: [{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: Proxy-Authorization, value: c}]}}]",
        "filters[0].requestHeaderModifier.set[0].name",
    ),
    (
        "filters: [{type: RequestHeaderModifier, requestHeaderModifier: {add: [{name: proxy-authorization, value: c}]}}]",
        "filters[0].requestHeaderModifier.add[0].name",
    ),
    ("timeouts: {request: 1.5s}", "timeouts.request"),
    (
        "timeouts: {request: 1s, backendRequest: 2s}",
        "timeouts.backendRequest",
    ),
];

#[test]
fn headers_that_decide_where_a_message_goes_are_left_alone() {
    for (kind, member, changes, fields) in [
        (
            "RequestHeaderModifier",
            "requestHeaderModifier",
            "set: [{name: Host, value: b.test}, {name: a, value: b}], remove: [te]",
            &["set[0].name", "remove[0]"][..],
        ),
        (
            "ResponseHeaderModifier",
            "responseHeaderModifier",
            "set: [{name: a, value: b}], remove: [Content-Length]",
            &["remove[0]"],
        ),
    ] {
        let filters = format!("filters: [{{type: {kind}, {member}: {{{changes}}}}}]");
        let compiled = with_base(&route(&format!("  rules:\n  - {TO_DFP}\n    {filters}\n")));
        assert!(compiled.report.accepted(), "{:?}", problems(&compiled));
        let told = warnings(&compiled);
        for field in fields {
            let field = format!("spec.rules[0].filters[0].{member}.{field}: left alone: ");
            assert!(told.iter().any(|line| line.contains(&field)), "{told:?}");
        }
        assert_eq!(told.len(), fields.len());
        let filters = &rule(&compiled, 8080, "a.b", "/").unwrap().filters;
        let edits = [&filters.request_headers, &filters.response_headers];
        let set: Vec<_> = edits.iter().flat_map(|edit| &edit.set).collect();
        assert_eq!((set.len(), set[0].0.as_str()), (1, "a"));
        assert!(edits.iter().all(|edit| edit.remove.is_empty()));
    }
}

#[test]
fn fields_that_are_not_supported_refuse_their_rule_and_no_other() {
    for (lines, field) in UNSUPPORTED {
        let spec = format!(
            "  rules:\n  - matches: [{{path: {{value: /other}}}}]\n    {TO_DFP}\n  - {TO_DFP}\n    {lines}\n"
        );
        let compiled = with_base(&route(&spec));
        let prefix = format!("t.yaml:24: HTTPRoute apps/r: spec.rules[1].{field}: ");
        let problems = problems(&compiled);
        assert_eq!(problems.len(), 1, "{lines}: {problems:?}");
        assert!(problems[0].starts_with(&prefix), "{prefix}: {problems:?}");
        let accepted = condition(&compiled, "HTTPRoute apps/r", "Accepted");
        assert!(
            accepted.starts_with(&format!("false UnsupportedValue: spec.rules[1].{field}: ")),
            "{accepted}"
        );
        let programmed = condition(&compiled, "HTTPRoute apps/r", "kgateway.dev/Programmed");
        assert!(
            programmed.starts_with("false RouteRuleReplaced: Replaced Rule (1): spec.rules[1]"),
            "{programmed}"
        );
        assert!(
            get(&compiled, "a.b").starts_with("refuse HTTPRoute apps/r: "),
            "{lines}"
        );
        assert_eq!(
            answer(&compiled, 8080, "a.b", "/other"),
            "1*dynamic apps/dfp"
        );
    }
}

#[test]
fn of_one_header_written_twice_the_first_counts() {
    let spec = format!(
        "  rules:\n  - {TO_DFP}\n    filters:\n    - type: RequestHeaderModifier\n      requestHeaderModifier:\n        \
         set: [{{name: X-A, value: one}}, {{name: x-b, value: b}}, {{name: x-a, value: two}}]\n        \
         add: [{{name: x-c, value: one}}, {{name: X-C, value: two}}]\n        remove: [Proxy-Authorization]\n"
    );
    let compiled = with_base(&route(&spec));
    assert!(compiled.report.accepted(), "{}", compiled.report.table());
    let rule = rule(&compiled, 8080, "a.b", "/").unwrap();
    let edit = serde_json::to_value(&rule.filters.request_headers).unwrap();
    assert_eq!(
        edit,
        serde_json::json!({
            "set": [["x-a", "one"], ["x-b", "b"]],
            "add": [["x-c", "one"]],
            "remove": ["proxy-authorization"],
        })
    );
}

#[test]
fn filters_and_timeouts_are_kept() {
    let spec = format!(
        "  rules:\n  - name: main\n    {TO_DFP}\n    timeouts: {{request: 0s, backendRequest: 1m30s}}\n    filters:\n    \
         - {{type: URLRewrite, urlRewrite: {{hostname: B.example, path: {{type: ReplacePrefixMatch, replacePrefixMatch: /x}}}}}}\n    \
         - {{type: RequestHeaderModifier, requestHeaderModifier: {{set: [{{name: A, value: b}}], remove: [c]}}}}\n"
    );
    let compiled = with_base(&route(&spec));
    assert!(compiled.report.accepted(), "{}", compiled.report.table());
    let rule = rule(&compiled, 8080, "a.b", "/").unwrap();
    assert_eq!(rule.name.as_deref(), Some("main"));
    assert_eq!(rule.timeouts.request, TimeoutSetting::Never);
    assert_eq!(
        rule.timeouts.backend_request,
        TimeoutSetting::After(std::time::Duration::from_secs(90))
    );
    let rewrite = rule.filters.rewrite.as_ref().unwrap();
    assert_eq!(rewrite.host.as_ref().unwrap().as_str(), "b.example");
    assert_eq!(rewrite.path, Some(PathRewrite::Prefix("/x".to_owned())));
    assert_eq!(rule.filters.request_headers.set[0].0, "a");
    assert_eq!(rule.filters.request_headers.remove[0], "c");
}

#[test]
fn filters_of_a_backend_ref_are_its_own() {
    let refs = |filter: &str| {
        let backend = format!(
            "{{name: dfp, group: gateway.kgateway.dev, kind: Backend, filters: [{filter}]}}"
        );
        with_base(&route(&format!(
            "  rules: [{{backendRefs: [{backend}]}}]\n"
        )))
    };
    let compiled = refs(
        "{type: ResponseHeaderModifier, responseHeaderModifier: {add: [{name: a, value: b}]}}",
    );
    assert!(compiled.report.accepted());
    let RuleAction::Forward(backends) = &rule(&compiled, 8080, "a.b", "/").unwrap().action else {
        panic!("not forwarded");
    };
    assert_eq!(backends.backends[0].filters.response_headers.add.len(), 1);
    let compiled = refs(
        "{type: URLRewrite, urlRewrite: {hostname: B.example, path: {type: ReplacePrefixMatch, replacePrefixMatch: /x}}}",
    );
    assert!(compiled.report.accepted(), "{}", compiled.report.table());
    let RuleAction::Forward(backends) = &rule(&compiled, 8080, "a.b", "/").unwrap().action else {
        panic!("not forwarded");
    };
    let rewrite = backends.backends[0].filters.rewrite.as_ref().unwrap();
    assert_eq!(rewrite.host.as_ref().unwrap().as_str(), "b.example");
    assert_eq!(rewrite.path, Some(PathRewrite::Prefix("/x".to_owned())));
    for (filter, field) in [
        (
            "{type: URLRewrite, urlRewrite: {hostname: '*.b'}}",
            "urlRewrite.hostname",
        ),
        (
            "{type: RequestRedirect, requestRedirect: {}}",
            "requestRedirect",
        ),
        ("{type: CORS, cors: {}}", "cors"),
        (
            "{type: RequestMirror, requestMirror: {percent: 101, backendRef: {name: x, port: 80}}}",
            "requestMirror.percent",
        ),
        (
            "{type: ExternalAuth, externalAuth: {protocol: HTTP, backendRef: {name: x}}}",
            "externalAuth",
        ),
        (
            "{type: ExtensionRef, extensionRef: {group: gateway.kgateway.dev, kind: DirectResponse, name: x}}",
            "extensionRef",
        ),
        ("{type: RequestHeaderModifier}", "type"),
    ] {
        let problems = problems(&refs(filter));
        let expected = format!(
            "t.yaml:20: HTTPRoute apps/r: spec.rules[0].backendRefs[0].filters[0].{field}: "
        );
        assert!(
            problems.iter().any(|it| it.starts_with(&expected)),
            "{problems:?}"
        );
    }
}

#[test]
fn redirects() {
    let redirect = |spec: &str| {
        with_base(&route(&format!(
            "  rules: [{{filters: [{{type: RequestRedirect, requestRedirect: {spec}}}]}}]\n"
        )))
    };
    for (spec, status) in [
        ("{}", 302),
        ("{statusCode: 301}", 301),
        ("{statusCode: 308, scheme: https, port: 8443}", 308),
    ] {
        let compiled = redirect(spec);
        assert!(compiled.report.accepted(), "{spec}");
        assert_eq!(get(&compiled, "a.b"), format!("redirect {status}"));
    }
    for (spec, field) in [
        ("{statusCode: 300}", "statusCode"),
        ("{port: 0}", "port"),
        ("{hostname: ''}", "hostname"),
    ] {
        let problems = problems(&redirect(spec));
        assert!(
            problems[0].contains(&format!(
                "spec.rules[0].filters[0].requestRedirect.{field}: "
            )),
            "{problems:?}"
        );
    }
}

#[test]
fn direct_responses_answer() {
    let response = |spec: &str| {
        format!(
            "---\napiVersion: gateway.kgateway.dev/v1alpha1\nkind: DirectResponse\nmetadata: {{name: d, namespace: apps}}\nspec: {spec}\n"
        )
    };
    let filter = "filters: [{type: ExtensionRef, extensionRef: {group: gateway.kgateway.dev, kind: DirectResponse, name: d}}]";
    let rules = route(&format!("  rules: [{{{filter}}}]\n"));
    let compiled = with_base(&format!("{}{rules}", response("{status: 403, body: no}")));
    assert!(compiled.report.accepted(), "{}", compiled.report.table());
    assert_eq!(get(&compiled, "a.b"), "respond 403 no");
    assert!(
        condition(&compiled, "DirectResponse apps/d#infra/gw", "Accepted")
            .starts_with("true Valid")
    );

    for (spec, field) in [
        ("{status: 199}", "spec.status"),
        ("{status: 600}", "spec.status"),
        ("{status: 200, body: ''}", "spec.body"),
        ("{status: 200, bodyFormat: {}}", "spec.bodyFormat"),
        (
            "{status: 200, bodyFormat: {text: '%NOT_AN_OPERATOR%'}}",
            "spec.bodyFormat.text",
        ),
        (
            "{status: 200, bodyFormat: {json: {a: '%REQ('}}}",
            "spec.bodyFormat.json.a",
        ),
    ] {
        let compiled = with_base(&format!("{}{rules}", response(spec)));
        assert!(get(&compiled, "a.b").starts_with("refuse"), "{spec}");
        let problems = problems(&compiled);
        assert!(
            problems
                .iter()
                .any(|p| p.contains(&format!("DirectResponse apps/d: {field}: "))),
            "{problems:?}"
        );
    }
    let format = "{status: 200, bodyFormat: {text: '%TLS_JA3_FINGERPRINT%'}}";
    let compiled = with_base(&format!("{}{rules}", response(format)));
    assert!(compiled.report.accepted(), "{}", compiled.report.table());
    assert!(
        warnings(&compiled)[0].ends_with("what stands for no value: TLS_JA3_FINGERPRINT"),
        "{:?}",
        warnings(&compiled)
    );
    let long = response(&format!("{{status: 200, body: {}}}", "x".repeat(4097)));
    assert!(get(&with_base(&format!("{long}{rules}")), "a.b").starts_with("refuse"));

    let missing = with_base(&rules);
    assert_eq!(
        condition(&missing, "HTTPRoute apps/r", "kgateway.dev/Programmed"),
        "false RouteRuleReplaced: Replaced Rule (0): spec.rules[0].filters[0].extensionRef: \
         DirectResponse apps/d not found"
    );
    let both = route(&format!("  rules: [{{{filter}, {TO_DFP}}}]\n"));
    let both = with_base(&format!("{}{both}", response("{status: 200}")));
    assert!(get(&both, "a.b").starts_with("refuse"));
    assert!(
        condition(&both, "HTTPRoute apps/r", "kgateway.dev/Programmed").contains(
            "DirectResponse cannot be applied to route with existing action: backendRefs"
        )
    );
}
