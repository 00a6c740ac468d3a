//! From the facts about an exchange to its record.

use std::borrow::Cow;
use std::time::Instant;

use egret_config::name::{Host, Port};

use super::{CodeDetails, Exchange, LoggedHead, RequestFacts};
use crate::message::trace::trace_id;
use crate::record::{ExchangeEnd, FormatFacts, MessageFields, Record, Verdict};
use crate::refusal::RefusalSubject;

/// What is settled about an exchange: at its end, or as far as it has come.
pub(super) struct SettledFacts {
    pub(super) now: Instant,
    /// Where it went.
    pub(super) destination: Option<(Host, Port)>,
    pub(super) verdict: Option<Verdict>,
    pub(super) end: Option<ExchangeEnd>,
    /// Whether somebody reads what is told of the request itself.
    pub(super) is_told: bool,
}

impl Exchange {
    /// The record of what is known.
    pub(super) fn record<'a>(
        &'a self,
        facts: &'a RequestFacts,
        settled: &'a SettledFacts,
    ) -> Record<'a> {
        let SettledFacts {
            now,
            destination,
            verdict,
            end,
            is_told,
        } = settled;
        let head = facts.head.as_ref().filter(|_| *is_told);
        let about = || RefusalSubject {
            destination: destination.clone(),
            address: self.trip.upstream(),
            id: None,
        };
        let details = facts.details.as_deref().map(Cow::Borrowed);
        let of_verdict = || verdict.as_ref()?.details(about).map(Cow::Owned);
        let hello = facts.inner_hello.as_ref();
        let hello = hello.or(self.connection.hello.as_ref());
        Record {
            started: head.map(|head| head.at),
            duration: *now - self.progress.started(),
            client: Some(self.identity().address),
            sni: hello.and_then(|hello| hello.sni.as_ref()),
            ech: hello.is_some_and(|hello| hello.ech),
            user: facts.user.as_deref(),
            listener: facts.listener.as_deref(),
            rule: facts.rule.as_deref(),
            backend: facts.backend.as_ref(),
            form: self.form.get(),
            asked_by: head.and_then(|head| head.form),
            method: head.and_then(|head| head.method.as_ref()),
            scheme: head.and_then(|head| head.scheme),
            authority: head.and_then(|head| head.authority.as_deref()),
            destination: destination.as_ref().map(|(host, port)| (host, *port)),
            path: head.map_or("", LoggedHead::path),
            protocol: head.map_or("", |head| head.protocol),
            status: self.status.get(),
            end: *end,
            details: details.or_else(|| head.and_then(|_| of_verdict())),
            refusal: facts.refusal,
            generation: self.generation,
            trace_id: head.and_then(|head| match &facts.traced {
                Some(traced) => Some(traced.trace.id),
                None => trace_id(head.traceparent.as_ref()?),
            }),
            span_id: facts.traced.as_ref().map(|traced| traced.trace.span),
            user_agent: head.and_then(|head| head.user_agent.as_ref()),
            verdict: verdict.clone(),
            upstream: self.trip.upstream(),
            reused: self.trip.is_reused(),
            retries: self.trip.retries(),
            redirects: &facts.redirects,
            resolution: self.trip.resolution(),
            connect: self.trip.connect_duration(),
            tls: self.trip.tls_duration(),
            first_byte: facts.first_byte,
            request_bytes: self.progress.request_bytes(),
            response_bytes: self.progress.response_bytes(),
            facts: FormatFacts {
                client: Some(&self.connection.facts),
                upstream: self.trip.facts(),
                is_sampled: facts.traced.as_ref().is_some_and(|it| it.trace.is_sampled),
                is_health_check: facts.is_health_check,
                whole_request: self.progress.whole_request(),
                ..kept_facts(facts.messages.as_deref(), facts.code_details.as_deref())
            },
        }
    }
}

/// What was kept for formats.
pub(super) fn kept_facts<'a>(
    messages: Option<&'a MessageFields>,
    said: Option<&'a CodeDetails>,
) -> FormatFacts<'a> {
    FormatFacts {
        messages,
        code_details: said.map(|said| &*said.details),
        transport_failure: said.and_then(|said| said.transport_failure.as_deref()),
        ..FormatFacts::default()
    }
}
