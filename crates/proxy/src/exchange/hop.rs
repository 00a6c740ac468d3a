//! What changes in an exchange while a redirect is followed in place of the client, and what becomes of it if the redirect
//! is passed on all the same.

use std::mem;
use std::sync::Arc;
use std::time::Duration;

use egret_config::resources::ObjectRef;
use egret_config::snapshot::RouteRule;
use http::StatusCode;

use super::Exchange;
use crate::message::location::Url;
use crate::policy::limit::LimitShare;
use crate::record::{FollowedRedirect, RedirectResult, TripPosition, VerdictFacts};
use crate::refusal::{Refusal, RefusalSubject};

/// What an exchange was before its request was sent to where a redirect leads.
pub(crate) struct ExchangePosition {
    rule: Option<Arc<RouteRule>>,
    backend: Option<ObjectRef>,
    user: Option<Arc<str>>,
    verdict: VerdictFacts,
    share: Option<LimitShare>,
    trip: TripPosition,
    idle_timeout: Duration,
}

impl Exchange {
    /// A redirect is about to be followed.
    pub(crate) fn departs(&self) -> Box<ExchangePosition> {
        let mut facts = self.facts.borrow_mut();
        let position = ExchangePosition {
            rule: facts.rule.clone(),
            backend: facts.backend.clone(),
            user: facts.user.clone(),
            verdict: mem::take(&mut facts.verdict),
            share: facts.share.take(),
            trip: self.trip.position(),
            idle_timeout: self.progress.idle_timeout(),
        };
        let of_listener = self.connection.stream_idle_timeout();
        self.progress.set_idle_timeout(of_listener);
        Box::new(position)
    }

    /// The redirect with this status was followed to there.
    pub(crate) fn followed(&self, status: StatusCode, to: &Url, from: Box<ExchangePosition>) {
        let results = &self.telemetry.metrics.redirects;
        results.increment(RedirectResult::Followed);
        let mut facts = self.facts.borrow_mut();
        facts.verdict.follow(from.verdict);
        if facts.head.is_some() {
            let destination = from.trip.destination();
            facts.redirects.push(FollowedRedirect {
                status: status.as_u16(),
                destination: destination.map(|(host, port)| format!("{host}:{port}")),
                location: to.to_string(),
            });
        }
    }

    /// The redirect is passed on, because its target is refused. The exchange is as it was before.
    pub(crate) fn refuses_redirect(
        &self,
        to: &Url,
        refusal: &Refusal,
        before: Box<ExchangePosition>,
    ) {
        let about = RefusalSubject {
            destination: Some((to.origin.host.clone(), to.origin.port)),
            address: None,
            id: None,
        };
        let ExchangePosition {
            rule,
            backend,
            user,
            verdict,
            share,
            trip,
            idle_timeout,
        } = *before;
        self.progress.set_idle_timeout(idle_timeout);
        self.trip.returns_to(trip);
        {
            let mut facts = self.facts.borrow_mut();
            facts.rule = rule;
            facts.backend = backend;
            facts.user = user;
            facts.verdict = verdict;
            facts.share = share;
        }
        self.passes_on(RedirectResult::Denied, to, &refusal.details(&about));
    }

    /// The redirect is passed on, although its status is one that is followed.
    pub(crate) fn passes_on(&self, result: RedirectResult, to: &dyn std::fmt::Display, why: &str) {
        self.telemetry.metrics.redirects.increment(result);
        let mut facts = self.facts.borrow_mut();
        if facts.head.is_some() {
            facts.details = Some(format!("the redirect to {to} is not followed: {why}"));
        }
    }
}
