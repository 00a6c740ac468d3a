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

use crate::name::{Host, HostMatcher, Port};
use crate::path::prefix_matches;
use crate::resources::ObjectRef;

mod client;
mod limit;
mod sni;
pub mod special;

pub use client::{CertificatePattern, ClientMatcher, EgressClient, UserPattern};
pub use limit::{EgressLimit, LimitKey, LimitedClient};
pub use sni::{EgressSni, HelloName, SniRequirement};

pub use crate::api::egret::{EgressAction, EgressMode};

/// The policies that apply to one backend of one rule, widest first: Gateway, listener, route, rule, Backend.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct EgressPolicySet {
    /// The policies, in the order in which they are checked.
    pub policies: Vec<Arc<EgressRules>>,
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
    pub allow_addresses: Vec<IpNet>,
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
}

/// An inclusive range of ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortRange {
    /// The lowest port.
    pub first: Port,
    /// The highest port.
    pub last: Port,
}

/// A request as egress policies see it, before its host is resolved.
#[derive(Clone, Copy, Debug)]
pub struct EgressRequest<'a> {
    /// The host of the target.
    pub host: &'a Host,
    /// The port of the target.
    pub port: Port,
    /// The method and the normalized path; `None` for a tunnel, whose requests cannot be read.
    pub request: Option<(&'a Method, &'a str)>,
    /// Who sends the request.
    pub client: EgressClient<'a>,
    /// Whether the request has opened a tunnel before. Policies that keep tunnels open then deny nothing; the built-in
    /// deny list does.
    pub is_open: bool,
}

/// The decision about a request, and the rule that made it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EgressDecision<'a> {
    /// Whether the request is allowed.
    pub action: EgressAction,
    /// The policy that decided: the one that denied, else the narrowest. `None` if no policy applies.
    pub policy: Option<&'a ObjectRef>,
    /// The rule that decided; `None` if the policy's default action did.
    pub rule: Option<&'a Arc<str>>,
    /// Whether a policy in audit mode would have denied the request. If `action` is allow, `policy` and `rule` name
    /// that policy and its rule.
    pub audited: bool,
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
    /// Decides a request by its host name. The first denial wins; without policies every request is allowed.
    #[must_use]
    pub fn check<'a>(&'a self, attempt: EgressRequest<'_>) -> EgressDecision<'a> {
        let mut decision = EgressDecision::default();
        for rules in &self.policies {
            let (action, rule) = rules.decide(attempt);
            let denied = action == EgressAction::Deny && !rules.passes_over(attempt);
            if denied && rules.mode == EgressMode::Enforce {
                return EgressDecision {
                    action,
                    policy: Some(&rules.policy),
                    rule,
                    audited: false,
                };
            }
            if !decision.audited {
                decision = EgressDecision {
                    action: EgressAction::Allow,
                    policy: Some(&rules.policy),
                    rule,
                    audited: denied,
                };
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
    fn decide(&self, attempt: EgressRequest<'_>) -> (EgressAction, Option<&Arc<str>>) {
        match self.rule_for(attempt) {
            Some(rule) => (rule.action, Some(&rule.name)),
            None => (self.default_action, None),
        }
    }

    fn rule_for(&self, attempt: EgressRequest<'_>) -> Option<&EgressRule> {
        self.rules.iter().find(|rule| rule.matches(attempt))
    }

    /// Whether the policy denies nothing to this request, because it opened a tunnel before.
    fn passes_over(&self, attempt: EgressRequest<'_>) -> bool {
        attempt.is_open && self.keeps_tunnels
    }

    /// Whether an exception to the built-in deny list holds for the address: one of the policy, or of the rule that allows
    /// the name.
    fn excepts(&self, address: IpAddr, attempt: EgressRequest<'_>) -> bool {
        let holds = |nets: &[IpNet]| nets.iter().any(|net| net.contains(&address));
        if holds(&self.allow_addresses) {
            return true;
        }
        let by_name = matches!(attempt.host, Host::Name(_));
        by_name
            && self.rule_for(attempt).is_some_and(|rule| {
                rule.action == EgressAction::Allow && holds(&rule.allow_addresses)
            })
    }
}

impl EgressRule {
    fn matches(&self, attempt: EgressRequest<'_>) -> bool {
        any_or_empty(&self.hosts, |host| host.matches(attempt.host))
            && any_or_empty(&self.ports, |range| range.contains(attempt.port))
            && any_or_empty(&self.clients, |client| client.matches(attempt.client))
            && self.matches_request(attempt.request)
    }

    fn matches_request(&self, request: Option<(&Method, &str)>) -> bool {
        let Some((method, path)) = request else {
            return self.methods.is_empty() && self.paths.is_empty();
        };
        any_or_empty(&self.methods, |m| m == method)
            && any_or_empty(&self.paths, |prefix| prefix_matches(prefix, path))
    }
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
