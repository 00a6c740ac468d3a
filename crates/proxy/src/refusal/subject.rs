//! What a refusal is about.

use std::fmt;
use std::net::SocketAddr;

use egret_config::name::{Host, Port};

/// Identifies one refusal, in the log and in the `Proxy-Status` field of its response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RefusalId(u64);

/// What a refusal is about, as far as it is known when the request is refused.
#[derive(Clone, Debug, Default)]
pub(crate) struct RefusalSubject {
    /// The host and port that the request was to be sent to.
    pub(crate) destination: Option<(Host, Port)>,
    /// The address that was judged, or connected to.
    pub(crate) address: Option<SocketAddr>,
    /// The identity of the refusal; `None` for a connection that is refused before there is a request.
    pub(crate) id: Option<RefusalId>,
}

impl RefusalId {
    /// A new identity.
    pub(crate) fn random() -> Self {
        Self(rand::random())
    }
}

impl fmt::Display for RefusalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl RefusalSubject {
    /// The destination as `host:port`, or what stands for one that is not known.
    pub(super) fn destination(&self) -> String {
        match &self.destination {
            Some((host, port)) => format!("{host}:{port}"),
            None => "the destination".to_owned(),
        }
    }

    /// The host of the destination.
    pub(super) fn host(&self) -> String {
        match &self.destination {
            Some((host, _)) => host.to_string(),
            None => "the host".to_owned(),
        }
    }

    /// The address that was judged, and the host that it belongs to if that is a name.
    pub(super) fn judged_address(&self) -> String {
        match (&self.destination, self.address) {
            (Some((host @ Host::Name(_), _)), Some(address)) => {
                format!("{} ({host})", address.ip())
            }
            (_, Some(address)) => address.ip().to_string(),
            (_, None) => format!("every address of {}", self.host()),
        }
    }

    /// The address that was connected to, and the host that it belongs to if that is a name.
    pub(super) fn endpoint(&self) -> String {
        match (&self.destination, self.address) {
            (Some((host @ Host::Name(_), _)), Some(address)) => format!("{address} ({host})"),
            (_, Some(address)) => address.to_string(),
            (_, None) => self.destination(),
        }
    }
}
