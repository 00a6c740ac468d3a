//! Which requests are traced, and where their spans go (`tracing` of a ListenerPolicy).

use std::sync::Arc;

use serde::Serialize;

use crate::policy::route_tracing::SpanAttribute;
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
    /// Whether the environment says attributes of the resource (`OTEL_RESOURCE_ATTRIBUTES`).
    pub detects_environment: bool,
    /// Attributes of every span.
    pub attributes: Vec<SpanAttribute>,
}

/// 100 %.
pub const WHOLE: u32 = 10_000;
