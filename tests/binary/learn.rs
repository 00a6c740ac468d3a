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
        "# Learned from 1 requests that were served; 1 that were refused are left out.\n\
         apiVersion: egret.dev/v1alpha1\n\
         kind: EgressPolicy\n\
         metadata:\n  name: allowed\n  namespace: edge\n\
         spec:\n  targetRefs:\n  - group: gateway.networking.k8s.io\n    kind: Gateway\n    name: out\n  \
         defaultAction: Deny\n  rules:\n  - name: port-443\n    action: Allow\n    hosts:\n    - a.example\n    \
         ports:\n    - 443\n"
    );
    assert!(
        told.contains("1 lines are not of Egret's access log"),
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
        told.contains("write one policy for each, with --gateway: edge/one, edge/two"),
        "{told}"
    );
    let (is_done, policy, _) = learn(&folder, &both, &["--gateway", "edge/two"]);
    assert!(is_done && policy.contains("name: two"), "{policy}");
    let (is_done, _, told) = learn(&folder, &line("edge/one", REFUSED), &[]);
    assert!(!is_done && told.contains("nothing was served"), "{told}");
    let missing = egret(&["learn", "/nonexistent/log"]);
    let told = String::from_utf8(missing.stderr).unwrap();
    assert!(
        !missing.status.success() && told.contains("/nonexistent/log: "),
        "{told}"
    );
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
