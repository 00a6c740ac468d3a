//! One saved name as a line of text:
//!
//! ```text
//! SERVERS NAME FAMILY TTL ANSWERED IDLE ADDRESSES RESOLVER
//! ```
//!
//! `TTL` is in seconds. `ANSWERED` is the wall-clock time of the answer, in milliseconds since 1970. `IDLE` is the time
//! since the last use, in milliseconds, as it was when the line was written: the time in which no process ran does not
//! count as idle.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use egret_config::name::DnsName;
use egret_config::snapshot::LookupFamily;

use super::owner::CacheOwner;
use crate::dns::cache::SavedEntry;
use crate::dns::query::MAX_ADDRESSES;

/// The most addresses of a name: those of two families.
const MAX_LINE_ADDRESSES: usize = 2 * MAX_ADDRESSES;

pub(super) fn encode(owner: &CacheOwner, saved: &SavedEntry, wall: SystemTime) -> String {
    let addresses: Vec<_> = saved.addresses.iter().map(ToString::to_string).collect();
    format!(
        "{:016x} {} {} {} {} {} {} {}",
        owner.servers,
        saved.name,
        word(saved.family),
        saved.ttl.as_secs(),
        since_epoch(wall).saturating_sub(saved.age).as_millis(),
        saved.idle.as_millis(),
        addresses.join(","),
        owner.resolver,
    )
}

pub(super) fn decode(line: &str, wall: SystemTime) -> Result<(CacheOwner, SavedEntry), String> {
    let mut words = line.splitn(8, ' ');
    let mut word = |what: &str| words.next().ok_or_else(|| format!("there is no {what}"));
    let servers = word("digest of the servers")?;
    let servers =
        u64::from_str_radix(servers, 16).map_err(|error| format!("{servers:?}: {error}"))?;
    let text = word("name")?;
    let name: DnsName = text.parse().map_err(|error| format!("{text:?}: {error}"))?;
    let text = word("family")?;
    let family = family(text).ok_or_else(|| format!("{text:?} is no family"))?;
    let ttl = Duration::from_secs(number(word("TTL")?)?);
    let answered = Duration::from_millis(number(word("time of the answer")?)?);
    let idle = Duration::from_millis(number(word("time since the last use")?)?);
    let addresses = addresses(word("address")?)?;
    let resolver = word("resolver")?.to_owned();
    let saved = SavedEntry {
        name,
        addresses: addresses.into(),
        family,
        ttl,
        // The clock may have gone back: an answer from the future counts as one from now.
        age: since_epoch(wall).saturating_sub(answered),
        idle,
    };
    Ok((CacheOwner { resolver, servers }, saved))
}

fn addresses(text: &str) -> Result<Vec<IpAddr>, String> {
    let addresses: Result<Vec<IpAddr>, _> = text.split(',').map(str::parse).collect();
    let addresses = addresses.map_err(|error| format!("{text:?}: {error}"))?;
    if addresses.len() > MAX_LINE_ADDRESSES {
        return Err(format!("{} addresses are too many", addresses.len()));
    }
    Ok(addresses)
}

fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|error| format!("{text:?}: {error}"))
}

fn since_epoch(wall: SystemTime) -> Duration {
    wall.duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
}

const FAMILIES: [(LookupFamily, &str); 5] = [
    (LookupFamily::Auto, "Auto"),
    (LookupFamily::V4Only, "V4Only"),
    (LookupFamily::V6Only, "V6Only"),
    (LookupFamily::V4Preferred, "V4Preferred"),
    (LookupFamily::V6Preferred, "V6Preferred"),
];

fn word(family: LookupFamily) -> &'static str {
    let found = FAMILIES.iter().find(|(candidate, _)| *candidate == family);
    found.map_or("Auto", |(_, word)| word)
}

fn family(word: &str) -> Option<LookupFamily> {
    let found = FAMILIES.iter().find(|(_, candidate)| *candidate == word);
    found.map(|(family, _)| *family)
}
