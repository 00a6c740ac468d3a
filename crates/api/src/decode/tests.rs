use serde::Deserialize;
use serde_json::{Value, json};

use super::decode_object as decode;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Outer {
    #[serde(default)]
    list: Vec<Inner>,
    #[serde(default)]
    labels: std::collections::BTreeMap<String, String>,
    #[serde(default)]
    is_on: bool,
    mode: Option<Mode>,
    amount: Option<Amount>,
    small: Option<u8>,
}

#[derive(Debug, Deserialize)]
struct Inner {
    name: String,
    port: Option<i32>,
}

#[derive(Debug, Deserialize)]
enum Mode {
    Enforce,
    Audit,
}

#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "expected a number or a text")]
#[expect(dead_code, reason = "only whether it can be read counts")]
enum Amount {
    Number(i64),
    Text(String),
}

fn faults(value: Value) -> Vec<String> {
    let (_, faults) = decode::<Outer>(value);
    let each = faults.into_iter();
    each.map(|fault| format!("{}: {}", fault.field, fault.message))
        .collect()
}

#[test]
fn every_fault_is_in_words_and_has_its_field() {
    for (value, expected) in [
        (
            json!({"list": [{"name": "a", "port": "x"}]}),
            "list[0].port: needs a whole number, not the text \"x\"",
        ),
        (
            json!({"list": [{"name": "a", "port": 99_999_999_999_i64}]}),
            "list[0].port: 99999999999 is out of range",
        ),
        (
            json!({"list": [{"name": "a", "port": 1.5}]}),
            "list[0].port: needs a whole number, not 1.5",
        ),
        (json!({"list": [{"port": 1}]}), "list[0].name: is required"),
        (
            json!({"list": [{"name": null}]}),
            "list[0].name: is required",
        ),
        (
            json!({"list": ["a"]}),
            "list[0]: needs fields, as `name: value`, not the text \"a\"",
        ),
        (json!({"list": {}}), "list: needs a list, not fields"),
        (
            json!({"labels": {"a": null}}),
            "labels.a: needs a text, not nothing",
        ),
        (
            json!({"labels": []}),
            "labels: needs fields, as `name: value`, not a list",
        ),
        (
            json!({"isOn": "yes"}),
            "isOn: needs true or false, not the text \"yes\"",
        ),
        (
            json!({"mode": "Enforced"}),
            "mode: \"Enforced\" is not one of Enforce, Audit; did you mean Enforce?",
        ),
        (json!({"mode": 1}), "mode: needs a text, not 1"),
        (json!({"amount": []}), "amount: needs a number or a text"),
        (json!({"small": 300}), "small: 300 is out of range"),
        (
            json!({"lists": []}),
            "lists: unknown field; did you mean list?",
        ),
        (
            json!({"lists": null}),
            "lists: unknown field; did you mean list?",
        ),
        (
            json!({"list": [{"name": "a", "prot": 1}]}),
            "list[0].prot: unknown field; did you mean port?",
        ),
        (
            json!({"elsewhere": {"a": 1}}),
            "elsewhere: unknown field; there are list, labels, isOn, mode, amount, small",
        ),
        (json!([]), ": needs fields, as `name: value`, not a list"),
    ] {
        assert_eq!(faults(value.clone()), [expected], "{value}");
    }
}

#[test]
fn null_is_left_out_and_whole_numbers_may_have_a_point() {
    let value = json!({
        "list": null, "labels": null, "isOn": null, "mode": null, "amount": null, "small": 8.0, "status": {"x": 1}
    });
    let (outer, faults) = decode::<Outer>(value);
    assert_eq!(faults, []);
    let outer = outer.unwrap();
    assert!(outer.list.is_empty() && outer.labels.is_empty() && !outer.is_on);
    assert!(outer.mode.is_none() && outer.amount.is_none());
    assert_eq!(outer.small, Some(8));
}

#[test]
fn unknown_fields_do_not_hide_the_others() {
    let value = json!({"lst": 1, "list": [{"name": "a", "extra": {}, "port": 1}], "mode": "Audit"});
    let (outer, told) = decode::<Outer>(value);
    let outer = outer.unwrap();
    assert_eq!(
        (outer.list[0].name.as_str(), outer.list[0].port),
        ("a", Some(1))
    );
    assert!(matches!(outer.mode, Some(Mode::Audit)));
    let told: Vec<_> = told.iter().map(|fault| fault.field.as_str()).collect();
    assert_eq!(told, ["list[0].extra", "lst"]);
    assert!(matches!(
        decode::<Outer>(json!({"mode": "Enforce"})).0.unwrap().mode,
        Some(Mode::Enforce)
    ));
}
