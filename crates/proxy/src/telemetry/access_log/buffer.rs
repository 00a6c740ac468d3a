//! The lines of one worker for one file, until they are handed over to its writer.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use super::writer::{LogBatch, LogWriter};

/// Size in bytes at which a batch is handed over before its time.
const BATCH: usize = 16 * 1024;

/// The buffer of one worker for one file.
#[derive(Debug)]
pub(super) struct LogBuffer {
    batch: RefCell<LogBatch>,
    /// Bytes that are reserved for a batch at its first line: somewhat more than the last one had.
    expected: Cell<usize>,
    writer: Arc<LogWriter>,
}

impl LogBuffer {
    pub(super) fn new(writer: Arc<LogWriter>) -> Self {
        Self {
            batch: RefCell::default(),
            expected: Cell::default(),
            writer,
        }
    }

    /// Adds a line.
    pub(super) fn write(&self, line: impl FnOnce(&mut Vec<u8>)) {
        let mut batch = self.batch.borrow_mut();
        if batch.bytes.is_empty() {
            batch.bytes.reserve(self.expected.get());
        }
        line(&mut batch.bytes);
        batch.lines += 1;
        if batch.bytes.len() >= BATCH {
            drop(batch);
            self.flush();
        }
    }

    /// Hands the lines over.
    pub(super) fn flush(&self) {
        let batch = self.batch.take();
        if batch.lines > 0 {
            let size = batch.bytes.len();
            self.expected.set(size + size / 4);
            self.writer.hand_over(batch);
        }
    }
}

impl Drop for LogBuffer {
    fn drop(&mut self) {
        self.flush();
    }
}
