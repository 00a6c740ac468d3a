//! What a client's connection begins with, before anything of it is served.

use egret_config::name::DnsName;

/// What a client said of itself before TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HelloFacts {
    /// The name that it asks for.
    pub(crate) sni: Option<DnsName>,
    /// Whether it offers an encrypted hello.
    pub(crate) ech: bool,
}
