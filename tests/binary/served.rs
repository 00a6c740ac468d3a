//! Runs `egret serve` as a process for tests.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::Duration;

use egret_testkit::gateway::quickstart_gateway;
use egret_testkit::{SharedPort, client};
use tempfile::TempDir;

use super::example;

const PATIENCE: Duration = Duration::from_secs(20);

/// Has the system choose the port of the admin server.
const ANY_ADMIN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// A folder with a copy of the quickstart, whose listener is on a free port of an address that no other test uses.
pub(crate) struct ServeSetup {
    pub(crate) folder: TempDir,
    pub(crate) address: SocketAddr,
    _port: SharedPort,
}

/// A running `egret serve`. Dropping it kills the process.
pub(crate) struct ServedProcess {
    pub(crate) setup: Rc<ServeSetup>,
    pub(crate) process: Child,
    pub(crate) stderr: Receiver<String>,
    pub(crate) admin: SocketAddr,
}

impl ServeSetup {
    pub(crate) fn new(more: &[(&str, &str)]) -> Rc<Self> {
        let folder = tempfile::tempdir().unwrap();
        let ip = Ipv4Addr::new(127, 0, 0, 77);
        let port = SharedPort::reserve([ip]);
        let address = SocketAddr::new(ip.into(), port.port());
        let gateway = quickstart_gateway(address);
        fs::write(folder.path().join("gateway.yaml"), gateway).unwrap();
        for file in ["backend.yaml", "httproute.yaml"] {
            let copy = folder.path().join(file);
            fs::copy(example("quickstart").join(file), copy).unwrap();
        }
        let setup = Self {
            folder,
            address,
            _port: port,
        };
        for (file, text) in more {
            setup.write(file, text);
        }
        Rc::new(setup)
    }

    pub(crate) fn write(&self, file: &str, text: &str) {
        fs::write(self.folder.path().join(file), text).unwrap();
    }

    /// The command line that serves the folder.
    pub(crate) fn command(&self) -> Command {
        self.command_under("", ANY_ADMIN)
    }

    /// As [`Self::command`], after a shell command that sets limits or redirects.
    pub(crate) fn command_under(&self, limit: &str, admin: SocketAddr) -> Command {
        let mut command = Command::new("sh");
        command
            .args(["-c", &format!("{limit}\nexec \"$0\" \"$@\"")])
            .args([env!("CARGO_BIN_EXE_egret"), "serve"]);
        command
            .arg(self.folder.path())
            .args(["--admin", &admin.to_string()])
            .args(["--workers", "2", "--drain-timeout", "10s"]);
        command
    }

    /// Starts the process. `more` can add arguments and environment variables.
    pub(crate) fn start(self: &Rc<Self>, more: impl FnOnce(&mut Command)) -> ServedProcess {
        self.start_until(more, |_| {})
    }

    /// As [`Self::start`]. `told` receives every line on stderr until the process serves.
    pub(crate) fn start_until(
        self: &Rc<Self>,
        more: impl FnOnce(&mut Command),
        mut told: impl FnMut(&str),
    ) -> ServedProcess {
        self.spawn(self.command(), more, &mut told)
    }

    fn spawn(
        self: &Rc<Self>,
        mut command: Command,
        more: impl FnOnce(&mut Command),
        told: &mut dyn FnMut(&str),
    ) -> ServedProcess {
        more(&mut command);
        let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let stderr = lines(process.stderr.take().unwrap());
        let admin = loop {
            let line = wait_for(&stderr, "");
            told(&line);
            if let Some((_, admin)) = line.split_once("http://") {
                break admin.trim_end_matches('/').parse().unwrap();
            }
        };
        ServedProcess {
            setup: Rc::clone(self),
            process,
            stderr,
            admin,
        }
    }
}

impl ServedProcess {
    pub(crate) fn start(more: &[(&str, &str)]) -> Self {
        ServeSetup::new(more).start(|_| {})
    }

    /// As [`Self::command`], after a shell command that sets limits.
    pub(crate) fn start_under(limit: &str, more: &[(&str, &str)]) -> Self {
        let setup = ServeSetup::new(more);
        setup.spawn(setup.command_under(limit, ANY_ADMIN), |_| {}, &mut |_| {})
    }

    pub(crate) fn write(&self, file: &str, text: &str) {
        self.setup.write(file, text);
    }

    pub(crate) fn ask(&self, path: &str) -> client::Response {
        client::get(self.admin, path, &self.admin.to_string())
    }

    pub(crate) fn signal(&self, signal: &str) {
        let status = Command::new("kill")
            .args(["-s", signal, &self.process.id().to_string()])
            .status();
        assert!(status.unwrap().success());
    }

    /// Stops the process with SIGTERM, and checks that it exits with 0.
    pub(crate) fn stop(mut self) {
        self.signal("TERM");
        assert_eq!(self.process.wait().unwrap().code(), Some(0));
    }

    /// A field of `/proc/PID/status` in KiB, such as `VmRSS:`.
    pub(crate) fn memory(&self, field: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(field))
            .unwrap();
        line.trim_matches(|c: char| !c.is_ascii_digit())
            .parse()
            .unwrap()
    }
}

impl Drop for ServedProcess {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub(crate) fn lines(from: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = sync_channel(1000);
    thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    lines
}

/// Waits for the next line that contains `part`.
pub(crate) fn wait_for(lines: &Receiver<String>, part: &str) -> String {
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
