//! The outcome of a request as a client saw it.

use std::process::{Command, Output};

use serde_json::Value;

/// A response, or the error of the client.
#[derive(Debug)]
pub(crate) struct ClientOutcome {
    pub(crate) status: u64,
    pub(crate) body: String,
    pub(crate) error: String,
}

impl ClientOutcome {
    /// Runs a client that prints its outcome as JSON.
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

    /// Runs curl, which prints the status after the body.
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

    /// Whether the client learnt that the request was denied, from the response or from the error.
    pub(crate) fn is_refused(&self) -> bool {
        let told = [
            "403",
            // Go does not print the status code.
            "Forbidden",
            // The status of gRPC.
            "PermissionDenied",
            // The TLS alert of a passthrough listener.
            "access denied",
            // curl does not print the status of a CONNECT over HTTP/2.
            "curl: (56) Failure",
        ];
        self.status == 403 || told.iter().any(|word| self.error.contains(word))
    }
}

fn run(command: &mut Command) -> Output {
    let output = command.output();
    output.unwrap_or_else(|error| panic!("{command:?}: {error}"))
}
