//! `tracing` of a TrafficPolicy, and the attributes of spans, which listeners configure too.

use std::sync::Arc;

use http::HeaderName;
use serde::Serialize;

/// What a rule changes about the tracing of its listener.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RouteTracing {
    /// The share of requests that are traced, in percent of percent, in place of the listener's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sampling: Option<u32>,
    /// More attributes of every span, each in place of the listener's of the same name.
    pub attributes: Vec<SpanAttribute>,
}

/// An attribute of every span.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SpanAttribute {
    /// The name.
    pub name: Arc<str>,
    /// Where the value comes from.
    pub source: AttributeSource,
    /// The value if it comes from nowhere; the attribute is left out without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<Arc<str>>,
}

/// Where the value of an attribute comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum AttributeSource {
    /// This text.
    Literal(Arc<str>),
    /// A header field of the request.
    RequestHeader(#[serde(serialize_with = "name_of")] HeaderName),
    /// A variable of the process's environment.
    Environment(Arc<str>),
    /// What does not exist here.
    Nowhere,
}

fn name_of<S: serde::Serializer>(name: &HeaderName, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(name.as_str())
}
