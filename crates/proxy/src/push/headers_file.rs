//! The file with the header fields of pushes. Whoever renews a credential writes it anew, and the next push has it.

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use egret_config::metrics_push::{MetricsCollector, PushHeaders};
use egret_config::policy::service::Collector;
use tokio::task::spawn_blocking;

/// The file, and what it said last.
#[derive(Clone)]
pub(super) struct HeadersFile {
    path: Arc<PathBuf>,
    known: Arc<Mutex<Known>>,
}

/// What the file said when it was last right.
struct Known {
    to: MetricsCollector,
    /// What is wrong with it since then.
    fault: Option<String>,
}

impl HeadersFile {
    /// The file that the header fields of this collector were read from.
    pub(super) fn new(path: PathBuf, to: MetricsCollector) -> Self {
        Self {
            path: Arc::new(path),
            known: Arc::new(Mutex::new(Known { to, fault: None })),
        }
    }

    /// The collector, with the header fields that the file has now, or had when it was last right.
    pub(super) async fn collector(&self) -> Arc<Collector> {
        let file = self.clone();
        // This fails only if the runtime ends.
        let _ = spawn_blocking(move || file.read()).await;
        self.with_known(|known| Arc::clone(&known.to.collector))
    }

    fn read(&self) {
        let read = fs::read_to_string(&*self.path).map_err(|error| error.to_string());
        let read = read.and_then(|text| {
            let headers = PushHeaders::of_file(&text);
            headers.map_err(|error| error.to_string())
        });
        let path = self.path.display();
        self.with_known(|known| match read {
            Ok(headers) => {
                if known.fault.take().is_some() {
                    tracing::info!("{path}: the header fields of pushed metrics are read again");
                }
                if known.to.collector.metadata != headers.fields() {
                    known.to = known.to.with_headers(&headers);
                }
            }
            Err(fault) if known.fault.as_ref() == Some(&fault) => {}
            Err(fault) => {
                tracing::warn!(
                    "{path}: {fault}; metrics are pushed with the header fields that it had before"
                );
                known.fault = Some(fault);
            }
        });
    }

    fn with_known<T>(&self, use_it: impl FnOnce(&mut Known) -> T) -> T {
        // What is known is whole at every step, so that a poisoned lock is harmless.
        let known = self.known.lock();
        use_it(&mut known.unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_wrong_leaves_what_was_read_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("headers");
        let to = MetricsCollector::new("the collector", "http://otel.test").unwrap();
        let file = HeadersFile::new(path.clone(), to);
        for (written, expected) in [
            (Some("x-key: one"), "one"),
            (Some("no field"), "one"),
            (Some("x-key: two"), "two"),
            (None, "two"),
        ] {
            match written {
                Some(text) => fs::write(&path, text).unwrap(),
                None => fs::remove_file(&path).unwrap(),
            }
            let collector = file.collector().await;
            let [(name, value)] = &collector.metadata[..] else {
                panic!("{:?}", collector.metadata);
            };
            assert_eq!(
                (name.as_str(), value.as_bytes()),
                ("x-key", expected.as_bytes())
            );
        }
    }
}
