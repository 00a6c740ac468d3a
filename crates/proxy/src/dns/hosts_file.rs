//! The system's hosts file (hosts(5)), and its changes.
//!
//! One for all resolvers. It is read at the start, and again on the control runtime; a lookup never touches the disk.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, SystemTime};
use std::{fs, io};

use arc_swap::ArcSwap;
use egret_config::name::DnsName;
use tokio::runtime::Handle;

/// Where the file is.
pub const PATH: &str = "/etc/hosts";
/// How often it is looked at.
const INTERVAL: Duration = Duration::from_secs(1);

/// Names and their addresses, in the order of the file.
pub type Names = HashMap<DnsName, Vec<IpAddr>>;

/// A hosts file as it was last read.
pub struct HostsFile {
    path: Option<PathBuf>,
    names: ArcSwap<Names>,
    /// What the file looked like when it was read; `None` if there was none. Held while it is read.
    read: Mutex<Option<Stamp>>,
}

/// Tells one version of a file from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    modified: SystemTime,
    length: u64,
}

impl HostsFile {
    /// Reads the file here and now, with blocking I/O. None at all, or one that cannot be read, has no names.
    #[must_use]
    pub fn open(path: Option<PathBuf>) -> Arc<Self> {
        let file = Arc::new(Self {
            path,
            names: ArcSwap::default(),
            read: Mutex::default(),
        });
        file.check();
        file
    }

    /// What was read last; the same until the file changes.
    #[must_use]
    pub fn names(&self) -> Arc<Names> {
        self.names.load_full()
    }

    /// Reads the file again, with blocking I/O, if it has changed. One that has gone has no names; one that is there and
    /// cannot be read leaves them as they are, and is tried again the next time.
    pub fn check(&self) {
        let Some(path) = &self.path else { return };
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        // Before the text, so that a change in between is seen the next time.
        let stamp = fs::metadata(path).and_then(|metadata| Stamp::new(&metadata));
        let stamp = stamp.ok();
        if *read == stamp {
            return;
        }
        let names = match stamp.map(|_| fs::read(path)) {
            Some(Ok(text)) => parse(&String::from_utf8_lossy(&text)),
            Some(Err(error)) => {
                tracing::warn!(%error, path = %path.display(), "the hosts file cannot be read");
                return;
            }
            None => Names::new(),
        };
        *read = stamp;
        self.names.store(Arc::new(names));
    }

    /// Follows the changes of the file on `control` until nobody holds it any more.
    pub fn follow(self: &Arc<Self>, control: &Handle) {
        if self.path.is_some() {
            control.spawn(keep_checked(Arc::downgrade(self)));
        }
    }
}

impl Stamp {
    fn new(metadata: &fs::Metadata) -> io::Result<Self> {
        Ok(Self {
            modified: metadata.modified()?,
            length: metadata.len(),
        })
    }
}

async fn keep_checked(file: Weak<HostsFile>) {
    loop {
        tokio::time::sleep(INTERVAL).await;
        let Some(file) = file.upgrade() else { return };
        // It fails only if the runtime ends.
        let _ = tokio::task::spawn_blocking(move || file.check()).await;
    }
}

/// An address and the names that have it on each line; a `#` ends the line. What cannot be used is skipped, as resolvers
/// do: addresses with a zone, which mean something on one link only, and names that no request can carry.
fn parse(text: &str) -> Names {
    let mut names = Names::new();
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
