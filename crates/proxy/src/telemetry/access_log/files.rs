//! The files that lines are written to, each by one writer.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use egret_config::access_log::LogPath;

use super::output::LogOutput;
use super::writer::{LogTotals, LogWriter};
use crate::clock;

/// Every log that is being written.
#[derive(Debug)]
pub(crate) struct LogFiles {
    /// Where exchanges go that no policy sends elsewhere.
    default: Arc<LogWriter>,
    stdout: Arc<LogWriter>,
    /// The others. A writer ends when no worker writes to it any more.
    others: Mutex<BTreeMap<LogPath, Weak<LogWriter>>>,
    totals: Arc<LogTotals>,
}

impl LogFiles {
    /// Starts the writer of `stdout`, and one of the default log if that is a file.
    ///
    /// # Errors
    /// If a thread cannot be started.
    pub(crate) fn start(
        stdout: Box<dyn Write + Send>,
        default: Option<PathBuf>,
    ) -> io::Result<Arc<Self>> {
        let totals = Arc::<LogTotals>::default();
        let name = "the access log".to_owned();
        let stdout = Arc::new(LogWriter::start(name, LogOutput::Stream(stdout), &totals)?);
        let default = match default {
            Some(path) => {
                let name = format!("the access log {}", path.display());
                Arc::new(LogWriter::start(name, LogOutput::file(path), &totals)?)
            }
            None => Arc::clone(&stdout),
        };
        Ok(Arc::new(Self {
            default,
            stdout,
            others: Mutex::default(),
            totals,
        }))
    }

    /// The writer of the default log.
    pub(super) fn default_writer(&self) -> &Arc<LogWriter> {
        &self.default
    }

    /// The writer of a file, which is started if there is none.
    pub(super) fn writer(&self, path: &LogPath) -> Arc<LogWriter> {
        let file = match path {
            LogPath::Stdout => return Arc::clone(&self.stdout),
            LogPath::Stderr => LogOutput::Stream(Box::new(io::stderr())),
            LogPath::File(file) => LogOutput::file(&**file),
        };
        let name = match path {
            LogPath::File(file) => format!("the access log {file}"),
            LogPath::Stdout | LogPath::Stderr => "the access log on stderr".to_owned(),
        };
        let mut others = self.others();
        if let Some(writer) = others.get(path).and_then(Weak::upgrade) {
            return writer;
        }
        match LogWriter::start(name, file, &self.totals) {
            Ok(writer) => {
                let writer = Arc::new(writer);
                others.retain(|_, writer| writer.strong_count() > 0);
                others.insert(path.clone(), Arc::downgrade(&writer));
                writer
            }
            Err(error) => {
                tracing::error!(%error, "no thread can be started for an access log, which goes to the default one");
                Arc::clone(&self.default)
            }
        }
    }

    /// Opens all files anew, because they may have been moved away.
    pub(crate) fn reopen(&self) {
        for writer in self.all() {
            writer.reopen();
        }
    }

    /// Ends all writers once everything handed over so far is written. Blocks until then.
    pub(crate) fn end(&self) {
        let all = self.all();
        std::thread::scope(|scope| {
            // Each in its own time: one whose reader has stalled delays no other.
            for writer in &all {
                scope.spawn(|| writer.end());
            }
            scope.spawn(|| self.totals.end());
        });
    }

    /// The number of lines that were lost because the reader of a log did not keep up or writing failed.
    #[must_use]
    pub(crate) fn dropped(&self) -> u64 {
        self.totals.dropped()
    }

    /// The logs that lose lines now, or are about to, and why.
    pub(crate) fn troubles(&self) -> Vec<String> {
        let (all, now) = (self.all().into_iter(), clock::now());
        all.filter_map(|writer| writer.trouble(now)).collect()
    }

    /// Every writer once.
    fn all(&self) -> Vec<Arc<LogWriter>> {
        let mut all = vec![Arc::clone(&self.stdout)];
        if !Arc::ptr_eq(&self.stdout, &self.default) {
            all.push(Arc::clone(&self.default));
        }
        all.extend(self.others().values().filter_map(Weak::upgrade));
        all
    }

    fn others(&self) -> MutexGuard<'_, BTreeMap<LogPath, Weak<LogWriter>>> {
        self.others.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
