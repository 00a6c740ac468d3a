//! Why no connection to an upstream could be made.

use crate::meter::label_values;
use crate::tls::TlsFailure;

label_values! {
    /// Why no address of a destination could be connected to.
    pub(crate) enum ConnectFailure {
        /// The upstream answered the SYN with a reset.
        Refused = "refused",
        /// The upstream reset or closed the connection while it was being made.
        Terminated = "terminated",
        /// There is no route to the upstream.
        Unreachable = "unreachable",
        /// The upstream did not answer in time.
        Timeout = "timeout",
        /// No attempt was made: this process may not open another descriptor.
        NoDescriptors = "no_descriptors",
    }
}

impl ConnectFailure {
    /// One line for people.
    #[must_use]
    pub(crate) const fn details(self) -> &'static str {
        match self {
            Self::Refused => "the upstream refused the connection",
            Self::Terminated => "the upstream broke off the connection",
            Self::Unreachable => "there is no route to the upstream",
            Self::Timeout => "connecting to the upstream timed out",
            Self::NoDescriptors => "the proxy has no descriptor left to connect with",
        }
    }
}

/// Why a connected socket did not become a connection that carries TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SecureFailure {
    /// The handshake did not end in time.
    Connect(ConnectFailure),
    /// The handshake failed.
    Tls(TlsFailure),
}
