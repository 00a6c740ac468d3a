//! The script of one name and type: its answers in sequence, and the options of delivering them.

use std::collections::HashMap;
use std::time::Duration;

use hickory_proto::rr::RecordType;
use tokio::sync::watch;

use super::answer::Answer;

/// Withholds answers until it is released or dropped.
#[derive(Debug)]
#[must_use = "dropping a hold releases it"]
pub struct AnswerHold {
    _open: watch::Sender<()>,
}

/// The server's side of an [`AnswerHold`].
#[derive(Clone, Debug)]
pub(super) struct HoldRelease(watch::Receiver<()>);

/// The answers of one name and type, in sequence.
#[derive(Debug)]
pub(super) struct AnswerScript {
    answers: Vec<Answer>,
    /// The index of the next answer, by type, so that the A and AAAA queries of one lookup get the same step.
    next: HashMap<RecordType, usize>,
}

/// How answers are delivered.
#[derive(Clone, Debug, Default)]
pub(super) struct AnswerOptions {
    pub(super) delay: Duration,
    pub(super) hold: Option<HoldRelease>,
    pub(super) truncate: bool,
}

impl AnswerHold {
    pub(super) fn new() -> (Self, HoldRelease) {
        let (open, released) = watch::channel(());
        (Self { _open: open }, HoldRelease(released))
    }

    /// Sends the withheld answers, and withholds no further ones.
    pub fn release(self) {}
}

impl HoldRelease {
    /// Completes when the hold has been released or dropped.
    async fn released(mut self) {
        while self.0.changed().await.is_ok() {}
    }
}

impl AnswerScript {
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

impl AnswerOptions {
    /// Completes when the answer may be sent.
    pub(super) async fn wait(self) {
        if let Some(hold) = self.hold {
            hold.released().await;
        }
        if !self.delay.is_zero() {
            tokio::time::sleep(self.delay).await;
        }
    }
}
