//! What a command prints on stdout.

use std::io::{self, Write as _};

/// Writes to stdout. A reader that has gone has read enough.
///
/// # Errors
/// If stdout cannot be written for another reason.
pub(crate) fn print(text: &str) -> io::Result<()> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    }
}
