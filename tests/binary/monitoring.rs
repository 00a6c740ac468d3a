//! Alerts and the dashboard ask for metrics that there are.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

use super::{cluster, controller};

/// The names of the samples of an export.
fn exported(metrics: &str) -> BTreeSet<String> {
    let types = metrics
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "));
    let samples = types.flat_map(|line| {
        let (name, kind) = line.split_once(' ').unwrap();
        let endings: &[_] = match kind {
            "counter" => &["", "_total"],
            "histogram" => &["_bucket", "_count", "_sum"],
            _ => &[""],
        };
        endings.iter().map(move |ending| format!("{name}{ending}"))
    });
    samples.collect()
}

/// The names of metrics in a text.
fn named(text: &str) -> BTreeSet<&str> {
    let words = text.split(|char: char| !char.is_ascii_alphanumeric() && char != '_');
    words.filter(|word| word.starts_with("egret_")).collect()
}

fn monitoring(file: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/monitoring");
    fs::read_to_string(folder.join(file)).unwrap()
}

#[test]
fn every_metric_that_is_asked_for_exists() {
    let exported = exported(&(cluster::metrics() + &controller::metrics()));
    assert!(exported.contains("egret_responses_total"), "{exported:?}");
    for file in ["alerts.yaml", "alerts_test.yaml", "dashboard.json"] {
        let text = monitoring(file);
        let named = named(&text);
        assert!(named.len() > 5, "{file}");
        for name in named {
            assert!(exported.contains(name), "{file}: {name}");
        }
    }
}

#[test]
fn the_dashboard_can_be_read() {
    let dashboard: Value = serde_json::from_str(&monitoring("dashboard.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let mut ids = BTreeSet::new();
    for panel in panels {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{panel}");
        assert!(!panel["targets"].as_array().unwrap().is_empty(), "{panel}");
    }
}
