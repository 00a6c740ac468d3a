//! Reads access logs that gateways have written.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// The name of stdin as a path.
const STDIN: &str = "-";

/// The fields of a line that tell what was asked for, and what was decided about it.
#[derive(Debug, Deserialize)]
pub(crate) struct LogLine<'a> {
    /// The client's address and port. A line of the access log always has it.
    #[serde(borrow)]
    pub(crate) client: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) listener: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(crate) sni: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(crate) user: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(crate) method: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(crate) scheme: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(crate) authority: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(crate) destination: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(crate) path: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(crate) protocol: Option<Cow<'a, str>>,
    pub(crate) status: Option<u16>,
    #[serde(borrow)]
    pub(crate) reason: Option<Cow<'a, str>>,
    /// The identity of a refusal.
    #[serde(borrow)]
    pub(crate) id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(crate) verdict: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(crate) policy: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(crate) rule: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(crate) upstream: Option<Cow<'a, str>>,
}

impl<'a> LogLine<'a> {
    /// Reads a line; `None` if it is not one of the access log.
    pub(crate) fn read(line: &'a [u8]) -> Option<Self> {
        serde_json::from_slice(line).ok()
    }
}

/// Reads each line of logs, or of stdin as `-`, without the white space around it.
///
/// # Errors
/// The file that cannot be read, and why.
pub(crate) fn read(logs: &[PathBuf], mut each: impl FnMut(&[u8])) -> Result<(), String> {
    for path in logs {
        let read = if path == Path::new(STDIN) {
            read_lines(io::stdin().lock(), &mut each)
        } else {
            File::open(path).and_then(|file| read_lines(BufReader::new(file), &mut each))
        };
        read.map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(())
}

fn read_lines(mut lines: impl BufRead, mut each: impl FnMut(&[u8])) -> io::Result<()> {
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line)? > 0 {
        each(line.trim_ascii());
        line.clear();
    }
    Ok(())
}
