//! Limits of requests: `rateLimit.local` of a TrafficPolicy, and `limits` of an EgressPolicy.

use egret_testkit::client::connect_request;
use egret_testkit::gateway::{documents, egress_policy, quickstart_config, traffic_policy};
use egret_testkit::upstream::raw::RawServer;
use egret_testkit::{Client, DnsServer, Gateway, Http2Client, Upstream};

fn local(max: u32, fill: &str) -> String {
    let bucket = format!("{{maxTokens: {max}, tokensPerFill: 1, fillInterval: {fill}}}");
    traffic_policy(
        "limit",
        &format!("rateLimit: {{local: {{tokenBucket: {bucket}}}}}"),
    )
}

#[test]
fn requests_in_every_form_take_a_token_of_the_one_bucket() {
    let (dns, upstream) = (DnsServer::with_a_example(), Upstream::start());
    let basis = quickstart_config(dns.addr());
    let mut gateway = Gateway::start(&documents(&[&basis, &local(4, "100s")]));
    let host = format!("a.example:{}", upstream.port());
    let mut client = Client::connect(gateway.address());
    let http2 = Http2Client::connect(gateway.address());
    assert_eq!(client.get("/", &host).status, 200);
    assert_eq!(client.get(&format!("http://{host}/"), &host).status, 200);
    assert_eq!(http2.get(&format!("http://{host}/")).status, 200);
    let mut tunnel = Client::connect(gateway.address());
    assert_eq!(tunnel.request(connect_request(&host)).status, 200);
    // The bytes of a tunnel take nothing more.
    assert_eq!(tunnel.get("/", &host).status, 200);
    for response in [
        client.get("/", "new.example"),
        Client::connect(gateway.address()).request(connect_request("new.example:443")),
    ] {
        assert_eq!(response.status, 429, "{response:?}");
        assert_eq!(response.text(), "local_rate_limited");
        assert_eq!(response.header("x-ratelimit-limit"), Some("4"));
        assert_eq!(response.header("x-ratelimit-remaining"), Some("0"));
        let seconds = response.header("x-ratelimit-reset").unwrap();
        assert!(
            (1..=100).contains(&seconds.parse::<u32>().unwrap()),
            "{seconds}"
        );
        assert_eq!(response.header("retry-after"), Some(seconds));
    }
    assert_eq!(http2.get(&format!("http://{host}/")).status, 429);
    assert_eq!(dns.lookups_for("new.example"), 0);
    gateway.wait_for_metric("egret_refusals_total{reason=\"rate_limit\"}", 3.0);
    // What was taken stays taken through changes that are not about the limit, and a larger bucket does not begin full.
    let other = egress_policy(
        "other",
        "rules: [{name: no, action: Deny, hosts: [denied.example]}]",
    );
    gateway.apply(&documents(&[&basis, &local(4, "100s"), &other]));
    assert_eq!(client.get("/", &host).status, 429);
    gateway.apply(&documents(&[&basis, &local(50, "100s")]));
    assert_eq!(client.get("/", &host).status, 429);
    gateway.apply(&basis);
    assert_eq!(client.get("/", &host).status, 200);
}

#[test]
fn a_limit_of_an_egress_policy_is_for_each_destination_and_client() {
    let (dns, upstream) = (DnsServer::with_a_example(), Upstream::start());
    dns.a("b.example", ["127.0.0.1"], 60);
    let limits = "limits: [{name: per-host, hosts: [a.example, b.example], per: [Destination, Client], \
                  tokenBucket: {maxTokens: 1, fillInterval: 100s}}]";
    let text = |mode: &str| {
        let policy = egress_policy("limits", &format!("{mode}{limits}"));
        documents(&[&quickstart_config(dns.addr()), &policy])
    };
    let mut gateway = Gateway::start(&text(""));
    let mut client = Client::connect(gateway.address());
    for name in ["a.example", "b.example"] {
        let host = format!("{name}:{}", upstream.port());
        assert_eq!(client.get("/", &host).status, 200);
        let refused = client.get("/", &host);
        assert_eq!(refused.status, 429);
        assert!(refused.header("retry-after").is_some());
        let told = format!(
            "egret: {host}: limit per-host of EgressPolicy kgateway-system/limits has no token\n"
        );
        assert_eq!(refused.text(), told);
    }
    let records = gateway.wait_for_records(4);
    assert_eq!(records[1]["verdict"], "deny");
    assert_eq!(records[1]["rule"], "per-host");
    assert_eq!(records[1]["reason"], "rate_limit");
    // In audit mode it is told and nothing is refused.
    gateway.apply(&text("mode: Audit\n  "));
    assert_eq!(
        client
            .get("/", &format!("a.example:{}", upstream.port()))
            .status,
        200
    );
    let record = gateway.wait_for_records(5).pop().unwrap();
    assert_eq!(record["verdict"], "audit", "{record}");
    assert_eq!(record["rule"], "per-host");
}

#[test]
fn tunnels_are_open_requests_until_they_end() {
    let dns = DnsServer::with_a_example();
    let server = RawServer::silent();
    let policy = egress_policy("limits", "limits: [{name: one, maxConcurrent: 1}]");
    let gateway = Gateway::start(&documents(&[&quickstart_config(dns.addr()), &policy]));
    let authority = format!("a.example:{}", server.port());
    let mut tunnel = Client::connect(gateway.address());
    assert_eq!(tunnel.request(connect_request(&authority)).status, 200);
    let refused = Client::connect(gateway.address()).request(connect_request(&authority));
    assert_eq!(refused.status, 429, "{refused:?}");
    assert_eq!(refused.header("retry-after"), Some("1"));
    drop(tunnel);
    let _ = gateway.wait_for_records(2);
    let mut next = Client::connect(gateway.address());
    assert_eq!(next.request(connect_request(&authority)).status, 200);
}

/// Buckets, and what is open, are those of before after a change that is not about the limit.
#[test]
fn limits_of_an_egress_policy_live_through_a_reload() {
    let (dns, upstream, open) = (
        DnsServer::with_a_example(),
        Upstream::start(),
        RawServer::silent(),
    );
    let limits = "limits:
  - {name: tokens, per: [Destination, Client], hosts: [a.example], tokenBucket: {maxTokens: 2, fillInterval: 1000s}}
  - {name: open, per: [Client], hosts: [b.example], maxConcurrent: 1}";
    dns.a("b.example", ["127.0.0.1"], 60);
    let text = |more: &str| {
        let limits = egress_policy("limits", &format!("{limits}{more}"));
        documents(&[&quickstart_config(dns.addr()), &limits])
    };
    let mut gateway = Gateway::start(&text(""));
    let (one, other) = (
        format!("a.example:{}", upstream.port()),
        format!("b.example:{}", open.port()),
    );
    let tunnel = |gateway: &Gateway| {
        let mut client = Client::connect(gateway.address());
        let status = client.request(connect_request(&other)).status;
        (client, status)
    };
    assert_eq!(gateway.get(&one, "/").status, 200);
    let (held, status) = tunnel(&gateway);
    assert_eq!(status, 200);
    for more in [
        "\n  rules: [{name: no, action: Deny, hosts: [denied.example]}]",
        "",
    ] {
        gateway.apply(&text(more));
        assert_eq!(tunnel(&gateway).1, 429, "{more}");
    }
    assert_eq!(gateway.get(&one, "/").status, 200);
    assert_eq!(gateway.get(&one, "/").status, 429);
    drop(held);
    let _ = gateway.wait_for_records(6);
    assert_eq!(tunnel(&gateway).1, 200);
}
