//! The names that a ResolverPolicy knows without asking, or asks for before anybody does.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::api::egret::ResolverHost;
use crate::compile::log::Fault;
use crate::name::{DnsName, HostPattern};

pub(super) fn fixed_names(
    hosts: &[ResolverHost],
    faults: &mut Vec<Fault>,
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
            faults.push(Fault::new(format!("spec.hosts[{index}].{name}"), message));
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

/// Names given twice are one.
pub(super) fn known_names(names: &[String], faults: &mut Vec<Fault>) -> BTreeSet<DnsName> {
    let mut known = BTreeSet::new();
    for (index, text) in names.iter().enumerate() {
        match one_name(text) {
            Ok(name) => {
                known.insert(name);
            }
            Err(message) => {
                faults.push(Fault::new(format!("spec.preresolve[{index}]"), message));
            }
        }
    }
    known
}

fn one_name(text: &str) -> Result<DnsName, String> {
    match HostPattern::parse(text) {
        Ok(HostPattern::Exact(name)) => Ok(name),
        Ok(HostPattern::Below(_)) => Err("a wildcard cannot have addresses".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}
