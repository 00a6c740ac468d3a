//! `extProc` of a TrafficPolicy: what a service is asked about a request and its response, and what becomes of both. Who
//! asks it is elsewhere.

use std::sync::Arc;

use egret_config::policy::egress::EgressDecision;
use egret_config::policy::ext_proc::ExtProc;
use egret_config::policy::traffic::PolicySetting;
use egret_config::policy::transformation::{FieldChanges, PseudoField};
use egret_config::resources::ObjectRef;
use http::Uri;
use http::request::Parts;
use http::uri::PathAndQuery;

use super::Cleared;
use super::envoy::ext_proc::Metadata;
use super::envoy::structure::Struct;
use super::transformation::TransformedHead;
use crate::message::grpc;
use crate::refusal::Refusal;

mod conversation;
mod denial;
mod dialogue;
mod fault;
mod mutation;
mod question;
mod stage;

pub(crate) use conversation::{Conversation, MAX_MESSAGE, Processor};
pub(crate) use denial::{request_too_large, response_too_large};
pub(crate) use dialogue::{Answer, Direction};
pub(crate) use fault::ProcessorFault;
pub(crate) use question::SectionQuestion;
pub(crate) use stage::{BodyStage, SourceFrame, StageError, StageQuestions};

use denial::ClientForm;

/// The namespace of Envoy's metadata that has what the client's token says, and the field of it.
const CLAIMS: (&str, &str) = ("envoy.filters.http.jwt_authn", "payload");

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
        let principal = self.cleared.principal();
        let claims = principal.filter(|_| self.proc.forwards_claims);
        let metadata = claims.and_then(|principal| {
            let claims = Struct::from(&**principal.claims()?);
            let payload = Struct::nested(CLAIMS.1, claims);
            Some(Metadata {
                filter_metadata: [(CLAIMS.0.to_owned(), payload)].into(),
            })
        });
        Processor::new(self.policy, self.proc, form, metadata)
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

/// Says another path in a target.
fn replace_path(uri: &mut Uri, path: &PathAndQuery) {
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(path.clone());
    if let Ok(changed) = Uri::from_parts(parts) {
        *uri = changed;
    }
}

#[cfg(test)]
mod tests;
