//! Threads that fake servers run on.
//!
//! Each fake server has a thread with a single-threaded runtime of its own, so that a blocking test cannot stall it.

use std::thread::{self, JoinHandle};

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// The thread of one fake server. Dropping it stops the server and every task that the server spawned.
#[derive(Debug)]
pub(crate) struct ServerThread {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl ServerThread {
    /// Runs `serve` on a new thread. `serve` receives the runtime's handle, to spawn further tasks with.
    pub(crate) fn start<F>(name: &str, serve: impl FnOnce(Handle) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()>,
    {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime for a fake server");
        let (stop, stopped) = oneshot::channel();
        let thread = thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                let handle = runtime.handle().clone();
                runtime.block_on(async {
                    tokio::select! {
                        _ = stopped => {}
                        () = serve(handle) => {}
                    }
                });
            })
            .expect("a thread for a fake server");
        Self {
            stop: Some(stop),
            thread: Some(thread),
        }
    }
}

impl Drop for ServerThread {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            // If the thread panicked, its message has been printed, and a second panic here would abort the process.
            let _ = thread.join();
        }
    }
}
