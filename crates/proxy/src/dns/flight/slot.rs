//! One of the questions of a flight, and its answer.

use std::pin::Pin;

use crate::dns::query::QueryError;

pub(super) type Asking<T> = Pin<Box<dyn Future<Output = Result<T, QueryError>> + Send>>;

pub(super) enum Slot<T> {
    /// Nobody wants to know.
    Unasked,
    Awaited(Asking<T>),
    Came(Result<T, QueryError>),
}

impl<T> Slot<T> {
    pub(super) fn is_awaited(&self) -> bool {
        matches!(self, Self::Awaited(_))
    }

    /// What was asked for.
    pub(super) fn found(&self) -> Option<&T> {
        match self {
            Self::Came(Ok(found)) => Some(found),
            Self::Unasked | Self::Awaited(_) | Self::Came(Err(_)) => None,
        }
    }

    /// Waits for the answer; for ever when none is awaited. It can be dropped and begun again.
    pub(super) async fn arrive(&mut self) {
        match self {
            Self::Awaited(asking) => *self = Self::Came(asking.await),
            Self::Unasked | Self::Came(_) => std::future::pending().await,
        }
    }

    /// The answer, once.
    pub(super) fn take(&mut self) -> Option<Result<T, QueryError>> {
        match std::mem::replace(self, Self::Unasked) {
            Self::Came(answer) => Some(answer),
            other => {
                *self = other;
                None
            }
        }
    }
}
