//! Configuration files: finds and reads them, and notices when they change.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use egret_config::load::{self, LoadedConfig};
use notify::event::{AccessKind, AccessMode};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc::{Receiver, channel};
use tokio::time::timeout;

/// Changes are read once there was no event for this long, because editors and `kubectl cp` write in several steps.
const SETTLE: Duration = Duration::from_millis(100);
/// The longest time from the first event of a change until the files are read.
const MAX_DELAY: Duration = Duration::from_millis(500);
/// The interval of polling, because not every file system reports changes.
const POLL_INTERVAL: Duration = Duration::from_secs(5);

const WRITTEN: AccessKind = AccessKind::Close(AccessMode::Write);

/// Why a file of a folder is passed over.
pub(crate) const PASSED_OVER: &str =
    "not read, because its name does not end in .yaml, .yml or .json";

/// The texts of all configuration files, by path in a stable order.
#[derive(Debug, Default)]
pub(crate) struct ConfigFiles {
    texts: Vec<(PathBuf, String)>,
    unreadable: Vec<String>,
    /// The files of folders that are not read because of their names.
    passed_over: Vec<PathBuf>,
}

/// Notices when files may have changed.
pub(crate) struct FileWatcher {
    events: Receiver<()>,
    /// Kept because dropping it stops the events.
    _watcher: Option<RecommendedWatcher>,
}

impl ConfigFiles {
    /// Reads the given files, and in given folders, recursively, all files that end in `.yaml`, `.yml` or `.json`, in letters of
    /// any case, and are not hidden.
    pub(crate) fn read(paths: &[PathBuf]) -> Self {
        let mut files = Self::default();
        for path in paths {
            files.add(path);
        }
        files
    }

    fn add(&mut self, path: &Path) {
        let added = if path.is_dir() {
            self.add_folder(path)
        } else {
            self.add_file(path)
        };
        if let Err(error) = added {
            self.unreadable.push(format!("{}: {error}", path.display()));
        }
    }

    fn add_folder(&mut self, folder: &Path) -> io::Result<()> {
        let mut entries: Vec<_> = folder
            .read_dir()?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<io::Result<_>>()?;
        entries.sort();
        for path in entries {
            if is_hidden(&path) {
                continue;
            }
            if path.is_dir() || is_configuration(&path) {
                self.add(&path);
            } else {
                self.passed_over.push(path);
            }
        }
        Ok(())
    }

    fn add_file(&mut self, path: &Path) -> io::Result<()> {
        let text = std::fs::read_to_string(path)?;
        self.texts.push((path.to_owned(), text));
        Ok(())
    }

    /// Whether the same would be read from other files.
    pub(crate) fn has_content_of(&self, other: &Self) -> bool {
        self.texts == other.texts && self.unreadable == other.unreadable
    }

    /// The files of folders that are not read because of their names. A policy may be in one of them.
    pub(crate) fn passed_over(&self) -> &[PathBuf] {
        &self.passed_over
    }

    /// Parses the files. The second value has one line for each file that could not be read.
    pub(crate) fn load(&self) -> (LoadedConfig, &[String]) {
        let names: Vec<_> = self
            .texts
            .iter()
            .map(|(path, text)| (path.display().to_string(), text))
            .collect();
        let files = names
            .iter()
            .map(|(name, text)| load::ConfigFile { name, text });
        (load::load(files), &self.unreadable)
    }
}

fn is_hidden(path: &Path) -> bool {
    path.file_name()
        .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

fn is_configuration(path: &Path) -> bool {
    path.extension().is_some_and(|extension| {
        ["yaml", "yml", "json"]
            .iter()
            .any(|known| extension.eq_ignore_ascii_case(known))
    })
}

impl FileWatcher {
    /// Watches the folders, and the parent folders of the files, because many programs replace a file instead of writing it.
    pub(crate) fn start(paths: &[PathBuf]) -> Self {
        let (sender, events) = channel(1);
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // Reading the files causes events too, and must not cause the files to be read again.
            if event
                .is_ok_and(|event| matches!(event.kind, EventKind::Access(kind) if kind != WRITTEN))
            {
                return;
            }
            // One pending notification is enough.
            let _ = sender.try_send(());
        });
        let watcher = watcher.and_then(|mut watcher| {
            for path in paths {
                let (folder, mode) = if path.is_dir() {
                    (path.as_path(), RecursiveMode::Recursive)
                } else {
                    (parent(path), RecursiveMode::NonRecursive)
                };
                watcher.watch(folder, mode)?;
            }
            Ok(watcher)
        });
        let watcher = watcher
            .inspect_err(|error| tracing::warn!(%error, "cannot watch the files: polling every {POLL_INTERVAL:?}"))
            .ok();
        Self {
            events,
            _watcher: watcher,
        }
    }

    /// Completes when the files should be read again.
    pub(crate) async fn changed(&mut self) {
        let Ok(Some(())) = timeout(POLL_INTERVAL, self.events.recv()).await else {
            // Without a watcher the channel is closed, and receiving returns at once.
            if self._watcher.is_none() {
                tokio::time::sleep(POLL_INTERVAL).await;
            }
            return;
        };
        let settled = async {
            while timeout(SETTLE, self.events.recv())
                .await
                .is_ok_and(|event| event.is_some())
            {}
        };
        let _ = timeout(MAX_DELAY, settled).await;
    }
}

fn parent(path: &Path) -> &Path {
    path.parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or_else(|| Path::new("."))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn names(files: &ConfigFiles, root: &Path) -> Vec<String> {
        files
            .texts
            .iter()
            .map(|(path, _)| path.strip_prefix(root).unwrap().display().to_string())
            .collect()
    }

    #[test]
    fn folders_are_searched_and_hidden_files_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir_all(root.join("sub/deep")).unwrap();
        fs::create_dir_all(root.join("..data")).unwrap();
        for name in [
            "b.yml",
            "a.yaml",
            "c.json",
            "note.txt",
            "policy.yaml.bak",
            "D.YAML",
            "E.Yml",
            "F.JSON",
            ".d.yaml",
            "sub/deep/e.yaml",
            "..data/f.yaml",
        ] {
            fs::write(root.join(name), name).unwrap();
        }
        let files = ConfigFiles::read(&[root.to_owned()]);
        assert_eq!(
            names(&files, root),
            [
                "D.YAML",
                "E.Yml",
                "F.JSON",
                "a.yaml",
                "b.yml",
                "c.json",
                "sub/deep/e.yaml"
            ]
        );
        assert_eq!(
            files.passed_over(),
            [root.join("note.txt"), root.join("policy.yaml.bak")]
        );
        assert_eq!(
            names(&ConfigFiles::read(&[root.join("note.txt")]), root),
            ["note.txt"]
        );
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let files = ConfigFiles::read(&[folder.path().join("missing.yaml")]);
        assert!(files.load().1[0].contains("missing.yaml: "), "{files:?}");
    }

    #[tokio::test]
    async fn a_replaced_file_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.yaml");
        fs::write(&path, "one").unwrap();
        let paths = [path.clone()];
        let before = ConfigFiles::read(&paths);
        let mut watcher = FileWatcher::start(&paths);
        fs::write(folder.path().join("new"), "two").unwrap();
        fs::rename(folder.path().join("new"), &path).unwrap();
        watcher.changed().await;
        assert!(!ConfigFiles::read(&paths).has_content_of(&before));
    }
}
