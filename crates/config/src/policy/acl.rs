//! `acl` of a TrafficPolicy: which clients may send requests, by their address.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use http::{HeaderName, HeaderValue, StatusCode};
use ipnet::IpNet;
use serde::{Serialize, Serializer};

pub use egret_api::kgateway::AclAction;

/// The clients that are allowed and denied. The rule with the longest prefix that contains a client's address decides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClientAcl {
    /// What happens to clients that no rule names.
    pub default_action: AclAction,
    networks: NetworkTable,
    /// The response to clients that are denied.
    pub response: AclResponse,
}

/// One rule of the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AclRule {
    /// The `name` of the rule, or `rule-<index>`.
    pub name: Arc<str>,
    /// What happens to its clients.
    pub action: AclAction,
}

/// The response to clients that are denied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AclResponse {
    /// The status.
    #[serde(serialize_with = "as_number")]
    pub status: StatusCode,
    /// Fields that are added.
    #[serde(serialize_with = "names_only")]
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The field that has the name of the rule.
    #[serde(serialize_with = "name_only")]
    pub blocked_by: Option<HeaderName>,
}

/// Networks, each with its rule, by the length of their prefixes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
struct NetworkTable {
    rules: BTreeMap<IpNet, AclRule>,
    /// The lengths of prefixes that occur, longest first.
    lengths: Vec<u8>,
}

/// The denial of a client, with the rule that decided; `None` if no rule names the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AclDenial<'a> {
    /// The rule.
    pub rule: Option<&'a Arc<str>>,
}

impl ClientAcl {
    /// The list of these rules; of two rules about the same network the first decides.
    #[must_use]
    pub fn new(
        default_action: AclAction,
        rules: impl IntoIterator<Item = (IpNet, AclRule)>,
        response: AclResponse,
    ) -> Self {
        let mut networks = NetworkTable::default();
        for (network, rule) in rules {
            networks.rules.entry(network.trunc()).or_insert(rule);
        }
        networks.index();
        Self {
            default_action,
            networks,
            response,
        }
    }

    /// Adds the rules of another list about networks that this list does not name.
    pub fn extend(&mut self, other: &Self) {
        for (network, rule) in &other.networks.rules {
            let entry = self.networks.rules.entry(*network);
            entry.or_insert_with(|| rule.clone());
        }
        self.networks.index();
    }

    /// Decides about a client.
    ///
    /// # Errors
    /// If its requests are denied.
    pub fn check(&self, client: IpAddr) -> Result<(), AclDenial<'_>> {
        let rule = self.networks.find(client.to_canonical());
        let action = rule.map_or(self.default_action, |rule| rule.action);
        match action {
            AclAction::Allow => Ok(()),
            AclAction::Deny => Err(AclDenial {
                rule: rule.map(|rule| &rule.name),
            }),
        }
    }
}

impl NetworkTable {
    fn index(&mut self) {
        let mut lengths: Vec<u8> = self.rules.keys().map(IpNet::prefix_len).collect();
        lengths.sort_unstable_by(|one, other| other.cmp(one));
        lengths.dedup();
        self.lengths = lengths;
    }

    /// The rule with the longest prefix that contains the address.
    fn find(&self, address: IpAddr) -> Option<&AclRule> {
        self.lengths.iter().find_map(|length| {
            // A prefix that is longer than the address is one of the other family.
            let network = IpNet::new(address, *length).ok()?;
            self.rules.get(&network.trunc())
        })
    }
}

fn as_number<S: Serializer>(status: &StatusCode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u16(status.as_u16())
}

fn names_only<S: Serializer>(
    headers: &[(HeaderName, HeaderValue)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(headers.iter().map(|(name, _)| name.as_str()))
}

#[expect(clippy::ref_option, reason = "serde passes the field by reference")]
fn name_only<S: Serializer>(name: &Option<HeaderName>, serializer: S) -> Result<S::Ok, S::Error> {
    name.as_ref().map(HeaderName::as_str).serialize(serializer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(default_action: AclAction, rules: &[(&str, &str, AclAction)]) -> ClientAcl {
        let rules = rules.iter().map(|(network, name, action)| {
            let rule = AclRule {
                name: (*name).into(),
                action: *action,
            };
            (network.parse().unwrap(), rule)
        });
        let response = AclResponse {
            status: StatusCode::FORBIDDEN,
            headers: Vec::new(),
            blocked_by: None,
        };
        ClientAcl::new(default_action, rules, response)
    }

    fn told(list: &ClientAcl, client: &str) -> String {
        match list.check(client.parse().unwrap()) {
            Ok(()) => "allow".to_owned(),
            Err(AclDenial { rule: None }) => "deny".to_owned(),
            Err(AclDenial { rule: Some(rule) }) => format!("deny by {rule}"),
        }
    }

    #[test]
    fn the_longest_prefix_decides() {
        let list = list(
            AclAction::Deny,
            &[
                ("10.0.0.0/8", "inside", AclAction::Allow),
                ("10.1.0.0/16", "guests", AclAction::Deny),
                ("10.1.2.3/32", "printer", AclAction::Allow),
                ("10.1.0.0/16", "again", AclAction::Allow),
                ("2001:db8::/32", "six", AclAction::Allow),
            ],
        );
        for (client, expected) in [
            ("10.2.0.1", "allow"),
            ("10.1.9.9", "deny by guests"),
            ("10.1.2.3", "allow"),
            ("192.0.2.1", "deny"),
            ("2001:db8::1", "allow"),
            ("2001:db9::1", "deny"),
            ("::ffff:10.1.2.3", "allow"),
            ("::ffff:10.1.9.9", "deny by guests"),
        ] {
            assert_eq!(told(&list, client), expected, "{client}");
        }
    }

    #[test]
    fn the_whole_address_space_is_a_network_too() {
        let list = list(
            AclAction::Allow,
            &[
                ("0.0.0.0/0", "four", AclAction::Deny),
                ("192.0.2.0/24", "docs", AclAction::Allow),
            ],
        );
        assert_eq!(told(&list, "198.51.100.1"), "deny by four");
        assert_eq!(told(&list, "192.0.2.7"), "allow");
        assert_eq!(told(&list, "2001:db8::1"), "allow");
    }

    #[test]
    fn rules_of_a_second_list_fill_the_gaps() {
        let mut first = list(AclAction::Deny, &[("10.0.0.0/8", "a", AclAction::Allow)]);
        let second = list(
            AclAction::Allow,
            &[
                ("10.0.0.0/8", "b", AclAction::Deny),
                ("172.16.0.0/12", "c", AclAction::Allow),
            ],
        );
        first.extend(&second);
        assert_eq!(told(&first, "10.0.0.1"), "allow");
        assert_eq!(told(&first, "172.16.0.1"), "allow");
        assert_eq!(told(&first, "192.0.2.1"), "deny");
    }
}
