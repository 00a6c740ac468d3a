//! docs/metrics.md says what the code exports.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::{env, fs, io};

use prometheus_client::encoding::text::encode;
use tokio::runtime::Handle;

use super::{AdminParts, registry};
use crate::context::SharedContext;
use crate::dns::ResolverSet;
use crate::dns::hickory::HickoryClient;
use crate::message::trace::TracePropagation;
use crate::meter::LabelValue;
use crate::refusal::Reason;
use crate::status::{ConfigStatus, SourceState};
use crate::telemetry::access_log::LogFiles;
use crate::tls::{RootCertificates, TlsClients};
use crate::tunnel::TunnelKind;
use crate::upstream::SharedUpstreams;

/// The labels of the metrics that have any, beside the `le` of histograms.
const LABELS: &[(&str, &[&str])] = &[
    ("audited", &["listener", "policy", "rule"]),
    ("config_held_generation", &["object"]),
    ("destination_bytes", &["destination", "direction"]),
    ("destination_duration_seconds", &["destination"]),
    ("destination_errors", &["destination", "reason"]),
    ("destination_requests", &["destination"]),
    ("dns_lookup_failures", &["cause"]),
    ("dns_lookups", &["result", "outcome"]),
    ("dns_query_duration_seconds", &["server"]),
    ("dns_query_failures", &["server", "cause"]),
    ("downstream_tls_handshakes", &["result"]),
    ("internal_redirects", &["result"]),
    ("mirrored_requests", &["result"]),
    (
        "refusals",
        &["reason", "listener", "route", "backend", "policy", "rule"],
    ),
    (
        "responses",
        &["code", "listener", "route", "backend", "policy", "rule"],
    ),
    ("tls_certificate_expiry_seconds", &["listener", "use"]),
    ("tunnel_bytes", &["direction"]),
    ("tunnels_ended", &["reason"]),
    ("tunnels_opened", &["kind"]),
    ("upstream_connect_attempts", &["result"]),
    ("upstream_connect_failures", &["cause"]),
    ("upstream_health_checks", &["result"]),
    ("upstream_tls_handshakes", &["result"]),
];

const INTRODUCTION: &str = "\
# Metrics

What `/metrics` of the admin server exports, as OpenMetrics. [operations.md](operations.md#metrics) says what to make of
it, and [deploy/monitoring](../deploy/monitoring) has alerts and a dashboard. This page is written from the code.

| metric | type | labels | meaning |
|---|---|---|---|
";

/// One metric.
#[derive(Default)]
struct Family {
    kind: String,
    help: String,
}

/// Everything that a process exports before there was any traffic.
async fn exported() -> String {
    let queries = HickoryClient::factory();
    let resolvers = ResolverSet::new(queries, None, Handle::current());
    let tls = TlsClients::new(RootCertificates::of([]));
    let logs = LogFiles::start(Box::new(io::sink()), None).unwrap();
    let shared = SharedContext::new(
        1,
        SharedUpstreams::new(resolvers, tls, 0),
        logs,
        TracePropagation::default(),
        None,
    );
    let status = ConfigStatus::default();
    status.has_source(SourceState::Connected);
    let parts = AdminParts {
        shared,
        status: Arc::new(status),
        process: Arc::default(),
        workers: Vec::new(),
        top_destinations: 100,
    };
    let mut text = String::new();
    encode(&mut text, &registry(&parts)).unwrap();
    text
}

/// The metrics by name, without the prefix that all have.
fn families(exported: &str) -> BTreeMap<&str, Family> {
    let mut families = BTreeMap::<_, Family>::new();
    for line in exported.lines() {
        let Some((what, rest)) = line.strip_prefix("# ").and_then(|it| it.split_once(' ')) else {
            continue;
        };
        let (name, text) = rest.split_once(' ').unwrap();
        let family = families
            .entry(name.strip_prefix("egret_").unwrap())
            .or_default();
        match what {
            "HELP" => family.help = text.trim_end_matches('.').to_owned(),
            "TYPE" => family.kind = text.to_owned(),
            _ => {}
        }
    }
    families
}

fn labels_of(name: &str) -> &'static [&'static str] {
    let found = LABELS.iter().find(|(known, _)| *known == name);
    found.map_or(&[], |(_, labels)| labels)
}

fn values<L: LabelValue>() -> String {
    let values: Vec<_> = L::ALL
        .iter()
        .map(|value| format!("`{}`", value.as_str()))
        .collect();
    values.join(", ")
}

fn page(families: &BTreeMap<&str, Family>) -> String {
    let mut page = INTRODUCTION.to_owned();
    for (name, Family { kind, help }) in families {
        let ending = if kind == "counter" { "_total" } else { "" };
        let labels: Vec<_> = labels_of(name)
            .iter()
            .map(|label| format!("`{label}`"))
            .collect();
        let labels = labels.join(", ");
        page.push_str(&format!(
            "| `egret_{name}{ending}` | {kind} | {labels} | {help} |\n"
        ));
    }
    page.push_str(&format!(
        "
The values of labels:

- `listener` is `namespace/gateway/listener`, `route` is `namespace/route/rule`, `backend` and `policy` are
  `namespace/name`, and `rule` is the name of a rule of the policy. One that is not known is left out.
- `code` is a status code.
- `reason` of refusals is one of {}. Destinations have those of the access log beside them.
- `destination` is a host, `*.domain` for those of a domain, or `other`.
- `kind` of tunnels is one of {}.
- `direction` is `sent` to or `received` from a destination, and `up` to the upstream or `down` to the client of a
  tunnel.
- `server` is a DNS server, and `object` is an object of the configuration.

A histogram has the series `_bucket`, `_count` and `_sum`, in seconds.
",
        values::<Reason>(),
        values::<TunnelKind>()
    ));
    page
}

#[tokio::test]
async fn the_page_is_that_of_the_code() {
    let exported = exported().await;
    let page = page(&families(&exported));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/metrics.md");
    if env::var_os("EGRET_WRITE").is_some() {
        fs::write(&path, &page).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == page,
        "docs/metrics.md is out of date; EGRET_WRITE=1 cargo test -p egret-proxy --lib admin::reference writes it"
    );
}

#[tokio::test]
async fn every_metric_with_labels_is_in_the_table() {
    let exported = exported().await;
    let families = families(&exported);
    for (name, _) in LABELS {
        assert!(families.contains_key(name), "{name} is exported");
    }
    let samples = exported.lines().filter(|line| !line.starts_with('#'));
    for (name, labels) in samples.filter_map(|line| line.split_once('{')) {
        let name = name.strip_prefix("egret_").unwrap();
        let name = ["_total", "_bucket", "_count", "_sum"]
            .iter()
            .find_map(|ending| name.strip_suffix(ending))
            .unwrap_or(name);
        let labels = labels.split('}').next().unwrap().split(',');
        let labels = labels.filter_map(|label| label.split_once('='));
        let labels: BTreeSet<_> = labels.map(|(label, _)| label).collect();
        let known = labels_of(name);
        for label in labels {
            assert!(label == "le" || known.contains(&label), "{name}: {label}");
        }
    }
}
