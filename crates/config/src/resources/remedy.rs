//! What to write so that a policy lets through what it has denied.

use egret_api::egret::{EgressAction, EgressRuleSpec, PortText};

use super::manifest::yaml_of;
use super::{ObjectRef, Resources};
use crate::name::{Host, Port};

/// The longest name of a rule.
const MAX_NAME: usize = 100;

impl Resources {
    /// The EgressPolicy with one more rule, before all others, that allows a host on these ports, or on all if there are
    /// none. `why` says in one line what was denied. `None` if the policy is not there, or has such a rule.
    #[must_use]
    pub fn allowing(
        &self,
        policy: &ObjectRef,
        host: &Host,
        ports: &[Port],
        why: &str,
    ) -> Option<String> {
        let mut changed = (*self.egress_policies.get(policy)?.value).clone();
        let rule = allowing_rule(host, ports);
        let has_it = |known: &EgressRuleSpec| {
            known.action == EgressAction::Allow
                && known.hosts == rule.hosts
                && known.ports == rule.ports
        };
        if changed.spec.rules.iter().any(has_it) {
            return None;
        }
        changed.spec.rules.insert(0, rule);
        let yaml = yaml_of(&changed)?;
        // A line break would end the comment.
        let why: String = why.chars().filter(|char| !char.is_control()).collect();
        Some(format!("# {why}; its first rule here allows it.\n{yaml}"))
    }
}

fn allowing_rule(host: &Host, ports: &[Port]) -> EgressRuleSpec {
    let text = host.to_string();
    // A rule names addresses without brackets.
    let host = text.trim_matches(['[', ']']).to_owned();
    let mut name = format!("allow-{host}");
    name.truncate(MAX_NAME);
    let numbers = ports
        .iter()
        .map(|port| PortText::Number(i64::from(port.get())));
    EgressRuleSpec {
        name: Some(name),
        action: EgressAction::Allow,
        hosts: Some(vec![host]),
        ports: (!ports.is_empty()).then(|| numbers.collect()),
        ..EgressRuleSpec::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::{ConfigFile, LoadedConfig, load};
    use crate::resources::Kind;

    const TEXT: &str = "\
apiVersion: egret.dev/v1alpha1
kind: EgressPolicy
metadata: {name: partners, namespace: edge}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: out}]
  defaultAction: Deny
  rules:
  - {name: no-mail, action: Deny, ports: [25]}
";

    fn loaded(text: &str) -> LoadedConfig {
        let loaded = load([ConfigFile {
            name: "a.yaml",
            text,
        }]);
        assert!(loaded.errors.is_empty(), "{:?}\n{text}", loaded.errors);
        loaded
    }

    #[test]
    fn the_policy_gets_a_rule_that_comes_first() {
        let policy = ObjectRef::new(Kind::EgressPolicy, "edge", "partners");
        let before = loaded(TEXT).resources;
        let ports = [25, 465].map(|port| Port::new(port).unwrap());
        let long = format!("{0}.{0}.test", "a".repeat(60));
        for (host, wanted) in [
            ("mail.example.com", "mail.example.com"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("192.0.2.1", "192.0.2.1"),
            (&*long, &*long),
        ] {
            let host: Host = host.parse().unwrap();
            let yaml = before
                .allowing(&policy, &host, &ports, "denied by\nrule no-mail")
                .unwrap();
            assert!(yaml.starts_with("# denied byrule no-mail; "), "{yaml}");
            let after = loaded(&yaml).resources;
            let spec = &after.egress_policies[&policy].value.spec;
            assert_eq!(
                spec.rules[0].hosts.as_deref(),
                Some(&[wanted.to_owned()][..])
            );
            assert_eq!(spec.rules[0].ports.as_ref().map(Vec::len), Some(2));
            assert_eq!(spec.rules[1].name.as_deref(), Some("no-mail"));
            assert_eq!(spec.default_action, Some(EgressAction::Deny));
            assert_eq!(
                after.allowing(&policy, &host, &ports, ""),
                None,
                "it is there"
            );
        }
        let gone = ObjectRef::new(Kind::EgressPolicy, "edge", "gone");
        let host = "a.test".parse().unwrap();
        assert_eq!(before.allowing(&gone, &host, &ports, ""), None);
        let everywhere = before.allowing(&policy, &host, &[], "").unwrap();
        assert!(!everywhere.contains("ports: []"), "{everywhere}");
    }
}
