//! Prepares the settings of a resolver for lookups, and answers for names that are never queried.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use egret_config::name::DnsName;
use egret_config::snapshot::{LookupFamily, ResolverSettings};

use super::resolved_name::ResolvedName;
use crate::dns::failure::{DnsFailure, ResolveError};
use crate::dns::family::order_by_family;
use crate::dns::hosts_file::HostsTable;
use crate::dns::singleflight::ClientSettings;
use crate::dns::source::AnswerSource;

/// The settings of a resolver, prepared for lookups.
pub(super) struct ResolverSetup {
    pub(super) using: ClientSettings,
    /// The hosts of the settings, and those of the hosts file when the system's servers are queried.
    hosts: HashMap<DnsName, Arc<[IpAddr]>>,
    /// The content of the hosts file.
    pub(super) names: Arc<HostsTable>,
    localhost: Arc<[IpAddr]>,
}

impl ResolverSetup {
    pub(super) fn new(using: ClientSettings, names: Arc<HostsTable>) -> Self {
        let settings = &using.settings;
        let mut hosts = HashMap::new();
        if settings.servers.is_empty() {
            hosts.extend(from_hosts_file(&names, settings.family));
        }
        hosts.extend(
            settings.hosts.iter().map(|(name, addresses)| {
                (name.clone(), order_by_family(addresses, settings.family))
            }),
        );
        // Many services on localhost listen on IPv4 only, so Auto does not put IPv6 first here.
        let family = match settings.family {
            LookupFamily::Auto => LookupFamily::V4Preferred,
            family => family,
        };
        let loopback = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
        Self {
            localhost: order_by_family(&loopback, family),
            hosts,
            names,
            using,
        }
    }

    pub(super) fn settings(&self) -> &Arc<ResolverSettings> {
        &self.using.settings
    }

    /// The result for a name that is never queried; `None` for any other.
    pub(super) fn without_dns(&self, name: &DnsName) -> Option<Result<ResolvedName, ResolveError>> {
        let (addresses, source) = if let Some(addresses) = self.hosts.get(name) {
            (addresses, AnswerSource::Static)
        } else if name.is_localhost() {
            (&self.localhost, AnswerSource::Localhost)
        } else {
            return None;
        };
        let addresses = Arc::clone(addresses);
        let failure = DnsFailure::NoData;
        Some(if addresses.is_empty() {
            Err(ResolveError::Failed {
                failure,
                answer_source: source,
            })
        } else {
            Ok(ResolvedName::new(addresses, source))
        })
    }
}

/// The names that the hosts file answers for. Names below localhost are left out, because they are the loopback
/// addresses whatever the file says (RFC 6761 6.3), and so are names without an address of a queried family: DNS may
/// know one.
fn from_hosts_file(
    names: &HostsTable,
    family: LookupFamily,
) -> impl Iterator<Item = (DnsName, Arc<[IpAddr]>)> {
    names
        .iter()
        .filter(|(name, _)| !name.is_localhost())
        .map(move |(name, addresses)| (name.clone(), order_by_family(addresses, family)))
        .filter(|(_, addresses)| !addresses.is_empty())
}
