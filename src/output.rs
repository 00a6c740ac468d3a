//! What a command prints on stdout.

use std::io::{self, Write as _};
use std::process::ExitCode;

use serde::Serialize;

use crate::console;

/// What a command answers.
pub(crate) struct Answer {
    /// What it prints on stdout.
    pub(crate) text: String,
    /// Whether all is as it should be, which the exit code says.
    pub(crate) is_fine: bool,
}

impl From<String> for Answer {
    fn from(text: String) -> Self {
        let is_fine = true;
        Self { text, is_fine }
    }
}

/// A value as JSON for people too.
///
/// # Errors
/// If it cannot be written as JSON.
pub(crate) fn json(value: &impl Serialize) -> Result<String, String> {
    let json = serde_json::to_string_pretty(value).map_err(|error| error.to_string())?;
    Ok(json + "\n")
}

/// Prints an answer, or on stderr why there is none. The exit code is that of the command.
pub(crate) fn answer(outcome: Result<Answer, String>) -> ExitCode {
    let printed = outcome.and_then(|Answer { text, is_fine }| match print(&text) {
        Ok(()) => Ok(is_fine),
        Err(error) => Err(format!("cannot print the answer: {error}")),
    });
    match printed {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            // There may be one for each file.
            error.lines().for_each(console::error);
            ExitCode::FAILURE
        }
    }
}

/// Writes to stdout, after what was said on stderr: on a terminal the answer comes last. A reader that has gone has read
/// enough.
///
/// # Errors
/// If stdout cannot be written for another reason.
pub(crate) fn print(text: &str) -> io::Result<()> {
    console::finish();
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    }
}
