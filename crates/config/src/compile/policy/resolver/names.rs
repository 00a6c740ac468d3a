//! Compiles the fixed hosts, the names to resolve in advance, and the search domains of a ResolverPolicy.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use egret_api::egret::ResolverHost;

use crate::compile::log::FieldFault;
use crate::name::{DnsName, HostPattern};

/// The number that Kubernetes allows for a Pod. Each domain may cost one more query for a name.
const MAX_SEARCH_DOMAINS: usize = 32;

pub(super) fn fixed_names(
    hosts: &[ResolverHost],
    faults: &mut Vec<FieldFault>,
) -> BTreeMap<DnsName, Vec<IpAddr>> {
    let mut names = BTreeMap::new();
    for (
        index,
        ResolverHost {
            hostname,
            addresses,
        },
    ) in hosts.iter().enumerate()
    {
        let mut fault = |name: &str, message: String| {
            faults.push(FieldFault::new(
                format!("spec.hosts[{index}].{name}"),
                message,
            ));
        };
        let name = match one_name(hostname) {
            Ok(name) => name,
            Err(message) => {
                fault("hostname", message);
                continue;
            }
        };
        if addresses.is_empty() {
            fault("addresses", "at least one address is needed".to_owned());
        }
        let mut parsed = Vec::new();
        for (at, address) in addresses.iter().enumerate() {
            match address.parse::<IpAddr>() {
                Ok(address) => parsed.push(address),
                Err(_) => fault(&format!("addresses[{at}]"), "not an IP address".to_owned()),
            }
        }
        if names.insert(name, parsed).is_some() {
            fault("hostname", "given twice".to_owned());
        }
    }
    names
}

/// Parses the names to resolve in advance; repeated names count once.
pub(super) fn known_names(names: &[String], faults: &mut Vec<FieldFault>) -> BTreeSet<DnsName> {
    let mut known = BTreeSet::new();
    for (index, text) in names.iter().enumerate() {
        match one_name(text) {
            Ok(name) => {
                known.insert(name);
            }
            Err(message) => {
                faults.push(FieldFault::new(
                    format!("spec.preresolve[{index}]"),
                    message,
                ));
            }
        }
    }
    known
}

/// Parses search domains. They are tried in order, so that a repeated domain is a mistake.
pub(super) fn search_domains(domains: &[String], faults: &mut Vec<FieldFault>) -> Vec<DnsName> {
    if domains.len() > MAX_SEARCH_DOMAINS {
        let message = format!("at most {MAX_SEARCH_DOMAINS} are allowed");
        faults.push(FieldFault::new("spec.search", message));
    }
    let mut parsed = Vec::new();
    for (index, text) in domains.iter().enumerate() {
        let mut fault = |message: String| {
            faults.push(FieldFault::new(format!("spec.search[{index}]"), message));
        };
        match one_name(text) {
            Ok(name) if parsed.contains(&name) => fault("given twice".to_owned()),
            Ok(name) => parsed.push(name),
            Err(message) => fault(message),
        }
    }
    parsed
}

pub(super) fn one_name(text: &str) -> Result<DnsName, String> {
    match HostPattern::parse(text) {
        Ok(HostPattern::Exact(name)) => Ok(name),
        Ok(HostPattern::Below(_)) => Err("a wildcard is not one name".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}
