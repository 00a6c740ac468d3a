//! What the gateway is asked.

use hyper::body::Bytes;

/// The rows of a list that are asked for.
const LIMIT: usize = 500;
/// Those that are asked for when the list is searched: all that the gateway tells.
const SEARCHED: usize = 10_000;

/// One question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::top) enum Question {
    Overview,
    Destinations {
        sort: SortKey,
        limit: usize,
    },
    /// All about one host.
    Destination(String),
    Refusals {
        limit: usize,
    },
    Connections {
        limit: usize,
    },
    Tunnels {
        limit: usize,
    },
}

/// Each question with the JSON that answers it.
pub(in crate::top) type Answers = Vec<(Question, Bytes)>;

/// What destinations are sorted by, the greatest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::top) enum SortKey {
    Requests,
    Errors,
    Bytes,
    Latency,
}

/// How many rows are asked for.
pub(super) fn limit(is_searched: bool) -> usize {
    if is_searched { SEARCHED } else { LIMIT }
}

impl Question {
    /// The path and query that ask it.
    pub(in crate::top) fn path(&self) -> String {
        match self {
            Self::Overview => "/overview".to_owned(),
            Self::Destinations { sort, limit } => {
                format!("/destinations?sort={}&limit={limit}", sort.word())
            }
            // A host is of characters that a query can hold, but for the brackets of IPv6.
            Self::Destination(host) => {
                let host = host.replace('[', "%5B").replace(']', "%5D");
                format!("/destinations?host={host}")
            }
            Self::Refusals { limit } => format!("/refusals?limit={limit}"),
            Self::Connections { limit } => format!("/connections?limit={limit}"),
            Self::Tunnels { limit } => format!("/tunnels?limit={limit}"),
        }
    }
}

impl SortKey {
    pub(in crate::top) fn word(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Errors => "errors",
            Self::Bytes => "bytes",
            Self::Latency => "latency",
        }
    }

    pub(super) fn next(self) -> Self {
        match self {
            Self::Requests => Self::Errors,
            Self::Errors => Self::Bytes,
            Self::Bytes => Self::Latency,
            Self::Latency => Self::Requests,
        }
    }
}
