//! Reads access logs that gateways have written.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal as _};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::files::STDIN;
use crate::{clock, console};

/// How what gzip has compressed begins (RFC 1952 2.3.1).
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// The fields of a line that tell what was asked for, and what was decided about it.
#[derive(Debug, Deserialize)]
pub(crate) struct LogLine<'a> {
    /// The client's address and port. A line of the access log always has it.
    #[serde(borrow)]
    pub(crate) client: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) listener: Option<Cow<'a, str>>,
    /// The rule that took the request, `namespace/route/rule`.
    #[serde(borrow)]
    pub(crate) route: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(crate) sni: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(crate) user: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(crate) method: Option<Cow<'a, str>>,
    /// How the request names where it wants to go; older logs do not tell.
    #[serde(borrow)]
    pub(crate) form: Option<Cow<'a, str>>,
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
    /// The redirects that were followed in place of the client.
    #[serde(borrow, default)]
    pub(crate) redirects: Vec<LoggedRedirect<'a>>,
}

/// A redirect that was followed.
#[derive(Debug, Deserialize)]
pub(crate) struct LoggedRedirect<'a> {
    pub(crate) status: u16,
    /// Where it came from.
    #[serde(borrow)]
    pub(crate) destination: Option<Cow<'a, str>>,
    /// Where it led, without the query.
    #[serde(borrow)]
    pub(crate) location: Cow<'a, str>,
}

impl<'a> LogLine<'a> {
    /// Reads a line; `None` if it is not one of the access log.
    pub(crate) fn read(line: &'a [u8]) -> Option<Self> {
        serde_json::from_slice(line).ok()
    }
}

/// Reads each line of logs, or of stdin as `-`, without the white space around it. Tells people how far it has got where
/// that takes long.
///
/// # Errors
/// The file that cannot be read, or that is compressed, and what to do.
pub(crate) fn read(logs: &[PathBuf], mut each: impl FnMut(&[u8])) -> Result<(), String> {
    for path in logs {
        let told = |error: io::Error| format!("{}: {error}", path.display());
        if path == Path::new(STDIN) {
            read_lines(io::stdin().lock(), &mut each, Progress::new(path, None)).map_err(told)?;
        } else {
            let file = File::open(path).map_err(told)?;
            let size = file.metadata().map_err(told)?.len();
            let progress = Progress::new(path, Some(size));
            let mut lines = BufReader::new(file);
            if lines.fill_buf().map_err(told)?.starts_with(&GZIP) {
                let path = path.display();
                return Err(format!(
                    "{path}: compressed by gzip; `-` reads what `zcat {path}` prints"
                ));
            }
            read_lines(lines, &mut each, progress).map_err(told)?;
        }
    }
    Ok(())
}

/// Says what is wrong with a log of which nothing could be read: nothing that is made of it would mean anything.
///
/// # Errors
/// If all lines are unreadable, and there are some.
pub(crate) fn check_read(readable: usize, unreadable: usize) -> Result<(), String> {
    if readable > 0 || unreadable == 0 {
        return Ok(());
    }
    Err(format!(
        "no line is of Egret's access log in its default format; lines read: {unreadable}"
    ))
}

fn read_lines(
    mut lines: impl BufRead,
    mut each: impl FnMut(&[u8]),
    mut progress: Progress<'_>,
) -> io::Result<()> {
    let mut line = Vec::new();
    loop {
        let length = lines.read_until(b'\n', &mut line)?;
        if length == 0 {
            return Ok(());
        }
        each(line.trim_ascii());
        progress.add(length);
        line.clear();
    }
}

/// How far a log has been read.
struct Progress<'p> {
    path: &'p Path,
    size: Option<u64>,
    read: u64,
    /// The lines until the time is asked for again.
    lines_left: u32,
    told_at: i64,
    is_shown: bool,
}

impl<'p> Progress<'p> {
    /// The lines between two looks at the time.
    const LINES: u32 = 1000;
    /// The seconds between two words of it.
    const INTERVAL: i64 = 2;

    fn new(path: &'p Path, size: Option<u64>) -> Self {
        Self {
            path,
            size,
            read: 0,
            lines_left: Self::LINES,
            told_at: clock::unix_time(),
            is_shown: io::stderr().is_terminal(),
        }
    }

    fn add(&mut self, length: usize) {
        self.read += length as u64;
        self.lines_left -= 1;
        if self.lines_left > 0 {
            return;
        }
        self.lines_left = Self::LINES;
        let now = clock::unix_time();
        if self.is_shown && now - self.told_at >= Self::INTERVAL {
            self.told_at = now;
            console::line(self.text());
        }
    }

    fn text(&self) -> String {
        let (path, read) = (self.path.display(), self.read >> 20);
        match self.size {
            Some(size) => format!("{path}: {read} of {} MiB", size >> 20),
            None => format!("{path}: {read} MiB"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_counted_in_bytes() {
        let mut progress = Progress::new(Path::new("a.log"), Some(3 << 20));
        progress.is_shown = false;
        for _ in 0..5000 {
            progress.add(300);
        }
        assert_eq!(progress.text(), "a.log: 1 of 3 MiB");
        progress.size = None;
        assert_eq!(progress.text(), "a.log: 1 MiB");
    }
}
