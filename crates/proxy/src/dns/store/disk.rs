//! The file, in a folder that belongs to the process.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::{Decoded, decode};

const FILE: &str = "dns";
/// What a file that is being written is called, before something that no other process says.
const TEMPORARY: &str = "dns.new.";
/// A temporary file of this age was left behind.
const ABANDONED: Duration = Duration::from_secs(60 * 60);
/// Most octets that are read: far more than are ever written.
const MAX_LENGTH: u64 = 256 * 1024 * 1024;
/// Most bad lines that are told one by one.
const MAX_TOLD: usize = 10;

/// A folder to keep a file in. Everything it does blocks.
#[derive(Debug)]
pub struct Store {
    folder: PathBuf,
}

impl Store {
    /// Makes the folder if there is none, and sees whether it can be written to; `wall` is the time.
    ///
    /// # Errors
    /// If not; the text names the folder.
    pub fn open(folder: PathBuf, wall: SystemTime) -> io::Result<Self> {
        let store = Self { folder };
        store.try_out(wall).map_err(|error| {
            let folder = store.folder.display();
            let text = format!("cannot write to the state folder {folder}: {error}");
            io::Error::new(error.kind(), text)
        })?;
        Ok(store)
    }

    fn try_out(&self, wall: SystemTime) -> io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        let (path, _file) = self.create()?;
        fs::remove_file(path)?;
        self.remove_abandoned(wall)
    }

    /// What the file holds. What cannot be read is told as a warning and left out.
    #[must_use]
    pub fn load(&self, wall: SystemTime) -> Decoded {
        let path = self.path();
        let text = match read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Decoded::default(),
            Err(error) => {
                tracing::warn!("{}: {error}; the names in it are not known", path.display());
                return Decoded::default();
            }
        };
        let decoded = decode(&text, wall);
        for (line, error) in decoded.bad.iter().take(MAX_TOLD) {
            tracing::warn!("{}:{line}: {error}", path.display());
        }
        if let Some(more) = decoded.bad.len().checked_sub(MAX_TOLD + 1) {
            let more = more + 1;
            tracing::warn!(
                "{}: {more} more lines are not as they were written",
                path.display()
            );
        }
        decoded
    }

    /// Puts this text in place of the file, as a whole or not at all.
    ///
    /// # Errors
    /// If that fails; the file is as it was.
    pub fn save(&self, text: &str) -> io::Result<()> {
        let (path, file) = self.create()?;
        let written = self.replace(&path, file, text);
        if written.is_err() {
            // What cannot be written may not be removable either.
            let _ = fs::remove_file(path);
        }
        written
    }

    fn replace(&self, path: &Path, mut file: File, text: &str) -> io::Result<()> {
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        drop(file);
        fs::rename(path, self.path())?;
        // So that the new name is on the disk too. Not every file system can.
        let _ = File::open(&self.folder).and_then(|folder| folder.sync_all());
        Ok(())
    }

    /// Where the file is.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.folder.join(FILE)
    }

    /// A new file under a name that no other process uses.
    fn create(&self) -> io::Result<(PathBuf, File)> {
        let name = format!("{TEMPORARY}{:016x}", rand::random::<u64>());
        let path = self.folder.join(name);
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        Ok((path, file))
    }

    /// Of processes that were killed while they wrote.
    fn remove_abandoned(&self, wall: SystemTime) -> io::Result<()> {
        for file in fs::read_dir(&self.folder)? {
            let file = file?;
            let temporary = file.file_name().to_string_lossy().starts_with(TEMPORARY);
            let modified = file.metadata().and_then(|metadata| metadata.modified());
            let age = modified
                .ok()
                .and_then(|modified| wall.duration_since(modified).ok());
            if temporary && age.is_some_and(|age| age > ABANDONED) {
                let _ = fs::remove_file(file.path());
            }
        }
        Ok(())
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let length = fs::metadata(path)?.len();
    if length > MAX_LENGTH {
        let text = format!("{length} octets are too many");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
    }
    fs::read(path)
}

#[cfg(test)]
mod tests;
