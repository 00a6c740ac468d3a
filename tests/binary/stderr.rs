//! A stderr or stdout that is closed, full, or read by nobody ends nothing and delays nothing.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::rc::Rc;

use egret_testkit::gateway::LOOPBACK;
use egret_testkit::{Client, Upstream, client, wait_until};

use super::example;
use super::served::ServeSetup;

/// A process that is never asked what it says.
struct UnheardProcess {
    setup: Rc<ServeSetup>,
    process: Child,
    admin: SocketAddr,
}

impl UnheardProcess {
    /// Starts `egret serve` after a shell command that redirects stderr, and waits until it serves.
    fn start(redirection: &str) -> Self {
        let setup = ServeSetup::new(&[("policies.yaml", LOOPBACK)]);
        let admin = SocketAddr::new(Ipv4Addr::new(127, 0, 0, 78).into(), setup.address.port());
        let mut command = setup.command_under(redirection, admin);
        let process = command
            .current_dir(setup.folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let unheard = Self {
            setup,
            process,
            admin,
        };
        wait_until("a process that serves", || {
            Client::try_connect(admin).is_ok() && unheard.ask("/readyz").status == 200
        });
        unheard
    }

    fn ask(&self, path: &str) -> client::Response {
        client::get(self.admin, path, &self.admin.to_string())
    }

    /// The sum of all series of a metric whose labels begin with those that are given.
    fn metric(&self, name: &str) -> u64 {
        let metrics = self.ask("/metrics");
        let begins = name.trim_end_matches('}');
        let values = metrics.text().lines().filter_map(|line| {
            let rest = line.strip_prefix(begins)?;
            let is_whole = rest.starts_with([' ', '{', '}', ',']);
            let (_, value) = rest.rsplit_once(' ').filter(|_| is_whole)?;
            Some(value.parse::<u64>().unwrap())
        });
        values.sum()
    }

    /// Reloads, serves and stops, each of which is told on stderr. `loses_lines` says whether that fails outright.
    fn lives_on(mut self, loses_lines: bool) {
        let before = self.metric("egret_config_generation");
        let broken = self.setup.folder.path().join("broken.yaml");
        fs::write(&broken, "kind: [").unwrap();
        wait_until("refusal of the broken file", || {
            self.metric("egret_config_rejections_total") > 0
        });
        fs::remove_file(&broken).unwrap();
        wait_until("change that is applied", || {
            self.metric("egret_config_current") == 1
                && self.metric("egret_config_generation") > before
        });
        wait_until("count of lost lines", || {
            (self.metric("egret_messages_dropped_total") > 0) == loses_lines
        });
        assert_eq!(self.metric("egret_panics_total"), 0);

        let upstream = Upstream::start();
        let host = format!("127.0.0.1:{}", upstream.port());
        let mut client = Client::connect(self.setup.address);
        assert_eq!(client.get("/", &host).status, 200);
        drop(client);

        let id = self.process.id().to_string();
        let stopped = Command::new("kill").args(["-s", "TERM", &id]).status();
        assert!(stopped.unwrap().success());
        assert_eq!(self.process.wait().unwrap().code(), Some(0));
    }
}

impl Drop for UnheardProcess {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn a_reader_that_has_gone() {
    UnheardProcess::start("mkfifo .gone; exec 3<>.gone 2>.gone 3>&-").lives_on(true);
}

/// Each burst is told on stderr by the accept loops themselves, which must outlive that.
#[test]
fn bursts_beyond_the_limit_leave_the_listener_in_place() {
    let unheard = UnheardProcess::start("exec 2>/dev/full; export EGRET_MAX_CONNECTIONS=2");
    for refused in [4, 8] {
        let burst: Vec<_> = (0..6)
            .map(|_| Client::connect(unheard.setup.address))
            .collect();
        wait_until("count of refused connections", || {
            unheard.metric("egret_refusals_total{reason=\"too_many_connections\"}") == refused
        });
        drop(burst);
        wait_until("end of the burst", || {
            unheard.metric("egret_downstream_connections") == 0
        });
    }
    let upstream = Upstream::start();
    let host = format!("127.0.0.1:{}", upstream.port());
    // Enough connections to reach the loops of all workers.
    for _ in 0..8 {
        let mut client = Client::connect(unheard.setup.address);
        assert_eq!(client.get("/", &host).status, 200);
    }
    assert_eq!(unheard.ask("/readyz").text(), "ready\n");
    assert_eq!(unheard.metric("egret_panics_total"), 0);
}

#[test]
fn a_disk_that_is_full() {
    UnheardProcess::start("exec 2>/dev/full").lives_on(true);
}

#[test]
fn a_closed_descriptor() {
    // The next file to be opened must not become stderr either, which the standard library sees to.
    let unheard = UnheardProcess::start("exec 2>&-");
    let upstream = Upstream::start();
    let host = format!("127.0.0.1:{}", upstream.port());
    let mut client = Client::connect(unheard.setup.address);
    assert_eq!(client.get("/", &host).status, 200);
}

#[test]
fn a_pipe_that_is_full_and_that_nobody_reads() {
    // The process holds the reading end too, and the shell fills the pipe. The lines wait, as they would for a slow reader.
    UnheardProcess::start(
        "mkfifo .full; exec 3<>.full 2>.full; timeout 5 head -c 65536 /dev/zero >&2",
    )
    .lives_on(false);
}

#[test]
fn check_gives_its_verdict_to_whoever_listens() {
    let wrong = tempfile::tempdir().unwrap();
    fs::write(wrong.path().join("wrong.yaml"), "kind: [").unwrap();
    let quickstart = example("quickstart");
    for (path, code) in [(quickstart.as_path(), 0), (wrong.path(), 1)] {
        for streams in [
            "2>/dev/full",
            "2>&-",
            "2>&- >&-",
            "3>&1 | true",
            "2>&1 | true",
        ] {
            // The verdict of the left side of a pipe goes through a file.
            let script = format!("{{ \"$0\" check \"$1\"; echo $? >\"$2\"; }} {streams}");
            let verdict = wrong.path().join("verdict");
            let status = Command::new("sh")
                .args(["-c", &script, env!("CARGO_BIN_EXE_egret")])
                .args([path, verdict.as_path()])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status();
            assert!(status.unwrap().success(), "{streams}");
            let said = fs::read_to_string(&verdict).unwrap();
            assert_eq!(said.trim(), code.to_string(), "{streams}");
        }
    }
}

#[test]
fn a_report_that_cannot_be_written_is_a_failure() {
    let status = Command::new("sh")
        .args(["-c", "exec \"$0\" check \"$1\" >/dev/full"])
        .arg(env!("CARGO_BIN_EXE_egret"))
        .arg(example("quickstart"))
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    assert_eq!(status.status.code(), Some(1));
    let told = String::from_utf8(status.stderr).unwrap();
    assert!(told.contains("cannot print the report"), "{told}");
}
