//! The files of access logs: rotated, full, and read by nobody.

use std::fs;
use std::path::Path;

use egret_testkit::gateway::LOOPBACK;
use egret_testkit::{client, wait_until};

use super::served::{ServeSetup, ServedProcess};

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// A request that is refused, because its destination is private.
fn refused(served: &ServedProcess) {
    let response = client::get(served.setup.address, "/", "10.9.9.9");
    assert_eq!(response.status, 403);
}

fn metric(served: &ServedProcess, name: &str) -> u64 {
    let metrics = served.ask("/metrics");
    let mut lines = metrics.text().lines();
    let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.unwrap().parse().unwrap()
}

#[test]
fn a_log_that_was_moved_away_is_opened_anew_on_a_signal() {
    let setup = ServeSetup::new(&[("policies.yaml", LOOPBACK)]);
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("access.log");
    let moved = folder.path().join("access.log.1");
    let served = setup.start(|command| {
        command.arg("--access-log-file").arg(&log);
    });
    refused(&served);
    wait_until("a line in the file", || text(&log).contains("10.9.9.9"));
    fs::rename(&log, &moved).unwrap();
    served.signal("HUP");
    wait_until("a new file", || log.exists());
    assert_eq!(text(&log), "");
    refused(&served);
    wait_until("a line in the new file", || text(&log).lines().count() == 1);
    assert_eq!(text(&moved).lines().count(), 1);
    served.stop();
}

#[test]
fn a_pipe_that_nobody_reads_costs_lines_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    let setup = ServeSetup::new(&[("policies.yaml", LOOPBACK)]);
    let served = setup.start(|command| {
        command.arg("--access-log-file").arg(&pipe);
    });
    refused(&served);
    assert_eq!(metric(&served, "egret_access_log_dropped_total"), 0);
    assert_eq!(served.ask("/readyz").status, 200);
    // It waits a moment for the log, and not for ever.
    served.stop();
}

#[test]
fn a_full_disk_is_told_where_readiness_is_asked_for() {
    let setup = ServeSetup::new(&[("policies.yaml", LOOPBACK)]);
    let served = setup.start(|command| {
        command.args(["--access-log-file", "/dev/full"]);
    });
    refused(&served);
    wait_until("a lost line", || {
        metric(&served, "egret_access_log_dropped_total") == 1
    });
    let ready = served.ask("/readyz");
    assert_eq!(ready.status, 200);
    assert!(
        ready
            .text()
            .contains("the access log /dev/full: No space left")
    );
    served.stop();
}
