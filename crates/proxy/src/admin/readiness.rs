//! Readiness: asks every worker whether it accepts connections.

use std::collections::BTreeSet;
use std::time::Duration;

use egret_config::snapshot::BindAddress;
use tokio::sync::mpsc::Sender;

use super::ask::ask_all;
use crate::worker::WorkerCommand;

/// How long workers may take to answer; less than the second that a kubelet waits for a probe.
const ANSWER_TIMEOUT: Duration = Duration::from_millis(900);

/// Why the workers do not serve all of the addresses in `bound`; `None` if they do.
pub(super) async fn not_accepting(
    workers: &[Sender<WorkerCommand>],
    bound: &BTreeSet<BindAddress>,
) -> Option<String> {
    let answers = ask_all(workers, ANSWER_TIMEOUT, WorkerCommand::Report).await;
    for (index, answer) in answers.into_iter().enumerate() {
        let Some(running) = answer else {
            return Some(format!("worker {index} does not answer"));
        };
        if let Some(idle) = bound.iter().find(|bind| !running.contains(bind)) {
            let port = idle.port.get();
            return Some(format!(
                "worker {index} accepts no connections on port {port}"
            ));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::future::Future;

    use egret_config::name::Port;
    use tokio::sync::mpsc::{Receiver, channel};

    use super::*;

    fn bind(port: u16) -> BindAddress {
        BindAddress {
            ip: None,
            port: Port::new(port).unwrap(),
        }
    }

    /// A worker with these accept loops.
    async fn answer(mut commands: Receiver<WorkerCommand>, running: Vec<BindAddress>) {
        while let Some(command) = commands.recv().await {
            if let WorkerCommand::Report(asker) = command {
                let _ = asker.send(running.clone());
            }
        }
    }

    /// The outcome of asking while `worker` runs.
    async fn while_running<T>(asked: impl Future<Output = T>, worker: impl Future) -> T {
        tokio::select! {
            outcome = asked => outcome,
            _ = worker => panic!("the worker ended"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_loop_that_has_ended_and_a_worker_that_is_stuck_are_told() {
        let (sender, commands) = channel(4);
        let workers = [sender];
        let one = BTreeSet::from([bind(80)]);
        let both = BTreeSet::from([bind(80), bind(8080)]);
        let asked = async {
            [
                not_accepting(&workers, &one).await,
                not_accepting(&workers, &both).await,
            ]
        };
        let [fine, lost] = while_running(asked, answer(commands, vec![bind(80)])).await;
        assert_eq!(fine, None);
        let lost = lost.unwrap();
        assert_eq!(lost, "worker 0 accepts no connections on port 8080");

        let (sender, _stuck) = channel(1);
        let stuck = not_accepting(&[sender], &one).await.unwrap();
        assert_eq!(stuck, "worker 0 does not answer");

        let (sender, ended) = channel(1);
        drop(ended);
        let ended = not_accepting(&[sender], &one).await.unwrap();
        assert_eq!(ended, "worker 0 does not answer");
    }
}
