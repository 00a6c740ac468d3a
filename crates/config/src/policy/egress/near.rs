//! Rules that nearly allow a request, for whoever expected that one of them would.

use std::fmt;

use egret_api::egret::EgressAction;

use super::{EgressPolicySet, EgressRequest, EgressRule, any_or_empty, holds};
use crate::name::{Host, HostMatcher, HostPattern};
use crate::path::prefix_matches;
use crate::resources::ObjectRef;

/// The most rules that are told of.
const MAX_RULES: usize = 5;

/// A rule that allows the host, or a host next to it, and not this request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NearRule<'a> {
    /// The policy that denies the request because none of its rules matches.
    pub policy: &'a ObjectRef,
    /// The name of the rule.
    pub rule: &'a str,
    /// Why it does not match.
    pub misses: Vec<RuleMiss>,
}

/// Why a rule does not match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuleMiss {
    /// The rule has this wildcard, which stands for what is below the host.
    Below(HostPattern),
    /// The rule has this name, which the host is below.
    Above(HostPattern),
    /// The rule is for these ports.
    Port(String),
    /// Methods and paths are hidden in a tunnel.
    Tunnel,
    /// The rule is for these methods.
    Method(String),
    /// The rule is for these paths.
    Path(String),
    /// The client is another.
    Client,
    /// The expression is not true.
    When,
    /// The rule has ended.
    Expired,
}

impl EgressPolicySet {
    /// The rules that nearly allow a request, of the policies of which no rule matches it, and which therefore deny it.
    #[must_use]
    pub fn near_misses(&self, attempt: EgressRequest<'_>) -> Vec<NearRule<'_>> {
        let denying = self.policies.iter().filter(|rules| {
            let judgement = rules.judge(attempt);
            judgement.action == EgressAction::Deny && judgement.rule.is_none()
        });
        let rules = denying.flat_map(|policy| {
            let rules = policy.rules.iter();
            rules.map(|rule| (&policy.policy, rule))
        });
        let allowing = rules.filter(|(_, rule)| rule.action == EgressAction::Allow);
        let near = allowing.filter_map(|(policy, rule)| {
            let misses = rule.misses(attempt)?;
            let rule = &rule.name;
            Some(NearRule {
                policy,
                rule,
                misses,
            })
        });
        near.take(MAX_RULES).collect()
    }
}

impl EgressRule {
    /// Why the rule does not match; `None` if it is about other hosts.
    fn misses(&self, attempt: EgressRequest<'_>) -> Option<Vec<RuleMiss>> {
        let mut misses = Vec::new();
        if !any_or_empty(&self.hosts, |host| host.matches(attempt.host)) {
            misses.push(self.hosts.iter().find_map(|it| beside(it, attempt.host))?);
        }
        if !any_or_empty(&self.ports, |range| range.contains(attempt.port)) {
            misses.push(RuleMiss::Port(list(&self.ports)));
        }
        match attempt.request {
            None if !self.methods.is_empty() || !self.paths.is_empty() => {
                misses.push(RuleMiss::Tunnel);
            }
            None => {}
            Some((method, path)) => {
                if !any_or_empty(&self.methods, |known| known == method) {
                    misses.push(RuleMiss::Method(list(&self.methods)));
                }
                if !any_or_empty(&self.paths, |prefix| prefix_matches(prefix, path)) {
                    misses.push(RuleMiss::Path(list(&self.paths)));
                }
            }
        }
        if !any_or_empty(&self.clients, |client| client.matches(attempt.client)) {
            misses.push(RuleMiss::Client);
        }
        if self.has_expired(attempt.now) {
            misses.push(RuleMiss::Expired);
        }
        let when = self.when.as_ref();
        if when.is_some_and(|when| holds(when, attempt) != Ok(true)) {
            misses.push(RuleMiss::When);
        }
        (!misses.is_empty()).then_some(misses)
    }
}

/// The values of a condition, in words.
fn list<T: ToString>(values: &[T]) -> String {
    let values: Vec<_> = values.iter().map(ToString::to_string).collect();
    values.join(", ")
}

/// How a host is beside those of a rule, which somebody may have taken for it.
fn beside(matcher: &HostMatcher, host: &Host) -> Option<RuleMiss> {
    let (HostMatcher::Name(pattern), Host::Name(name)) = (matcher, host) else {
        return None;
    };
    match pattern {
        HostPattern::Below(apex) if apex == name => Some(RuleMiss::Below(pattern.clone())),
        HostPattern::Exact(apex) if HostPattern::Below(apex.clone()).matches(name) => {
            Some(RuleMiss::Above(pattern.clone()))
        }
        HostPattern::Below(_) | HostPattern::Exact(_) => None,
    }
}

impl fmt::Display for RuleMiss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self {
            Self::Port(ports) => return write!(f, "it is for ports {ports}"),
            Self::Method(methods) => return write!(f, "it is for methods {methods}"),
            Self::Path(paths) => return write!(f, "it is for paths {paths}"),
            Self::Below(pattern) => {
                return write!(f, "{pattern} is not the name itself");
            }
            Self::Above(pattern) => {
                return write!(f, "{pattern} is not what is below it, which is *.{pattern}");
            }
            Self::Tunnel => "a tunnel hides methods and paths",
            Self::Client => "it is for other clients",
            Self::When => "its expression is not true",
            Self::Expired => "it has expired",
        };
        f.write_str(what)
    }
}

impl fmt::Display for NearRule<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let misses: Vec<_> = self.misses.iter().map(RuleMiss::to_string).collect();
        let Self { policy, rule, .. } = self;
        write!(
            f,
            "rule {rule} of {policy} does not match: {}",
            misses.join("; ")
        )
    }
}
