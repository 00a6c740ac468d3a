//! `GET /explain`: what would become of a request, by the configuration that is served.

use http::StatusCode;

use super::{AdminResponse, json, text};
use crate::context::SharedContext;
use crate::request::explain::{Explainer, RequestQuestion};

/// Explains the request that the parameters describe.
pub(super) fn explain(shared: &SharedContext, query: Option<&str>) -> AdminResponse {
    let parameters: Vec<_> = form_urlencoded::parse(query.unwrap_or_default().as_bytes()).collect();
    let parameters = parameters.iter().map(|(name, value)| (&**name, &**value));
    let question = match RequestQuestion::from_parameters(parameters) {
        Ok(question) => question,
        Err(error) => return text(StatusCode::BAD_REQUEST, format!("{error}\n")),
    };
    let explainer = Explainer {
        snapshot: &shared.snapshot.load_full(),
        credentials: &shared.upstreams.credentials,
        own: &shared.upstreams.own_addresses.load(),
    };
    json(serde_json::to_vec_pretty(&explainer.explain(&question)))
}
