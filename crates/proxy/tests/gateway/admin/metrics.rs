//! What `/metrics` exports is what docs/metrics.md says.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use egret_testkit::client::connect_request;
use egret_testkit::gateway::{documents, egress_policy, quickstart_config};
use egret_testkit::{DnsServer, Gateway, Upstream};

/// The labels of each metric, by its name as it is exported.
fn documented(page: &str) -> BTreeMap<&str, BTreeSet<&str>> {
    let rows = page.lines().filter(|line| line.starts_with("| `egret_"));
    let rows = rows.map(|row| {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let labels = cells[3].split(", ").map(|label| label.trim_matches('`'));
        (cells[1].trim_matches('`'), labels.collect())
    });
    rows.collect()
}

#[test]
fn every_series_has_a_row_with_its_labels() {
    let (dns, upstream) = (DnsServer::with_a_example(), Upstream::start());
    let policy = egress_policy(
        "names",
        "defaultAction: Deny\n  rules: [{action: Allow, hosts: [a.example]}]",
    );
    let gateway = Gateway::start(&documents(&[&quickstart_config(dns.addr()), &policy]));
    let host = format!("a.example:{}", upstream.port());
    assert_eq!(gateway.get(&host, "/").status, 200);
    assert_eq!(gateway.get("denied.example", "/").status, 403);
    assert_eq!(
        gateway.connect().request(connect_request(&host)).status,
        200
    );
    let words = "listener=\"kgateway-system/http/http\",route=\"httpbin/dfp-httproute/0\",backend=\"httpbin/dfp-backend\"";
    for series in [
        format!("egret_responses_total{{code=\"403\",{words},policy=\"kgateway-system/names\"}}"),
        format!("egret_refusals_total{{reason=\"egress_policy\",{words}}}"),
    ] {
        gateway.wait_for_metric(&series, 1.0);
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/metrics.md");
    let page = fs::read_to_string(path).unwrap();
    let documented = documented(&page);
    let exported = gateway.ask("/metrics");
    let samples = exported.text();
    let samples = samples.lines().filter(|line| !line.starts_with('#'));
    for sample in samples {
        let (name, labels) = sample.split_once(['{', ' ']).unwrap();
        let whole = ["_bucket", "_count", "_sum"].iter().find_map(|ending| {
            name.strip_suffix(ending)
                .filter(|it| documented.contains_key(it))
        });
        let row = documented.get(whole.unwrap_or(name));
        let row = row.unwrap_or_else(|| panic!("{name} has a row"));
        let labels = labels.split_once('}').map_or("", |(labels, _)| labels);
        for label in labels.split(',').filter_map(|label| label.split_once('=')) {
            assert!(label.0 == "le" || row.contains(label.0), "{sample}");
        }
    }
}
