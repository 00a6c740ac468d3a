//! `egret learn`: from an access log to a policy that `check` accepts and `serve` enforces.

use std::fs;

use egret_testkit::{Client, Upstream};
use tempfile::TempDir;

use super::egret;
use super::served::{ServedProcess, lines, wait_for};

fn learn(folder: &TempDir, log: &str, arguments: &[&str]) -> (bool, String, String) {
    let file = folder.path().join("access.log");
    fs::write(&file, log).unwrap();
    let output = egret(&[&["learn", file.to_str().unwrap()], arguments].concat());
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.success(),
        text(output.stdout),
        text(output.stderr),
    )
}

fn line(gateway: &str, rest: &str) -> String {
    format!(
        "{{\"time\":\"2026-01-01T00:00:00Z\",\"listener\":\"{gateway}/http\",\"client\":\"10.0.0.1:5\",{rest}}}\n"
    )
}

const SERVED: &str =
    r#""method":"CONNECT","destination":"a.example:443","verdict":"allow","status":200"#;
const REFUSED: &str =
    r#""method":"CONNECT","destination":"b.example:443","verdict":"deny","id":"1","status":403"#;

#[test]
fn the_policy_is_for_the_gateway_of_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let log = line("edge/out", SERVED) + &line("edge/out", REFUSED) + "some other line\n";
    let (is_done, policy, told) = learn(&folder, &log, &["--name", "allowed"]);
    assert!(is_done, "{told}");
    assert_eq!(
        policy,
        "# Learned from 1 request served. Left out: 1 request refused.\n\
         apiVersion: egret.dev/v1alpha1\n\
         kind: EgressPolicy\n\
         metadata:\n  name: allowed\n  namespace: edge\n\
         spec:\n  targetRefs:\n  - group: gateway.networking.k8s.io\n    kind: Gateway\n    name: out\n  \
         defaultAction: Deny\n  rules:\n  - name: port-443\n    action: Allow\n    hosts:\n    - a.example\n    \
         ports:\n    - 443\n"
    );
    assert!(
        told.contains("not of Egret's access log were passed over: 1"),
        "{told}"
    );
}

#[test]
fn what_cannot_be_learned_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let both = line("edge/one", SERVED) + &line("edge/two", SERVED);
    let (is_done, policy, told) = learn(&folder, &both, &[]);
    assert!(!is_done && policy.is_empty());
    assert!(
        told.contains(
            "write one policy for each, with --target: Gateway/edge/one, Gateway/edge/two"
        ),
        "{told}"
    );
    let (is_done, policy, _) = learn(&folder, &both, &["--target", "Gateway/edge/two"]);
    assert!(is_done && policy.contains("name: two"), "{policy}");
    assert!(
        policy.starts_with("# Learned from 1 request served. Left out: 1 request for others.\n"),
        "{policy}"
    );
    for (target, expected) in [
        (
            "Gateway/edge/three",
            "nothing of Gateway/edge/three was served",
        ),
        ("Backend/edge/any", "the log does not tell to which Backend"),
        (
            "edge/two",
            "a kind, a namespace and a name are needed: Gateway/egress/http",
        ),
    ] {
        let (is_done, _, told) = learn(&folder, &both, &["--target", target]);
        assert!(!is_done && told.contains(expected), "{target}: {told}");
    }
    let (is_done, _, told) = learn(&folder, &line("edge/one", REFUSED), &[]);
    assert!(!is_done && told.contains("nothing was served"), "{told}");
    let (is_done, _, told) = learn(&folder, "", &[]);
    assert!(!is_done && told.contains("nothing was served"), "{told}");
    // Envoy's log, as text and as JSON.
    let others = "[2026-01-01T00:00:00.000Z] \"GET / HTTP/1.1\" 200 - 0 5\n{\"response_code\":200,\"path\":\"/\"}\n";
    let (is_done, _, told) = learn(&folder, others, &[]);
    assert!(
        !is_done
            && told
                .contains("no line is of Egret's access log in its default format; lines read: 2"),
        "{told}"
    );
    fs::write(folder.path().join("a.gz"), [0x1f, 0x8b, 8, 0]).unwrap();
    let packed = egret(&["learn", folder.path().join("a.gz").to_str().unwrap()]);
    let told = String::from_utf8(packed.stderr).unwrap();
    assert!(
        !packed.status.success() && told.contains("a.gz: compressed by gzip"),
        "{told}"
    );
    let missing = egret(&["learn", "/nonexistent/log"]);
    let told = String::from_utf8(missing.stderr).unwrap();
    assert!(
        !missing.status.success() && told.contains("/nonexistent/log: "),
        "{told}"
    );
}

/// A Gateway with a route to every host, in a namespace of its own.
const ROUTE: &str = "\
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: out, namespace: edge}
spec:
  gatewayClassName: egret
  addresses: [{type: IPAddress, value: 127.0.0.1}]
  listeners: [{name: http, protocol: HTTP, port: 8080}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: any, namespace: edge}
spec:
  parentRefs: [{name: out}]
  rules:
  - name: hosts
    backendRefs: [{group: gateway.kgateway.dev, kind: Backend, name: any}]
---
apiVersion: gateway.kgateway.dev/v1alpha1
kind: Backend
metadata: {name: any, namespace: edge}
spec: {dynamicForwardProxy: {}}
";

/// What lists of a rule cannot say: the root alone, and a method that is not GET.
#[test]
fn what_was_served_at_the_root_allows_nothing_below_it() {
    let folder = tempfile::tempdir().unwrap();
    let edge = folder.path().join("edge");
    fs::create_dir(&edge).unwrap();
    fs::write(edge.join("route.yaml"), ROUTE).unwrap();
    let served = |method: &str, path: &str| {
        line(
            "edge/out",
            &format!(
                r#""route":"edge/any/hosts","method":"{method}","form":"host","scheme":"http","authority":"a.example","destination":"a.example:80","path":"{path}","protocol":"HTTP/1.1","verdict":"allow","status":200"#
            ),
        )
    };
    let log = [
        served("GET", "/"),
        served("GET", "//"),
        served("get", "/low/x"),
        served("POST", "/v1/users"),
    ]
    .concat();
    let detail = [
        "--methods",
        "--paths",
        "--target",
        "HTTPRoute/edge/any/hosts",
    ];
    let (is_done, policy, told) = learn(&folder, &log, &detail);
    assert!(is_done, "{told}");
    fs::write(edge.join("policy.yaml"), &policy).unwrap();
    let edge = edge.to_str().unwrap();
    for (method, path, is_allowed) in [
        ("GET", "/", true),
        ("GET", "/?q=1", true),
        ("GET", "/other", false),
        ("POST", "/", false),
        ("get", "/low/y", true),
        ("GET", "/low/y", false),
        ("POST", "/v1/groups", true),
    ] {
        let url = format!("http://a.example{path}");
        let told = egret(&["explain", edge, "--url", &url, "--method", method]);
        assert_eq!(
            told.status.success(),
            is_allowed,
            "{method} {path}: {policy}\n{told:?}"
        );
    }
    let access_log = folder.path().join("access.log");
    let replayed = egret(&["replay", edge, "--log", access_log.to_str().unwrap()]);
    assert!(replayed.status.success(), "{policy}\n{replayed:?}");
    let tunnel = egret(&["explain", edge, "--url", "https://a.example:80/"]);
    assert!(!tunnel.status.success(), "{tunnel:?}");
}

/// Allows addresses of this machine, and every name.
const INSIDE: &str = "\
apiVersion: egret.dev/v1alpha1
kind: EgressPolicy
metadata: {name: inside, namespace: kgateway-system}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: http}]
  addresses: {allow: [127.0.0.0/8]}
";

/// The whole way: serve openly, learn from the log, apply the policy, and nothing else gets out.
#[test]
fn a_gateway_is_closed_to_all_but_what_it_served() {
    let (known, other) = (Upstream::start(), Upstream::start());
    let mut served = ServedProcess::start(&[("inside.yaml", INSIDE)]);
    let log = lines(served.process.stdout.take().unwrap());
    let status = |upstream: &Upstream| {
        let mut client = Client::connect(served.setup.address);
        client.get("/", &upstream.addr().to_string()).status
    };
    assert_eq!(status(&known), 200);
    let log = wait_for(&log, "destination");
    let folder = tempfile::tempdir().unwrap();
    let (is_done, policy, told) = learn(&folder, &log, &[]);
    assert!(is_done, "{told}");
    served.write("learned.yaml", &policy);
    wait_for(&served.stderr, "generation 2: ");
    assert_eq!((status(&known), status(&other)), (200, 403));
}
