//! Maps request paths to the answers of a fake HTTP server.

use http::StatusCode;

/// The answer that a path stands for. The table is in the documentation of [`upstream`](super).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PathAnswer {
    Echo,
    Status(StatusCode),
    Headers(Vec<(String, String)>),
    Bytes(u64),
    Chunked(u64),
    Trailers(u64),
    Sink,
    Duplex,
    Early(StatusCode),
    Delay(u64),
    Hold(String),
    Hang,
    Close,
    CloseIfReused,
    Partial(u64),
    PartialChunked(u64),
    StallBody(u64),
    Upgrade,
    Refuse(u64),
    Http1,
}

impl PathAnswer {
    pub(super) fn of(path: &str, query: Option<&str>) -> Self {
        let mut segments = path.trim_start_matches('/').splitn(2, '/');
        let first = segments.next().unwrap_or_default();
        let rest = segments.next().unwrap_or_default();
        match first {
            "status" => Self::Status(status(rest)),
            "headers" => Self::Headers(pairs(query.unwrap_or_default())),
            "bytes" => Self::Bytes(length(rest)),
            "chunked" => Self::Chunked(length(rest)),
            "trailers" => Self::Trailers(length(rest)),
            "sink" => Self::Sink,
            "duplex" => Self::Duplex,
            "early" => Self::Early(status(rest)),
            "delay" => Self::Delay(length(rest)),
            "hold" => Self::Hold(rest.to_owned()),
            "hang" => Self::Hang,
            "close" => Self::Close,
            "close-if-reused" => Self::CloseIfReused,
            "partial" => Self::Partial(length(rest)),
            "partial-chunked" => Self::PartialChunked(length(rest)),
            "stall-body" => Self::StallBody(length(rest)),
            "upgrade" => Self::Upgrade,
            "refuse" => Self::Refuse(length(rest)),
            "http1" => Self::Http1,
            _ => Self::Echo,
        }
    }

    /// Whether the body of the request is read to its end before the answer.
    pub(super) fn reads_first(&self) -> bool {
        !matches!(
            self,
            Self::Early(_) | Self::Duplex | Self::Close | Self::Upgrade
        )
    }
}

fn length(text: &str) -> u64 {
    text.parse().unwrap_or(1000)
}

fn status(text: &str) -> StatusCode {
    text.parse().unwrap_or(StatusCode::BAD_REQUEST)
}

fn pairs(query: &str) -> Vec<(String, String)> {
    query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}
