//! Finds the clients that are installed on this machine.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Environment variables that could select another proxy than that of the test.
const VARIABLES: [&str; 4] = ["http_proxy", "https_proxy", "all_proxy", "no_proxy"];

/// A client program.
#[derive(Debug)]
pub(crate) struct ClientTool {
    program: PathBuf,
    first: Vec<PathBuf>,
    modules: Option<PathBuf>,
}

impl ClientTool {
    /// Python with the libraries of `python/requirements.txt`, to run a script of that folder.
    pub(crate) fn python(script: &str) -> Option<Self> {
        let program = installed().join("python/bin/python");
        let first = vec![sources().join("python").join(script)];
        found("Python's libraries", program.exists()).then_some(Self {
            program,
            first,
            modules: None,
        })
    }

    /// Node with the modules of `node/package.json`, to run a script of that folder.
    pub(crate) fn node(script: &str) -> Option<Self> {
        let modules = installed().join("node/node_modules");
        let there = modules.exists() && answers("node", "--version");
        let first = vec![sources().join("node").join(script)];
        found("Node's modules", there).then(|| Self {
            program: "node".into(),
            first,
            modules: Some(modules),
        })
    }

    /// The program that is built from the folder `go`.
    pub(crate) fn go() -> Option<Self> {
        let program = installed().join("go/clients");
        found("Go's clients", program.exists()).then(|| Self::of(program))
    }

    /// The curl of the machine.
    pub(crate) fn curl() -> Option<Self> {
        let there = answers("curl", "--version");
        found("curl", there).then(|| Self::of("curl".into()))
    }

    /// A curl with this option, if there is one: that of the machine, or the one that `conformance/curl` builds.
    pub(crate) fn curl_with(option: &str) -> Option<Self> {
        let built = target().join("conformance/curl/build/src/curl");
        let has_it = |program: &PathBuf| {
            let output = Command::new(program).args(["--help", "all"]).output();
            output.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains(option))
        };
        let program = ["curl".into(), built].into_iter().find(has_it);
        if program.is_none() {
            println!("left out: there is no curl with {option} here");
        }
        program.map(Self::of)
    }

    fn of(program: PathBuf) -> Self {
        Self {
            program,
            first: Vec::new(),
            modules: None,
        }
    }

    /// The command without a proxy in its environment.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        for name in VARIABLES {
            command.env_remove(name).env_remove(name.to_uppercase());
        }
        if let Some(modules) = &self.modules {
            command.env("NODE_PATH", modules);
        }
        command.args(&self.first);
        command
    }

    /// The command with this proxy in its environment.
    pub(crate) fn command_through(&self, proxy: &str) -> Command {
        let mut command = self.command();
        command.env("http_proxy", proxy).env("https_proxy", proxy);
        command
    }
}

fn found(what: &str, there: bool) -> bool {
    if !there {
        let wanted = std::env::var("EGRET_CLIENTS").is_ok_and(|wanted| wanted == "all");
        assert!(!wanted, "{what} are not here; .ci/clients installs them");
        println!("left out: {what} are not here");
    }
    there
}

fn answers(program: &str, argument: &str) -> bool {
    let output = Command::new(program).arg(argument).output();
    output.is_ok_and(|output| output.status.success())
}

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients")
}

fn installed() -> PathBuf {
    target().join("clients")
}

fn target() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("..")
}
