//! Conflicts between two listeners of one Gateway, by which neither is served.

/// What two listeners of one port conflict in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ListenerConflict {
    /// Both have the same hostname.
    Hostname,
    /// Their protocols cannot share a port: the first bytes of a connection must tell whether it is TLS, and the server
    /// name (SNI) whether the TLS is terminated.
    Protocol,
}

impl ListenerConflict {
    /// The reason for the condition.
    pub(super) const fn reason(self) -> &'static str {
        match self {
            Self::Hostname => "HostnameConflict",
            Self::Protocol => "ProtocolConflict",
        }
    }

    pub(super) const fn field(self) -> &'static str {
        match self {
            Self::Hostname => "hostname",
            Self::Protocol => "protocol",
        }
    }

    pub(super) const fn message(self) -> &'static str {
        match self {
            Self::Hostname => "another listener of this Gateway has the same port and hostname",
            Self::Protocol => {
                "another listener of this Gateway has the same port and a protocol that cannot share it"
            }
        }
    }
}
