//! Egress decisions: the compiled EgressPolicies of a destination, and the built-in deny list beneath them.
//!
//! A request is decided by name before DNS, with [`EgressPolicySet::check`]. Every address that DNS answers and every
//! IP literal is decided by [`EgressPolicySet::check_address`] right before it is dialled. Both must allow, and all
//! policies that apply must allow: a narrower policy can only narrow.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use http::Method;
use ipnet::IpNet;
use serde::{Serialize, Serializer};

use crate::expression::{EgressDestination, EvaluationError, Expression};
use crate::name::{Host, HostMatcher, Port};
use crate::path::prefix_matches;
use crate::resources::ObjectRef;

mod client;
mod decision;
mod expiry;
mod limit;
mod near;
mod sni;
pub mod special;

pub use client::{CertificatePattern, ClientMatcher, EgressClient, UserPattern};
pub use decision::{AskedRequest, DecidingRule, EgressDecision, EgressRequest};
pub use expiry::{AddressException, Expiry};
pub use limit::{EgressLimit, LimitKey, LimitedClient};
pub use near::{NearRule, RuleMiss};
pub use sni::{EgressSni, HelloName, SniRequirement};

pub use egret_api::egret::{EgressAction, EgressMode};

/// The policies that apply to one backend of one rule, widest first: Gateway, listener, route, rule, Backend.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct EgressPolicySet {
    /// The policies, in the order in which they are checked.
    pub policies: Vec<Arc<EgressRules>>,
    /// Whether a rule has an expression.
    #[serde(skip)]
    reads_requests: bool,
    /// Whether a rule or an exception expires.
    #[serde(skip)]
    reads_time: bool,
}

/// One compiled EgressPolicy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EgressRules {
    /// The policy, for the access log and the refusal.
    pub policy: ObjectRef,
    /// Whether denials are enforced.
    pub mode: EgressMode,
    /// The action when no rule matches.
    pub default_action: EgressAction,
    /// The rules; the first rule that matches decides.
    pub rules: Vec<EgressRule>,
    /// Exceptions to the built-in deny list. They hold only in mode [`EgressMode::Enforce`], and are empty unless the
    /// policy is attached to a Gateway.
    pub allow_addresses: Vec<AddressException>,
    /// Addresses that are denied in addition to the built-in list.
    pub deny_addresses: Vec<IpNet>,
    /// Limits of the requests that the rules allow.
    pub limits: Vec<EgressLimit>,
    /// Whether tunnels stay open that the policy denies after a change (`tunnels: Keep`). The built-in deny list closes
    /// them in any case.
    pub keeps_tunnels: bool,
    /// What the server name inside the tunnel of a CONNECT has to be.
    pub sni: EgressSni,
}

/// One rule. An empty list of a condition matches everything; every condition that is set must match.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EgressRule {
    /// The `name` of the rule, or `rule-<index>`.
    pub name: Arc<str>,
    /// The action when the rule matches.
    pub action: EgressAction,
    /// Hosts: names, wildcards, addresses and networks.
    pub hosts: Vec<HostMatcher>,
    /// Ports: single ports and ranges.
    pub ports: Vec<PortRange>,
    /// Methods. A rule with methods never matches inside a tunnel.
    #[serde(serialize_with = "as_text")]
    pub methods: Vec<Method>,
    /// Path prefixes, compared by whole segments. A rule with paths never matches inside a tunnel.
    pub paths: Vec<String>,
    /// Clients that the rule is for.
    pub clients: Vec<ClientMatcher>,
    /// Exceptions to the built-in deny list for the names that the rule allows. They hold where those of
    /// [`EgressRules::allow_addresses`] hold; a request that names an address has none.
    pub allow_addresses: Vec<IpNet>,
    /// An expression that must be true. The rule denies a request for which it cannot be evaluated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub when: Option<Expression>,
    /// The time from which the rule matches nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<Expiry>,
    /// Why the rule is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Arc<str>>,
}

/// An inclusive range of ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortRange {
    /// The lowest port.
    pub first: Port,
    /// The highest port.
    pub last: Port,
}

/// What one policy makes of a request by its name.
struct NameJudgement<'a> {
    action: EgressAction,
    rule: Option<&'a EgressRule>,
    error: Option<Box<EvaluationError>>,
}

/// The error for an address that may not be dialled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressDenied {
    /// The policy that denies the address; `None` if the built-in list does.
    pub policy: Option<ObjectRef>,
    /// The class of the address, such as `loopback`; `denied by policy` if a policy denies it.
    pub class: &'static str,
}

impl AddressDenied {
    /// The class of the addresses that the process itself listens on.
    pub const OWN: &str = "this proxy";
    /// The class of addresses that are no endpoint of the Service that the request goes to.
    pub const NO_ENDPOINT: &str = "not an endpoint of the Service";
}

impl EgressPolicySet {
    /// Policies in the order in which they are checked.
    #[must_use]
    pub fn new(policies: Vec<Arc<EgressRules>>) -> Self {
        let mut rules = policies.iter().flat_map(|policy| &policy.rules);
        let reads_requests = rules.any(|rule| rule.when.is_some());
        let reads_time = policies
            .iter()
            .any(|policy| policy.expiries().next().is_some());
        Self {
            policies,
            reads_requests,
            reads_time,
        }
    }

    /// The first policy whose decision about a request may depend on what the default access log does not tell, and its rule.
    #[must_use]
    pub fn undecided(&self, attempt: EgressRequest<'_>) -> Option<(&ObjectRef, &EgressRule)> {
        let mut policies = self.policies.iter();
        policies.find_map(|rules| Some((&rules.policy, rules.undecided(attempt)?)))
    }

    /// Whether a decision depends on more of a request than its name, method, path and client.
    #[must_use]
    pub const fn reads_requests(&self) -> bool {
        self.reads_requests
    }

    /// Whether a decision depends on the time.
    #[must_use]
    pub const fn reads_time(&self) -> bool {
        self.reads_time
    }

    /// Decides a request by its host name. The first denial wins; without policies every request is allowed.
    #[must_use]
    pub fn check<'a>(&'a self, attempt: EgressRequest<'_>) -> EgressDecision<'a> {
        let mut decision = EgressDecision::default();
        for rules in &self.policies {
            let NameJudgement {
                action,
                rule,
                error,
            } = rules.judge(attempt);
            let denied = action == EgressAction::Deny && !rules.passes_over(attempt);
            let is_enforced = denied && rules.mode == EgressMode::Enforce;
            if is_enforced || !decision.audited {
                decision = EgressDecision {
                    action: if is_enforced {
                        action
                    } else {
                        EgressAction::Allow
                    },
                    policy: Some(&rules.policy),
                    rule: rule.map(|rule| &rule.name),
                    reason: rule.and_then(|rule| rule.reason.as_ref()),
                    error,
                    audited: denied && !is_enforced,
                };
            }
            if is_enforced {
                break;
            }
        }
        decision
    }

    /// Decides one address that the host of an allowed request was resolved to, or is. `attempt` has the port that would be
    /// connected to. An IPv6 address that embeds an IPv4 address must be allowed in both forms.
    ///
    /// # Errors
    /// If a policy or the built-in list denies the address.
    pub fn check_address(
        &self,
        address: IpAddr,
        attempt: EgressRequest<'_>,
    ) -> Result<(), AddressDenied> {
        let address = address.to_canonical();
        self.check_single(address, attempt)?;
        special::embedded_ipv4(address)
            .try_for_each(|inner| self.check_single(inner.into(), attempt))
    }

    /// Decides one address of an endpoint of a Service, which the rule of an allowed request names as its backend: the
    /// built-in list does not hold for it, the policies do.
    ///
    /// # Errors
    /// If a policy denies the address.
    pub fn check_endpoint(
        &self,
        address: IpAddr,
        attempt: EgressRequest<'_>,
    ) -> Result<(), AddressDenied> {
        let address = address.to_canonical();
        self.check_denied(address, attempt)?;
        special::embedded_ipv4(address)
            .try_for_each(|inner| self.check_denied(inner.into(), attempt))
    }

    /// The policy in audit mode that would deny the address, if there is one.
    #[must_use]
    pub fn audit_address(&self, address: IpAddr, attempt: EgressRequest<'_>) -> Option<&ObjectRef> {
        let address = address.to_canonical();
        self.denied_by(EgressMode::Audit, address, attempt)
    }

    fn check_single(
        &self,
        address: IpAddr,
        attempt: EgressRequest<'_>,
    ) -> Result<(), AddressDenied> {
        self.check_denied(address, attempt)?;
        let Some(class) = special::class(address) else {
            return Ok(());
        };
        // A policy in audit mode only observes, so that its exceptions do not hold either.
        let mut enforced = self
            .policies
            .iter()
            .filter(|rules| rules.mode == EgressMode::Enforce);
        if enforced.any(|rules| rules.excepts(address, attempt)) {
            Ok(())
        } else {
            Err(AddressDenied {
                policy: None,
                class,
            })
        }
    }

    fn check_denied(
        &self,
        address: IpAddr,
        attempt: EgressRequest<'_>,
    ) -> Result<(), AddressDenied> {
        match self.denied_by(EgressMode::Enforce, address, attempt) {
            None => Ok(()),
            Some(policy) => Err(AddressDenied {
                policy: Some(policy.clone()),
                class: "denied by policy",
            }),
        }
    }

    fn denied_by(
        &self,
        mode: EgressMode,
        address: IpAddr,
        attempt: EgressRequest<'_>,
    ) -> Option<&ObjectRef> {
        let mut policies = self.policies.iter().filter(|rules| rules.mode == mode);
        policies
            .find(|rules| {
                !rules.passes_over(attempt)
                    && rules
                        .deny_addresses
                        .iter()
                        .any(|net| net.contains(&address))
            })
            .map(|rules| &rules.policy)
    }
}

impl EgressRules {
    /// The first rule that may match, depending on what the default access log does not tell of a request. None if a rule
    /// before it decides.
    fn undecided(&self, attempt: EgressRequest<'_>) -> Option<&EgressRule> {
        let may_match =
            |rule: &&EgressRule| rule.matches(attempt) != Ok(false) || rule.may_match(attempt);
        let rule = self.rules.iter().find(may_match)?;
        rule.may_match(attempt).then_some(rule)
    }

    /// The first rule that matches decides, and one that cannot be evaluated denies.
    fn judge(&self, attempt: EgressRequest<'_>) -> NameJudgement<'_> {
        for rule in &self.rules {
            let (action, error) = match rule.matches(attempt) {
                Ok(false) => continue,
                Ok(true) => (rule.action, None),
                Err(error) => (EgressAction::Deny, Some(error)),
            };
            return NameJudgement {
                action,
                rule: Some(rule),
                error,
            };
        }
        NameJudgement {
            action: self.default_action,
            rule: None,
            error: None,
        }
    }

    /// The times at which rules and exceptions expire.
    pub(crate) fn expiries(&self) -> impl Iterator<Item = Expiry> {
        let of_rules = self.rules.iter().filter_map(|rule| rule.expires);
        let exceptions = self.allow_addresses.iter();
        of_rules.chain(exceptions.filter_map(|exception| exception.expires))
    }

    /// Whether the policy denies nothing to this request, because it opened a tunnel before.
    fn passes_over(&self, attempt: EgressRequest<'_>) -> bool {
        attempt.is_open && self.keeps_tunnels
    }

    /// Whether an exception to the built-in deny list holds for the address: one of the policy, or of the rule that allows
    /// the name.
    fn excepts(&self, address: IpAddr, attempt: EgressRequest<'_>) -> bool {
        let mut exceptions = self.allow_addresses.iter();
        if exceptions.any(|exception| exception.holds(&address, attempt.now)) {
            return true;
        }
        let by_name = matches!(attempt.host, Host::Name(_));
        let is_excepted = |rule: &EgressRule| {
            let mut nets = rule.allow_addresses.iter();
            nets.any(|net| net.contains(&address))
        };
        by_name && self.rules.iter().any(is_excepted) && {
            let NameJudgement { action, rule, .. } = self.judge(attempt);
            action == EgressAction::Allow && rule.is_some_and(is_excepted)
        }
    }
}

impl EgressRule {
    /// Whether the rule matches.
    ///
    /// # Errors
    /// If all else matches, and the expression cannot be evaluated.
    fn matches(&self, attempt: EgressRequest<'_>) -> Result<bool, Box<EvaluationError>> {
        let matches = self.is_about(attempt)
            && any_or_empty(&self.clients, |client| client.matches(attempt.client));
        match &self.when {
            Some(when) if matches => holds(when, attempt),
            _ => Ok(matches),
        }
    }

    /// Whether the rule is about what is asked for, whoever asks.
    fn is_about(&self, attempt: EgressRequest<'_>) -> bool {
        any_or_empty(&self.hosts, |host| host.matches(attempt.host))
            && any_or_empty(&self.ports, |range| range.contains(attempt.port))
            && self.matches_request(attempt.request)
            && !self.has_expired(attempt.now)
    }

    /// Whether it depends on what the default access log does not tell that the rule matches.
    fn may_match(&self, attempt: EgressRequest<'_>) -> bool {
        let form = attempt.asked.map(|asked| asked.request.form());
        let is_read = |when: &Expression| form.is_some_and(|form| !when.inputs().are_hidden(form));
        let reads_unlogged = |when: &Expression| is_read(when) && when.inputs().reads_unlogged();
        let by_clients = any_or_empty(&self.clients, |client| client.matches(attempt.client));
        let is_certified = |client: &ClientMatcher| matches!(client, ClientMatcher::Certificate(_));
        let by_certificate =
            attempt.client.certificate.is_none() && self.clients.iter().any(is_certified);
        self.is_about(attempt)
            && (by_certificate && !by_clients
                || by_clients && self.when.as_ref().is_some_and(reads_unlogged))
    }

    fn has_expired(&self, now: i64) -> bool {
        self.expires.is_some_and(|expires| expires.has_come(now))
    }

    fn matches_request(&self, request: Option<(&Method, &str)>) -> bool {
        let Some((method, path)) = request else {
            return self.methods.is_empty() && self.paths.is_empty();
        };
        any_or_empty(&self.methods, |m| m == method)
            && any_or_empty(&self.paths, |prefix| prefix_matches(prefix, path))
    }
}

/// Whether the expression of a rule is true. One that reads what the form of the request hides never is.
fn holds(when: &Expression, attempt: EgressRequest<'_>) -> Result<bool, Box<EvaluationError>> {
    let Some(AskedRequest { request, scheme }) = attempt.asked else {
        return Ok(false);
    };
    if when.inputs().are_hidden(request.form()) {
        return Ok(false);
    }
    let there = EgressDestination {
        scheme,
        host: attempt.host,
        port: attempt.port,
    };
    when.evaluate(&request.view(there)).map_err(Box::new)
}

fn any_or_empty<T>(conditions: &[T], holds: impl FnMut(&T) -> bool) -> bool {
    conditions.is_empty() || conditions.iter().any(holds)
}

impl PortRange {
    /// Whether `port` is in the range.
    #[must_use]
    pub fn contains(self, port: Port) -> bool {
        (self.first..=self.last).contains(&port)
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            self.first.fmt(f)
        } else {
            write!(f, "{}-{}", self.first, self.last)
        }
    }
}

impl Serialize for PortRange {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for AddressDenied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.class)
    }
}

fn as_text<S: Serializer>(methods: &[Method], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(methods.iter().map(Method::as_str))
}

#[cfg(test)]
mod tests;
