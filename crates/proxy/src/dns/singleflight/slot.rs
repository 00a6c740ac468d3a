//! One of the questions of a query, with its answer once it has come.

use crate::dns::query::{QueryError, QueryFuture};

/// A question that may be asked, and its answer.
pub(super) enum AnswerSlot<T> {
    /// The question is not asked.
    Unasked,
    /// The answer has not come yet.
    Awaited(QueryFuture<T>),
    /// The answer has come.
    Answered(Result<T, QueryError>),
}

impl<T> AnswerSlot<T> {
    pub(super) fn is_awaited(&self) -> bool {
        matches!(self, Self::Awaited(_))
    }

    /// The records, if they have come.
    pub(super) fn records(&self) -> Option<&T> {
        match self {
            Self::Answered(Ok(records)) => Some(records),
            Self::Unasked | Self::Awaited(_) | Self::Answered(Err(_)) => None,
        }
    }

    /// Waits for the answer; forever when none is awaited. The future can be dropped and made again.
    pub(super) async fn wait(&mut self) {
        match self {
            Self::Awaited(query) => *self = Self::Answered(query.await),
            Self::Unasked | Self::Answered(_) => std::future::pending().await,
        }
    }

    /// Takes the answer, if it has come and was not taken before.
    pub(super) fn take(&mut self) -> Option<Result<T, QueryError>> {
        match std::mem::replace(self, Self::Unasked) {
            Self::Answered(answer) => Some(answer),
            other => {
                *self = other;
                None
            }
        }
    }
}
