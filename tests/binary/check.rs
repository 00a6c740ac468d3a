//! What `check` says, and how.

use std::fs::{self, File};
use std::process::Command;

use super::egret;

/// Runs `check` on a text, and returns whether all is well, and what is on stdout and stderr, with the path left out.
fn check(text: &str, arguments: &[&str]) -> (bool, String, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.yaml");
    fs::write(&file, text).unwrap();
    let file = file.to_str().unwrap();
    let output = egret(&[&["check", file], arguments].concat());
    let text = |bytes| String::from_utf8(bytes).unwrap().replace(file, "a.yaml");
    (
        output.status.success(),
        text(output.stdout),
        text(output.stderr),
    )
}

const GATEWAY: &str = "\
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: gw}
spec:
  gatewayClassName: egret
  addresses: [{value: 127.0.0.1}]
  listeners: [{name: http, protocol: HTTP, port: 8080}]
---
";

const ROUTE: &str = "\
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: r}
spec:
  parentRefs: [{name: gw}]
  rules: [{backendRefs: [{group: gateway.kgateway.dev, kind: Backend, name: dfp}]}]
---
";

const BACKEND: &str = "\
apiVersion: gateway.kgateway.dev/v1alpha1
kind: Backend
metadata: {name: dfp}
spec: {dynamicForwardProxy: {}}
---
";

#[test]
fn one_mistake_is_told_once_with_what_was_meant() {
    let good = format!("{GATEWAY}{ROUTE}{BACKEND}");
    let served = "0 errors, 0 warnings: this would be served\n";
    assert_eq!(check(&good, &[]), (true, served.to_owned(), String::new()));

    let refused = "1 error, 0 warnings: this would be refused\n";
    for (right, wrong, expected) in [
        // A reference to what could not be read follows from that.
        (
            "kind: Backend\n",
            "kind: Backnd\n",
            "17: kind: gateway.kgateway.dev/v1alpha1 Backnd is not a kind; did you mean Backend?",
        ),
        (
            "dynamicForwardProxy:",
            "dynamicForwardProxi:",
            "19: Backend default/dfp: spec.dynamicForwardProxi: unknown field; did you mean dynamicForwardProxy?",
        ),
        (
            "port: 8080",
            "port: eighty",
            "7: Gateway default/gw: spec.listeners[0].port: needs a whole number, not the text \"eighty\"",
        ),
        (
            "metadata: {name: r}",
            "metadata: {name: r",
            "12: not valid YAML: ",
        ),
    ] {
        let (is_fine, told, errors) = check(&good.replacen(right, wrong, 1), &[]);
        assert!(!is_fine);
        assert!(
            errors.starts_with(&format!("error: a.yaml:{expected}")),
            "{errors}"
        );
        assert_eq!(
            (errors.lines().count(), told.as_str()),
            (1, refused),
            "{errors}"
        );
    }
}

#[test]
fn the_table_has_what_is_not_well() {
    let text = format!(
        "{GATEWAY}{BACKEND}{}",
        ROUTE.replace("name: dfp}]", "name: dpf}]")
    );
    let (is_fine, told, errors) = check(&text, &[]);
    assert!(!is_fine);
    let expected = "error: a.yaml:19: HTTPRoute default/r: spec.rules[0].backendRefs[0]: \
                    Backend default/dpf not found; did you mean Backend default/dfp?\n";
    assert_eq!(errors, expected);
    let lines: Vec<&str> = told.lines().collect();
    let last = "1 error, 0 warnings: what has an error would be refused";
    assert_eq!((lines.len(), lines.last()), (3, Some(&last)), "{told}");
    assert!(
        lines[1].starts_with("HTTPRoute  default/r  ResolvedRefs (gw)"),
        "{told}"
    );
    assert!(check(&text, &["-v"]).1.lines().count() > 5);
}

#[test]
fn what_would_serve_nothing_fails() {
    let others = GATEWAY.replace("Name: egret", "Name: other");
    for (text, warnings) in [("", "0 warnings"), (others.as_str(), "1 warning")] {
        let (is_fine, told, errors) = check(text, &[]);
        assert!(!is_fine);
        assert_eq!(
            told,
            format!("1 error, {warnings}: nothing would be served\n")
        );
        assert!(
            errors.starts_with("error: no Gateway would be served"),
            "{errors}"
        );
    }
}

#[test]
fn stderr_may_be_json() {
    let text =
        format!("{GATEWAY}{BACKEND}apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: d}}\n");
    let (_, _, errors) = check(&text, &["--log-format", "json"]);
    let line: serde_json::Value = serde_json::from_str(errors.trim_end()).unwrap();
    let fact = |name: &str| line[name].to_string();
    assert_eq!(
        [fact("level"), fact("line"), fact("field")],
        ["\"WARN\"", "15", "\"kind\""]
    );
    assert!(
        fact("message").contains("is not a kind that Egret reads"),
        "{line}"
    );
}

/// What a chart or `kubectl get -o yaml` prints is judged without a file.
#[test]
fn objects_may_come_on_stdin() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("given");
    let run = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_egret"))
            .args(arguments)
            .stdin(File::open(&file).unwrap())
            .output()
            .unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (
            output.status.success(),
            text(output.stdout) + &text(output.stderr),
        )
    };
    fs::write(&file, [GATEWAY, ROUTE, BACKEND].concat()).unwrap();
    let (is_fine, told) = run(&["check", "-"]);
    assert!(is_fine, "{told}");
    let (is_fine, told) = run(&["explain", "-", "--url", "http://a.example/"]);
    assert!(is_fine && told.starts_with("forwarded"), "{told}");
    let (is_fine, told) = run(&["replay", "-", "--log", "-"]);
    assert!(!is_fine && told.contains("not both"), "{told}");
    fs::write(&file, "kind: [").unwrap();
    let (is_fine, told) = run(&["check", "-"]);
    assert!(!is_fine && told.contains("error: stdin:1: "), "{told}");
}

/// Where both are read together, the count comes after what it counts.
#[test]
fn the_last_line_comes_last() {
    let command = format!("{} check /nonexistent 2>&1", env!("CARGO_BIN_EXE_egret"));
    let output = Command::new("sh").args(["-c", &command]).output().unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<_> = told.lines().collect();
    assert!(lines[0].starts_with("error: /nonexistent: "), "{told}");
    assert_eq!(lines[1..], ["1 error, 0 warnings: this would be refused"]);
}
