//! `egret top`: in a terminal, in a pipe, and without a gateway.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::Ipv4Addr;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::Duration;

use egret_testkit::gateway::LOOPBACK;
use egret_testkit::{SharedPort, client};
use nix::pty::{Winsize, openpty};

use super::egret;
use super::served::{ServeSetup, ServedProcess};

const PATIENCE: Duration = Duration::from_secs(20);

const NOBODY: &str = "\
apiVersion: egret.dev/v1alpha1
kind: EgressPolicy
metadata: {name: nobody, namespace: kgateway-system}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: http}]
  defaultAction: Deny
";

/// The process in a terminal of its own.
struct Terminal {
    process: Child,
    keys: File,
    shown: Receiver<Vec<u8>>,
    seen: String,
}

impl Terminal {
    fn start(arguments: &[&str]) -> Self {
        let size = Winsize {
            ws_row: 24,
            ws_col: 80,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        let pty = openpty(&size, None).unwrap();
        let process = Command::new(env!("CARGO_BIN_EXE_egret"))
            .arg("top")
            .args(arguments)
            .env_remove("EGRET_ADMIN_TOKEN")
            .stdin(pty.slave.try_clone().unwrap())
            .stdout(pty.slave)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let keys = File::from(pty.master);
        let mut screen = keys.try_clone().unwrap();
        let (sender, shown) = sync_channel(1000);
        thread::spawn(move || {
            let mut part = [0; 4096];
            // It is an error to read once the process has ended.
            while let Ok(length @ 1..) = screen.read(&mut part) {
                let _ = sender.send(part[..length].to_vec());
            }
        });
        Self {
            process,
            keys,
            shown,
            seen: String::new(),
        }
    }

    /// Waits until a word was drawn.
    fn wait_for(&mut self, word: &str) {
        while !self.seen.contains(word) {
            let part = self.shown.recv_timeout(PATIENCE);
            let part =
                part.unwrap_or_else(|error| panic!("{error}: no {word:?} in {:?}", self.seen));
            self.seen += &String::from_utf8_lossy(&part);
        }
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits for the end. Returns the exit code, once the terminal was given back.
    fn end(mut self) -> Option<i32> {
        self.wait_for("\x1b[?1049l");
        self.wait_for("\x1b[?25h");
        self.process.wait().unwrap().code()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn with_a_refusal() -> ServedProcess {
    let served = ServedProcess::start(&[("policies.yaml", LOOPBACK), ("nobody.yaml", NOBODY)]);
    let answer = client::get(served.setup.address, "/", "refused.example");
    assert_eq!(answer.status, 403);
    served
}

#[test]
fn a_terminal_shows_what_is_refused_until_q() {
    let served = with_a_refusal();
    let admin = served.admin.to_string();
    let mut top = Terminal::start(&["--admin", &admin]);
    top.wait_for("Overview");
    top.press("3");
    top.wait_for("refused.example");
    top.press("\r");
    top.wait_for("This would allow it:");
    top.press("q");
    assert_eq!(top.end(), Some(0));
}

#[test]
fn a_signal_gives_the_terminal_back() {
    let served = ServedProcess::start(&[("policies.yaml", LOOPBACK)]);
    let admin = served.admin.to_string();
    for signal in ["TERM", "INT", "HUP"] {
        let mut top = Terminal::start(&["--admin", &admin]);
        top.wait_for("q quit");
        let process = top.process.id().to_string();
        let sent = Command::new("kill").args(["-s", signal, &process]).status();
        assert!(sent.unwrap().success());
        assert_eq!(top.end(), Some(0), "{signal}");
    }
}

#[test]
fn a_gateway_that_goes_away_is_told_in_the_frame() {
    let served = ServedProcess::start(&[("policies.yaml", LOOPBACK)]);
    let admin = served.admin.to_string();
    let mut top = Terminal::start(&["--admin", &admin, "--interval", "100ms"]);
    top.wait_for("q quit");
    served.stop();
    top.wait_for("not renewed: ");
    top.press("\x03");
    assert_eq!(top.end(), Some(0));
}

#[test]
fn a_pipe_gets_one_frame_of_text() {
    let served = with_a_refusal();
    let admin = served.admin.to_string();
    for arguments in [
        &["top", "--admin", &admin, "--view", "refusals", "--once"][..],
        &["top", "--admin", &admin, "--view", "refusals"],
    ] {
        let output = egret(arguments);
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains("\nrefused.example "), "{text}");
        assert!(
            !text.contains('\x1b') && !text.contains("q quit"),
            "{text:?}"
        );
    }
}

#[test]
fn without_a_gateway_there_is_one_line() {
    let port = SharedPort::reserve([Ipv4Addr::LOCALHOST]);
    let admin = format!("127.0.0.1:{}", port.port());
    let output = egret(&["top", "--admin", &admin]);
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(told.lines().count(), 1, "{told}");
    assert!(
        told.contains(&format!("{admin}: nobody answers: ")),
        "{told}"
    );
}

#[test]
fn the_token_is_asked_for_by_its_name() {
    let setup = ServeSetup::new(&[("policies.yaml", LOOPBACK)]);
    let served = setup.start(|command| {
        command.env("EGRET_ADMIN_TOKEN", "s3cret");
    });
    let admin = served.admin.to_string();
    for (token, code, told) in [
        (None, 1, "a token is needed"),
        (Some("other"), 1, "the token is not the gateway's"),
        (Some("s3cret"), 0, ""),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_egret"));
        command.args(["top", "--once", "--admin", &admin]);
        command.env_remove("EGRET_ADMIN_TOKEN");
        command.envs(token.map(|token| ("EGRET_ADMIN_TOKEN", token)));
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(stderr.contains(told), "{stderr}");
        assert!(
            stderr.is_empty() || stderr.contains("EGRET_ADMIN_TOKEN"),
            "{stderr}"
        );
    }
}
