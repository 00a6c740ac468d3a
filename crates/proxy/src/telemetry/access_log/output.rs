//! Where the lines of one log are written.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::PathBuf;

/// Where a log is written.
pub(crate) enum LogOutput {
    /// A stream that stays open.
    Stream(Box<dyn Write + Send>),
    /// The end of a file, which is opened when there is something to write, and again when it was moved away.
    File(AppendedFile),
}

/// A file that lines are appended to.
pub(crate) struct AppendedFile {
    path: PathBuf,
    open: Option<File>,
    /// Whether the last line is cut off, because the disk was full.
    is_cut: bool,
}

impl LogOutput {
    /// The end of this file.
    pub(crate) fn file(path: impl Into<PathBuf>) -> Self {
        Self::File(AppendedFile {
            path: path.into(),
            open: None,
            is_cut: false,
        })
    }

    /// Writes all of it.
    ///
    /// # Errors
    /// If a part of it could not be written.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Stream(stream) => stream.write_all(bytes).and_then(|()| stream.flush()),
            Self::File(file) => file.write(bytes),
        }
    }

    /// Lets go of the file, so that the next line opens the one that then has its name.
    pub(super) fn reopen(&mut self) {
        if let Self::File(file) = self {
            file.open = None;
            // It is there when whoever moved the other away looks for it. Should it not open, the next line says so.
            let _ = file.open();
        }
    }
}

impl AppendedFile {
    fn open(&mut self) -> io::Result<&mut File> {
        if self.open.is_none() {
            let opened = OpenOptions::new()
                .append(true)
                .create(true)
                .open(&self.path)?;
            self.is_cut = false;
            self.open = Some(opened);
        }
        self.open.as_mut().ok_or_else(|| ErrorKind::NotFound.into())
    }

    fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        self.open()?;
        if self.is_cut {
            // What comes after a line that is cut off is a line of its own.
            self.open()?.write_all(b"\n")?;
            self.is_cut = false;
        }
        let whole = bytes.len();
        while !bytes.is_empty() {
            match self.open()?.write(bytes) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => bytes = &bytes[written..],
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    self.is_cut = bytes.len() < whole;
                    return Err(error);
                }
            }
        }
        Ok(())
    }
}
