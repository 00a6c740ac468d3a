//! The file of the caches, in a folder that belongs to the process.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::format::{StoredNames, decode};

const FILE: &str = "dns";
/// The prefix of the name of a file that is being written; a random number follows, so that no two processes share one.
const TEMPORARY: &str = "dns.new.";
/// The age from which a temporary file counts as left behind by a process that was killed.
const ABANDONED: Duration = Duration::from_secs(60 * 60);
/// The most bytes that are read: far more than are ever written.
const MAX_LENGTH: u64 = 256 * 1024 * 1024;
/// The most bad lines that are logged one by one.
const MAX_LOGGED: usize = 10;

/// A folder with the file of the caches. All of its functions block.
#[derive(Debug)]
pub(crate) struct CacheStore {
    folder: PathBuf,
}

impl CacheStore {
    /// Creates the folder if there is none, and checks that it can be written to; `wall` is the time.
    ///
    /// # Errors
    /// If the folder cannot be created or written to; the text names it.
    pub(crate) fn open(folder: PathBuf, wall: SystemTime) -> io::Result<Self> {
        let store = Self { folder };
        store.check_writable(wall).map_err(|error| {
            let folder = store.folder.display();
            let text = format!("cannot write to the state folder {folder}: {error}");
            io::Error::new(error.kind(), text)
        })?;
        Ok(store)
    }

    fn check_writable(&self, wall: SystemTime) -> io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        let (path, _file) = self.create()?;
        fs::remove_file(path)?;
        self.remove_abandoned(wall)
    }

    /// Reads the file; `wall` is the time. Lines that cannot be read are logged as warnings and left out.
    #[must_use]
    pub(in crate::dns) fn load(&self, wall: SystemTime) -> StoredNames {
        let path = self.path();
        let text = match read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return StoredNames::default(),
            Err(error) => {
                tracing::warn!("{}: {error}; the names in it are not known", path.display());
                return StoredNames::default();
            }
        };
        let stored = decode(&text, wall);
        for (line, error) in stored.bad.iter().take(MAX_LOGGED) {
            tracing::warn!("{}:{line}: {error}", path.display());
        }
        if let Some(more) = stored.bad.len().checked_sub(MAX_LOGGED + 1) {
            let more = more + 1;
            tracing::warn!(
                "{}: {more} more lines are not as they were written",
                path.display()
            );
        }
        stored
    }

    /// Replaces the file with this text, atomically.
    ///
    /// # Errors
    /// If that fails; the file is then as it was.
    pub(crate) fn save(&self, text: &str) -> io::Result<()> {
        let (path, file) = self.create()?;
        let written = self.replace(&path, file, text);
        if written.is_err() {
            // A file that cannot be written may not be removable either.
            let _ = fs::remove_file(path);
        }
        written
    }

    fn replace(&self, path: &Path, mut file: File, text: &str) -> io::Result<()> {
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        drop(file);
        fs::rename(path, self.path())?;
        // Writes the new name to the disk too, which not every file system supports.
        let _ = File::open(&self.folder).and_then(|folder| folder.sync_all());
        Ok(())
    }

    /// The path of the file.
    #[must_use]
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.join(FILE)
    }

    /// Creates a temporary file under a name that no other process uses.
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

    /// Removes the temporary files of processes that were killed while they wrote.
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
        let text = format!("{length} bytes are too many");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
    }
    fs::read(path)
}

#[cfg(test)]
mod tests;
