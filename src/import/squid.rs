//! Squid's `acl` and `http_access` lines.

use std::collections::BTreeMap;
use std::path::Path;

use egret_config::api::egret::{EgressAction, EgressAddresses};

use super::condition::{Condition, RuleBuilder};
use super::{Imported, LeftOut};
use acl::{Acl, AclMeaning};
use lines::DirectiveLine;

mod acl;
mod lines;

/// Directives beside `http_access` that decide where requests may go, or how.
const ALSO_DECIDE: &[(&str, &str)] = &[
    (
        "adapted_http_access",
        "it is asked after ICAP, which there is none of",
    ),
    ("always_direct", "requests go to their host always"),
    (
        "cache_peer",
        "requests go to their host; a Backend with a tunnel goes through another proxy",
    ),
    ("cache_peer_access", "requests go to their host"),
    (
        "delay_access",
        "write a TrafficPolicy with rateLimit, or limits in an EgressPolicy",
    ),
    ("http_reply_access", "responses are not decided about"),
    ("include", "import the file that is included too"),
    ("never_direct", "requests go to their host always"),
    ("reply_body_max_size", "responses are not decided about"),
    (
        "request_header_access",
        "write a TrafficPolicy with headerModifiers",
    ),
    (
        "ssl_bump",
        "TLS is not opened: what is inside a tunnel cannot be read",
    ),
    (
        "tcp_outgoing_address",
        "the system chooses the source address",
    ),
    (
        "url_rewrite_program",
        "write an HTTPRoute with a URLRewrite filter",
    ),
];

/// The names of all `acl` lines, in lower case, as Squid compares them.
type Acls = BTreeMap<String, Acl>;

/// Turns a `squid.conf`. Files that it names are looked for as Squid would, and beside it.
pub(super) fn import(text: &str, path: &Path) -> Imported {
    let mut imported = Imported::default();
    let mut acls = acl::predefined();
    let mut list = AccessList::default();
    for line in lines::read(text) {
        match line.name {
            "acl" => acl::define(&mut acls, &line, path, &mut imported.left),
            "http_access" => list.add(&line, &acls, &mut imported),
            name => {
                if let Some((_, why)) = ALSO_DECIDE.iter().find(|(known, _)| *known == name) {
                    let message = format!("{name}: {why}");
                    imported.left.push(LeftOut::new(line.at, message));
                }
            }
        }
    }
    if acls.values().any(Acl::is_by_user) {
        imported
            .notes
            .push("Users have to be proven: write a TrafficPolicy with basicAuth on the Gateway.");
    }
    imported.policy.default_action = Some(list.default_action());
    imported
}

/// The `http_access` lines so far.
#[derive(Default)]
struct AccessList {
    last: Option<EgressAction>,
    /// Whether a line was for every request, so that those after it are never asked.
    is_closed: bool,
}

impl AccessList {
    /// What becomes of a request for which no line is: the opposite of the last one; nothing may leave if there is none.
    fn default_action(&self) -> EgressAction {
        match (self.last, self.is_closed) {
            (Some(last), true) => last,
            (Some(EgressAction::Deny), false) => EgressAction::Allow,
            (Some(EgressAction::Allow) | None, _) => EgressAction::Deny,
        }
    }

    fn add(&mut self, line: &DirectiveLine<'_>, acls: &Acls, imported: &mut Imported) {
        if self.is_closed {
            return;
        }
        let Some((action, names)) = line.words.split_first() else {
            return;
        };
        let action = match &**action {
            "allow" => EgressAction::Allow,
            "deny" => EgressAction::Deny,
            other => {
                let message = format!("http_access {other}: allow and deny are what it can say");
                imported.left.push(LeftOut::new(line.at, message));
                return;
            }
        };
        self.last = Some(action);
        if denies_addresses(action, names, acls, imported) {
            return;
        }
        let reason = format!("{} {}", line.name, line.words.join(" "));
        let mut rule = RuleBuilder::new(action, format!("line-{}", line.at), &reason);
        let mut is_whole = true;
        for name in names {
            let second = || format!("{name}: a second condition of its kind cannot be said");
            let added = term(name, acls)
                .and_then(|condition| rule.add(condition).then_some(()).ok_or_else(second));
            let Err(why) = added else {
                continue;
            };
            is_whole = false;
            let what = match action {
                EgressAction::Allow => "the line is left out",
                EgressAction::Deny => "the line denies without it",
            };
            imported
                .left
                .push(LeftOut::new(line.at, format!("{why}; {what}")));
        }
        if !is_whole && action == EgressAction::Allow {
            return;
        }
        if rule.is_unconditional() {
            self.is_closed = true;
            return;
        }
        imported.policy.rules.extend(rule.build());
    }
}

/// The condition of one word of a line.
///
/// # Errors
/// Why it cannot be said.
fn term(word: &str, acls: &Acls) -> Result<Condition, String> {
    let (name, is_negated) = match word.strip_prefix('!') {
        Some(name) => (name, true),
        None => (word, false),
    };
    let condition = acl::condition(name, acls, 0)?;
    if !is_negated {
        return Ok(condition);
    }
    let negated = condition.negated();
    negated.ok_or_else(|| format!("{word}: that a client is not in a network cannot be said"))
}

/// Whether the line denies addresses and nothing else: then they are denied wherever names lead to them.
fn denies_addresses(
    action: EgressAction,
    names: &[String],
    acls: &Acls,
    imported: &mut Imported,
) -> bool {
    let meaningful: Vec<_> = names.iter().filter(|name| *name != "all").collect();
    let (EgressAction::Deny, [name]) = (action, &meaningful[..]) else {
        return false;
    };
    let Some(AclMeaning::Destinations(networks)) =
        acls.get(&name.to_lowercase()).map(|acl| &acl.meaning)
    else {
        return false;
    };
    let addresses = imported
        .policy
        .addresses
        .get_or_insert_with(EgressAddresses::default);
    for network in networks {
        if !addresses.deny.contains(network) {
            addresses.deny.push(network.clone());
        }
    }
    true
}

#[cfg(test)]
mod tests;
