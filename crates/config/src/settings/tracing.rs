//! Which requests are traced, and where their spans go (`tracing` of a ListenerPolicy).

use std::sync::Arc;

use http::HeaderName;
use serde::Serialize;

use crate::policy::service::Collector;

/// The tracing of a listener.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Tracing {
    /// The collector of OpenTelemetry.
    pub collector: Collector,
    /// `service.name` of the resource.
    pub service_name: Arc<str>,
    /// The share of requests that are traced, in percent of percent: of 10,000.
    pub sampling: u32,
    /// The most bytes of a path in a span.
    pub max_path: usize,
    /// Whether the way to the upstream has a span of its own.
    pub spawns_upstream_span: bool,
    /// Attributes of every span.
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
}

/// 100 %.
pub const WHOLE: u32 = 10_000;

fn name_of<S: serde::Serializer>(name: &HeaderName, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(name.as_str())
}
