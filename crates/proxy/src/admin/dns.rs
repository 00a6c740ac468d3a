//! The DNS part of the admin address: lists, flushes and refreshes the caches, and exports the metrics.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use egret_config::name::{DnsName, Port};
use egret_config::snapshot::ResolverId;
use http::StatusCode;
use serde::Serialize;

use super::{AdminResponse, text};
use crate::dns::query::HttpsRecord;
use crate::dns::{AnswerSource, DnsStats, FailureKind, ListedName, ResolverSet};
use crate::meter::LabelValue as _;
use crate::metrics::MetricWriter;

pub(super) mod servers;

#[derive(Serialize)]
struct CacheJson {
    resolver: ResolverId,
    names: Vec<CachedNameJson>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CachedNameJson {
    name: DnsName,
    state: &'static str,
    resolving: bool,
    addresses: Vec<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<HttpsRecordJson>,
    age_seconds: f64,
    ttl_seconds: f64,
    idle_seconds: f64,
    hits: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[derive(Serialize)]
struct HttpsRecordJson {
    alpn: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    port: Option<u16>,
    hints: Vec<IpAddr>,
}

/// `GET /dns`: lists every name in every cache.
pub(super) fn list(resolvers: &ResolverSet) -> serde_json::Result<Vec<u8>> {
    let all = resolvers.all();
    let caches = all.iter().map(|(id, resolver)| CacheJson {
        resolver: id.clone(),
        names: resolver
            .list()
            .into_iter()
            .map(CachedNameJson::from)
            .collect(),
    });
    serde_json::to_vec_pretty(&caches.collect::<Vec<_>>())
}

/// What the caches know of one name: the one that was used last, if several do.
pub(super) fn listed(resolvers: &ResolverSet, name: &DnsName) -> Option<CachedNameJson> {
    let all = resolvers.all();
    let known = all.values().flat_map(|resolver| resolver.list());
    let known = known.filter(|listed| listed.name == *name);
    known
        .min_by_key(|listed| listed.idle)
        .map(CachedNameJson::from)
}

/// `POST /dns/flush`: forgets one name or all, in every cache.
pub(super) fn flush(resolvers: &ResolverSet, query: Option<&str>) -> AdminResponse {
    match host(query) {
        Ok(name) => {
            let all = resolvers.all();
            let count: usize = all
                .values()
                .map(|resolver| resolver.flush(name.as_ref()))
                .sum();
            text(StatusCode::OK, format!("{count} forgotten\n"))
        }
        Err(answer) => *answer,
    }
}

/// `POST /dns/refresh`: refreshes one name, in every cache that knows it.
pub(super) fn refresh(resolvers: &ResolverSet, query: Option<&str>) -> AdminResponse {
    let name = match host(query) {
        Ok(Some(name)) => name,
        Ok(None) => return text(StatusCode::BAD_REQUEST, "say which: ?host=NAME\n"),
        Err(answer) => return *answer,
    };
    let all = resolvers.all();
    let count = all
        .values()
        .filter(|resolver| resolver.refresh(&name))
        .count();
    text(StatusCode::OK, format!("{count} asked for\n"))
}

/// The `host` parameter of a query. A host name has no characters that would be percent-encoded.
fn host(query: Option<&str>) -> Result<Option<DnsName>, Box<AdminResponse>> {
    let mut parameters = query
        .unwrap_or_default()
        .split('&')
        .filter(|one| !one.is_empty());
    let Some(parameter) = parameters.next() else {
        return Ok(None);
    };
    let host = parameter.strip_prefix("host=");
    let Some(host) = host.filter(|_| parameters.next().is_none()) else {
        // Otherwise a misspelt parameter would empty every cache.
        let message = "the only parameter is host=NAME\n";
        return Err(Box::new(text(StatusCode::BAD_REQUEST, message)));
    };
    host.parse().map(Some).map_err(|error| {
        let message = format!("host={host}: {error}\n");
        Box::new(text(StatusCode::BAD_REQUEST, message))
    })
}

/// The DNS part of `/metrics`.
pub(super) fn metrics(to: &mut MetricWriter<'_>, resolvers: &ResolverSet) -> fmt::Result {
    let stats = resolvers.stats();
    let lookups = AnswerSource::ALL.iter().flat_map(|&source| {
        let resolved = stats.resolved.counter(source).get();
        let failed = stats.failed.counter(source).get();
        let labels = |outcome: &'static str| {
            [
                ("result", source.as_str().to_owned()),
                ("outcome", outcome.to_owned()),
            ]
        };
        [(labels("addresses"), resolved), (labels("failure"), failed)]
    });
    let help = "Lookups, by where the result came from and whether it held addresses";
    to.counters("dns_lookups", help, lookups)?;
    let help = "Lookups refused because too many names were being resolved";
    to.counter("dns_overloaded", help, stats.overloaded.get())?;
    queries(to, stats)?;
    servers(to, stats)?;
    let help = "Names forgotten because the cache was full";
    to.counter("dns_evicted", help, stats.evicted.get())?;
    let help = "Names forgotten because nobody asked for them";
    to.counter("dns_idled", help, stats.idled.get())?;
    let all = resolvers.all();
    let names: usize = all.values().map(|resolver| resolver.len()).sum();
    let pending: usize = all.values().map(|resolver| resolver.pending()).sum();
    to.gauge(
        "dns_names",
        "Names remembered",
        i64::try_from(names).unwrap_or(i64::MAX),
    )?;
    to.gauge(
        "dns_pending",
        "Names being resolved",
        i64::try_from(pending).unwrap_or(i64::MAX),
    )
}

/// The metrics of queries, however many servers were asked for each.
fn queries(to: &mut MetricWriter<'_>, stats: &DnsStats) -> fmt::Result {
    let help = "Names asked for, once for each family, however many servers were asked";
    to.counter("dns_queries", help, stats.queries.get())?;
    let failures = FailureKind::ALL.iter().map(|&cause| {
        let count = stats.query_failures.counter(cause).get();
        ([("cause", cause.as_str())], count)
    });
    let help = "Names and families that no server gave addresses for, by cause";
    to.counters("dns_lookup_failures", help, failures)?;
    let help = "From asking for a name and family to the answer or failure that counted";
    let spread = stats.query_duration.snapshot();
    to.histogram("dns_lookup_duration_seconds", help, &spread)
}

/// The metrics of each server.
fn servers(to: &mut MetricWriter<'_>, stats: &DnsStats) -> fmt::Result {
    let all = stats.servers();
    let failures = all.iter().flat_map(|(server, stats)| {
        FailureKind::ALL.iter().map(move |&cause| {
            let labels = [
                ("server", server.to_string()),
                ("cause", cause.as_str().into()),
            ];
            (labels, stats.failures.counter(cause).get())
        })
    });
    let help = "Queries that a server gave no records for, by cause";
    to.counters("dns_query_failures", help, failures)?;
    let durations = all.iter().map(|(server, stats)| {
        let labels = [("server", server.to_string())];
        (labels, stats.duration.snapshot())
    });
    let help = "From a query to a server to its answer or failure";
    to.histograms("dns_query_duration_seconds", help, durations)
}

/// The metrics of the state folder.
pub(super) fn store_metrics(to: &mut MetricWriter<'_>, resolvers: &ResolverSet) -> fmt::Result {
    let help = "Times that the DNS caches could not be written to the state folder";
    to.counter("dns_store_failures", help, resolvers.save_failures())
}

impl From<ListedName> for CachedNameJson {
    fn from(listed: ListedName) -> Self {
        let seconds = |duration: Duration| (duration.as_secs_f64() * 1e3).round() / 1e3;
        Self {
            name: listed.name,
            state: listed.state.as_str(),
            resolving: listed.resolving,
            addresses: listed.addresses.as_deref().unwrap_or_default().to_vec(),
            service: listed.https_record.as_deref().map(HttpsRecordJson::from),
            age_seconds: seconds(listed.age),
            ttl_seconds: seconds(listed.ttl_left),
            idle_seconds: seconds(listed.idle),
            hits: listed.hits,
            error: listed.error.map(|error| error.to_string()),
        }
    }
}

impl From<&HttpsRecord> for HttpsRecordJson {
    fn from(record: &HttpsRecord) -> Self {
        // The id of a protocol may be any bytes; what is readable of them is enough here.
        let alpn = record.alpn.iter();
        Self {
            alpn: alpn.map(|id| id.escape_ascii().to_string()).collect(),
            port: record.port.map(Port::get),
            hints: record.hints.clone(),
        }
    }
}

#[cfg(test)]
mod tests;
