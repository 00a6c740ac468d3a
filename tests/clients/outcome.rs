//! What a client saw.

use std::process::{Command, Output};

use serde_json::Value;

/// A response, or why there was none.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) status: u64,
    pub(crate) body: String,
    pub(crate) error: String,
}

impl Outcome {
    /// Runs a client that prints it as JSON.
    pub(crate) fn of(command: &mut Command) -> Self {
        let output = run(command);
        let seen: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{command:?}: {error}: {output:?}"));
        let text = |name: &str| seen[name].as_str().unwrap_or_default().to_owned();
        Self {
            status: seen["status"].as_u64().unwrap_or_default(),
            body: text("body"),
            error: text("error"),
        }
    }

    /// Runs curl, which prints the status behind the body.
    pub(crate) fn of_curl(command: &mut Command) -> Self {
        let output = run(command.args(["--write-out", "\n%{http_code}"]));
        let printed = String::from_utf8_lossy(&output.stdout);
        let (body, status) = printed.rsplit_once('\n').unwrap_or_default();
        Self {
            status: status.parse().unwrap_or_default(),
            body: body.to_owned(),
            error: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Whether it was told that it may not go there, by a response or as the reason why there is none.
    pub(crate) fn is_refused(&self) -> bool {
        let told = [
            "403",
            // Go, which tells no number.
            "Forbidden",
            // gRPC.
            "PermissionDenied",
            // The alert of TLS that is passed on.
            "access denied",
            // curl, which tells nothing of what it was told by HTTP/2.
            "curl: (56) Failure",
        ];
        self.status == 403 || told.iter().any(|word| self.error.contains(word))
    }
}

fn run(command: &mut Command) -> Output {
    let output = command.output();
    output.unwrap_or_else(|error| panic!("{command:?}: {error}"))
}
