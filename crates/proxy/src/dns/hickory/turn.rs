//! Several servers: who is asked when, and whose answer counts.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hickory_proto::rr::Name;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::answer::Wanted;
use super::choice::Choice;
use super::server::Server;
use crate::clock;
use crate::dns::failure::Failure;
use crate::dns::query::QueryError;

/// The servers, and what is known of them.
pub(super) struct Servers {
    servers: Box<[Server]>,
    choice: Mutex<Choice>,
}

/// What a server came to: its index, and its answer or failure.
type Told<F> = (usize, Result<F, QueryError>);

impl Servers {
    pub(super) fn new(servers: Box<[Server]>, choice: Choice) -> Self {
        Self {
            servers,
            choice: Mutex::new(choice),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.servers.len()
    }

    /// Asks the first server, and the next one too whenever the last asked has failed or used up its head start. The
    /// first answer counts, whoever gave it; a failure only when it is everybody's.
    pub(super) async fn ask<W: Wanted>(
        self: &Arc<Self>,
        name: &Name,
        wanted: W,
    ) -> Result<W::Found, QueryError> {
        let plan = self.choice().plan(clock::now());
        // Room for everybody, so that nobody who tells has to wait.
        let (tell, mut told) = mpsc::channel(self.len().max(1));
        if let Some(probe) = plan.probe {
            self.begin(probe, name, wanted, None);
        }
        let mut outcome = Outcome::default();
        let mut rest = plan.order.into_iter().peekable();
        while let Some(index) = rest.next() {
            self.begin(index, name, wanted, Some(tell.clone()));
            if rest.peek().is_none() {
                break;
            }
            let head_start = self.choice().head_start(index);
            match timeout(head_start, told.recv()).await {
                Ok(Some(told)) => {
                    if let Some(answer) = self.settle(told, &mut outcome) {
                        return answer;
                    }
                }
                Ok(None) => {}
                Err(_) => outcome.behind.push(index),
            }
        }
        drop(tell);
        while let Some(told) = told.recv().await {
            if let Some(answer) = self.settle(told, &mut outcome) {
                return answer;
            }
        }
        let nobody = || Failure::Network("there is no server to ask".into()).into();
        Err(outcome.failure.unwrap_or_else(nobody))
    }

    /// Asks one server, to the end: what comes of it is learned from even when nobody waits for it any more.
    fn begin<W: Wanted>(
        self: &Arc<Self>,
        index: usize,
        name: &Name,
        wanted: W,
        tell: Option<mpsc::Sender<Told<W::Found>>>,
    ) {
        let (servers, name) = (Arc::clone(self), name.clone());
        Handle::current().spawn(async move {
            let start = clock::now();
            let answer = servers.servers[index].ask(name, wanted).await;
            let now = clock::now();
            if is_answer(&answer) {
                let took = now.saturating_duration_since(start);
                servers.choice().answered(index, took, now);
            } else if tell.is_none() {
                servers.choice().failed(index, now);
            }
            if let Some(tell) = tell {
                // Whoever asked may have another's answer already.
                let _ = tell.send((index, answer)).await;
            }
        });
    }

    /// What is told to the one who asked, if this is an answer. It shows that those who failed or were slow are to
    /// blame for that, and not the name.
    fn settle<F>(
        &self,
        (index, answer): Told<F>,
        outcome: &mut Outcome,
    ) -> Option<Result<F, QueryError>> {
        match answer {
            Err(error) if !error.failure.is_answer() => {
                outcome.behind.push(index);
                outcome.keep(error);
                None
            }
            answer => {
                let now = clock::now();
                let mut choice = self.choice();
                for &other in outcome.behind.iter().filter(|&&other| other != index) {
                    choice.failed(other, now);
                }
                Some(answer)
            }
        }
    }

    /// The order that the next question would be asked in.
    #[cfg(test)]
    pub(super) fn order(&self) -> Vec<usize> {
        self.choice().order()
    }

    fn choice(&self) -> MutexGuard<'_, Choice> {
        self.choice.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How far asking has come without an answer.
#[derive(Default)]
struct Outcome {
    /// Those that failed, or used up their head start.
    behind: Vec<usize>,
    failure: Option<QueryError>,
}

impl Outcome {
    /// Keeps the failure that says most: one that a server stated.
    fn keep(&mut self, error: QueryError) {
        let kept = self.failure.as_ref();
        if kept.is_none_or(|kept| kept.failure.rcode().is_none()) {
            self.failure = Some(error);
        }
    }
}

/// Negative answers are answers.
fn is_answer<F>(answer: &Result<F, QueryError>) -> bool {
    match answer {
        Ok(_) => true,
        Err(error) => error.failure.is_answer(),
    }
}
