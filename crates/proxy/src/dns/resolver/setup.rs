//! The settings of a resolver, and what is made from them.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use egret_config::name::DnsName;
use egret_config::snapshot::{LookupFamily, ResolverSettings};

use super::{How, Resolved};
use crate::dns::failure::{Failure, ResolveError};
use crate::dns::family::arrange;
use crate::dns::hosts_file::Names;
use crate::dns::query::Query;

/// The settings, and what is made from them.
pub(in crate::dns) struct Setup {
    pub(in crate::dns) settings: Arc<ResolverSettings>,
    pub(in crate::dns) query: Arc<dyn Query>,
    /// Of the settings, and of the hosts file when the system's servers are asked.
    hosts: HashMap<DnsName, Arc<[IpAddr]>>,
    /// What the hosts file held.
    pub(super) names: Arc<Names>,
    localhost: Arc<[IpAddr]>,
}

impl Setup {
    pub(super) fn new(
        settings: Arc<ResolverSettings>,
        query: Arc<dyn Query>,
        names: Arc<Names>,
    ) -> Self {
        let mut hosts = HashMap::new();
        if settings.servers.is_empty() {
            hosts.extend(from_hosts_file(&names, settings.family));
        }
        hosts.extend(
            settings
                .hosts
                .iter()
                .map(|(name, addresses)| (name.clone(), arrange(addresses, settings.family))),
        );
        // Many who listen on localhost listen on IPv4 only, so Auto does not put IPv6 first here.
        let family = match settings.family {
            LookupFamily::Auto => LookupFamily::V4Preferred,
            family => family,
        };
        let loopback = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
        Self {
            localhost: arrange(&loopback, family),
            hosts,
            names,
            query,
            settings,
        }
    }

    /// What is never asked for.
    pub(super) fn without_dns(&self, name: &DnsName) -> Option<Result<Resolved, ResolveError>> {
        let (addresses, how) = if let Some(addresses) = self.hosts.get(name) {
            (addresses, How::Static)
        } else if name.is_localhost() {
            (&self.localhost, How::Localhost)
        } else {
            return None;
        };
        let addresses = Arc::clone(addresses);
        let failure = Failure::NoData;
        Some(if addresses.is_empty() {
            Err(ResolveError::Failed { failure, how })
        } else {
            Ok(Resolved::new(addresses, how))
        })
    }
}

/// The names of the hosts file that it answers for. Localhost is not among them, which is the loopback addresses whatever
/// the file says (RFC 6761 6.3), nor a name that has no address of a wanted family there: DNS may know one.
fn from_hosts_file(
    names: &Names,
    family: LookupFamily,
) -> impl Iterator<Item = (DnsName, Arc<[IpAddr]>)> {
    names
        .iter()
        .filter(|(name, _)| !name.is_localhost())
        .map(move |(name, addresses)| (name.clone(), arrange(addresses, family)))
        .filter(|(_, addresses)| !addresses.is_empty())
}
