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
/// The name of Envoy's filter.
const FILTER: &str = "envoy.filters.http.ext_proc";

/// Whether a service is told attributes of requests.
pub(super) fn reads_requests(policies: &TrafficSettings) -> bool {
    let proc = policies.ext_proc.value();
    proc.is_some_and(|proc| !proc.attributes.is_empty())
}

impl ToldFacts {
    /// What a service is told of a request and what its client's token says, as the policy has it.
    pub(super) fn new(
        proc: &ExtProc,
        request: Option<&RequestView<'_>>,
        claims: Option<&Map<String, Value>>,
    ) -> Self {
        let claims = claims.filter(|_| proc.forwards_claims);
        let metadata = claims.map(|claims| {
            let payload = Struct::nested(CLAIMS.1, claims.into());
            let filter_metadata = BTreeMap::from([(CLAIMS.0.to_owned(), payload)]);
            Metadata { filter_metadata }
        });
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
