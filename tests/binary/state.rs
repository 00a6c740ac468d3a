//! The state folder, which keeps the DNS caches across restarts.

use std::fs;
use std::sync::mpsc::Receiver;

use egret_testkit::gateway::{LOOPBACK, QUICKSTART, resolver_policy};
use egret_testkit::{Client, DnsServer, Upstream};

use super::egret;
use super::served::{ServeSetup, ServedProcess, lines, wait_for};

/// Sends a request for `host`, and returns how its name was resolved: the field `dns` of the access log.
fn how(served: &ServedProcess, log: &Receiver<String>, host: &str) -> String {
    let mut client = Client::connect(served.setup.address);
    assert_eq!(client.get("/", host).status, 200);
    let line = wait_for(log, host);
    let record: serde_json::Value = serde_json::from_str(&line).unwrap();
    record["dns"].as_str().unwrap().to_owned()
}

#[test]
fn a_known_name_needs_no_dns_after_a_restart() {
    let (dns, upstream) = (DnsServer::start(), Upstream::start());
    dns.a("known.example", ["127.0.0.1"], 60);
    let policy = resolver_policy(dns.addr(), "");
    let setup = ServeSetup::new(&[("loopback.yaml", LOOPBACK), ("resolver.yaml", &policy)]);
    let state = tempfile::tempdir().unwrap();
    let host = format!("known.example:{}", upstream.port());
    let start = || {
        let mut served = setup.start(|command| {
            command.arg("--state-dir").arg(state.path());
        });
        let log = lines(served.process.stdout.take().unwrap());
        (served, log)
    };

    let (first, log) = start();
    assert_eq!(how(&first, &log, &host), "miss");
    first.stop();

    dns.drop_queries("known.example");
    let (second, log) = start();
    assert_eq!(how(&second, &log, &host), "hit");
    second.stop();
    assert_eq!(dns.lookups_for("known.example"), 1);

    let file = state.path().join("dns");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{text}damaged\n")).unwrap();
    let damaged = format!("{}:3: ", file.display());
    let mut told = false;
    let third = setup.start_until(
        |command| {
            command.arg("--state-dir").arg(state.path());
        },
        |line| told |= line.contains(&damaged),
    );
    assert!(told, "{damaged}");
    third.stop();
}

#[test]
fn a_state_folder_that_cannot_be_written_to_is_told() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let state = file.path().join("state");
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("all.yaml"), QUICKSTART).unwrap();
    let folder = folder.path().to_str().unwrap();
    let output = egret(&["serve", folder, "--state-dir", state.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains(state.to_str().unwrap()), "{told}");
}
