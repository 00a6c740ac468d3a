//! The error when a server gives no response.

/// Why a server gave no response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TransportError {
    /// No response came in time.
    Timeout,
    /// There is no connection, or it ended; another one may work.
    Closed(String),
    /// The response was not DNS, which another connection would not change.
    Protocol(String),
}
