//! The access log: a line for each exchange, in the default log or in the sinks that policies configure for its listener.
//!
//! Workers format lines into buffers of their own and hand them over in batches to the thread of the file, which writes
//! them. If the reader of a log stalls, lines are lost and counted; requests are never delayed.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Duration;

use egret_config::access_log::{AccessLog, LogFilter, LogPath};

use super::outbox::Outbox;
use crate::record::Record;
use buffer::LogBuffer;
pub(super) use collected::field as text_of;
pub(crate) use files::LogFiles;
pub(super) use filter::admits;
#[cfg(test)]
pub(super) use format::tests::situations;
pub(super) use format::{LineFacts, environment, hostname, point, write_line as format_line};

mod buffer;
mod collected;
mod files;
mod filter;
mod format;
mod json_object;
mod line;
mod output;
mod plain;
mod writer;

/// Longest time that a line waits in a worker's buffer.
pub(crate) const FLUSH_INTERVAL: Duration = Duration::from_millis(50);

/// The logs as one worker writes them.
pub(crate) struct WorkerLogs {
    files: Arc<LogFiles>,
    default: LogBuffer,
    /// Of the files that this worker has written to.
    others: RefCell<Vec<(LogPath, LogBuffer)>>,
    /// Whether the buffers are to be flushed.
    awaits_flush: Cell<bool>,
}

impl WorkerLogs {
    /// The logs of a worker that has written nothing yet.
    pub(crate) fn new(files: Arc<LogFiles>) -> Self {
        Self {
            default: LogBuffer::new(Arc::clone(files.default_writer())),
            files,
            others: RefCell::default(),
            awaits_flush: Cell::default(),
        }
    }

    /// Adds the lines of an exchange, and posts what services are told of it. Returns whether the caller must [flush](WorkerLogs::flush) what was written, because
    /// nobody is going to yet.
    pub(crate) fn write(&self, log: &AccessLog, record: &Record<'_>, outbox: &Outbox) -> bool {
        match log {
            AccessLog::Off => return false,
            AccessLog::Default => self.default.write(|out| {
                line::write(record, out);
                out.push(b'\n');
            }),
            AccessLog::Sinks(sinks) => {
                let facts = LineFacts {
                    record,
                    inputs: &sinks.inputs,
                };
                let lot = |bound| rand::random_range(0..bound);
                let is_admitted = |filter: &Option<LogFilter>| {
                    let filter = filter.as_ref();
                    filter.is_none_or(|filter| admits(filter, facts, &lot))
                };
                for sink in sinks.sinks.iter().filter(|sink| is_admitted(&sink.filter)) {
                    self.to(&sink.path, |buffer| {
                        buffer.write(|out| format::write_line(&sink.format, facts, out));
                    });
                }
                for log in sinks
                    .collectors
                    .iter()
                    .filter(|log| is_admitted(&log.filter))
                {
                    let (to, entry) = collected::entry(&log.to, facts);
                    outbox.post(&to, entry);
                }
            }
        }
        !self.awaits_flush.replace(true)
    }

    /// Calls a function with the buffer of a file.
    fn to(&self, path: &LogPath, write: impl FnOnce(&LogBuffer)) {
        let mut others = self.others.borrow_mut();
        let found = others.iter().position(|(known, _)| known == path);
        let index = found.unwrap_or_else(|| {
            let buffer = LogBuffer::new(self.files.writer(path));
            others.push((path.clone(), buffer));
            others.len() - 1
        });
        write(&others[index].1);
    }

    /// Hands the buffered lines over to their writers.
    pub(crate) fn flush(&self) {
        self.awaits_flush.set(false);
        self.default.flush();
        for (_, buffer) in self.others.borrow().iter() {
            buffer.flush();
        }
    }

    /// Lets go of the files that are not among these, which closes them once no worker writes to them.
    pub(crate) fn keep_only(&self, is_wanted: impl Fn(&LogPath) -> bool) {
        self.others.borrow_mut().retain(|(path, _)| is_wanted(path));
    }
}
