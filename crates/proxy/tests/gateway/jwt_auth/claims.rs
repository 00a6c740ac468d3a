//! What claims of a token decide: in `rbac`, and in the rules of EgressPolicies.

use egret_testkit::gateway::egress_policy;

use super::*;

impl TestSetup {
    /// With these policies beside `jwtAuth`.
    fn beside(policies: &[&str]) -> Self {
        let mut setup = Self::new("audiences: [api]", "AllowMissing");
        let provider = format!("{}, audiences: [api]", local([&setup.issuer]));
        let config = quickstart_config(setup.dns.addr());
        let tokens = tokens(&provider, "AllowMissing");
        let all = [&[&*config, &*tokens], policies].concat();
        setup.gateway.apply(&documents(&all));
        setup
    }

    fn status(&self, start: &str, field: &str, more: &Value) -> u16 {
        let token = bearer(&self.token(more));
        let mut client = self.gateway.connect();
        client.send_request(head(start, &self.authority(), &[(field, &token)]));
        client.read_head().status
    }
}

/// The team of a token, as the guide of kgateway writes it.
const RBAC: &str = "rbac: {policy: {matchExpressions: [\"metadata.filter_metadata['envoy.filters.http.jwt_authn']['payload']['team'] == 'pay'\"]}}";

#[test]
fn rbac_asks_for_claims() {
    let setup = TestSetup::beside(&[&traffic_policy("claims", RBAC)]);
    let connect = format!("CONNECT {}", setup.authority());
    for (claims, status) in [
        (json!({"team": "pay"}), 200),
        (json!({"team": "other"}), 403),
        (json!({"team": ["pay"]}), 403),
        (json!({}), 403),
    ] {
        assert_eq!(
            setup.status("GET /", "authorization", &claims),
            status,
            "{claims}"
        );
        let by_connect = setup.status(&connect, "proxy-authorization", &claims);
        assert_eq!(by_connect, status, "{claims}");
    }
    // A token is not needed by jwtAuth, but its claim is.
    let denied = setup.ask("GET /", &[]);
    assert_eq!((denied.status, denied.text()), (403, "RBAC: access denied"));
    assert_eq!(setup.dns.lookups_for("a.example"), 1);
}

#[test]
fn rules_of_egress_policies_ask_for_claims() {
    let rules = "defaultAction: Deny
  rules:
  - {name: ops, action: Allow, when: \"has(source.claims.roles) && 'ops' in source.claims.roles\"}";
    let setup = TestSetup::beside(&[&egress_policy("claims", rules)]);
    for (claims, status) in [
        (json!({"roles": ["dev", "ops"]}), 200),
        (json!({"roles": ["dev"]}), 403),
        (json!({}), 403),
    ] {
        assert_eq!(
            setup.status("GET /", "authorization", &claims),
            status,
            "{claims}"
        );
    }
    let records = setup.gateway.wait_for_records(3);
    assert!(!format!("{records:?}").contains("roles"));
}
