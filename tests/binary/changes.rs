//! Changes of the files under a running process: what is served, and what is told about it.

use std::fs;
use std::net::TcpListener;
use std::process::Command;

use egret_testkit::upstream::UpstreamTls;
use egret_testkit::{Ca, Client, Upstream};

use super::egret;
use super::served::{ServeSetup, ServedProcess, wait_for};

/// Allows loopback addresses, and no name but `allowed.example`.
const DENY: &str = "\
apiVersion: egret.dev/v1alpha1
kind: EgressPolicy
metadata: {name: deny, namespace: kgateway-system}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: http}]
  defaultAction: Deny
  rules: [{name: literals, action: Allow, hosts: [127.0.0.0/8]}]
  addresses: {allow: [127.0.0.0/8]}
";

/// The status of a request for a host through the only listener.
fn status(served: &ServedProcess, host: &str) -> u16 {
    Client::connect(served.setup.address).get("/", host).status
}

fn metric(served: &ServedProcess, name: &str) -> Option<String> {
    let metrics = served.ask("/metrics");
    let mut lines = metrics.text().lines();
    lines.find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(' ')?.to_owned()))
}

#[test]
fn a_policy_that_would_protect_nothing_refuses_the_change() {
    let served = ServedProcess::start(&[("policy.yaml", DENY)]);
    assert_eq!(status(&served, "denied.example"), 403);
    for misspelt in [
        DENY.replace("name: http}", "name: htpp}"),
        DENY.replace("namespace: kgateway-system", "namespace: kgateway"),
    ] {
        served.write("policy.yaml", &misspelt);
        wait_for(&served.stderr, "the change is refused as a whole");
        wait_for(
            &served.stderr,
            "configuration rejected: generation 1 stays in effect",
        );
        assert_eq!(status(&served, "denied.example"), 403);
    }
    assert_eq!(metric(&served, "egret_config_generation").unwrap(), "1");
    assert_eq!(metric(&served, "egret_config_current").unwrap(), "0");
    assert_eq!(
        metric(&served, "egret_config_rejections_total").unwrap(),
        "2"
    );
    let report = served.ask("/report").json();
    let told = report["errors"][0].as_str().unwrap();
    assert!(
        told.contains("EgressPolicy kgateway/deny: spec.targetRefs: "),
        "{told}"
    );

    // At start there is nothing that could stay in effect: what may have been meant refuses every request.
    let setup = ServeSetup::new(&[("policy.yaml", &DENY.replace("name: http}", "name: htpp}"))]);
    let served = setup.start(|_| {});
    let response = Client::connect(served.setup.address).get("/", "denied.example");
    assert_eq!(response.status, 500);
    assert!(
        response.text().contains("bound to nothing"),
        "{}",
        response.text()
    );
}

#[test]
fn a_policy_that_goes_is_told() {
    let served = ServedProcess::start(&[("policy.yaml", DENY)]);
    let folder = served.setup.folder.path();
    fs::rename(folder.join("policy.yaml"), folder.join("policy.yaml.bak")).unwrap();
    let told = wait_for(&served.stderr, "policy.yaml.bak: ");
    assert!(
        told.contains("not read, because its name does not end in"),
        "{told}"
    );
    wait_for(&served.stderr, "EgressPolicy kgateway-system/deny removed");
    let told = wait_for(&served.stderr, "WARN");
    let expected = "Gateway kgateway-system/http: the listener http has lost its last EgressPolicy";
    assert!(told.contains(expected), "{told}");
    wait_for(&served.stderr, "generation 2: 0 problems; 1 listener");
    // It is read by any name that ends like YAML, and what is passed over is named once.
    fs::rename(folder.join("policy.yaml.bak"), folder.join("POLICY.YML")).unwrap();
    wait_for(&served.stderr, "EgressPolicy kgateway-system/deny added");
    wait_for(&served.stderr, "generation 3: ");
    assert_eq!(status(&served, "denied.example"), 403);
    served.write("policy.yaml.bak", "x");
    served.write("POLICY.YML", &DENY.replace("literals", "others"));
    let mut told = Vec::new();
    while told
        .last()
        .is_none_or(|line: &String| !line.contains("generation 4: "))
    {
        told.push(wait_for(&served.stderr, ""));
    }
    assert!(told.iter().all(|line| !line.contains(".bak")), "{told:#?}");
    assert!(
        told.iter().any(|line| line.contains("deny changed")),
        "{told:#?}"
    );
}

#[test]
fn a_policy_can_be_required() {
    let upstream = Upstream::start();
    let host = format!("127.0.0.1:{}", upstream.port());
    let setup = ServeSetup::new(&[]);
    let served = setup.start(|command| {
        command.arg("--require-egress-policy");
    });
    let refused = |served: &ServedProcess| {
        let response = Client::connect(served.setup.address).get("/", &host);
        assert_eq!(response.status, 500);
        assert!(
            response.text().contains("an EgressPolicy is required"),
            "{}",
            response.text()
        );
        let ready = served.ask("/readyz");
        assert_eq!(ready.status, 503);
        let expected =
            "not ready: Gateway kgateway-system/http: listener http: an EgressPolicy is required";
        assert!(ready.text().starts_with(expected), "{}", ready.text());
    };
    refused(&served);
    served.write("policy.yaml", DENY);
    wait_for(&served.stderr, "generation 2: 0 problems");
    assert_eq!(status(&served, &host), 200);
    assert_eq!(served.ask("/readyz").status, 200);
    fs::remove_file(served.setup.folder.path().join("policy.yaml")).unwrap();
    wait_for(&served.stderr, "generation 3: 1 problem");
    refused(&served);
    let folder = served.setup.folder.path().to_str().unwrap();
    assert_eq!(egret(&["check", folder]).status.code(), Some(0));
    for (variable, flag) in [("1", None), ("0", Some("--require-egress-policy"))] {
        let output = Command::new(env!("CARGO_BIN_EXE_egret"))
            .args(["check", folder].into_iter().chain(flag))
            .env("EGRET_REQUIRE_EGRESS_POLICY", variable)
            .output();
        assert_eq!(output.unwrap().status.code(), Some(1), "{variable}");
    }
}

#[test]
fn an_object_that_is_wrong_stays_in_its_last_good_version() {
    let upstream = Upstream::start();
    let host = format!("127.0.0.1:{}", upstream.port());
    let served = ServedProcess::start(&[("policy.yaml", DENY)]);
    served.write(
        "policy.yaml",
        &DENY.replace("127.0.0.0/8]}]", "'a host']}]"),
    );
    let note = "still served: EgressPolicy kgateway-system/deny of generation 1";
    wait_for(&served.stderr, note);
    wait_for(
        &served.stderr,
        "the change is not served: generation 1 stays in effect",
    );
    wait_for(&served.stderr, "generation 1: 1 problem; 1 listener");
    let held = "egret_config_held_generation{object=\"EgressPolicy kgateway-system/deny\"}";
    let facts = |served: &ServedProcess| {
        let names = ["egret_config_generation", "egret_config_current", held];
        names.map(|name| metric(served, name).unwrap_or_default())
    };
    assert_eq!(facts(&served), ["1", "0", "1"]);
    assert_eq!(status(&served, &host), 200);
    assert_eq!(status(&served, "denied.example"), 403);
    let report = served.ask("/report").json();
    assert_eq!(
        report["held"][0]["object"],
        "EgressPolicy kgateway-system/deny"
    );
    assert_eq!(report["held"][0]["generation"], 1);
    assert_eq!(served.ask("/readyz").status, 200);
    // What else changes is served.
    let backend = served.setup.folder.path().join("backend.yaml");
    let text = fs::read_to_string(&backend).unwrap();
    fs::remove_file(&backend).unwrap();
    wait_for(&served.stderr, "generation 2: ");
    assert_eq!(status(&served, &host), 500);
    assert_eq!(facts(&served), ["2", "0", "1"]);
    served.write("backend.yaml", &text);
    wait_for(&served.stderr, "generation 3: ");
    served.write("policy.yaml", DENY);
    wait_for(&served.stderr, "generation 4: 0 problems");
    assert_eq!(facts(&served), ["4", "1", ""]);
}

#[test]
fn a_listener_that_cannot_move_stays() {
    let served = ServedProcess::start(&[("policy.yaml", DENY)]);
    let taken = TcpListener::bind((served.setup.address.ip(), 0)).unwrap();
    let (old, new) = (served.setup.address, taken.local_addr().unwrap());
    let gateway = fs::read_to_string(served.setup.folder.path().join("gateway.yaml")).unwrap();
    let ports = [old, new].map(|address| format!("port: {}", address.port()));
    served.write("gateway.yaml", &gateway.replace(&ports[0], &ports[1]));
    let told = wait_for(&served.stderr, "cannot listen on");
    assert!(
        told.ends_with(&format!("; what was to move there stays on {old}")),
        "{told}"
    );
    wait_for(&served.stderr, "generation 2: 0 problems; 1 listener");
    assert_eq!(served.ask("/readyz").status, 200);
    assert_eq!(metric(&served, "egret_config_current").unwrap(), "0");
    // It is served as it is configured now.
    assert_eq!(status(&served, "denied.example"), 403);
    served.write(
        "policy.yaml",
        &DENY.replace("127.0.0.0/8]}]", "denied.example]}]"),
    );
    wait_for(&served.stderr, "generation 3: ");
    assert_ne!(status(&served, "denied.example"), 403);
    drop(taken);
    served.signal("HUP");
    wait_for(&served.stderr, "generation 4: ");
    assert_eq!(metric(&served, "egret_config_current").unwrap(), "1");
    assert!(Client::try_connect(new).is_ok());
    assert!(Client::try_connect(old).is_err());
}

#[test]
fn what_serves_nothing_is_not_ready() {
    let served = ServedProcess::start(&[]);
    fs::remove_file(served.setup.folder.path().join("gateway.yaml")).unwrap();
    wait_for(&served.stderr, "generation 2: 1 problem; 0 listeners");
    let ready = served.ask("/readyz");
    assert_eq!(
        (ready.status, ready.text()),
        (503, "not ready: there is no listener\n")
    );
    let output = egret(&["check", served.setup.folder.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    // A file without any object is fine in itself, and serves nothing.
    let empty = tempfile::NamedTempFile::new().unwrap();
    let output = egret(&["check", empty.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("error: no Gateway would be served"), "{told}");
}

/// A policy that trusts the CA of a file, for destinations that are reached over TLS.
fn trusting(path: &str) -> String {
    format!(
        "apiVersion: gateway.kgateway.dev/v1alpha1
kind: BackendConfigPolicy
metadata: {{name: trust, namespace: httpbin}}
spec:
  targetRefs: [{{group: gateway.kgateway.dev, kind: Backend, name: dfp-backend}}]
  tls: {{files: {{rootCA: {path}}}}}
"
    )
}

#[test]
fn a_file_that_a_policy_names_is_read_again_when_it_changes() {
    let (one, other) = (Ca::new(), Ca::new());
    let upstream = Upstream::start_tls(UpstreamTls::of(&one, ["127.0.0.1"]));
    let elsewhere = tempfile::tempdir().unwrap();
    let path = elsewhere.path().join("ca.pem");
    let named = path.display().to_string();
    fs::write(&path, one.pem()).unwrap();
    let allow = DENY.replace("Deny", "Allow");
    let served = ServedProcess::start(&[("policy.yaml", &allow), ("tls.yaml", &trusting(&named))]);
    let ask = || {
        let host = format!("https://127.0.0.1:{}/", upstream.port());
        let request = format!("GET {host} HTTP/1.1\r\nhost: a\r\n\r\n");
        Client::connect(served.setup.address)
            .request(request)
            .status
    };
    assert_eq!(ask(), 200);
    fs::write(&path, other.pem()).unwrap();
    wait_for(&served.stderr, &format!("File {named} changed"));
    wait_for(&served.stderr, "generation 2: 0 problems");
    assert_eq!(ask(), 502);
    // What is no certificate changes nothing, and says so.
    fs::write(&path, "not a certificate").unwrap();
    let told = wait_for(&served.stderr, "spec.tls.files.rootCA: ");
    let expected = format!("{named} has no certificate in PEM; still served: File {named}");
    assert!(told.contains(&expected), "{told}");
    fs::remove_file(&path).unwrap();
    let told = wait_for(&served.stderr, "No such file");
    assert!(
        told.contains(&format!("still served: File {named}")),
        "{told}"
    );
    fs::write(&path, one.pem()).unwrap();
    wait_for(&served.stderr, "generation 3: 0 problems");
    assert_eq!(ask(), 200);
    let check = |file: &str| {
        let policy = trusting(file);
        let setup = ServeSetup::new(&[("tls.yaml", &policy)]);
        let checked = egret(&["check", &setup.folder.path().display().to_string()]);
        (
            checked.status.success(),
            String::from_utf8(checked.stderr).unwrap(),
        )
    };
    assert!(check(&named).0);
    // It may be there where this is served.
    let (is_fine, told) = check("/nowhere/ca.pem");
    let expected =
        "spec.tls.files.rootCA: /nowhere/ca.pem is not here, and has to be where this is served";
    assert!(is_fine && told.contains(expected), "{told}");
    fs::write(&path, "junk").unwrap();
    let (is_fine, told) = check(&named);
    assert!(
        !is_fine && told.contains("has no certificate in PEM"),
        "{told}"
    );
}
