//! Questions to the workers.

use std::time::Duration;

use tokio::sync::mpsc::Sender;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use crate::clock;
use crate::worker::WorkerCommand;

/// Asks all workers at once, and waits at most so long. The answer of each, in their order; `None` of one that does not
/// answer in time.
pub(super) async fn ask_all<T>(
    workers: &[Sender<WorkerCommand>],
    limit: Duration,
    question: impl Fn(oneshot::Sender<T>) -> WorkerCommand,
) -> Vec<Option<T>> {
    let until = Instant::from_std(clock::now() + limit);
    let mut asked = Vec::with_capacity(workers.len());
    for worker in workers {
        let (asker, answer) = oneshot::channel();
        // A queue that stays full belongs to a worker that does not answer either.
        let _ = timeout_at(until, worker.send(question(asker))).await;
        asked.push(answer);
    }
    let mut answers = Vec::with_capacity(asked.len());
    for answer in asked {
        let answer = timeout_at(until, answer).await;
        answers.push(answer.ok().and_then(Result::ok));
    }
    answers
}
