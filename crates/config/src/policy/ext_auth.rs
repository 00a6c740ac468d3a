//! `extAuth` of TrafficPolicies: a service that says which requests are let through (Envoy's external authorization).

use std::collections::BTreeMap;

use http::{HeaderName, HeaderValue, StatusCode};
use serde::{Serialize, Serializer};

use super::headers::{as_names, as_pairs};
use super::service::CalledService;

/// `extAuth` of a TrafficPolicy, as the policy and its GatewayExtension say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ExtAuth {
    /// How the service is called.
    pub service: CalledService,
    /// In which protocol.
    pub protocol: AuthProtocol,
    /// Whether requests are let through if it gives no answer.
    pub fails_open: bool,
    /// The status of the response if it gives no answer.
    #[serde(serialize_with = "as_number")]
    pub status_on_error: StatusCode,
    /// The headers of the request that it gets; of none, all over gRPC, and `Authorization` over HTTP.
    #[serde(serialize_with = "as_names")]
    pub forwarded: Vec<HeaderName>,
    /// How much of the request's body it gets; `None` is nothing.
    pub body: Option<AuthBody>,
    /// What it is told beside the request.
    pub context: BTreeMap<String, String>,
}

/// The protocol of a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum AuthProtocol {
    /// `envoy.service.auth.v3`
    Grpc,
    /// The request without its body, to which a response is the answer.
    Http(HttpAuth),
}

/// How a service is asked over HTTP, and what of its answer is used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct HttpAuth {
    /// What comes before the path of the request; with a slash at the beginning, or empty.
    pub path_prefix: String,
    /// Further headers of the question.
    #[serde(serialize_with = "as_pairs")]
    pub adds: Vec<(HeaderName, HeaderValue)>,
    /// The headers of the answer that the upstream gets.
    #[serde(serialize_with = "as_names")]
    pub to_upstream: Vec<HeaderName>,
    /// The headers of an answer that refuses which the client gets; of none, all.
    #[serde(serialize_with = "as_names")]
    pub to_client: Vec<HeaderName>,
    /// The headers of an answer that lets a request through which the client gets.
    #[serde(serialize_with = "as_names")]
    pub to_client_on_success: Vec<HeaderName>,
}

/// How much of a request's body a service gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct AuthBody {
    /// The most bytes.
    pub most: u32,
    /// Whether of a larger body the beginning is sent.
    pub allows_partial: bool,
    /// Whether it is sent as bytes in place of text.
    pub as_bytes: bool,
}

fn as_number<S: Serializer>(status: &StatusCode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u16(status.as_u16())
}
