//! Proxy authentication with curl through the built binary.

use std::process::Output;

use egret_testkit::gateway::{LOOPBACK, resolver_policy};
use egret_testkit::{DnsServer, Upstream};

use super::served::{ServedProcess, lines, wait_for};
use super::tunnel::{curl, has_curl};

/// Admits ann with the password `secret`.
const POLICY: &str = "
apiVersion: gateway.kgateway.dev/v1alpha1
kind: TrafficPolicy
metadata: {name: users, namespace: kgateway-system}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: http}]
  basicAuth: {secretRef: {name: users}}
---
apiVersion: v1
kind: Secret
metadata: {name: users, namespace: kgateway-system}
stringData: {.htpasswd: 'ann:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ='}
";

#[test]
fn curl_says_who_it_is_in_advance_and_when_it_is_asked() {
    if !has_curl() {
        eprintln!("there is no curl here to test with");
        return;
    }
    let (dns, upstream) = (DnsServer::start(), Upstream::start());
    dns.a("a.example", ["127.0.0.1"], 60);
    let policies = format!(
        "{LOOPBACK}---\n{}---\n{POLICY}",
        resolver_policy(dns.addr(), "")
    );
    let mut served = ServedProcess::start(&[("policies.yaml", &policies)]);
    let log = lines(served.process.stdout.take().unwrap());
    let (address, port) = (served.setup.address, upstream.port());
    let proxy = format!("http://{address}");
    let named = format!("http://ann:secret@{address}");
    let url = format!("http://a.example:{port}/bytes/1000");
    let user = ["--proxy-user", "ann:secret"];
    // With `--proxy-anyauth`, curl sends credentials only after a challenge.
    for (form, first) in [
        (&["--proxy", &named][..], &[][..]),
        (&["--proxy", &named, "--proxytunnel"], &[]),
        (&["--proxy1.0", &named, "--proxytunnel"], &[]),
        (&["--proxy", &proxy], &user),
        (&["--proxy", &proxy, "--proxytunnel"], &user),
        (&["--proxy", &proxy, "--proxy-anyauth"], &user),
        (
            &["--proxy", &proxy, "--proxytunnel", "--proxy-anyauth"],
            &user,
        ),
    ] {
        let arguments = [form, first, &["--user", "origin:own", &url]].concat();
        let output = curl(&arguments);
        assert!(output.status.success(), "{form:?}: {output:?}");
        assert_eq!(output.stdout.len(), 1000, "{form:?}");
        let record = wait_for(&log, "\"user\":\"ann\"");
        assert!(record.contains("\"status\":200"), "{form:?}: {record}");
        assert!(!record.contains("secret"), "{record}");
    }
    for asked in upstream.requests() {
        assert_eq!(asked.header("proxy-authorization"), None);
        // origin:own
        assert_eq!(
            asked.header("authorization"),
            Some("Basic b3JpZ2luOm93bg==")
        );
    }
    let answered = upstream.requests().len();
    let wrong = ["--proxy-user", "ann:wrong"];
    for (credentials, tunnel) in [
        (&[][..], false),
        (&[], true),
        (&wrong, false),
        (&wrong, true),
    ] {
        let tunnel: &[&str] = if tunnel { &["--proxytunnel"] } else { &[] };
        let told = [
            "--proxy",
            &proxy,
            "--write-out",
            "%{http_code}%{http_connect}",
        ];
        let output = curl(&[&told, credentials, tunnel, &[&url]].concat());
        assert!(text(&output).contains("407"), "{output:?}");
    }
    assert_eq!(upstream.requests().len(), answered);
}

/// The output of curl on stdout and stderr.
fn text(output: &Output) -> String {
    let [out, err] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    format!("{out}{err}")
}
