//! What it means that a stream brought no response. Pure.

use std::error::Error as StdError;

use h2::Reason;

use crate::upstream::retry::FailureStage;

/// Why there is no response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::upstream) enum StreamFault {
    /// Nothing of the request was sent: the connection took no more.
    Unsent,
    /// The upstream has done nothing with the request (RFC 9113 8.7), so that it may be sent again whatever it is.
    Unprocessed,
    /// Nor with this one, and it may say the same to the next.
    Refused,
    /// Nor with this one: it wants HTTP/1.1 for it (RFC 9113 7).
    Http1Required,
    /// Our own side ended the stream: the request's body was broken off.
    Ours,
    /// What came is not HTTP/2.
    Protocol,
    /// The upstream ended this stream.
    Reset,
    /// The connection ended.
    Closed,
}

impl StreamFault {
    /// What an error of a stream means. `sent` is whether anything of the request was.
    pub(in crate::upstream) fn of(error: &(dyn StdError + 'static), sent: bool) -> Self {
        if !sent {
            return Self::Unsent;
        }
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(error) = error.downcast_ref::<h2::Error>() {
                return Self::told(error);
            }
            next = error.source();
        }
        Self::Closed
    }

    /// What rules for sending again are asked about; `None` if it is not the upstream's doing.
    pub(in crate::upstream) fn broken(self) -> Option<FailureStage> {
        match self {
            Self::Unsent | Self::Unprocessed | Self::Http1Required => {
                Some(FailureStage::BeforeRequest)
            }
            Self::Refused => Some(FailureStage::Refused),
            Self::Protocol | Self::Reset | Self::Closed => Some(FailureStage::BeforeResponse),
            Self::Ours => None,
        }
    }

    fn told(error: &h2::Error) -> Self {
        if error.is_io() {
            return Self::Closed;
        }
        if error.is_library() {
            return Self::Protocol;
        }
        match (error.is_remote(), error.reason()) {
            // The upstream says which stream was the last, and only later ones are told this.
            (true, _) if error.is_go_away() => Self::Unprocessed,
            (true, Some(Reason::REFUSED_STREAM)) => Self::Refused,
            (true, Some(Reason::HTTP_1_1_REQUIRED)) => Self::Http1Required,
            (true, _) => Self::Reset,
            (false, _) if error.is_reset() => Self::Ours,
            (false, _) => Self::Closed,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn what_never_left_is_told_from_what_may_have() {
        let error = io::Error::from(io::ErrorKind::BrokenPipe);
        assert_eq!(StreamFault::of(&error, false), StreamFault::Unsent);
        assert_eq!(StreamFault::of(&error, true), StreamFault::Closed);
    }
}
