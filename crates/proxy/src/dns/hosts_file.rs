//! The system's hosts file (hosts(5)), and its changes.
//!
//! All resolvers share it. The file is read at the start, and again on the control runtime when it has changed; a
//! lookup never touches the disk.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, SystemTime};
use std::{fs, io};

use arc_swap::ArcSwap;
use egret_config::name::DnsName;
use tokio::runtime::Handle;

use crate::task;

/// The path of the file.
pub(crate) const PATH: &str = "/etc/hosts";
/// How often the file is checked for changes.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// Names and their addresses, in the order of the file.
pub(crate) type HostsTable = HashMap<DnsName, Vec<IpAddr>>;

/// A hosts file as it was last read.
pub struct HostsFile {
    path: Option<PathBuf>,
    names: ArcSwap<HostsTable>,
    /// The version of the file that was read last; `None` if there was no file. Locked while the file is read.
    version: Mutex<Option<FileVersion>>,
}

/// Tells one version of a file from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FileVersion {
    modified: SystemTime,
    length: u64,
}

impl HostsFile {
    /// Reads the file at once, with blocking I/O. Without a path, or if the file cannot be read, there are no names.
    #[must_use]
    pub fn open(path: Option<PathBuf>) -> Arc<Self> {
        let file = Arc::new(Self {
            path,
            names: ArcSwap::default(),
            version: Mutex::default(),
        });
        file.reload_if_changed();
        file
    }

    /// The names that were read last. The same `Arc` is returned until the file changes.
    #[must_use]
    pub(crate) fn names(&self) -> Arc<HostsTable> {
        self.names.load_full()
    }

    /// Reads the file again, with blocking I/O, if it has changed. A file that was removed has no names. A file that
    /// exists and cannot be read leaves the names as they are, and is tried again the next time.
    pub(crate) fn reload_if_changed(&self) {
        let Some(path) = &self.path else { return };
        let mut current = self.version.lock().unwrap_or_else(PoisonError::into_inner);
        // Taken before the text is read, so that a change in between is seen the next time.
        let version = fs::metadata(path).and_then(|metadata| FileVersion::new(&metadata));
        let version = version.ok();
        if *current == version {
            return;
        }
        let names = match version.map(|_| fs::read(path)) {
            Some(Ok(text)) => parse(&String::from_utf8_lossy(&text)),
            Some(Err(error)) => {
                tracing::warn!(%error, path = %path.display(), "the hosts file cannot be read");
                return;
            }
            None => HostsTable::new(),
        };
        *current = version;
        self.names.store(Arc::new(names));
    }

    /// Follows the changes of the file on `control` until the last `Arc` of it is dropped.
    pub(crate) fn follow(self: &Arc<Self>, control: &Handle) {
        if self.path.is_some() {
            let file = Arc::downgrade(self);
            let following = async move || follow_changes(file.clone()).await;
            control.spawn(task::restarting("following the hosts file", following));
        }
    }
}

impl FileVersion {
    fn new(metadata: &fs::Metadata) -> io::Result<Self> {
        Ok(Self {
            modified: metadata.modified()?,
            length: metadata.len(),
        })
    }
}

async fn follow_changes(file: Weak<HostsFile>) {
    loop {
        tokio::time::sleep(CHECK_INTERVAL).await;
        let Some(file) = file.upgrade() else { return };
        // This fails only if the runtime ends.
        let _ = tokio::task::spawn_blocking(move || file.reload_if_changed()).await;
    }
}

/// Each line holds an address and its names; a `#` starts a comment. What cannot be used is skipped, as resolvers do:
/// addresses with a zone, which are valid on one link only, and names that no request can carry.
fn parse(text: &str) -> HostsTable {
    let mut names = HostsTable::new();
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default();
        let mut words = line.split_ascii_whitespace();
        let Some(address) = words.next().and_then(|word| word.parse::<IpAddr>().ok()) else {
            continue;
        };
        for name in words.filter_map(|word| word.parse::<DnsName>().ok()) {
            names.entry(name).or_default().push(address);
        }
    }
    names
}

#[cfg(test)]
mod tests;
