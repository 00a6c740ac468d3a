//! The DNS caches as the admin server shows and empties them.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use egret_config::name::{DnsName, Port};
use egret_config::snapshot::ResolverId;
use http::StatusCode;
use serde::Serialize;

use super::{AdminResponse, text};
use crate::dns::listing::Listed;
use crate::dns::query::Service;
use crate::dns::{DnsStats, Failure, How, Resolvers};
use crate::metrics::MetricWriter;

#[derive(Serialize)]
struct Cached {
    resolver: ResolverId,
    names: Vec<Name>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Name {
    name: DnsName,
    state: &'static str,
    resolving: bool,
    addresses: Vec<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<HttpsRecord>,
    age_seconds: f64,
    ttl_seconds: f64,
    idle_seconds: f64,
    hits: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[derive(Serialize)]
struct HttpsRecord {
    alpn: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    port: Option<u16>,
    hints: Vec<IpAddr>,
}

/// `GET /dns`.
pub(super) fn list(resolvers: &Resolvers) -> serde_json::Result<Vec<u8>> {
    let all = resolvers.all();
    let caches = all.iter().map(|(id, resolver)| Cached {
        resolver: id.clone(),
        names: resolver.list().into_iter().map(Name::from).collect(),
    });
    serde_json::to_vec_pretty(&caches.collect::<Vec<_>>())
}

/// `POST /dns/flush`: forgets one name or all, in every cache.
pub(super) fn flush(resolvers: &Resolvers, query: Option<&str>) -> AdminResponse {
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

/// `POST /dns/refresh`: asks again for one name, in every cache that knows it.
pub(super) fn refresh(resolvers: &Resolvers, query: Option<&str>) -> AdminResponse {
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

/// The `host` parameter. A host name holds nothing that would be percent-encoded.
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
        // Else a slip of the pen would empty every cache.
        let message = "the only parameter is host=NAME\n";
        return Err(Box::new(text(StatusCode::BAD_REQUEST, message)));
    };
    host.parse().map(Some).map_err(|error| {
        let message = format!("host={host}: {error}\n");
        Box::new(text(StatusCode::BAD_REQUEST, message))
    })
}

/// The DNS part of `/metrics`.
pub(super) fn metrics(to: &mut MetricWriter<'_>, resolvers: &Resolvers) -> fmt::Result {
    let stats = resolvers.stats();
    let lookups = How::ALL.into_iter().flat_map(|how| {
        let resolved = stats.resolved[how.index()].get();
        let failed = stats.failed[how.index()].get();
        let labels = |outcome: &'static str| {
            [
                ("result", how.as_str().to_owned()),
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

/// What lookups asked for, however many servers that took.
fn queries(to: &mut MetricWriter<'_>, stats: &DnsStats) -> fmt::Result {
    let help = "Names asked for, once for each family, however many servers were asked";
    to.counter("dns_queries", help, stats.queries.get())?;
    let failures = Failure::LABELS.iter().zip(&stats.query_failures);
    let failures = failures.map(|(cause, count)| ([("cause", *cause)], count.get()));
    let help = "Names and families that no server gave addresses for, by cause";
    to.counters("dns_lookup_failures", help, failures)?;
    let help = "From asking for a name and family to the answer or failure that counted";
    let spread = stats.query_duration.snapshot();
    to.histogram("dns_lookup_duration_seconds", help, &spread)
}

/// What each server did.
fn servers(to: &mut MetricWriter<'_>, stats: &DnsStats) -> fmt::Result {
    let all = stats.servers();
    let failures = all.iter().flat_map(|(server, stats)| {
        let failures = Failure::LABELS.iter().zip(&stats.failures);
        failures.map(move |(cause, count)| {
            let labels = [("server", server.to_string()), ("cause", (*cause).into())];
            (labels, count.get())
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

/// What `/metrics` tells about the state folder.
pub(super) fn store_metrics(to: &mut MetricWriter<'_>, resolvers: &Resolvers) -> fmt::Result {
    let help = "Times that the DNS caches could not be written to the state folder";
    to.counter("dns_store_failures", help, resolvers.save_failures())
}

impl From<Listed> for Name {
    fn from(listed: Listed) -> Self {
        let seconds = |duration: Duration| (duration.as_secs_f64() * 1e3).round() / 1e3;
        Self {
            name: listed.name,
            state: listed.state.as_str(),
            resolving: listed.resolving,
            addresses: listed.addresses.as_deref().unwrap_or_default().to_vec(),
            service: listed.service.as_deref().map(HttpsRecord::from),
            age_seconds: seconds(listed.age),
            ttl_seconds: seconds(listed.ttl_left),
            idle_seconds: seconds(listed.idle),
            hits: listed.hits,
            error: listed.error.map(|error| error.to_string()),
        }
    }
}

impl From<&Service> for HttpsRecord {
    fn from(service: &Service) -> Self {
        // A protocol may be any octets; what people can read of them is enough here.
        let alpn = service.alpn.iter();
        Self {
            alpn: alpn.map(|id| id.escape_ascii().to_string()).collect(),
            port: service.port.map(Port::get),
            hints: service.hints.clone(),
        }
    }
}

#[cfg(test)]
mod tests;
