use super::{ConfigFile, LoadedConfig, load};

fn one(text: &str) -> LoadedConfig {
    load([ConfigFile {
        name: "a.yaml",
        text,
    }])
}

fn errors(text: &str) -> Vec<String> {
    one(text).errors.iter().map(ToString::to_string).collect()
}

const BACKEND: &str = "\
apiVersion: gateway.kgateway.dev/v1alpha1
kind: Backend
metadata:
  name: b
spec:
  dynamicForwardProxy: {}
";

#[test]
fn lines_are_those_of_the_fields() {
    let loaded = one(&format!("---\n# nothing\n---\n{BACKEND}---\n"));
    assert_eq!(loaded.errors, []);
    let (reference, object) = loaded.resources.backends.iter().next().unwrap();
    assert_eq!(reference.to_string(), "Backend default/b");
    assert_eq!(object.source.line, 4);
    for (field, line) in [
        ("kind", 5),
        ("metadata.name", 7),
        ("spec", 8),
        ("spec.dynamicForwardProxy.enableTls", 9),
    ] {
        assert_eq!(object.source.line_of(field), line, "{field}");
    }
}

#[test]
fn unknown_fields_and_wrong_types_are_named() {
    let cases = [
        (
            "spec:\n  rules:\n  - backendRef:\n    - name: x\n",
            "a.yaml:6: HTTPRoute ns/r: spec.rules[0].backendRef: unknown field; did you mean backendRefs?",
        ),
        (
            "spec:\n  rules:\n  - backendRefs:\n    - name: x\n      port: eighty\n",
            "a.yaml:8: HTTPRoute ns/r: spec.rules[0].backendRefs[0].port: needs a whole number, not the text \"eighty\"",
        ),
        (
            "spec:\n  hostnames: example.com\n",
            "a.yaml:5: HTTPRoute ns/r: spec.hostnames: needs a list, not the text \"example.com\"",
        ),
        (
            "specs: {}\nspec: {}\n",
            "a.yaml:4: HTTPRoute ns/r: specs: unknown field; did you mean spec?",
        ),
    ];
    for (spec, expected) in cases {
        let text = format!(
            "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {{name: r, namespace: ns}}\n{spec}"
        );
        assert_eq!(errors(&text), [expected]);
    }
}

#[test]
fn what_is_not_an_object_is_told() {
    let cases = [
        ("a: [", "a.yaml:"),
        ("a: 1\na: 2\n", "a.yaml:2: "),
        (
            "apiVersion: v1\n",
            "a.yaml:1: not an object: apiVersion and kind are needed",
        ),
        ("- 1\n", "a.yaml:1: not an object"),
        ("text\n", "a.yaml:1: not an object"),
        (
            "apiVersion: gateway.networking.k8s.io/v7\nkind: Gateway\nmetadata: {name: x}\n",
            "a.yaml:1: apiVersion: Gateway is read in v1, v1beta1, not v7",
        ),
        (
            "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {}\nspec: {}\n",
            "a.yaml:3: metadata.name: a Gateway needs a name",
        ),
    ];
    for (text, expected) in cases {
        let errors = errors(text);
        assert_eq!(errors.len(), 1, "{text:?}: {errors:?}");
        assert!(errors[0].starts_with(expected), "{text:?}: {errors:?}");
        assert!(!errors[0].contains('\n'), "{errors:?}");
    }
}

#[test]
fn an_unknown_kind_is_a_warning_and_so_is_one_of_another_group() {
    for (api_version, kind) in [("apps/v1", "Deployment"), ("example.com/v1", "Gateway")] {
        let loaded = one(&format!(
            "apiVersion: {api_version}\nkind: {kind}\nmetadata: {{name: x}}\n"
        ));
        assert_eq!(loaded.errors, []);
        let warnings: Vec<_> = loaded.warnings.iter().map(ToString::to_string).collect();
        let expected =
            format!("a.yaml:2: kind: {api_version} {kind} is not a kind that Egret reads; skipped");
        assert_eq!(warnings, [expected]);
        assert_eq!(loaded.skipped, 1);
    }
}

#[test]
fn an_object_written_twice_is_an_error_that_names_both_places() {
    let loaded = load([
        ConfigFile {
            name: "a.yaml",
            text: BACKEND,
        },
        ConfigFile {
            name: "b.yaml",
            text: BACKEND,
        },
    ]);
    let errors: Vec<_> = loaded.errors.iter().map(ToString::to_string).collect();
    assert_eq!(
        errors,
        ["b.yaml:1: Backend default/b: defined twice; the other definition is at a.yaml:1"]
    );
}

#[test]
fn lists_and_json_are_read() {
    let json = r#"{"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "gateway.kgateway.dev/v1alpha1", "kind": "Backend",
         "metadata": {"name": "a", "creationTimestamp": "2026-01-01T00:00:00Z", "managedFields": []},
         "spec": {"static": {"hosts": [{"host": "a.test", "port": 80}]}},
         "status": {"whatever": true}},
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"key": "c2VjcmV0"}}
    ]}"#;
    let loaded = one(json);
    assert_eq!(loaded.errors, []);
    let (_, backend) = loaded.resources.backends.iter().next().unwrap();
    assert_eq!(backend.source.line, 2);
    assert!(backend.value.metadata.creation_timestamp.is_some());
    let (name, secret) = loaded.resources.secrets.iter().next().unwrap();
    assert_eq!(name.to_string(), "Secret default/s");
    assert_eq!(secret.value.data.as_ref().unwrap()["key"].0, b"secret");
}

#[test]
fn a_list_that_loses_its_items_is_an_error() {
    let needs = "a List needs a list of objects here";
    let unknown = "unknown field";
    let cases = [
        ("items: {}\n", vec![format!("a.yaml:4: items: {needs}")]),
        ("items: x\n", vec![format!("a.yaml:4: items: {needs}")]),
        ("metadata: {}\n", vec![format!("a.yaml:2: items: {needs}")]),
        (
            "item:\n- {apiVersion: v1, kind: Secret, metadata: {name: s}}\n",
            vec![
                format!("a.yaml:4: item: {unknown}; did you mean items?"),
                format!("a.yaml:2: items: {needs}"),
            ],
        ),
        (
            "items: []\nitem: []\n",
            vec![format!("a.yaml:5: item: {unknown}; did you mean items?")],
        ),
        ("items: []\nmetadata: {resourceVersion: ''}\n", vec![]),
        ("items: null\n", vec![]),
    ];
    for (rest, expected) in cases {
        let text = format!("---\napiVersion: v1\nkind: List\n{rest}");
        assert_eq!(errors(&text), expected, "{rest}");
    }
}

#[test]
fn only_true_and_false_are_booleans() {
    let loaded = one(&BACKEND.replace("name: b", "name: no"));
    assert_eq!(loaded.errors, []);
    assert_eq!(
        loaded.resources.backends.keys().next().unwrap().to_string(),
        "Backend default/no"
    );
    let text = BACKEND.replace(
        "dynamicForwardProxy: {}",
        "dynamicForwardProxy: {enableTls: yes}",
    );
    assert_eq!(
        errors(&text),
        [
            "a.yaml:6: Backend default/b: spec.dynamicForwardProxy.enableTls: needs true or false, not the text \
             \"yes\""
        ]
    );
}

#[test]
fn tabs_in_json_are_fine() {
    let json = "{\n\t\"apiVersion\": \"gateway.kgateway.dev/v1alpha1\",\n\t\"kind\": \"Backend\",\n\t\"metadata\": \
                {\"name\": \"b\", \"creationTimestamp\": null},\n\t\"spec\": {\"dynamicForwardProxy\": {}}\n}\n";
    let loaded = one(json);
    assert_eq!(loaded.errors, []);
    assert_eq!(
        loaded
            .resources
            .backends
            .values()
            .next()
            .unwrap()
            .source
            .line_of("spec"),
        5
    );
}

#[test]
fn deep_nesting_is_an_error_and_no_overflow() {
    for (open, close) in [("[", "]"), ("{a: ", "}")] {
        let nested =
            |depth: usize| errors(&format!("a: {}{}", open.repeat(depth), close.repeat(depth)));
        assert_eq!(
            nested(39),
            ["a.yaml:1: not an object: apiVersion and kind are needed"]
        );
        for depth in [41, 5000] {
            let errors = nested(depth);
            assert!(
                errors.len() == 1 && !errors[0].contains("not an object"),
                "{errors:?}"
            );
        }
    }
}

#[test]
fn anchors_and_merge_keys_are_read() {
    let text = format!("{BACKEND}---\na: &a {{dynamicForwardProxy: {{}}}}\n").replace(
        "---\na: &a {dynamicForwardProxy: {}}\n",
        "---\napiVersion: gateway.kgateway.dev/v1alpha1\nkind: Backend\nmetadata: &m {name: c}\nspec: {<<: {static: {hosts: [{host: h, port: 1}]}}}\n",
    );
    let loaded = one(&text);
    assert_eq!(loaded.errors, []);
    assert_eq!(loaded.resources.backends.len(), 2);
}

#[test]
fn thousands_of_objects_are_read() {
    let text: String = (0..5000)
        .map(|at| {
            format!(
                "---\n{}",
                BACKEND.replace("name: b", &format!("name: b{at}"))
            )
        })
        .collect();
    let loaded = one(&text);
    assert_eq!(loaded.errors, []);
    assert_eq!(loaded.resources.backends.len(), 5000);
}

#[test]
fn a_policy_with_a_typo_in_its_kind_is_no_mere_warning() {
    for (version, kind, place) in [
        ("egret.dev/v1alpha1", "EgresPolicy", "2: kind: "),
        ("egress.dev/v1alpha1", "EgressPolicy", "1: apiVersion: "),
        ("gateway.kgateway.dev/v1alpha1", "TraficPolicy", "2: kind: "),
        (
            "gateway.kgatway.dev/v1alpha1",
            "TrafficPolicy",
            "1: apiVersion: ",
        ),
        ("gateway.kgateway.dev/v1alpha1", "RoutePolicy", "2: kind: "),
        ("gateway.networking.k8s.io/v1", "HttpRoute", "2: kind: "),
        ("v1alpha1", "TrafficPolicy", "1: apiVersion: "),
    ] {
        let text =
            format!("apiVersion: {version}\nkind: {kind}\nmetadata: {{name: a}}\nspec: {{}}\n");
        let loaded = load([ConfigFile {
            name: "a.yaml",
            text: &text,
        }]);
        assert_eq!(
            (loaded.errors.len(), loaded.warnings.len()),
            (1, 0),
            "{version} {kind}"
        );
        assert!(
            loaded.errors[0]
                .to_string()
                .starts_with(&format!("a.yaml:{place}")),
            "{}",
            loaded.errors[0]
        );
    }
}

#[test]
fn the_objects_with_errors_are_known() {
    let text = "\
apiVersion: gateway.kgateway.dev/v1alpha1
kind: Backnd
metadata: {name: a}
spec: {dynamicForwardProxy: {}}
---
apiVersion: gateway.kgateway.dev/v7
kind: Backend
metadata: {name: b, namespace: ns}
---
apiVersion: gateway.kgateway.dev/v1alpha1
kind: Backend
metadata: {name: c}
spec: {dynamicForwardProxi: {}}
---
apiVersion: gateway.kgateway.dev/v1alpha1
kind: Backend
metadata: {name: d}
spec: {dynamicForwardProxy: {}}
";
    let loaded = one(text);
    let unread: Vec<_> = loaded.unread.iter().map(ToString::to_string).collect();
    assert_eq!(
        unread,
        ["Backend default/a", "Backend default/c", "Backend ns/b"]
    );
    assert_eq!(loaded.errors.len(), 3);
}
