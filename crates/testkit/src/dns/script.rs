//! What is said of one name and type: answers in sequence, and the manner of giving them.

use std::collections::HashMap;
use std::time::Duration;

use hickory_proto::rr::RecordType;
use tokio::sync::watch;

use super::answer::Answer;

/// Withheld answers; releasing or dropping it lets them go.
#[derive(Debug)]
#[must_use = "dropping a hold releases it"]
pub struct Hold {
    _open: watch::Sender<()>,
}

/// The server's end of a [`Hold`].
#[derive(Clone, Debug)]
pub(super) struct Released(watch::Receiver<()>);

/// Answers in sequence.
#[derive(Debug)]
pub(super) struct Script {
    answers: Vec<Answer>,
    /// By type, so that the A and AAAA query of one lookup get the same step.
    next: HashMap<RecordType, usize>,
}

/// How answers are given.
#[derive(Clone, Debug, Default)]
pub(super) struct Manner {
    pub(super) delay: Duration,
    pub(super) hold: Option<Released>,
    pub(super) truncate: bool,
}

impl Hold {
    pub(super) fn new() -> (Self, Released) {
        let (open, released) = watch::channel(());
        (Self { _open: open }, Released(released))
    }

    /// Lets the withheld answers go, and holds no further ones.
    pub fn release(self) {}
}

impl Released {
    /// Completes when the hold is gone.
    async fn released(mut self) {
        while self.0.changed().await.is_ok() {}
    }
}

impl Script {
    pub(super) fn new(answers: Vec<Answer>) -> Self {
        Self {
            answers,
            next: HashMap::new(),
        }
    }

    pub(super) fn next(&mut self, record_type: RecordType) -> Answer {
        let next = self.next.entry(record_type).or_default();
        let answer = self.answers[*next].clone();
        *next = (*next + 1).min(self.answers.len() - 1);
        answer
    }
}

impl Manner {
    /// Completes when the answer may go.
    pub(super) async fn observe(self) {
        if let Some(hold) = self.hold {
            hold.released().await;
        }
        if !self.delay.is_zero() {
            tokio::time::sleep(self.delay).await;
        }
    }
}
