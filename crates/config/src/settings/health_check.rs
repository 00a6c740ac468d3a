//! `healthCheck` of a BackendConfigPolicy: how the addresses of a backend are asked whether they can serve.

use std::time::Duration;

use serde::{Serialize, Serializer};

/// How the addresses of a backend are checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HealthCheck {
    /// How long one check may take.
    pub timeout: Duration,
    /// The time from the end of a check to the next one.
    pub interval: Duration,
    /// After how many checks in a row that brought no answer an address counts as unhealthy; at least 1.
    pub unhealthy_threshold: u32,
    /// After how many good checks in a row it counts as healthy again; at least 1.
    pub healthy_threshold: u32,
    /// What is asked.
    pub probe: HealthProbe,
}

/// What an address is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum HealthProbe {
    /// An HTTP request, which a healthy address answers with 200.
    Http {
        /// The `Host`; `None` is that of the backend.
        host: Option<String>,
        /// The path, with its query.
        path: String,
        /// The method.
        #[serde(serialize_with = "as_str")]
        method: http::Method,
    },
    /// The health service of gRPC.
    Grpc {
        /// The authority; `None` is that of the backend.
        authority: Option<String>,
        /// The name of the service that is asked about; empty is the server as a whole.
        service: String,
    },
    /// A connection, and bytes on it.
    Tcp {
        /// What is sent; empty sends nothing, and it is enough that there is a connection.
        send: Vec<u8>,
        /// What the answer must contain, one after the other.
        receive: Vec<Vec<u8>>,
    },
}

fn as_str<S: Serializer>(method: &http::Method, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(method.as_str())
}
