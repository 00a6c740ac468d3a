//! Rules of EgressPolicies with an expression or an end, with real requests and the real time.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use egret_testkit::client::connect_request;
use egret_testkit::gateway::{documents, egress_policy, quickstart_config};
use egret_testkit::{DnsServer, Gateway, Response, Upstream};

struct TestSetup {
    gateway: Gateway,
    upstream: Upstream,
    dns: DnsServer,
}

impl TestSetup {
    fn new(rules: &str) -> Self {
        let (dns, upstream) = (DnsServer::with_a_example(), Upstream::start());
        let config = quickstart_config(dns.addr());
        let gateway = Gateway::start(&documents(&[&config, &egress_policy("rules", rules)]));
        Self {
            gateway,
            upstream,
            dns,
        }
    }

    fn authority(&self) -> String {
        format!("a.example:{}", self.upstream.port())
    }

    fn ask(&self, start: &str, fields: &str) -> Response {
        let host = self.authority();
        let mut client = self.gateway.connect();
        client.send_request(format!("{start} HTTP/1.1\r\nhost: {host}\r\n{fields}\r\n"));
        client.read_head()
    }
}

#[test]
fn an_expression_decides_and_its_reason_is_told() {
    let setup = TestSetup::new(
        "defaultAction: Deny
  rules:
  - name: billing
    action: Allow
    when: request.headers['x-team'] == 'billing' && egress.host == 'a.example'
    reason: 'OPS-12: old billing host'
  - name: odd
    action: Allow
    when: int(request.headers['x-team']) > 1
    reason: OPS-13",
    );
    let connect = format!("CONNECT {}", setup.authority());
    let absolute = format!("GET http://{}/", setup.authority());
    for (start, team, status) in [
        ("GET /", "billing", 200),
        (&*absolute, "billing", 200),
        (&*connect, "billing", 200),
        ("GET /", "2", 200),
        ("GET /", "1", 403),
        ("GET /", "other", 403),
        (&*absolute, "other", 403),
        (&*connect, "other", 403),
    ] {
        let response = setup.ask(start, &format!("x-team: {team}\r\n"));
        assert_eq!(response.status, status, "{start} {team}: {response:?}");
    }
    let records = setup.gateway.wait_for_records(7);
    let about = |rule: &str, verdict: &str| {
        let mut found = records.iter();
        let found = found.find(|it| it["rule"] == rule && it["verdict"] == verdict);
        found.unwrap_or_else(|| panic!("{rule} {verdict}: {records:#?}"))
    };
    let allowed = about("billing", "allow");
    assert_eq!(allowed["rule_reason"], "OPS-12: old billing host");
    let denied = about("odd", "deny");
    assert_eq!(denied["reason"], "egress_policy");
    assert_eq!(denied["rule_reason"], "OPS-13");
    let details = denied["details"].as_str().unwrap();
    assert!(
        details.ends_with(
            "is denied by rule odd of EgressPolicy kgateway-system/rules, whose expression cannot be \
             evaluated: a value is not a number (OPS-13)"
        ),
        "{details}"
    );
    assert_eq!(setup.dns.lookups_for("a.example"), 1);
}

/// A rule ends without a reload: for new requests, for those on connections that were kept, and for open tunnels.
#[test]
fn a_rule_ends_at_its_time() {
    // A slow machine may need longer until all is open.
    let ended = [3, 20, 120]
        .into_iter()
        .find(|seconds| rule_ends_after(*seconds));
    assert!(ended.is_some(), "nothing could be opened before the end");
}

/// Opens what ends with a rule, and sees it end. False if the rule had ended before all was open.
#[expect(
    clippy::disallowed_methods,
    reason = "the rule ends at a time of day, which the gateway reads by itself"
)]
fn rule_ends_after(seconds: u64) -> bool {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let end = now.as_secs() + seconds;
    let end_text = egret_config::certificate::utc(i64::try_from(end).unwrap());
    let end = UNIX_EPOCH + Duration::from_secs(end);
    let setup = TestSetup::new(&format!(
        "defaultAction: Deny
  rules:
  - {{name: old, action: Allow, hosts: [a.example], expires: '{end_text}'}}"
    ));
    let host = setup.authority();
    let mut kept = setup.gateway.connect();
    let first = kept.get("/", &host).status;
    let mut tunnel = setup.gateway.connect();
    tunnel.send_request(connect_request(&host));
    let opened = tunnel.read_head().status;
    if SystemTime::now() >= end {
        return false;
    }
    assert_eq!((first, opened), (200, 200));
    // Waits for the gateway to end it.
    assert!(tunnel.is_closed());
    assert!(SystemTime::now() >= end);
    assert_eq!(kept.get("/", &host).status, 403);
    assert_eq!(setup.ask("GET /", "").status, 403);
    let records = setup.gateway.wait_for_records(4);
    let mut reasons = records.iter().map(|record| &record["reason"]);
    assert!(
        reasons.any(|reason| reason == "policy_changed"),
        "{records:#?}"
    );
    true
}
