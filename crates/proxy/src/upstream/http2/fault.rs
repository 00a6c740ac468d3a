//! Classification of streams that brought no response. Pure.

use h2::Reason;

use crate::upstream::retry::FailureStage;

/// What the library calls a head that is more than four times as large as it allows.
const FAR_TOO_LARGE: &str = "header_list_way_too_large";

/// Why a stream brought no response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::upstream) enum StreamFault {
    /// Nothing of the request was sent: the connection took no more requests.
    Unsent,
    /// The upstream did not process the request (RFC 9113 8.7), so that any request may be sent again.
    Unprocessed,
    /// The upstream refused the stream without processing the request, and may refuse the next one too.
    Refused,
    /// The upstream did not process the request, and requires HTTP/1.1 for it (RFC 9113 7).
    Http1Required,
    /// The gateway ended the stream: the request body was aborted.
    Ours,
    /// The upstream violated HTTP/2.
    Protocol,
    /// The head of the response is larger than allowed.
    HeadTooLarge,
    /// The upstream reset the stream.
    Reset,
    /// The connection ended.
    Closed,
}

impl StreamFault {
    /// The stage for the retry rules; `None` if the upstream did not cause the failure.
    pub(in crate::upstream) fn broken(self) -> Option<FailureStage> {
        match self {
            Self::Unsent | Self::Unprocessed | Self::Http1Required => {
                Some(FailureStage::BeforeRequest)
            }
            Self::Refused => Some(FailureStage::Refused),
            Self::Protocol | Self::HeadTooLarge | Self::Reset | Self::Closed => {
                Some(FailureStage::BeforeResponse)
            }
            Self::Ours => None,
        }
    }

    /// Classifies the error of a stream on which the request was sent.
    pub(in crate::upstream) fn of(error: &h2::Error) -> Self {
        if error.to_string().contains(FAR_TOO_LARGE) {
            return Self::HeadTooLarge;
        }
        if error.is_io() {
            return Self::Closed;
        }
        if error.is_library() {
            return Self::Protocol;
        }
        match (error.is_remote(), error.reason()) {
            // GOAWAY names the last stream that was processed, and only later streams see this error.
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
    use super::*;

    #[test]
    fn what_the_library_itself_gives_up_is_not_the_upstreams_reset() {
        assert_eq!(
            StreamFault::of(&h2::Error::from(Reason::CANCEL)),
            StreamFault::Closed
        );
    }
}
