//! `transformation` of a TrafficPolicy.

use super::{CompiledConfig, ROUTE, kgateway_policy, problems, rule, warnings, with_route};

fn policy(transformation: &str) -> CompiledConfig {
    let spec = format!("  targetRefs: [{ROUTE}]\n  transformation: {transformation}\n");
    with_route(&kgateway_policy("TrafficPolicy", "p", "apps", &spec))
}

#[test]
fn templates_are_compiled_when_they_are_loaded() {
    let compiled = policy(
        "{request: {set: [{name: x-a, value: '{{ header(\"b\") }}'}, {name: ':path', value: /b}], add: null,
         remove: [X-C]}, response: {body: {parseAs: AsJson, value: '{{ a }}'}}}",
    );
    assert!(compiled.report.accepted(), "{}", compiled.report.table());
    assert_eq!(warnings(&compiled), [""; 0]);
    let served = rule(&compiled, 8080, "a.b", "/").unwrap();
    let json = serde_json::to_value(&*served.policies).unwrap();
    let expected = serde_json::json!({
        "request": {
            "set": [["x-a", "{{ header(\"b\") }}"]], "add": [], "remove": ["x-c"], "pseudo": [["Path", "/b"]],
            "reading": "Unread", "body": null,
        },
        "response": {
            "set": [], "add": [], "remove": [], "pseudo": [], "reading": "Json", "body": "{{ a }}",
        },
    });
    assert_eq!(json["transformation"]["Set"][1], expected);
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    for (transformation, fault) in [
        (
            "{request: {set: [{name: x-a, value: 'a {{ b'}]}}",
            "request.set[0].value: line 1, column 6: syntax error: ",
        ),
        (
            "{response: {body: {value: \"a\\n{% if %}\"}}}",
            "response.body.value: line 2, column ",
        ),
        (
            "{request: {add: [{name: x-a, value: '{{ \"a\" | no_such }}'}]}}",
            "request.add[0].value: line 1, column ",
        ),
        (
            "{request: {add: [{name: x-a, value: '{{ substring() }}'}]}}",
            "request.add[0].value: line 1, column ",
        ),
        (
            "{request: {set: [{name: ':authority', value: b.example}]}}",
            "request.set[0].name: templates do not decide where a request goes: use urlRewrite.hostname of a filter",
        ),
        (
            "{request: {set: [{name: ':status', value: '200'}]}}",
            "request.set[0].name: :method and :path of pseudo headers can be set",
        ),
        (
            "{response: {set: [{name: ':path', value: /}]}}",
            "response.set[0].name: :status of pseudo headers can be set",
        ),
        (
            "{response: {add: [{name: ':status', value: '200'}]}}",
            "response.add[0].name: a pseudo header has one value: use set",
        ),
        (
            "{request: {set: [{name: Host, value: b.example}]}}",
            "request.set[0].name: this header cannot be modified: it decides where the message goes or ends",
        ),
        (
            "{request: {remove: [content-length]}}",
            "request.remove[0]: this header cannot be modified: it decides where the message goes or ends",
        ),
    ] {
        let told = problems(&policy(transformation)).join("\n");
        let expected = format!("spec.transformation.{fault}");
        assert!(told.contains(&expected), "{transformation}: {told}");
    }
}

#[test]
fn what_fails_for_every_message_or_has_no_effect_is_warned_of() {
    let compiled = policy(
        "{request: {set: [{name: x-a, value: '{{ mykey.inner }}'}]},
          response: {dynamicMetadata: [{namespace: a, key: b, value: {stringValue: c}}]}}",
    );
    assert!(compiled.report.accepted(), "{}", compiled.report.table());
    let told = warnings(&compiled).join("\n");
    for part in [
        "spec.transformation.request: the template of set of x-a reads mykey, which only a JSON body can have",
        "spec.transformation.response.dynamicMetadata: has no effect: ",
    ] {
        assert!(told.contains(part), "{told}");
    }
}
