//! The manifests of kgateway's guide to dynamic forward proxying, unchanged.

use super::{answer, condition, problems, run};

const GUIDE: &str = "\
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata:
  name: http
  namespace: kgateway-system
spec:
  gatewayClassName: kgateway
  listeners:
  - protocol: HTTP
    port: 8080
    name: http
    allowedRoutes:
      namespaces:
        from: All
---
apiVersion: gateway.kgateway.dev/v1alpha1
kind: Backend
metadata:
  name: dfp-backend
  namespace: httpbin
spec:
  type: DynamicForwardProxy
  dynamicForwardProxy: {}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata:
  namespace: httpbin
  name: dfp-httproute
spec:
  parentRefs:
    - name: http
      namespace: kgateway-system
  rules:
    - backendRefs:
        - name: dfp-backend
          group: gateway.kgateway.dev
          kind: Backend
";

#[test]
fn is_served_as_written() {
    let compiled = run(GUIDE);
    assert_eq!(problems(&compiled), [""; 0]);
    assert!(compiled.report.accepted());
    for host in ["httpbin.org", "a.b", "192.0.2.1", "[2001:db8::1]"] {
        assert_eq!(
            answer(&compiled, 8080, host, "/any"),
            "1*dynamic httpbin/dfp-backend"
        );
    }
    assert_eq!(
        compiled.report.table(),
        "\
KIND       NAME                   CONDITION                                       STATUS  REASON        MESSAGE
Gateway    kgateway-system/http   Accepted                                        True    Accepted      Successfully accepted Gateway
Gateway    kgateway-system/http   Programmed                                      True    Programmed    Successfully programmed Gateway
Gateway    kgateway-system/http   ResolvedRefs                                    True    ResolvedRefs  Successfully resolved all Gateway references
Gateway    kgateway-system/http   Accepted (http)                                 True    Accepted      Successfully accepted Listener
Gateway    kgateway-system/http   Conflicted (http)                               False   NoConflicts   Successfully verified that Listener has no conflicts
Gateway    kgateway-system/http   ResolvedRefs (http)                             True    ResolvedRefs  Successfully resolved all references
Gateway    kgateway-system/http   Programmed (http)                               True    Programmed    Successfully programmed Listener
HTTPRoute  httpbin/dfp-httproute  Accepted (kgateway-system/http)                 True    Accepted      Successfully accepted Route
HTTPRoute  httpbin/dfp-httproute  ResolvedRefs (kgateway-system/http)             True    ResolvedRefs  Successfully resolved all references
HTTPRoute  httpbin/dfp-httproute  kgateway.dev/Programmed (kgateway-system/http)  True    Programmed    Successfully programmed Route
Backend    httpbin/dfp-backend    Accepted                                        True    Accepted      Backend accepted
"
    );
}

#[test]
fn statuses_have_the_shapes_of_kubernetes() {
    let compiled = run(GUIDE);
    let json = serde_json::to_value(&compiled.report).unwrap();
    let status = |object: &str| {
        let objects = json["objects"].as_array().unwrap();
        objects.iter().find(|o| o["object"] == object).unwrap()["status"].clone()
    };
    let gateway = status("Gateway kgateway-system/http");
    assert_eq!(gateway["conditions"][1]["type"], "Programmed");
    assert_eq!(gateway["conditions"][1]["status"], "True");
    assert_eq!(gateway["listeners"][0]["attachedRoutes"], 1);
    assert_eq!(
        gateway["listeners"][0]["supportedKinds"],
        serde_json::json!([
            {"group": "gateway.networking.k8s.io", "kind": "HTTPRoute"},
            {"group": "gateway.networking.k8s.io", "kind": "GRPCRoute"}
        ])
    );
    let route = status("HTTPRoute httpbin/dfp-httproute");
    assert_eq!(
        route["parents"][0]["parentRef"],
        serde_json::json!({"name": "http", "namespace": "kgateway-system"})
    );
    assert_eq!(json["objects"][0]["file"], "t.yaml");
    assert!(serde_json::to_value(&compiled.snapshot).is_ok());
}

#[test]
fn a_missing_backend_is_told_as_kgateway_does() {
    let compiled = run(&GUIDE.replace("- name: dfp-backend", "- name: other"));
    let at = "HTTPRoute httpbin/dfp-httproute";
    assert_eq!(
        condition(&compiled, at, "ResolvedRefs"),
        "false BackendNotFound: Backend httpbin/other not found"
    );
    assert_eq!(
        condition(&compiled, at, "Accepted"),
        "true Accepted: Successfully accepted Route"
    );
    assert_eq!(
        answer(&compiled, 8080, "a.b", "/"),
        "1*refuse HTTPRoute httpbin/dfp-httproute: Backend httpbin/other not found"
    );
    assert_eq!(
        problems(&compiled),
        [
            "t.yaml:36: HTTPRoute httpbin/dfp-httproute: spec.rules[0].backendRefs[0]: Backend httpbin/other not found"
        ]
    );
    assert!(!compiled.report.accepted());
}

#[test]
fn the_same_text_compiles_to_the_same_snapshot() {
    assert_eq!(run(GUIDE), run(GUIDE));
    assert_ne!(
        run(GUIDE).snapshot,
        run(&GUIDE.replace("8080", "8081")).snapshot
    );
}
