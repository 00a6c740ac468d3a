//! The type of the result of a lookup that gave addresses.

use std::net::IpAddr;
use std::sync::Arc;

use tokio::sync::watch;

use crate::dns::query::HttpsRecord;
use crate::dns::singleflight::SharedAnswer;
use crate::dns::source::AnswerSource;

/// The result of a lookup that gave addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolvedName {
    /// The addresses, at least one; the preferred family first, within a family as the server answered.
    pub addresses: Arc<[IpAddr]>,
    /// Where the addresses come from.
    pub source: AnswerSource,
    /// Set while one family has answered and the other has not: connecting can begin, and go on with what comes.
    pub pending_family: Option<PendingFamily>,
    /// The HTTPS record of the name, if it has one and is reached over TLS.
    pub https_record: Option<Arc<HttpsRecord>>,
}

/// The addresses of the family that has not answered yet.
#[derive(Clone, Debug)]
pub struct PendingFamily {
    answers: watch::Receiver<Option<SharedAnswer>>,
    /// The addresses that the lookup gave.
    given: Arc<[IpAddr]>,
}

impl ResolvedName {
    pub(super) fn new(addresses: Arc<[IpAddr]>, source: AnswerSource) -> Self {
        Self {
            addresses,
            source,
            pending_family: None,
            https_record: None,
        }
    }

    /// Sets the HTTPS record.
    pub(super) fn with_https_record(mut self, record: Option<Arc<HttpsRecord>>) -> Self {
        self.https_record = record;
        self
    }

    /// Sets where the answer of the other family comes, if it has not come yet.
    pub(super) fn with_pending_family(
        mut self,
        answers: Option<watch::Receiver<Option<SharedAnswer>>>,
    ) -> Self {
        self.pending_family = answers.map(|answers| PendingFamily {
            answers,
            given: Arc::clone(&self.addresses),
        });
        self
    }
}

impl PendingFamily {
    /// Waits for the late family. Gives all addresses of the name, those of the lookup among them, or `None` when no
    /// more have come.
    pub(crate) async fn all_addresses(mut self) -> Option<Arc<[IpAddr]>> {
        let answer = self.answers.wait_for(is_complete).await.ok()?.clone();
        let all = answer?.result.ok()?;
        (all != self.given).then_some(all)
    }
}

fn is_complete(answer: &Option<SharedAnswer>) -> bool {
    answer.as_ref().is_some_and(|answer| answer.complete)
}

impl PartialEq for PendingFamily {
    fn eq(&self, other: &Self) -> bool {
        self.answers.same_channel(&other.answers)
    }
}

impl Eq for PendingFamily {}
