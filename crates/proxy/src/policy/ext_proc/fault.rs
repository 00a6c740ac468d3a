//! Why a service gave no answer.

/// Why a service gave no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ProcessorFault {
    #[error("{0}")]
    Call(String),
    #[error("no answer came in time")]
    Timeout,
    #[error("it answers what it was not asked")]
    Unasked,
    #[error("it says nothing")]
    Empty,
    #[error("{0}")]
    Fields(&'static str),
    #[error("it changes the request to what cannot be sent")]
    Target,
}
