//! The `http_access` lines, in their order.

use egret_config::api::egret::{
    EgressAction, EgressAddresses, EgressClientSpec, EgressPolicySpec, EgressRuleSpec,
};

use super::Acls;
use super::acl::{self, AclMeaning};
use crate::import::condition::{Condition, RuleBuilder};

/// The lines so far.
#[derive(Default)]
pub(super) struct AccessList {
    last: Option<EgressAction>,
    /// Whether a line was for every request, so that those after it are never asked.
    is_closed: bool,
    /// The networks of the clients that are left, where lines deny all that are not in them (`deny !localnet`).
    only: Option<Vec<EgressClientSpec>>,
}

/// An `http_access` line: the words after that, and the name of the rule that it becomes.
pub(super) struct AccessLine<'a> {
    pub(super) words: &'a [String],
    pub(super) name: String,
}

impl AccessList {
    /// Adds what a line says. `left` is told of what cannot be said.
    pub(super) fn add(
        &mut self,
        AccessLine { words, name }: AccessLine<'_>,
        acls: &Acls,
        policy: &mut EgressPolicySpec,
        left: &mut Vec<String>,
    ) {
        if self.is_closed {
            return;
        }
        let Some((action, names)) = words.split_first() else {
            return;
        };
        let action = match &**action {
            "allow" => EgressAction::Allow,
            "deny" => EgressAction::Deny,
            other => {
                left.push(format!(
                    "http_access {other}: allow and deny are what it can say"
                ));
                return;
            }
        };
        self.last = Some(action);
        if action == EgressAction::Deny
            && (self.denies_others(names, acls) || denies_addresses(names, acls, policy, left))
        {
            return;
        }
        let reason = format!("http_access {}", words.join(" "));
        let mut rule = RuleBuilder::new(action, name, &reason);
        let mut is_whole = true;
        for name in names {
            match term(name, action, acls) {
                Ok(condition) => rule.add(condition),
                Err(why) => {
                    is_whole = false;
                    let what = match action {
                        EgressAction::Allow => "the line is left out",
                        EgressAction::Deny => "the line denies without it",
                    };
                    left.push(format!("{why}; {what}"));
                }
            }
        }
        if !is_whole && action == EgressAction::Allow {
            return;
        }
        if rule.is_unconditional() {
            self.is_closed = true;
            if !is_whole {
                left.push(
                    "without its conditions the line denies everything, and those after it are never asked: take it out of \
                     the file to import them, if what it denied may pass"
                        .to_owned(),
                );
            }
            return;
        }
        if action == EgressAction::Allow {
            self.restrict(&mut rule);
        }
        policy.rules.extend(rule.build());
    }

    /// Whether a line that denies is for all clients that are not in networks, and for nothing else: then those after it are
    /// for the clients in them alone.
    fn denies_others(&mut self, names: &[String], acls: &Acls) -> bool {
        let [name] = &meaningful(names)[..] else {
            return false;
        };
        let Some(Ok(Condition::Clients(networks))) = name
            .strip_prefix('!')
            .map(|name| acl::condition(name, acls, 0))
        else {
            return false;
        };
        if networks.iter().any(|client| client.source.is_none()) {
            // Users can be negated.
            return false;
        }
        let mut rule = RuleBuilder::new(EgressAction::Allow, String::new(), "");
        rule.add(Condition::Clients(networks));
        self.restrict(&mut rule);
        self.only = Some(rule.into_clients());
        true
    }

    fn restrict(&self, rule: &mut RuleBuilder) {
        if let Some(only) = &self.only {
            rule.add(Condition::Clients(only.clone()));
        }
    }

    /// Whether there was no line that allows or denies.
    pub(super) fn is_empty(&self) -> bool {
        self.last.is_none()
    }

    /// Says what becomes of a request for which no line is: the opposite of the last one; nothing may leave if there is none.
    pub(super) fn finish(&self, policy: &mut EgressPolicySpec) {
        let action = match (self.last, self.is_closed) {
            (Some(last), true) => last,
            (Some(EgressAction::Deny), false) => EgressAction::Allow,
            (Some(EgressAction::Allow) | None, _) => EgressAction::Deny,
        };
        policy.default_action = Some(match &self.only {
            Some(_) if action == EgressAction::Allow => {
                let mut rule = RuleBuilder::new(action, "others".to_owned(), "");
                self.restrict(&mut rule);
                policy.rules.extend(rule.build());
                EgressAction::Deny
            }
            _ => action,
        });
    }
}

/// The words that are conditions.
fn meaningful(names: &[String]) -> Vec<&String> {
    names.iter().filter(|name| *name != "all").collect()
}

/// The condition of one word of a line.
///
/// # Errors
/// Why it cannot be said.
fn term(word: &str, action: EgressAction, acls: &Acls) -> Result<Condition, String> {
    let (name, is_negated) = match word.strip_prefix('!') {
        Some(name) => (name, true),
        None => (word, false),
    };
    let condition = acl::condition(name, acls, 0)?;
    // Without some of its values, a list is for fewer requests: fewer may be allowed, and not fewer denied.
    let is_narrowed = acls
        .get(&name.to_lowercase())
        .is_some_and(acl::Acl::is_partial);
    if is_narrowed && is_negated == (action == EgressAction::Allow) {
        return Err(format!("{word}: values of the list are missing"));
    }
    if !is_negated {
        return Ok(condition);
    }
    let negated = condition.negated();
    negated.ok_or_else(|| format!("{word}: that a client is not in a network cannot be said"))
}

/// Whether a line that denies is for addresses and nothing else: then they are denied wherever names lead to them.
fn denies_addresses(
    names: &[String],
    acls: &Acls,
    policy: &mut EgressPolicySpec,
    left: &mut Vec<String>,
) -> bool {
    let [name] = &meaningful(names)[..] else {
        return false;
    };
    let list = acls
        .get(&name.to_lowercase())
        .filter(|acl| !acl.is_partial());
    let Some(AclMeaning::Destinations(networks)) = list.map(|acl| &acl.meaning) else {
        return false;
    };
    let allows = |rule: &EgressRuleSpec| rule.action == EgressAction::Allow;
    if !networks.is_empty() && policy.rules.iter().any(allows) {
        left.push(format!(
            "{name}: these addresses are denied to what the lines before it allow, too"
        ));
    }
    let addresses = policy
        .addresses
        .get_or_insert_with(EgressAddresses::default);
    for network in networks {
        if !addresses.deny.contains(network) {
            addresses.deny.push(network.clone());
        }
    }
    true
}
