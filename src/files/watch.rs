//! Notices when configuration files may have changed.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::event::{AccessKind, AccessMode};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc::{Receiver, channel};
use tokio::time::timeout;

use super::FoundFiles;

/// Changes are read once there was no event for this long, because editors and `kubectl cp` write in several steps.
const SETTLE: Duration = Duration::from_millis(100);
/// The longest time from the first event of a change until the files are read.
const MAX_DELAY: Duration = Duration::from_millis(500);
/// The interval at which the files are looked at. What a link leads to causes no events, and not every file system reports
/// changes.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);
/// The files are read after so many looks in any case, because a file can change and look the same.
const LOOKS_PER_READ: u32 = 10;

const WRITTEN: AccessKind = AccessKind::Close(AccessMode::Write);

/// Notices when files may have changed.
pub(crate) struct FileWatcher {
    paths: Vec<PathBuf>,
    /// Files that objects name.
    named: Vec<PathBuf>,
    events: Receiver<()>,
    seen: Vec<FileVersion>,
    looks: u32,
    /// Kept because dropping it stops the events.
    _watcher: Option<RecommendedWatcher>,
}

/// What tells one version of a file from another without reading it.
#[derive(Debug, PartialEq, Eq)]
struct FileVersion {
    path: PathBuf,
    /// Device, inode, size, and time of the last modification; `None` if it cannot be looked at.
    facts: Option<(u64, u64, u64, (i64, i64))>,
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
            .inspect_err(|error| tracing::warn!(%error, "cannot watch the files: looking at them every {LOOK_INTERVAL:?}"))
            .ok();
        Self {
            paths: paths.to_owned(),
            named: Vec::new(),
            events,
            seen: versions(paths, &[]),
            looks: 0,
            _watcher: watcher,
        }
    }

    /// Looks at these files too, which objects name, in place of others.
    pub(crate) fn look_at(&mut self, named: Vec<PathBuf>) {
        if self.named != named {
            self.named = named;
            self.seen = versions(&self.paths, &self.named);
        }
    }

    /// Completes when the files should be read again.
    pub(crate) async fn changed(&mut self) {
        loop {
            if self.is_told().await {
                let settled = async {
                    while timeout(SETTLE, self.events.recv())
                        .await
                        .is_ok_and(|event| event.is_some())
                    {}
                };
                let _ = timeout(MAX_DELAY, settled).await;
            }
            let now = versions(&self.paths, &self.named);
            let is_new = now != self.seen;
            self.seen = now;
            self.looks += 1;
            if is_new || self.looks >= LOOKS_PER_READ {
                self.looks = 0;
                return;
            }
        }
    }

    /// Waits for an event, until it is time to look. Returns whether there was one.
    async fn is_told(&mut self) -> bool {
        match timeout(LOOK_INTERVAL, self.events.recv()).await {
            Ok(Some(())) => {
                // Whatever the event was about, the files are read.
                self.looks = LOOKS_PER_READ;
                true
            }
            Ok(None) => {
                // Without a watcher the channel is closed, and receiving returns at once.
                tokio::time::sleep(LOOK_INTERVAL).await;
                false
            }
            Err(_) => false,
        }
    }
}

/// The versions of all files that are to be read, and of those that objects name.
fn versions(paths: &[PathBuf], named: &[PathBuf]) -> Vec<FileVersion> {
    let found = FoundFiles::find(paths);
    let files = found.files.into_iter().chain(named.iter().cloned());
    let versions = files.map(|path| {
        let metadata = fs::metadata(&path).ok();
        let facts =
            metadata.map(|it| (it.dev(), it.ino(), it.size(), (it.mtime(), it.mtime_nsec())));
        FileVersion { path, facts }
    });
    versions.collect()
}

fn parent(path: &Path) -> &Path {
    path.parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or_else(|| Path::new("."))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::files::ConfigFiles;

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

    /// What links lead to is outside of the folders that cause events.
    #[tokio::test]
    async fn what_links_lead_to_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for release in ["1", "2"] {
            fs::create_dir(root.join(release)).unwrap();
            fs::write(root.join(release).join("a.yaml"), release).unwrap();
        }
        fs::write(root.join("elsewhere"), "one").unwrap();
        symlink("1", root.join("now")).unwrap();
        fs::create_dir(root.join("config")).unwrap();
        symlink("../elsewhere", root.join("config/b.yaml")).unwrap();
        let paths = [root.join("now"), root.join("config")];
        let mut watcher = FileWatcher::start(&paths);

        let before = ConfigFiles::read(&paths);
        symlink("2", root.join("next")).unwrap();
        fs::rename(root.join("next"), root.join("now")).unwrap();
        watcher.changed().await;
        let swapped = ConfigFiles::read(&paths);
        assert!(!swapped.has_content_of(&before));

        fs::write(root.join("elsewhere"), "other").unwrap();
        watcher.changed().await;
        assert!(!ConfigFiles::read(&paths).has_content_of(&swapped));
    }
}
