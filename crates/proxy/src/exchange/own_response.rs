//! What is made of the responses that the gateway makes itself, by a listener (`localReplies` of a ListenerPolicy) and by
//! the format that such a response has.

use std::sync::Arc;

use bytes::Bytes;
use egret_config::snapshot::{LocalReplies, ReplyFormat};
use http::Response;
use http::request::Parts;

use super::settled::SettledFacts;
use super::{Exchange, RequestFacts};
use crate::clock;
use crate::record::MessageFields;
use crate::telemetry::local_reply;

impl RequestFacts {
    /// What becomes of responses of the gateway's own.
    pub(super) fn local_replies(&self) -> Option<&Arc<LocalReplies>> {
        match &self.listener {
            Some(listener) => listener.http.as_ref()?.local_replies.as_ref(),
            None => self.unrouted_replies.as_ref(),
        }
    }
}

impl Exchange {
    /// A response of the gateway's own as the listener wants it to be.
    pub(crate) fn localized(&self, response: Response<Bytes>) -> Response<Bytes> {
        if self.facts.borrow().local_replies().is_none() {
            return response;
        }
        let mut facts = self.facts.borrow_mut();
        let RequestFacts {
            reply_messages,
            listener,
            ..
        } = &mut *facts;
        let http = listener.as_ref().and_then(|it| it.http.as_ref());
        if let (Some(messages), Some(replies)) = (
            reply_messages,
            http.and_then(|http| http.local_replies.as_ref()),
        ) {
            let length = u64::try_from(response.body().len()).ok();
            messages.respond(&replies.inputs, response.headers(), length);
        }
        drop(facts);
        let facts = self.facts.borrow();
        let Some(replies) = facts.local_replies() else {
            return response;
        };
        let settled = self.settled_so_far(&facts);
        let mut record = self.record(&facts, &settled);
        record.status = Some(response.status());
        record.facts.messages = facts.reply_messages.as_deref();
        local_reply::mapped(replies, record, response)
    }

    /// A fixed response to this request, with the body that its format makes.
    pub(crate) fn formatted(
        &self,
        format: &ReplyFormat,
        parts: &Parts,
        response: Response<Bytes>,
    ) -> Response<Bytes> {
        let facts = self.facts.borrow();
        let origin = self.origin(facts.head.as_ref());
        let length = u64::try_from(response.body().len()).ok();
        let mut messages = MessageFields::default();
        messages.receive(&format.inputs, parts, origin);
        messages.respond(&format.inputs, response.headers(), length);
        let settled = self.settled_so_far(&facts);
        let mut record = self.record(&facts, &settled);
        record.status = Some(response.status());
        record.facts.messages = Some(&messages);
        local_reply::formatted(format, record, response)
    }

    fn settled_so_far(&self, facts: &RequestFacts) -> SettledFacts {
        SettledFacts {
            now: clock::now(),
            destination: self.trip.destination(),
            verdict: facts.verdict.so_far(),
            end: self.end.get(),
            is_told: true,
        }
    }
}
