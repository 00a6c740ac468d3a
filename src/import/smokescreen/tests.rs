use super::*;

const ACL: &str = "\
version: v1
services:
- name: billing
  project: payments
  action: enforce
  allowed_domains: [api.bank.example, '*.psp.example']
- name: search
  project: web
  action: open
default:
  name: default
  project: other
  action: report
  allowed_domains: [status.example]
global_deny_list: [paste.example]
global_allow_list: [mirror.example]
";

fn rules(imported: &Imported) -> Vec<(&str, EgressAction, usize, usize)> {
    let rules = imported.policy.rules.iter().map(|rule| {
        let length = |list: &Option<Vec<String>>| list.as_ref().map_or(0, Vec::len);
        let clients = rule.clients.as_ref().map_or(0, Vec::len);
        (
            rule.name.as_deref().unwrap(),
            rule.action,
            length(&rule.hosts),
            clients,
        )
    });
    rules.collect()
}

#[test]
fn lists_are_asked_in_the_same_order() {
    let imported = import(ACL).unwrap();
    let (allow, deny) = (EgressAction::Allow, EgressAction::Deny);
    assert_eq!(
        rules(&imported),
        [
            ("billing", allow, 2, 1),
            ("global-deny-roles", deny, 1, 2),
            ("global-allow-roles", allow, 1, 2),
            ("roles-enforce", deny, 0, 1),
            ("roles-open", allow, 0, 1),
            ("default", allow, 1, 0),
            ("global-deny-default", deny, 1, 0),
            ("global-allow-default", allow, 1, 0),
        ]
    );
    let first = &imported.policy.rules[0];
    let clients = first.clients.as_ref().unwrap();
    assert_eq!(clients[0].certificate.as_deref(), Some("CN=billing"));
    assert_eq!(first.reason.as_deref(), Some("project payments"));
    assert_eq!(imported.policy.default_action, Some(allow));
    assert_eq!(imported.policy.mode, None);
    // Reporting some is what a policy cannot do.
    assert_eq!(imported.left.len(), 1, "{:?}", imported.left);
}

#[test]
fn roles_are_not_closed_where_everything_is() {
    let text =
        "version: v1\nservices: [{name: a, action: enforce, allowed_domains: [a.example]}]\n";
    let imported = import(text).unwrap();
    assert_eq!(rules(&imported), [("a", EgressAction::Allow, 1, 1)]);
    assert_eq!(imported.policy.default_action, Some(EgressAction::Deny));
}

#[test]
fn lists_that_only_report_are_a_policy_in_audit_mode() {
    let text = "version: v1\nservices: [{name: a, action: report, allowed_domains: [a.example]}]\ndefault: {action: report}\n";
    let imported = import(text).unwrap();
    assert_eq!(imported.policy.mode, Some(EgressMode::Audit));
    assert_eq!(imported.policy.default_action, Some(EgressAction::Deny));
    assert_eq!(imported.left, []);
}

#[test]
fn addresses_of_the_configuration_are_exceptions_and_denials() {
    let text = "allow_ranges: [10.20.0.0/16]\nallow_addresses: [10.1.2.3, '10.1.2.4:443']\n\
                deny_ranges: [203.0.113.0/24]\ndeny_addresses: ['203.0.114.1:443', '[2001:db8::1]:80', 203.0.114.2]\n\
                unsafe_allow_private_ranges: true\nacl_file: acl.yaml\nport: 4750\n";
    let imported = import(text).unwrap();
    let addresses = imported.policy.addresses.as_ref().unwrap();
    let allowed: Vec<_> = addresses
        .allow
        .iter()
        .map(|it| it.cidr().unwrap())
        .collect();
    assert_eq!(allowed, ["10.20.0.0/16", "10.1.2.3"]);
    assert_eq!(
        addresses.deny,
        [
            "203.0.113.0/24",
            "203.0.114.1",
            "2001:db8::1",
            "203.0.114.2"
        ]
    );
    let told: Vec<_> = imported.left.iter().map(|left| &*left.message).collect();
    assert_eq!(told.len(), 5, "{told:?}");
    assert!(
        told[0].starts_with("10.1.2.4:443: not allowed: "),
        "{told:?}"
    );
    assert!(told[1].ends_with(": denied at every port"), "{told:?}");
}

#[test]
fn what_is_not_known_is_said() {
    for (text, expected) in [
        ("kind: Gateway\n", "neither access lists"),
        ("services: []\n", "version v1"),
        (
            "version: v1\nservices: [{name: a, action: allow}]\n",
            "allow",
        ),
    ] {
        let error = import(text).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
    let text = "version: v1\nservices: [{name: a, allowed_domains: ['a*b'], mitm_domains: [{domain: x}], allowed_external_proxies: [p.example]}]\n";
    assert_eq!(import(text).unwrap().left.len(), 3);
}
