//! Services that the gateway itself sends requests to: those that it asks for its policies, and those that it tells things.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use serde::Serialize;

use crate::resources::ObjectRef;

/// Which reference to a service this is: the GatewayExtension that has it, and the field. The snapshot says where that is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct ServiceId(Arc<str>);

/// A service, and how it is called.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CalledService {
    /// The service.
    pub id: ServiceId,
    /// `:authority` of calls over gRPC.
    pub authority: String,
    /// The longest time that a call may take, with all that is made again.
    pub timeout: Duration,
    /// How often a call is made again.
    pub retries: u32,
    /// The first and the longest pause before that.
    pub back_off: (Duration, Duration),
}

/// How a service that collects telemetry is spoken to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum CollectorProtocol {
    /// By calls of gRPC.
    Grpc,
    /// By requests over HTTP to this path, with the same messages.
    Http(Arc<str>),
}

/// A service that collects telemetry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Collector {
    /// The service.
    pub service: CalledService,
    /// How it is spoken to.
    pub protocol: CollectorProtocol,
    /// Header fields of the calls, which may be credentials.
    #[serde(skip)]
    pub metadata: Vec<(HeaderName, HeaderValue)>,
}

impl ServiceId {
    /// The reference in a field of a GatewayExtension.
    #[must_use]
    pub fn new(extension: &ObjectRef, field: &str) -> Self {
        Self(format!("{extension}: {field}").into())
    }

    /// The service that an argument of the process names.
    #[must_use]
    pub fn of_argument(argument: &str) -> Self {
        Self(argument.into())
    }
}

impl fmt::Display for ServiceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
