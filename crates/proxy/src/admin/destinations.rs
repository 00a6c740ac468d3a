//! `GET /destinations`: who is talked to.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use egret_config::name::Host;
use serde::{Serialize, Serializer};

use super::dns::{self, CachedNameJson};
use super::list_query::{ListQuery, SortKey};
use super::values::{LatencyJson, TimeJson};
use super::{AdminResponse, json};
use crate::context::SharedContext;
use crate::dial::failure::ConnectFailure;
use crate::metrics::{AllDestinations, OTHER, WeighedCounts, WorkerMetrics, all_destinations};
use crate::telemetry::{Destination, DestinationCounts, MINUTES};
use crate::upstream::AddressState;

/// One destination.
#[derive(Serialize)]
struct DestinationJson {
    host: String,
    requests: u64,
    /// Refused or failed.
    errors: u64,
    /// By a policy.
    refused: u64,
    reasons: BTreeMap<&'static str, u64>,
    bytes_sent: u64,
    bytes_received: u64,
    latency: LatencyJson,
    #[serde(skip_serializing_if = "Option::is_none")]
    first: Option<TimeJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last: Option<TimeJson>,
    /// Requests by the minute, the oldest first.
    #[serde(serialize_with = "as_list")]
    minutes: [u32; MINUTES],
    #[serde(flatten)]
    details: Option<DetailsJson>,
}

/// What is told of one destination only.
#[derive(Serialize)]
struct DetailsJson {
    addresses: Vec<AddressJson>,
    dns: Option<CachedNameJson>,
}

/// One address of a destination.
#[derive(Serialize)]
struct AddressJson {
    address: String,
    state: &'static str,
    failures: u32,
    connections: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<&'static str>,
    /// What the health checks say; absent if the address is not checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    health_check: Option<&'static str>,
}

/// Lists the destinations.
pub(super) fn list(shared: &SharedContext, query: Option<&str>) -> AdminResponse {
    let query = match ListQuery::sorted(query) {
        Ok(query) => query,
        Err(error) => return error.into(),
    };
    let listed = match &query.host {
        Some(host) => one(shared, host).into_iter().collect(),
        None => all(&shared.metrics, &query),
    };
    json(serde_json::to_vec(&listed))
}

/// What is known of one destination.
fn one(shared: &SharedContext, host: &Host) -> Option<DestinationJson> {
    let known = with_minutes(&shared.metrics, &[host]);
    let mut listed = DestinationJson::new(host.to_string(), &known.into_iter().next()??);
    let addresses = shared.upstreams.destination_states.addresses_of(host);
    listed.details = Some(DetailsJson {
        addresses: addresses.into_iter().map(AddressJson::from).collect(),
        dns: match host {
            Host::Name(name) => dns::listed(&shared.upstreams.resolvers, name),
            Host::Ip(_) => None,
        },
    });
    Some(listed)
}

/// The first destinations in the wanted order, and what is counted under no name.
fn all(workers: &[WorkerMetrics], query: &ListQuery) -> Vec<DestinationJson> {
    let AllDestinations {
        names,
        domains,
        mut rest,
    } = all_destinations(workers);
    domains.values().for_each(|counts| rest.add(counts));
    let names = first_of(names.into_iter().collect(), query);
    let hosts: Vec<_> = names.iter().map(|(host, _)| host).collect();
    let known = with_minutes(workers, &hosts);
    let listed = hosts.iter().zip(known).filter_map(|(host, known)| {
        // It may have lost its place since.
        Some(DestinationJson::new(host.to_string(), &known?))
    });
    let rest = Destination {
        counts: rest,
        ..Destination::default()
    };
    let rest = (rest.counts.requests > 0).then(|| DestinationJson::new(OTHER.to_owned(), &rest));
    listed.chain(rest).collect()
}

/// As many as are wanted, in the wanted order; those that are alike by their names.
fn first_of(
    mut names: Vec<(Host, WeighedCounts)>,
    query: &ListQuery,
) -> Vec<(Host, WeighedCounts)> {
    let rank = |counts: &DestinationCounts| match query.sort.unwrap_or(SortKey::Requests) {
        SortKey::Requests => counts.requests,
        SortKey::Errors => counts.errors(),
        SortKey::Bytes => counts.bytes(),
        SortKey::Latency => counts.latency.mean_nanos(),
    };
    let order = |(a, of_a): &(Host, WeighedCounts), (b, of_b): &(Host, WeighedCounts)| {
        let (of_a, of_b) = (Reverse(rank(&of_a.counts)), Reverse(rank(&of_b.counts)));
        of_a.cmp(&of_b).then_with(|| a.cmp(b))
    };
    if query.limit < names.len() {
        // Only what is told is sorted, of very many.
        names.select_nth_unstable_by(query.limit, order);
        names.truncate(query.limit);
    }
    names.sort_unstable_by(order);
    names
}

/// What all workers know of some destinations, with their minutes.
fn with_minutes(workers: &[WorkerMetrics], hosts: &[&Host]) -> Vec<Option<Destination>> {
    let mut sums = vec![None; hosts.len()];
    for worker in workers {
        let known = worker.exchanges.destinations.get_all(hosts.iter().copied());
        for (sum, known) in sums.iter_mut().zip(known) {
            if let Some(known) = known {
                sum.get_or_insert_with(Destination::default).add(&known);
            }
        }
    }
    sums
}

impl DestinationJson {
    fn new(host: String, known: &Destination) -> Self {
        let Destination {
            counts,
            seen,
            minutes,
        } = known;
        let time = |millis| (millis > 0).then_some(TimeJson(millis));
        let minute = TimeJson::now().0 / 60_000;
        Self {
            host,
            requests: counts.requests,
            errors: counts.errors(),
            refused: counts.refused,
            reasons: counts.reasons.iter().copied().collect(),
            bytes_sent: counts.bytes_sent,
            bytes_received: counts.bytes_received,
            latency: LatencyJson::from(&counts.latency),
            first: time(seen.first),
            last: time(seen.last),
            minutes: minutes.until(minute),
            details: None,
        }
    }
}

impl From<AddressState> for AddressJson {
    fn from(state: AddressState) -> Self {
        Self {
            address: state.address.to_string(),
            state: if state.is_healthy {
                "healthy"
            } else {
                "failing"
            },
            failures: state.failures,
            connections: state.active,
            last_error: state.last_failure.map(ConnectFailure::details),
            health_check: state.fails_checks.map(|fails| match fails {
                true => "failing",
                false => "passing",
            }),
        }
    }
}

/// Arrays of this length are not known to serde.
fn as_list<S: Serializer>(counts: &[u32; MINUTES], to: S) -> Result<S::Ok, S::Error> {
    counts.as_slice().serialize(to)
}
