//! Requests that may be sent once the services that keep limits let them through.

use std::fmt::Display;

use egret_config::policy::global_limit::{DescribedRequest, GlobalRateLimit};

use super::Cleared;
use super::envoy::rate_limit::{RateLimitRequest, RateLimitResponse};
use super::ext_proc::Passage;
use super::global_limit::{self, AddedFields};
use super::limit::LimitShare;
use crate::refusal::Refusal;

/// A request that is cleared, but for the limits that services keep. They are asked last, because what they have counted is
/// not given back.
pub(crate) struct Unsettled<'a> {
    cleared: Cleared<'a>,
    share: Option<LimitShare>,
    /// The limits whose services were not asked yet.
    left: &'a [GlobalRateLimit],
    added: AddedFields,
}

/// What is to be done next about a request that is cleared.
pub(crate) enum LimitStep<'a> {
    /// A service is to be asked.
    Ask(AskedLimit<'a>),
    /// Every service was asked.
    Settled(Settled<'a>),
}

/// A service that is to be asked about a request.
pub(crate) struct AskedLimit<'a> {
    pub(crate) limit: &'a GlobalRateLimit,
    pub(crate) question: RateLimitRequest,
    unsettled: Box<Unsettled<'a>>,
}

/// A request that every limit lets through.
pub(crate) struct Settled<'a> {
    pub(crate) passage: Passage<'a>,
    /// What it took from the limits of this process; `None` if none is for it.
    pub(crate) share: Option<LimitShare>,
    /// What the services add to its messages.
    pub(crate) added: AddedFields,
}

impl<'a> Unsettled<'a> {
    pub(super) const fn cleared(&self) -> &Cleared<'a> {
        &self.cleared
    }

    pub(super) fn new(
        cleared: Cleared<'a>,
        share: Option<LimitShare>,
        left: &'a [GlobalRateLimit],
    ) -> Self {
        Self {
            cleared,
            share,
            left,
            added: AddedFields::default(),
        }
    }

    /// What is to be done next.
    pub(crate) fn go_on(mut self: Box<Self>, request: &DescribedRequest<'_>) -> LimitStep<'a> {
        while let [limit, rest @ ..] = self.left {
            self.left = rest;
            if let Some(question) = global_limit::question(limit, request) {
                return LimitStep::Ask(AskedLimit {
                    limit,
                    question,
                    unsettled: self,
                });
            }
        }
        let Self {
            cleared,
            share,
            added,
            ..
        } = *self;
        LimitStep::Settled(Settled {
            passage: Passage::of(cleared),
            share,
            added,
        })
    }
}

impl<'a> AskedLimit<'a> {
    /// Goes on with the answer of the service.
    ///
    /// # Errors
    /// The refusal of the request, which gives its tokens back.
    pub(crate) fn answered(
        self,
        answer: Result<RateLimitResponse, impl Display>,
    ) -> Result<Box<Unsettled<'a>>, Refusal> {
        let Self {
            limit,
            mut unsettled,
            ..
        } = self;
        let judged = global_limit::judge(limit, answer);
        if judged.is_err()
            && let Some(share) = &unsettled.share
        {
            share.give_back();
        }
        let AddedFields { request, response } = judged?;
        unsettled.added.request.extend(request);
        unsettled.added.response.extend(response);
        Ok(unsettled)
    }
}
