//! `extProc` of a TrafficPolicy: what a service is asked about a request and its response, and what becomes of both. Who
//! asks it is elsewhere.

use std::collections::BTreeMap;

use egret_config::expression::RequestView;
use egret_config::policy::ext_proc::ExtProc;
use egret_config::policy::traffic::TrafficSettings;
use http::Uri;
use http::uri::PathAndQuery;
use serde_json::{Map, Value};

use super::envoy::ext_proc::Metadata;
use super::envoy::structure::Struct;

mod conversation;
mod denial;
mod dialogue;
mod fault;
mod mutation;
mod question;
mod stage;

pub(crate) use conversation::{Conversation, MAX_MESSAGE, Processor, ToldFacts};
pub(crate) use denial::{ClientForm, request_too_large, response_too_large};
pub(crate) use dialogue::{Answer, Direction};
pub(crate) use fault::ProcessorFault;
pub(crate) use question::SectionQuestion;
pub(crate) use stage::{BodyStage, SourceFrame, StageError, StageQuestions};

/// The namespace of Envoy's metadata that has what the client's token says, and the field of it.
const CLAIMS: (&str, &str) = ("envoy.filters.http.jwt_authn", "payload");
/// That of what the service of `extAuth` has said of the request.
const AUTHORIZATION: &str = "envoy.filters.http.ext_authz";
/// The name of Envoy's filter.
const FILTER: &str = "envoy.filters.http.ext_proc";

/// Whether a service is told attributes of requests.
pub(super) fn reads_requests(policies: &TrafficSettings) -> bool {
    let proc = policies.ext_proc.value();
    proc.is_some_and(|proc| !proc.attributes.is_empty())
}

/// What is known of a request beside what it says itself.
#[derive(Clone, Copy, Default)]
pub(super) struct KnownMetadata<'a> {
    /// What the client's token says.
    pub(super) claims: Option<&'a Map<String, Value>>,
    /// What the service of `extAuth` has said.
    pub(super) authorization: Option<&'a Struct>,
}

impl ToldFacts {
    /// What a service is told of a request and of what else is known of it, as the policy has it.
    pub(super) fn new(
        proc: &ExtProc,
        request: Option<&RequestView<'_>>,
        known: KnownMetadata<'_>,
    ) -> Self {
        let claims = known.claims.filter(|_| proc.forwards_claims);
        let claims = claims.map(|claims| {
            let payload = Struct::nested(CLAIMS.1, claims.into());
            (CLAIMS.0.to_owned(), payload)
        });
        let authorization = known.authorization.filter(|_| proc.forwards_authorization);
        let authorization = authorization.map(|said| (AUTHORIZATION.to_owned(), said.clone()));
        let filter_metadata: BTreeMap<_, _> = claims.into_iter().chain(authorization).collect();
        let metadata = (!filter_metadata.is_empty()).then_some(Metadata { filter_metadata });
        let request = request.filter(|_| !proc.attributes.is_empty());
        let attributes = request.map(|request| {
            let told = proc.attributes.iter().filter_map(|attribute| {
                let value = attribute.evaluate(request)?;
                Some((attribute.text().to_owned(), value.into()))
            });
            let fields = told.collect();
            BTreeMap::from([(FILTER.to_owned(), Struct { fields })])
        });
        Self {
            metadata,
            attributes: attributes.unwrap_or_default(),
        }
    }
}

/// Says another path in a target.
pub(super) fn replace_path(uri: &mut Uri, path: &PathAndQuery) {
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(path.clone());
    if let Ok(changed) = Uri::from_parts(parts) {
        *uri = changed;
    }
}

#[cfg(test)]
mod tests;
