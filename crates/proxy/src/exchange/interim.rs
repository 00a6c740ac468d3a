//! What comes before the response: interim responses (RFC 9110 15.2), and the consent to a body (10.1.1).

use http::{HeaderMap, StatusCode};

use super::{BodyConsent, Exchange};
use crate::message::response_head::prepare_interim;

/// Interim responses of one exchange that are passed on. No upstream has a use for more, and a client that reads nothing
/// has them kept.
const MAX_INTERIM: u8 = 16;

impl Exchange {
    /// The client takes interim responses.
    pub(crate) fn takes_interim(&self) {
        self.interim_left.set(MAX_INTERIM);
    }

    /// Interim responses are not passed on.
    pub(crate) fn takes_no_interim(&self) {
        self.interim_left.set(0);
    }

    /// The client waits for consent before it sends its body (RFC 9110 10.1.1).
    pub(crate) fn awaits_consent(&self) {
        self.progress.set_body_consent(BodyConsent::Awaited);
        self.owes_continue.set(self.stream.is_some());
    }

    /// The body of the request is asked for.
    pub(super) fn ask_for_body(&self) {
        if self.progress.is_body_unasked() {
            self.progress.set_body_consent(BodyConsent::Given);
        }
        // Over HTTP/1.1 hyper sends the 100 response when the body is polled for the first time.
        if self.owes_continue.take()
            && let Some(stream) = &self.stream
        {
            stream.inform(StatusCode::CONTINUE, HeaderMap::new());
        }
    }

    /// The upstream sent an interim response (RFC 9110 15.2). A 100 is the consent to the body; others are passed on.
    pub(crate) fn inform(&self, status: StatusCode, mut headers: HeaderMap) {
        if status == StatusCode::CONTINUE {
            if self.progress.body_consent() == BodyConsent::Awaited {
                self.progress.set_body_consent(BodyConsent::Given);
            }
            return;
        }
        let left = self.interim_left.get();
        if left == 0 || self.status.get().is_some() {
            return;
        }
        self.interim_left.set(left - 1);
        prepare_interim(&mut headers);
        if let Some(rule) = &self.facts.borrow().rule {
            rule.filters.response_headers.apply(&mut headers);
        }
        self.edit_response(&mut headers);
        match &self.stream {
            Some(stream) => stream.inform(status, headers),
            None => self
                .connection
                .interim
                .push(status, &headers, &self.connection.watch),
        }
    }
}
