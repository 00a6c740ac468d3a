//! Walks through the product as people use it: each a script that drives the built binary with curl.
//!
//! The scripts get a folder with a configuration, free ports, a DNS server and an upstream. Without curl they are left out.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;

use egret_testkit::gateway::quickstart_gateway;
use egret_testkit::{DnsServer, SharedPort, Upstream};

/// Runs a script, and shows what it printed if it fails.
fn walk(script: &str) {
    if Command::new("curl").arg("--version").output().is_err() {
        println!("left out: curl is not here");
        return;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir().unwrap();
    let ip = Ipv4Addr::new(127, 0, 0, 77);
    let port = SharedPort::reserve([ip]);
    let (dns, upstream) = (DnsServer::start(), Upstream::start());
    dns.a("hello.test", ["127.0.0.1"], 60);
    dns.a("mail.test", ["127.0.0.1"], 60);
    dns.a("rebound.test", ["169.254.169.254"], 60);
    dns.nxdomain("nx.test");
    let config = folder.path().join("config");
    fs::create_dir(&config).unwrap();
    let address = SocketAddr::new(ip.into(), port.port());
    fs::write(config.join("gateway.yaml"), quickstart_gateway(address)).unwrap();
    for file in ["backend.yaml", "httproute.yaml"] {
        fs::copy(
            root.join("examples/quickstart").join(file),
            config.join(file),
        )
        .unwrap();
    }
    let output = Command::new("bash")
        .arg(root.join("tests/walks").join(script))
        .current_dir(folder.path())
        .env("EGRET", env!("CARGO_BIN_EXE_egret"))
        .env("GATEWAY", address.to_string())
        .env("ADMIN", format!("127.0.0.78:{}", port.port()))
        .env("DNS", dns.addr().to_string())
        .env("UPSTREAM", upstream.port().to_string())
        .env("WALKS", root.join("tests/walks"))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{script}\n{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn a_new_user_evaluates() {
    walk("evaluate.sh");
}

#[test]
fn an_attacker_finds_nothing_open() {
    walk("attack.sh");
}

#[test]
fn somebody_is_on_call() {
    walk("on_call.sh");
}
