//! `GET /overview`: the state of the whole, and the last hour.

use std::sync::Arc;

use serde::Serialize;

use super::dns::servers;
use super::values::{LatencyJson, TimeJson};
use super::{AdminParts, AdminResponse, AdminState, json};
use crate::context::SharedContext;
use crate::dns::{DnsStats, FailureKind};
use crate::meter::{HistogramSnapshot, LabelValue as _};
use crate::metrics::WorkerMetrics;
use crate::telemetry::{ExchangeSums, MINUTES, Minute, PhaseDurations};

#[derive(Serialize)]
struct OverviewJson {
    version: &'static str,
    started: TimeJson,
    now: TimeJson,
    workers: usize,
    generation: GenerationJson,
    readiness: ReadinessJson,
    /// The DNS servers that do not answer.
    silent_dns_servers: Vec<Arc<str>>,
    totals: TotalsJson,
    minutes: Vec<MinuteJson>,
}

#[derive(Serialize)]
struct GenerationJson {
    number: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<TimeJson>,
    state: &'static str,
    message: String,
}

#[derive(Serialize)]
struct ReadinessJson {
    ready: bool,
    troubles: Vec<String>,
}

#[derive(Serialize)]
struct TotalsJson {
    #[serde(flatten)]
    sums: SumsJson,
    connections: i64,
    tunnels: i64,
}

#[derive(Serialize)]
struct SumsJson {
    requests: u64,
    refused: u64,
    failed: u64,
    bytes_sent: u64,
    bytes_received: u64,
}

#[derive(Serialize)]
struct MinuteJson {
    at: TimeJson,
    #[serde(flatten)]
    sums: SumsJson,
    phases: PhasesJson,
    dns: DnsMinute,
}

#[derive(Serialize)]
struct PhasesJson {
    dns: PhaseJson,
    connect: PhaseJson,
    tls: PhaseJson,
    first_byte: PhaseJson,
    total: PhaseJson,
}

#[derive(Serialize)]
struct PhaseJson {
    count: u64,
    #[serde(flatten)]
    latency: LatencyJson,
}

/// What was asked of DNS servers in one minute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct DnsMinute {
    queries: u64,
    /// Names that do not exist, by the word of a server.
    not_found: u64,
    /// Those that no server answered, or that a server could not or would not answer.
    failures: u64,
}

/// What was asked of DNS servers in each minute of the last hour: by samples of the counters, which have no time.
#[derive(Debug)]
pub(super) struct DnsHour {
    /// The counters when they were last looked at.
    seen: DnsMinute,
    /// The number of a minute and what happened in it, by the minute modulo their number.
    minutes: [(u64, DnsMinute); MINUTES],
}

impl Default for DnsHour {
    fn default() -> Self {
        Self {
            seen: DnsMinute::default(),
            minutes: [(0, DnsMinute::default()); MINUTES],
        }
    }
}

impl DnsHour {
    /// Notes in a minute what has changed since the last look.
    fn sample(&mut self, now: DnsMinute, minute: u64) {
        let place = &mut self.minutes[place(minute)];
        if place.0 != minute {
            *place = (minute, DnsMinute::default());
        }
        place.1.queries += now.queries.saturating_sub(self.seen.queries);
        place.1.not_found += now.not_found.saturating_sub(self.seen.not_found);
        place.1.failures += now.failures.saturating_sub(self.seen.failures);
        self.seen = now;
    }

    fn at(&self, minute: u64) -> DnsMinute {
        let (number, counts) = self.minutes[place(minute)];
        if number == minute {
            counts
        } else {
            DnsMinute::default()
        }
    }
}

impl DnsMinute {
    /// The counters since the start.
    fn of(stats: &DnsStats) -> Self {
        let count = |kind: FailureKind| stats.query_failures.counter(kind).get();
        // That a name does not exist, or has no addresses of a family, is an answer.
        let failures = FailureKind::ALL.iter().copied();
        let failures = failures.filter(|kind| !kind.is_answer());
        Self {
            queries: stats.queries.get(),
            not_found: count(FailureKind::NxDomain),
            failures: failures.map(count).sum(),
        }
    }
}

/// Notes what has been asked of DNS servers until now.
pub(super) fn sample_dns(state: &AdminState) {
    let now = DnsMinute::of(state.parts.shared.upstreams.resolvers.stats());
    let minute = TimeJson::now().0 / 60_000;
    state.dns_hour().sample(now, minute);
}

/// Tells everything.
pub(super) async fn overview(state: &AdminState) -> AdminResponse {
    sample_dns(state);
    let AdminParts { shared, status, .. } = &*state.parts;
    let now = TimeJson::now();
    let not_ready = state.not_ready().await;
    let ready = not_ready.is_none();
    let troubles = not_ready.into_iter().chain(state.troubles(true));
    let (totals, minutes) = traffic(shared, state, now.0 / 60_000);
    let message = status.why_not_current().unwrap_or_default();
    json(serde_json::to_vec(&OverviewJson {
        version: env!("CARGO_PKG_VERSION"),
        started: TimeJson::from(state.started),
        now,
        workers: shared.metrics.len(),
        generation: GenerationJson {
            number: status.generation(),
            since: status.applied_at().map(TimeJson::from),
            state: if message.is_empty() {
                "current"
            } else {
                "held"
            },
            message,
        },
        readiness: ReadinessJson {
            ready,
            troubles: troubles.collect(),
        },
        silent_dns_servers: servers::silent(shared.upstreams.resolvers.stats()),
        totals,
        minutes,
    }))
}

/// The sums over all workers, since the start and by the minute.
fn traffic(shared: &SharedContext, state: &AdminState, now: u64) -> (TotalsJson, Vec<MinuteJson>) {
    let mut sums = ExchangeSums::default();
    let first = TimeJson::from(state.started).0 / 60_000;
    let mut minutes = Minute::hour_until(now, first);
    for worker in &shared.metrics {
        worker.exchanges.hour.add_to(&mut sums, &mut minutes);
    }
    let open = |of: fn(&WorkerMetrics) -> i64| shared.metrics.iter().map(of).sum();
    let totals = TotalsJson {
        sums: sums.into(),
        connections: open(|worker| worker.clients.open.get()),
        tunnels: open(|worker| worker.tunnels.open.get()),
    };
    let dns = state.dns_hour();
    let minutes = minutes.into_iter().map(|minute| MinuteJson {
        at: TimeJson(minute.number * 60_000),
        sums: minute.sums.into(),
        phases: PhasesJson::from(&minute.phases),
        dns: dns.at(minute.number),
    });
    (totals, minutes.collect())
}

fn place(minute: u64) -> usize {
    // The remainder fits.
    usize::try_from(minute % MINUTES as u64).unwrap_or_default()
}

impl From<ExchangeSums> for SumsJson {
    fn from(sums: ExchangeSums) -> Self {
        let ExchangeSums {
            requests,
            refused,
            failed,
            bytes_sent,
            bytes_received,
        } = sums;
        Self {
            requests,
            refused,
            failed,
            bytes_sent,
            bytes_received,
        }
    }
}

impl From<&PhaseDurations> for PhasesJson {
    fn from(phases: &PhaseDurations) -> Self {
        let told = |durations: &HistogramSnapshot| PhaseJson {
            count: durations.count(),
            latency: durations.into(),
        };
        Self {
            dns: told(&phases.dns),
            connect: told(&phases.connect),
            tls: told(&phases.tls),
            first_byte: told(&phases.first_byte),
            total: told(&phases.total),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_in_the_minute_in_which_they_were_seen() {
        let counters = |queries, not_found, failures| DnsMinute {
            queries,
            not_found,
            failures,
        };
        let mut hour = DnsHour::default();
        hour.sample(counters(4, 2, 1), 100);
        hour.sample(counters(6, 2, 1), 100);
        hour.sample(counters(9, 3, 3), 101);
        assert_eq!(hour.at(100), counters(6, 2, 1));
        assert_eq!(hour.at(101), counters(3, 1, 2));
        assert_eq!(hour.at(102), counters(0, 0, 0));
        hour.sample(counters(10, 3, 3), 160);
        assert_eq!(hour.at(160), counters(1, 0, 0));
        assert_eq!(hour.at(100), counters(0, 0, 0), "it was an hour ago");
    }

    #[test]
    fn a_name_that_does_not_exist_is_no_failure_of_dns() {
        let stats = DnsStats::default();
        for &kind in FailureKind::ALL {
            stats.query_failures.increment(kind);
        }
        let told = DnsMinute::of(&stats);
        assert_eq!(told.not_found, 1);
        assert_eq!(told.failures, FailureKind::ALL.len() as u64 - 2);
    }
}
