//! The reasons why two listeners of one Gateway cannot both be served.

/// What two listeners of one port cannot have between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Conflict {
    /// The same hostname.
    Hostname,
    /// These protocols: on the first octets of a connection it has to be known whether it is TLS, and by the name that is
    /// asked for whether it ends here.
    Protocol,
}

impl Conflict {
    /// As the condition gives it.
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
