//! `GET /dns/servers`: the servers that are queried, and how they answer.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use crate::admin::values::{LatencyJson, TimeJson};
use crate::dns::{DnsStats, FailureKind, ServerStats};
use crate::meter::LabelValue as _;

/// One server, since the start.
#[derive(Serialize)]
struct ServerJson {
    server: Arc<str>,
    /// Whether it answers: not, once several queries in a row have brought nothing.
    answers: bool,
    queries: u64,
    /// Queries that it gave no records for, by cause.
    without_records: BTreeMap<&'static str, u64>,
    latency: LatencyJson,
    #[serde(skip_serializing_if = "Option::is_none")]
    last: Option<TimeJson>,
}

/// Lists every server that was queried.
pub(in crate::admin) fn list(stats: &DnsStats) -> serde_json::Result<Vec<u8>> {
    let all = stats.servers().into_iter();
    let queried = all.filter(|(_, stats)| stats.queried().is_some());
    let servers: Vec<_> = queried
        .map(|(server, stats)| ServerJson::new(server, &stats))
        .collect();
    serde_json::to_vec(&servers)
}

/// The servers that do not answer.
pub(in crate::admin) fn silent(stats: &DnsStats) -> Vec<Arc<str>> {
    let silent = stats.servers().into_iter();
    let silent = silent.filter(|(_, stats)| stats.is_silent());
    silent.map(|(server, _)| server).collect()
}

impl ServerJson {
    fn new(server: Arc<str>, stats: &ServerStats) -> Self {
        let durations = stats.duration.snapshot();
        let counts = FailureKind::ALL.iter().map(|&cause| {
            let count = stats.failures.counter(cause).get();
            (cause.as_str(), count)
        });
        Self {
            server,
            answers: !stats.is_silent(),
            queries: durations.count(),
            without_records: counts.filter(|(_, count)| *count > 0).collect(),
            latency: LatencyJson::from(&durations),
            last: stats.queried().map(TimeJson::from),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_server_is_silent_after_three_queries_without_an_answer_until_the_next_one() {
        let stats = DnsStats::default();
        let server = stats.server(&"9.9.9.9:53".into());
        let listed = || serde_json::from_slice::<Value>(&list(&stats).unwrap()).unwrap();
        assert_eq!(listed(), json!([]), "it was not queried");
        server.queried_at(SystemTime::UNIX_EPOCH + Duration::from_secs(1));
        server.duration.observe(Duration::from_millis(5));
        server.failures.increment(FailureKind::Timeout);
        let told = listed();
        let one = &told[0];
        assert_eq!(one["server"], "9.9.9.9:53");
        assert_eq!(one["last"], "1970-01-01T00:00:01.000Z");
        assert_eq!(one["queries"], 1);
        assert_eq!(one["without_records"], json!({"timeout": 1}));
        for (change, is_silent) in [
            (server.timed_out(), false),
            (server.timed_out(), false),
            (server.timed_out(), true),
            (server.timed_out(), false),
        ] {
            assert_eq!(change, is_silent);
        }
        assert_eq!(silent(&stats), ["9.9.9.9:53".into()]);
        assert_eq!(listed()[0]["answers"], false);
        assert!(server.answered() && !server.answered());
        assert_eq!(silent(&stats), []);
        assert!(server.failed() && !server.failed());
        assert_eq!(listed()[0]["answers"], false);
    }
}
