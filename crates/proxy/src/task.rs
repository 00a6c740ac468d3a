//! Spawning on a worker: the one way to start a task there.

use std::future::Future;

use hyper::rt::Executor;

/// Starts `task` on the worker's own thread. It ends when the worker does, at the latest.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place that spawns"
)]
pub(crate) fn spawn(task: impl Future<Output = ()> + 'static) {
    tokio::task::spawn_local(task);
}

/// Has the tasks that hyper starts for HTTP/2 run here too.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Local;

impl<F: Future<Output = ()> + 'static> Executor<F> for Local {
    fn execute(&self, task: F) {
        spawn(task);
    }
}
