//! Requests that may be sent once services let them through: those that keep limits, and after them one that sees them.

use std::fmt::Display;
use std::sync::Arc;

use egret_config::policy::egress::EgressDecision;
use egret_config::policy::ext_proc::ExtProc;
use egret_config::policy::global_limit::{DescribedRequest, GlobalRateLimit};
use egret_config::policy::traffic::PolicySetting;
use egret_config::policy::transformation::{FieldChanges, PseudoField};
use egret_config::resources::ObjectRef;
use http::request::Parts;

use super::credentials::Principal;
use super::envoy::rate_limit::{RateLimitRequest, RateLimitResponse};
use super::ext_proc::{
    Answer, ClientForm, KnownMetadata, Processor, ProcessorFault, ToldFacts, replace_path,
};
use super::global_limit::{self, AddedFields};
use super::limit::LimitShare;
use super::transformation::TransformedHead;
use super::{Cleared, asked};
use crate::message::grpc;
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

/// A request that every limit lets through: whether it may be sent at once.
pub(crate) enum Passage<'a> {
    /// It may.
    Cleared(Cleared<'a>),
    /// A service sees it before.
    Unprocessed(Box<Unprocessed<'a>>),
}

/// A request that may be sent once a service has seen it.
pub(crate) struct Unprocessed<'a> {
    cleared: Cleared<'a>,
    policy: &'a ObjectRef,
    proc: &'a Arc<ExtProc>,
    /// Its method and path, if the service has changed them.
    target: TransformedHead,
}

/// A request that a service has seen.
pub(crate) struct ProcessedRequest<'a> {
    pub(crate) cleared: Cleared<'a>,
    /// What the egress policies decide about another method or path.
    pub(crate) decision: Option<EgressDecision<'a>>,
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

impl<'a> Passage<'a> {
    /// The passage of a request that the limits let through.
    pub(super) fn of(cleared: Cleared<'a>) -> Self {
        match cleared.policies.map(|policies| &policies.ext_proc) {
            Some(PolicySetting::Set(policy, proc)) => Self::Unprocessed(Box::new(Unprocessed {
                cleared,
                policy,
                proc,
                target: TransformedHead::default(),
            })),
            _ => Self::Cleared(cleared),
        }
    }

    /// The request, whether or not a service sees it.
    pub(super) const fn cleared(&self) -> &Cleared<'a> {
        match self {
            Self::Cleared(cleared) => cleared,
            Self::Unprocessed(unprocessed) => &unprocessed.cleared,
        }
    }

    /// The passage of what cannot be read, which no service sees.
    pub(crate) fn unread(self) -> Cleared<'a> {
        match self {
            Self::Cleared(cleared) => cleared,
            Self::Unprocessed(unprocessed) => unprocessed.cleared,
        }
    }
}

impl<'a> Unprocessed<'a> {
    /// The service, which was asked nothing yet. `is_tunnel` says that the request asks for a tunnel.
    pub(crate) fn processor(&self, parts: &Parts, is_tunnel: bool) -> Processor {
        let form = match grpc::is_asked_for(parts.version, &parts.headers) {
            _ if is_tunnel => ClientForm::Tunnel,
            true => ClientForm::Grpc,
            false => ClientForm::Plain,
        };
        let Cleared { plan, kept, .. } = &self.cleared;
        let kept = kept.as_ref();
        let request = kept.map(|kept| kept.view(asked::destination(plan)));
        let principal = self.cleared.principal();
        let claims = principal.and_then(Principal::claims);
        let metadata = KnownMetadata {
            claims: claims.map(|claims| &**claims),
            authorization: self.cleared.metadata(),
        };
        let told = ToldFacts::new(self.proc, request.as_ref(), metadata);
        Processor::new(self.policy, self.proc, form, told)
    }

    /// Makes the changes of an answer to the head of the request.
    ///
    /// # Errors
    /// [`ProcessorFault::Target`] if another method or path is none that can be sent.
    pub(crate) fn change(
        &mut self,
        answer: &Answer,
        parts: &mut Parts,
        is_upgrade: bool,
    ) -> Result<(), ProcessorFault> {
        let fields = &answer.fields;
        let is_tunnel = self.cleared.plan().method_and_path().is_none();
        let of_request = |field: PseudoField| field != PseudoField::Status && !is_tunnel;
        let pseudo = fields.pseudo.iter().filter(|(field, _)| of_request(*field));
        let pseudo: Vec<_> = pseudo.cloned().collect();
        let changed = TransformedHead::new(FieldChanges::default(), &pseudo, parts, is_upgrade);
        let changed = changed.map_err(|_| ProcessorFault::Target)?;
        if let Some(method) = &changed.method {
            parts.method = method.clone();
        }
        if let Some(path) = &changed.path {
            replace_path(&mut parts.uri, path);
        }
        self.target = changed.with_target_of(&self.target);
        fields.apply(&mut parts.headers);
        self.cleared.grant(fields.names(), &parts.headers);
        Ok(())
    }

    /// Goes on with a request that the service has seen as far as it wants to. If it has another method or path, asks the
    /// egress policies about it.
    ///
    /// # Errors
    /// [`Refusal::Policy`] with what denies it.
    pub(crate) fn processed(self) -> Result<ProcessedRequest<'a>, Refusal> {
        let Self {
            mut cleared,
            target,
            ..
        } = self;
        let decision = match target.changes_target() {
            true => cleared.transform(target.into())?,
            false => None,
        };
        Ok(ProcessedRequest { cleared, decision })
    }
}
