//! A thread with a runtime of its own, which ends with everything it started when dropped.

use std::thread::{self, JoinHandle};

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// One server's thread.
#[derive(Debug)]
pub(crate) struct Background {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Background {
    /// Runs `serve` on a new thread; it is given the handle to start further tasks with.
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

impl Drop for Background {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            // If it panicked, its message was printed already, and a second panic would abort.
            let _ = thread.join();
        }
    }
}
