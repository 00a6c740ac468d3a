//! Spawning on a worker: the one way to start a task there.

use std::future::Future;

/// Starts `task` on the worker's own thread. It ends when the worker does, at the latest.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place that spawns"
)]
pub(crate) fn spawn(task: impl Future<Output = ()> + 'static) {
    tokio::task::spawn_local(task);
}
