//! Identifies the resolver that a saved name belongs to.

use egret_config::snapshot::{BackendResolver, ResolverId, ResolverSettings};

/// The resolver that a saved name belongs to, and the servers that answered.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::dns) struct CacheOwner {
    /// `system`, or namespace and name of the ResolverPolicy; after those of a Backend if it has settings of its own.
    pub(super) resolver: String,
    /// A digest of the servers and search domains: others may know other addresses.
    pub(super) servers: u64,
}

impl CacheOwner {
    /// The owner for a resolver with these settings; `system` is the system's configuration of its servers, which
    /// counts when the settings name none.
    #[must_use]
    pub(in crate::dns) fn new(id: &ResolverId, settings: &ResolverSettings, system: &[u8]) -> Self {
        let resolver = match id {
            ResolverId::System => "system".to_owned(),
            ResolverId::Policy(policy) => format!("{}/{}", policy.namespace, policy.name),
            ResolverId::Backend(BackendResolver { backend, policy }) => {
                let policy = policy.as_ref();
                let policy = policy.map(|policy| format!("{}/{}", policy.namespace, policy.name));
                let policy = policy.unwrap_or_else(|| "system".to_owned());
                format!("{}/{}:{policy}", backend.namespace, backend.name)
            }
        };
        let servers = (&settings.servers, &settings.search);
        // There is nothing in the settings that JSON could not hold.
        let mut servers = serde_json::to_vec(&servers).unwrap_or_default();
        if settings.servers.is_empty() {
            servers.extend_from_slice(system);
        }
        Self {
            resolver,
            servers: digest(&servers),
        }
    }
}

/// FNV-1a, which detects accidents and is the same in every process.
pub(super) fn digest(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |sum, &byte| {
        (sum ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    })
}
