//! The metrics of destinations: the busiest by name, the others by their registrable domain, and the rest.
//!
//! Names are the clients' choice, so that the number of series is bounded. A destination that is not among the busiest any
//! more is counted with its domain or the rest from then on, with all that was counted before: the sums over all series are
//! those of all exchanges, at any time.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use egret_config::name::Host;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use super::WorkerMetrics;
use super::export::MetricWriter;
use crate::telemetry::DestinationCounts;

/// The label of what is counted under no name.
pub(crate) const OTHER: &str = "other";

/// The counts of all workers by destination, at one time.
#[derive(Debug, Default)]
pub(crate) struct AllDestinations {
    pub(crate) names: HashMap<Host, WeighedCounts>,
    /// What is counted for domains only, because their names found no place.
    pub(crate) domains: HashMap<Arc<str>, DestinationCounts>,
    pub(crate) rest: DestinationCounts,
}

/// The counts of one destination, with how much it weighs beside others.
#[derive(Debug, Default)]
pub(crate) struct WeighedCounts {
    pub(crate) weight: u64,
    pub(crate) counts: DestinationCounts,
}

/// Collects the metrics of destinations when they are scraped.
#[derive(Debug)]
pub(crate) struct DestinationCollector {
    pub(crate) workers: Vec<WorkerMetrics>,
    /// The most names, and the most domains, that have series of their own.
    pub(crate) most: usize,
}

/// One value of the label `destination`, with its counts.
type Series = (String, DestinationCounts);

/// The destinations of all workers.
pub(crate) fn all_destinations(workers: &[WorkerMetrics]) -> AllDestinations {
    let mut all = AllDestinations::default();
    for worker in workers {
        let list = worker.exchanges.destinations.list();
        for (host, weight, counts) in list.names {
            let sum = all.names.entry(host).or_default();
            sum.weight = sum.weight.saturating_add(weight);
            sum.counts.add(&counts);
        }
        for (domain, counts) in list.domains {
            all.domains.entry(domain).or_default().add(&counts);
        }
        all.rest.add(&list.rest);
    }
    // A client may ask for a host of this name, which has no series of its own.
    if let Ok(host) = OTHER.parse()
        && let Some(known) = all.names.remove(&host)
    {
        all.rest.add(&known.counts);
    }
    all
}

impl AllDestinations {
    /// The `most` destinations with the most traffic, the `most` domains with the most requests among the others, and the
    /// rest.
    fn series(self, most: usize) -> Vec<Series> {
        let Self {
            names,
            mut domains,
            mut rest,
        } = self;
        let by_weight = |one: &WeighedCounts| one.weight;
        let (named, others) = busiest(names, most, by_weight);
        for (host, known) in others {
            match host.registrable_domain().map(Arc::from) {
                Some(domain) => domains.entry(domain).or_default().add(&known.counts),
                None => rest.add(&known.counts),
            }
        }
        let by_requests = |one: &DestinationCounts| one.requests;
        let (rolled_up, others) = busiest(domains, most, by_requests);
        for (_, counts) in others {
            rest.add(&counts);
        }
        let named = named.into_iter();
        let named = named.map(|(host, known)| (host.to_string(), known.counts));
        let rolled_up = rolled_up.into_iter();
        let rolled_up = rolled_up.map(|(domain, counts)| (format!("*.{domain}"), counts));
        let rest = (OTHER.to_owned(), rest);
        named.chain(rolled_up).chain([rest]).collect()
    }
}

/// Entries of a map.
type Entries<K, V> = Vec<(K, V)>;

/// The entries of a map with the greatest ranks, in their order, and the others in none: only those that are told are
/// sorted, of very many.
fn busiest<K: Ord, V>(
    all: HashMap<K, V>,
    most: usize,
    rank: impl Fn(&V) -> u64,
) -> (Entries<K, V>, Entries<K, V>) {
    let mut all: Vec<_> = all.into_iter().collect();
    let order = |(one, of_one): &(K, V), (other, of_other): &(K, V)| {
        let greater = rank(of_other).cmp(&rank(of_one));
        greater.then_with(|| one.cmp(other))
    };
    if most < all.len() {
        all.select_nth_unstable_by(most, order);
    }
    let others = all.split_off(most.min(all.len()));
    all.sort_unstable_by(order);
    (all, others)
}

impl Collector for DestinationCollector {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let series = all_destinations(&self.workers).series(self.most);
        let mut to = MetricWriter(encoder);
        let name = |series: &Series| ("destination", series.0.clone());
        let help = "Requests and tunnels that have ended, by destination";
        let requests = series.iter().map(|one| ([name(one)], one.1.requests));
        to.counters("destination_requests", help, requests)?;
        let help = "Requests and tunnels that were refused or failed, by destination and reason";
        let errors = series.iter().flat_map(|one| {
            let reasons = one.1.reasons.iter();
            reasons.map(|(reason, count)| {
                let reason = ("reason", (*reason).to_owned());
                ([name(one), reason], *count)
            })
        });
        to.counters("destination_errors", help, errors)?;
        let help = "Bytes of bodies and tunnels, sent to and received from the destination";
        let bytes = series.iter().flat_map(|one| {
            let both = [
                ("sent", one.1.bytes_sent),
                ("received", one.1.bytes_received),
            ];
            both.map(|(direction, bytes)| ([name(one), ("direction", direction.to_owned())], bytes))
        });
        to.counters("destination_bytes", help, bytes)?;
        let help = "From a request's head to the end of its response, or to the answer that makes a tunnel";
        let latencies = series
            .iter()
            .map(|one| ([name(one)], one.1.latency.clone()));
        to.histograms("destination_duration_seconds", help, latencies)
    }
}

#[cfg(test)]
mod tests;
