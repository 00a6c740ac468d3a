//! How many connections a listener may have, over all workers.

use std::sync::Arc;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

use http::Response;
use http::header::{CONNECTION, CONTENT_LENGTH, HeaderValue};

use crate::refusal::Refusal;

/// What a client is told that speaks HTTP in the clear.
static ANSWER: LazyLock<Vec<u8>> = LazyLock::new(answer);

/// Counts the connections of one bound address.
#[derive(Debug)]
pub(crate) struct ConnectionGate {
    most: usize,
    open: AtomicUsize,
    /// Whether it was told that there are too many.
    is_full: AtomicBool,
}

/// A place within the limit; dropped with the connection.
#[derive(Debug)]
pub(crate) struct GatePermit(Arc<ConnectionGate>);

/// There is none.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct GateFull {
    /// Whether nobody was told since there were clearly fewer.
    pub(crate) is_first: bool,
}

impl ConnectionGate {
    /// `None` is no limit.
    pub(crate) fn new(most: Option<usize>) -> Arc<Self> {
        Arc::new(Self {
            most: most.unwrap_or(usize::MAX),
            open: AtomicUsize::new(0),
            is_full: AtomicBool::new(false),
        })
    }

    pub(crate) fn most(&self) -> usize {
        self.most
    }

    /// A place for one more.
    ///
    /// # Errors
    /// If there are as many as there may be.
    pub(crate) fn enter(self: &Arc<Self>) -> Result<GatePermit, GateFull> {
        let place = GatePermit(Arc::clone(self));
        if self.open.fetch_add(1, Relaxed) < self.most {
            Ok(place)
        } else {
            let is_first = !self.is_full.swap(true, Relaxed);
            Err(GateFull { is_first })
        }
    }
}

impl Drop for GatePermit {
    fn drop(&mut self) {
        let ConnectionGate {
            most,
            open,
            is_full,
        } = &*self.0;
        let left = open.fetch_sub(1, Relaxed) - 1;
        // Not at the first that leaves: one comes for each that goes, and each would be news.
        if left <= most - most.div_ceil(8) && is_full.load(Relaxed) {
            is_full.store(false, Relaxed);
        }
    }
}

/// What is sent to those that find no place, without having read what they ask for.
pub(crate) fn refusal() -> &'static [u8] {
    &ANSWER
}

fn answer() -> Vec<u8> {
    let mut response: Response<String> = Refusal::TooManyConnections.response();
    let length = HeaderValue::from(response.body().len());
    let headers = response.headers_mut();
    headers.insert(CONTENT_LENGTH, length);
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    let mut bytes = format!("HTTP/1.1 {}\r\n", response.status()).into_bytes();
    for (name, value) in response.headers() {
        bytes.extend_from_slice(name.as_str().as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(response.body().as_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_than_may_be() {
        let gate = ConnectionGate::new(Some(8));
        let mut places: Vec<_> = (0..8).map(|_| gate.enter().unwrap()).collect();
        let told = |gate: &Arc<ConnectionGate>| gate.enter().unwrap_err().is_first;
        assert!(told(&gate), "the first is news");
        assert!(!told(&gate));
        places.pop();
        places.push(gate.enter().expect("one has left"));
        assert!(told(&gate), "there were clearly fewer");
        places.clear();
        assert!(gate.enter().is_ok(), "those refused hold no place");
    }

    #[test]
    fn one_that_goes_for_one_that_comes_is_no_news() {
        let gate = ConnectionGate::new(Some(100));
        let mut places: Vec<_> = (0..100).map(|_| gate.enter().unwrap()).collect();
        assert!(gate.enter().unwrap_err().is_first);
        for _ in 0..5 {
            places.pop();
            places.push(gate.enter().unwrap());
            assert!(!gate.enter().unwrap_err().is_first);
        }
    }

    #[test]
    fn none_and_no_limit() {
        let gate = ConnectionGate::new(None);
        let places: Vec<_> = (0..1000).map(|_| gate.enter().unwrap()).collect();
        assert_eq!(places.len(), 1000);
    }

    #[test]
    fn the_answer_is_a_whole_response() {
        let text = str::from_utf8(refusal()).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 503 Service Unavailable\r\n"));
        assert!(head.contains("\r\nproxy-status: egret; error=connection_limit_reached; "));
        assert!(head.contains("\r\nconnection: close"));
        assert!(head.contains(&format!("\r\ncontent-length: {}", body.len())));
    }
}
