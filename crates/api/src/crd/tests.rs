use std::path::Path;
use std::{env, fs};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde_json::{Map, Value, json};

use super::made::owner_name;
use super::*;
use crate::egret::{EgressPolicy, ResolverPolicy};
use crate::kgateway::{
    Backend, BackendConfigPolicy, DirectResponse, GatewayExtension, GatewayParameters,
    HttpListenerPolicy, ListenerPolicy, TrafficPolicy,
};

#[test]
fn the_definitions_of_the_program_are_those_of_the_types() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/crd/definitions.json");
    let made = made::definitions();
    let text = serde_json::to_string_pretty(&made).unwrap() + "\n";
    if env::var_os("EGRET_WRITE").is_some() {
        fs::write(&path, &text).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap();
    assert!(
        written == text,
        "definitions.json is out of date; EGRET_WRITE=1 cargo test -p egret-api --lib crd writes it"
    );
    // The build compresses what it finds, and is not repeated when this test has just written it.
    assert!(kept::definitions() == made || env::var_os("EGRET_WRITE").is_some());
}

/// Every definition, after it went through the type of an API server, which has all that is written.
fn all() -> Vec<(Kind, Value)> {
    let owners = [CrdOwner::Egret, CrdOwner::Kgateway];
    let definitions = owners.into_iter().flat_map(definitions);
    definitions
        .map(|definition| {
            let typed: CustomResourceDefinition =
                serde_json::from_value(definition.clone()).unwrap();
            let kind = Kind::find(&typed.spec.group, &typed.spec.names.kind).unwrap();
            let typed = serde_json::to_value(typed).unwrap();
            assert!(is_same(&typed, &definition), "{kind}: {typed:#}");
            (kind, typed)
        })
        .collect()
}

/// Whether values are the same. The type of an API server has every bound of a number with a fraction.
fn is_same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_same(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            let is_same_in_b =
                |(key, a): (&String, &Value)| b.get(key).is_some_and(|b| is_same(a, b));
            a.len() == b.len() && a.iter().all(is_same_in_b)
        }
        (a, b) => a == b,
    }
}

fn schema_of(definition: &Value) -> &Value {
    &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
}

/// The schema at a path of property names, where `[]` are the items of a list.
fn at<'a>(kind: Kind, definitions: &'a [(Kind, Value)], path: &str) -> &'a Value {
    let definition = definitions.iter().find(|(of, _)| *of == kind).unwrap();
    let parts = path
        .split('.')
        .flat_map(|part| match part.strip_suffix("[]") {
            Some(list) => vec![list, "[]"],
            None => vec![part],
        });
    parts.fold(schema_of(&definition.1), |schema, part| match part {
        "[]" => &schema["items"],
        _ => &schema["properties"][part],
    })
}

#[test]
fn every_kind_of_ours_and_kgateways_is_defined_once() {
    let all = all();
    let defined: Vec<Kind> = all.iter().map(|(kind, _)| *kind).collect();
    for kind in Kind::all() {
        let count = defined.iter().filter(|one| **one == kind).count();
        let expected = [EGRET_GROUP, KGATEWAY_GROUP].contains(&kind.group());
        assert_eq!(count, usize::from(expected), "{kind}");
    }
    for (kind, definition) in &all {
        let spec = &definition["spec"];
        let names = &spec["names"];
        let plural = names["plural"].as_str().unwrap();
        assert_eq!(
            definition["metadata"]["name"],
            format!("{plural}.{}", kind.group())
        );
        assert_eq!(names["categories"], json!([owner_name(*kind)]));
        assert_eq!(spec["scope"], "Namespaced");
        let version = &spec["versions"][0];
        assert_eq!(version["name"], "v1alpha1");
        assert!(kind.versions().is_empty() || kind.versions() == ["v1alpha1"]);
        assert_eq!(version["subresources"]["status"], json!({}));
        let columns = version["additionalPrinterColumns"].as_array().unwrap();
        assert_eq!(columns.last().unwrap()["name"], "Age", "{kind}");
        assert_eq!(schema_of(definition)["required"], json!(["spec"]));
    }
}

/// Calls a function with every schema, its path, and whether all lists and maps around it are bounded.
fn walk(schema: &Value, path: &str, bounded: bool, visit: &mut impl FnMut(&Value, &str, bool)) {
    visit(schema, path, bounded);
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        walk(property, &format!("{path}.{name}"), bounded, visit);
    }
    if let Some(items) = schema.get("items") {
        let bounded = bounded && schema["maxItems"].is_u64();
        walk(items, &format!("{path}[]"), bounded, visit);
    }
    if let Some(values) = schema.get("additionalProperties") {
        let bounded = bounded && schema["maxProperties"].is_u64();
        walk(values, &format!("{path}{{}}"), bounded, visit);
    }
}

/// Calls [`walk`] for every definition.
fn walk_all(mut visit: impl FnMut(&Value, &str, bool)) {
    for (kind, definition) in all() {
        walk(
            schema_of(&definition),
            kind.as_str(),
            true,
            &mut |schema, path, bounded| visit(schema, path, bounded),
        );
    }
}

#[test]
fn schemas_are_structural() {
    const KEYWORDS: &[&str] = &[
        "additionalProperties",
        "default",
        "description",
        "enum",
        "format",
        "items",
        "maxItems",
        "maxLength",
        "maxProperties",
        "maximum",
        "minItems",
        "minLength",
        "minProperties",
        "minimum",
        "nullable",
        "pattern",
        "properties",
        "required",
        "type",
        "x-kubernetes-int-or-string",
        "x-kubernetes-list-map-keys",
        "x-kubernetes-list-type",
        "x-kubernetes-preserve-unknown-fields",
        "x-kubernetes-validations",
    ];
    walk_all(|schema, path, _| {
        let keywords = schema.as_object().unwrap();
        for keyword in keywords.keys() {
            assert!(KEYWORDS.contains(&keyword.as_str()), "{path}: {keyword}");
        }
        let free = [
            "x-kubernetes-int-or-string",
            "x-kubernetes-preserve-unknown-fields",
        ];
        match schema["type"].as_str() {
            None => assert!(free.iter().any(|key| schema[key] == true), "{path}"),
            Some("array") => assert!(schema["items"].is_object(), "{path}"),
            Some("integer") => assert!(
                ["int32", "int64"].contains(&schema["format"].as_str().unwrap_or_default()),
                "{path}: {schema}"
            ),
            Some("string") => assert!(
                [None, Some("date-time")].contains(&schema["format"].as_str()),
                "{path}"
            ),
            Some("object" | "boolean") => {}
            Some(other) => panic!("{path}: {other}"),
        }
        let has_both =
            keywords.contains_key("properties") && keywords.contains_key("additionalProperties");
        assert!(!has_both, "{path}");
        for required in schema["required"].as_array().into_iter().flatten() {
            assert!(
                schema["properties"][required.as_str().unwrap()].is_object(),
                "{path}: {required}"
            );
        }
        for key in schema["x-kubernetes-list-map-keys"]
            .as_array()
            .into_iter()
            .flatten()
        {
            assert!(
                schema["items"]["required"]
                    .as_array()
                    .unwrap()
                    .contains(key),
                "{path}"
            );
        }
        if let Some(pattern) = schema["pattern"].as_str() {
            assert!(regex::Regex::new(pattern).is_ok(), "{path}");
        }
    });
}

#[test]
fn only_conditions_of_an_egress_rule_are_nullable() {
    let mut nullable = Vec::new();
    walk_all(|schema, path, _| {
        if schema["nullable"] == true {
            nullable.push(path.to_owned());
        }
        let values = schema["enum"].as_array().into_iter().flatten();
        assert!(values.into_iter().all(|value| !value.is_null()), "{path}");
        let default = schema.get("default");
        assert_ne!(default, Some(&Value::Null), "{path}");
        // The API server refuses a definition whose default its own schema does not allow.
        let items = default.and_then(Value::as_array);
        let least = schema["minItems"].as_u64().unwrap_or_default();
        assert!(
            items.is_none_or(|items| items.len() as u64 >= least),
            "{path}"
        );
    });
    let rules = [
        "addresses",
        "clients",
        "expires",
        "hosts",
        "methods",
        "paths",
        "ports",
        "when",
    ];
    let expected = rules.map(|field| format!("EgressPolicy.spec.rules[].{field}"));
    assert_eq!(nullable, expected);
}

/// The fields of `self` that an expression names, without the functions that it calls.
fn named_fields(expression: &str) -> Vec<&str> {
    let after = expression.split("self.").skip(1);
    let names = after.filter_map(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let (name, rest) = rest.split_at(end.unwrap_or(rest.len()));
        (!rest.starts_with('(')).then_some(name)
    });
    names.collect()
}

#[test]
fn rules_are_bounded_and_name_fields_that_they_can_see() {
    let mut count = 0;
    walk_all(|schema, path, bounded| {
        let rules = schema["x-kubernetes-validations"].as_array();
        for rule in rules.into_iter().flatten() {
            count += 1;
            assert!(bounded, "{path} is in a list without a limit");
            assert!(!rule["message"].as_str().unwrap().is_empty(), "{path}");
            for name in named_fields(rule["rule"].as_str().unwrap()) {
                // A field without a type does not exist for an expression.
                let field = &schema["properties"][name];
                let has_type = field["type"].is_string()
                    || field["x-kubernetes-int-or-string"] == Value::Bool(true);
                assert!(has_type, "{path}: {name}");
            }
            match schema["type"].as_str() {
                Some("array") => {
                    assert!(schema["maxItems"].is_u64(), "{path}");
                    let items = &schema["items"];
                    let fields = items["properties"].as_object();
                    let fields = fields.into_iter().flatten();
                    let fields = fields.map(|(name, field)| (&**name, field));
                    for (name, field) in fields
                        .chain([("", items)])
                        .filter(|(_, field)| field["type"] == "string")
                    {
                        assert!(field["maxLength"].is_u64(), "{path}: {name}");
                    }
                }
                Some("object") => {}
                _ => assert!(schema["maxLength"].is_u64(), "{path}"),
            }
        }
    });
    assert!(count > 40, "{count}");
}

/// Values that a schema admits, the outermost of each kind among them. The texts do not heed patterns: what is read of a
/// text as such is any text.
fn admitted(schema: &Value) -> Vec<Value> {
    if let Some(values) = schema["enum"].as_array() {
        return values.clone();
    }
    if schema["x-kubernetes-int-or-string"] == true {
        let bound = |key: &str, other| schema[key].as_f64().map_or(other, |bound| bound as i64);
        let numbers = [bound("minimum", i64::MIN), bound("maximum", i64::MAX)];
        return vec![
            json!(numbers[0]),
            json!(numbers[1]),
            json!(""),
            json!("010"),
        ];
    }
    match schema["type"].as_str() {
        None => vec![json!({"any": [1]}), json!("text"), json!(1), json!([null])],
        Some("boolean") => vec![json!(true), json!(false)],
        Some("integer") => {
            let (min, max) = match schema["format"].as_str() {
                Some("int32") => (i64::from(i32::MIN), i64::from(i32::MAX)),
                _ => (i64::MIN, i64::MAX),
            };
            let bound = |key: &str, other| schema[key].as_f64().map_or(other, |bound| bound as i64);
            vec![json!(bound("minimum", min)), json!(bound("maximum", max))]
        }
        Some("string") => vec![json!(""), json!("010.1.1.1"), json!("\u{fffd}")],
        Some("array") => {
            let mut lists = vec![Value::Array(admitted(&schema["items"]))];
            if schema["minItems"].as_u64().unwrap_or_default() == 0 {
                lists.push(json!([]));
            }
            lists
        }
        Some("object") => objects(schema),
        Some(other) => panic!("{other}"),
    }
}

/// Objects with every property in each of its values, and one with the required properties alone.
fn objects(schema: &Value) -> Vec<Value> {
    if let Some(values) = schema.get("additionalProperties") {
        let map = |value| json!({ "": value, "key": value });
        return admitted(values)
            .iter()
            .map(map)
            .chain([json!({})])
            .collect();
    }
    let none = Map::new();
    let properties = schema["properties"].as_object().unwrap_or(&none);
    let values: Vec<(&String, Vec<Value>)> = properties
        .iter()
        .map(|(name, property)| (name, admitted(property)))
        .collect();
    let most = values.iter().map(|(_, values)| values.len()).max();
    let mut objects: Vec<Value> = (0..most.unwrap_or_default())
        .map(|index| {
            let fields = values
                .iter()
                .map(|(name, values)| ((*name).clone(), values[index % values.len()].clone()));
            Value::Object(fields.collect())
        })
        .collect();
    let required = schema["required"].as_array().into_iter().flatten();
    let fields = required.map(|name| {
        let name = name.as_str().unwrap();
        (name.to_owned(), admitted(&properties[name])[0].clone())
    });
    objects.push(Value::Object(fields.collect()));
    objects
}

/// Reads an object as its kind; `None` for kinds that are not read.
fn read(kind: Kind, object: Value) -> Option<Result<(), serde_json::Error>> {
    Some(match kind {
        Kind::EgressPolicy => serde_json::from_value::<EgressPolicy>(object).map(drop),
        Kind::ResolverPolicy => serde_json::from_value::<ResolverPolicy>(object).map(drop),
        Kind::Backend => serde_json::from_value::<Backend>(object).map(drop),
        Kind::BackendConfigPolicy => {
            serde_json::from_value::<BackendConfigPolicy>(object).map(drop)
        }
        Kind::DirectResponse => serde_json::from_value::<DirectResponse>(object).map(drop),
        Kind::HttpListenerPolicy => serde_json::from_value::<HttpListenerPolicy>(object).map(drop),
        Kind::ListenerPolicy => serde_json::from_value::<ListenerPolicy>(object).map(drop),
        Kind::TrafficPolicy => serde_json::from_value::<TrafficPolicy>(object).map(drop),
        // A part that is in Kubernetes' own words is not described by the schema.
        Kind::GatewayParameters => serde_json::from_value::<GatewayParameters>(object).map(drop),
        Kind::GatewayExtension => serde_json::from_value::<GatewayExtension>(object).map(drop),
        other => panic!("{other} has a definition: add it here"),
    })
}

#[test]
fn what_is_admitted_can_be_read() {
    for (kind, definition) in all() {
        let mut count = 0;
        for spec in admitted(&schema_of(&definition)["properties"]["spec"]) {
            let object = json!({"metadata": {"name": "n", "namespace": "ns"}, "spec": spec});
            let shown = object.to_string();
            if let Some(result) = read(kind, object) {
                assert!(result.is_ok(), "{kind}: {result:?}: {shown}");
                count += 1;
            }
        }
        assert!(
            count > 1 || kind.versions().is_empty() || count == 0,
            "{kind}"
        );
    }
}

/// A `null` that was removed would make a rule match everything.
#[test]
fn a_rule_with_a_null_is_refused_with_the_field() {
    for field in ["addresses", "clients", "hosts", "methods", "paths", "ports"] {
        let rule = json!({"action": "Allow", field: null});
        let target = json!({"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "g"});
        let object = json!({
            "metadata": {"name": "p", "namespace": "ns"},
            "spec": {"targetRefs": [target], "rules": [rule]},
        });
        assert!(
            matches!(read(Kind::EgressPolicy, object), Some(Err(_))),
            "{field}"
        );
    }
}

/// The kind, the path of a field, a keyword of its schema, and its value as JSON.
const LIMITS: &str = r#"
TrafficPolicy spec.retry.attempts default 1
TrafficPolicy spec.retry.attempts minimum 0
TrafficPolicy spec.retry.statusCodes[] maximum 599
TrafficPolicy spec.targetRefs maxItems 16
TrafficPolicy spec.headerModifiers.request.set maxItems 16
TrafficPolicy spec.basicAuth.secretRef.key default ".htpasswd"
TrafficPolicy spec.httpUpgrade x-kubernetes-list-type "map"
Backend spec.static.hosts minItems 1
GatewayExtension spec.jwt.providers maxItems 32
GatewayExtension spec.jwt.providers[].jwks.local.inline maxLength 16384
Backend spec.type enum ["AWS", "Static", "DynamicForwardProxy", "GCP", "PriorityGroups"]
BackendConfigPolicy spec.outlierDetection.interval default "10s"
BackendConfigPolicy spec.outlierDetection.maxEjectionPercent maximum 100
ListenerPolicy spec.perPort maxItems 64
ListenerPolicy spec.default.httpSettings.maxRequestHeadersKb maximum 8192
HTTPListenerPolicy spec.maxHeadersCount minimum 1
DirectResponse spec.body maxLength 4096
TrafficPolicy spec.transformation.request.set maxItems 16
Backend spec.priorityGroups type "array"
EgressPolicy spec.rules[].ports[] x-kubernetes-int-or-string true
EgressPolicy status.ancestors[].conditions x-kubernetes-list-type "map"
"#;

#[test]
fn fields_have_kgateways_limits() {
    let all = all();
    for line in LIMITS.lines().filter(|line| !line.is_empty()) {
        let mut words = line.splitn(4, ' ');
        let mut word = || words.next().unwrap();
        let (kind, path, keyword, expected) = (word(), word(), word(), word());
        let kind = Kind::all().find(|known| known.as_str() == kind).unwrap();
        let expected: Value = serde_json::from_str(expected).unwrap();
        // A JSON number of a schema is a double.
        let found = &at(kind, &all, path)[keyword];
        let same = found == &expected || (found.is_number() && found.as_f64() == expected.as_f64());
        assert!(same, "{line}: {found}");
    }
}

/// The rule that is broken, with kgateway's words for it.
#[test]
fn rules_are_kgateways() {
    let all = all();
    let rules = |kind, path: &str| at(kind, &all, path)["x-kubernetes-validations"].clone();
    let backend = rules(Kind::Backend, "spec");
    assert_eq!(
        backend[5]["message"],
        "exactly one of the fields in [aws static dynamicForwardProxy gcp priorityGroups] must be set"
    );
    assert_eq!(
        backend[2],
        json!({
            "rule": "!has(self.type) || (self.type == 'DynamicForwardProxy' ? has(self.dynamicForwardProxy) : true)",
            "message": "dynamicForwardProxy backend must be specified when type is 'DynamicForwardProxy'",
        })
    );
    assert_eq!(
        rules(Kind::TrafficPolicy, "spec.targetRefs")[0]["message"],
        "targetRefs may only reference Gateway, HTTPRoute, GRPCRoute, or ListenerSet resources"
    );
    assert_eq!(
        rules(
            Kind::BackendConfigPolicy,
            "spec.http2ProtocolOptions.initialStreamWindowSize"
        )[0]["message"],
        "InitialStreamWindowSize must be between 65535 and 2147483647 bytes (inclusive)"
    );
}
