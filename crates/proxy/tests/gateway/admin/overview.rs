//! `GET /overview`, and the page.

use egret_testkit::gateway::{documents, egress_policy, quickstart_config};
use egret_testkit::{DnsServer, Gateway, Upstream};

use super::json;

#[test]
fn the_overview_tells_the_state_and_the_last_hour() {
    let (dns, upstream) = (DnsServer::with_a_example(), Upstream::start());
    let policy = egress_policy(
        "names",
        "defaultAction: Deny\n  rules: [{action: Allow, hosts: ['*.example']}]",
    );
    let config = documents(&[&quickstart_config(dns.addr()), &policy]);
    let gateway = Gateway::start_with_workers(&config, 2);
    let host = format!("a.example:{}", upstream.port());
    let mut client = gateway.connect();
    let served = client.request(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"));
    assert_eq!(served.status, 200);
    assert_eq!(gateway.get("denied.test", "/").status, 403);
    assert_eq!(gateway.get("nowhere.example", "/").status, 502);
    gateway.wait_for_metric("egret_destination_errors_total", 2.0);
    gateway.wait_for_metric("egret_destination_requests_total", 3.0);
    let told = json(&gateway, "/overview");
    assert_eq!(told["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(told["workers"], 2);
    let generation = &told["generation"];
    assert_eq!(
        (&generation["number"], &generation["state"]),
        (&1.into(), &"current".into())
    );
    assert_eq!(
        told["readiness"],
        serde_json::json!({"ready": true, "troubles": []})
    );
    let totals = &told["totals"];
    let counts = ["requests", "refused", "failed", "tunnels"].map(|name| totals[name].as_u64());
    assert_eq!(counts, [3, 1, 1, 0].map(Some));
    assert!(totals["connections"].as_u64().unwrap() >= 1, "{totals}");
    let minutes = told["minutes"].as_array().unwrap();
    let sum = |of: &dyn Fn(&serde_json::Value) -> u64| minutes.iter().map(of).sum::<u64>();
    assert_eq!(sum(&|minute| minute["requests"].as_u64().unwrap()), 3);
    assert_eq!(
        sum(&|minute| minute["phases"]["connect"]["count"].as_u64().unwrap()),
        1
    );
    assert!(
        sum(&|minute| minute["dns"]["queries"].as_u64().unwrap()) >= 2,
        "{minutes:?}"
    );
    // That a name does not exist is an answer.
    let asked = |of: &str| sum(&|minute| minute["dns"][of].as_u64().unwrap());
    assert!(asked("not_found") >= 1, "{minutes:?}");
    assert_eq!(asked("failures"), 0, "{minutes:?}");
    assert_eq!(told["silent_dns_servers"], serde_json::json!([]));
    let servers = json(&gateway, "/dns/servers");
    assert_eq!(servers[0]["server"], dns.addr().to_string());
    assert_eq!(servers[0]["answers"], true);
    assert!(
        servers[0]["without_records"]["nxdomain"].as_u64() >= Some(1),
        "{servers}"
    );

    gateway.reject("edge.yaml:3: no");
    let told = json(&gateway, "/overview");
    let generation = &told["generation"];
    assert_eq!(
        (&generation["number"], &generation["state"]),
        (&1.into(), &"held".into())
    );
    assert_eq!(generation["message"], "edge.yaml:3: no");
}

#[test]
fn the_page_is_served_with_its_files() {
    let dns = DnsServer::start();
    let gateway = Gateway::start(&quickstart_config(dns.addr()));
    let page = gateway.ask("/");
    assert_eq!(page.status, 200);
    assert_eq!(
        page.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    let policy = page.header("content-security-policy").unwrap();
    assert!(
        policy.starts_with("default-src 'none'; script-src 'self';"),
        "{policy}"
    );
    assert!(page.text().contains("/page/main.js"), "{}", page.text());
    let script = gateway.ask("/page/main.js");
    assert_eq!(
        script.header("content-type"),
        Some("text/javascript; charset=utf-8")
    );
    assert_eq!(gateway.ask("/page/none.js").status, 404);
    assert_eq!(gateway.ask("/page/../page/main.js").status, 404);
}
