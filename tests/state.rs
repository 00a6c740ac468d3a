//! What the binary keeps from one process to the next.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::Duration;

use egret_testkit::gateway::{LOOPBACK, QUICKSTART, resolver};
use egret_testkit::{Client, DnsServer, SharedPort, Upstream};

const PATIENCE: Duration = Duration::from_secs(20);
const ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 78);

/// One process after another, with the same configuration and state folder.
struct Served {
    process: Child,
    stdout: Receiver<String>,
    stderr: Receiver<String>,
}

fn command(folder: &Path, state: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_egret"));
    command
        .arg("serve")
        .arg(folder)
        .args(["--admin", "127.0.0.1:0", "--workers", "1", "--state-dir"])
        .arg(state);
    command
}

impl Served {
    fn start(folder: &Path, state: &Path) -> Self {
        let mut process = command(folder, state)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            stdout: lines(process.stdout.take().unwrap()),
            stderr: lines(process.stderr.take().unwrap()),
            process,
        }
    }

    fn stop(mut self) {
        let id = self.process.id().to_string();
        let told = Command::new("kill").args(["-s", "TERM", &id]).status();
        assert!(told.unwrap().success());
        assert_eq!(self.process.wait().unwrap().code(), Some(0));
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn lines(from: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = sync_channel(1000);
    thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    lines
}

fn wait_for(lines: &Receiver<String>, part: &str) -> String {
    let mut seen = Vec::new();
    loop {
        let line = lines
            .recv_timeout(PATIENCE)
            .unwrap_or_else(|error| panic!("{error}: no {part:?} in {seen:#?}"));
        if line.contains(part) {
            return line;
        }
        seen.push(line);
    }
}

#[test]
fn a_known_name_needs_no_dns_after_a_restart() {
    let (dns, upstream) = (DnsServer::start(), Upstream::start());
    dns.a("known.example", ["127.0.0.1"], 60);
    let port = SharedPort::reserve([ADDRESS]);
    let (folder, state) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let here = format!("  addresses: [{{type: IPAddress, value: {ADDRESS}}}]\n  listeners:\n");
    let gateway = QUICKSTART
        .replace("  listeners:\n", &here)
        .replace("port: 8080", &format!("port: {}", port.port()));
    let lab = resolver(dns.addr(), "");
    let text = format!("{gateway}---\n{LOOPBACK}---\n{lab}");
    fs::write(folder.path().join("all.yaml"), text).unwrap();
    let host = format!("known.example:{}", upstream.port());
    let how = |served: &Served| {
        let mut client = Client::connect(SocketAddr::new(ADDRESS.into(), port.port()));
        assert_eq!(client.get("/", &host).status, 200);
        let line = wait_for(&served.stdout, "known.example");
        let record: serde_json::Value = serde_json::from_str(&line).unwrap();
        record["dns"].as_str().unwrap().to_owned()
    };

    let first = Served::start(folder.path(), state.path());
    wait_for(&first.stderr, "listening on");
    assert_eq!(how(&first), "miss");
    first.stop();

    dns.drop_queries("known.example");
    let second = Served::start(folder.path(), state.path());
    wait_for(&second.stderr, "listening on");
    assert_eq!(how(&second), "hit");
    second.stop();
    assert_eq!(dns.lookups_for("known.example"), 1);

    let file = state.path().join("dns");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{text}damaged\n")).unwrap();
    let third = Served::start(folder.path(), state.path());
    wait_for(&third.stderr, &format!("{}:3: ", file.display()));
    wait_for(&third.stderr, "listening on");
    assert_eq!(how(&third), "hit");
    third.stop();
}

#[test]
fn a_state_folder_that_cannot_be_written_to_is_told() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let state = file.path().join("state");
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("all.yaml"), QUICKSTART).unwrap();
    let output = command(folder.path(), &state).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains(state.to_str().unwrap()), "{told}");
}
