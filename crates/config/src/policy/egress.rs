//! Where requests may go: the compiled EgressPolicies of a destination, and the built-in deny list beneath them.
//!
//! Names are decided before DNS, by [`Egress::check`]; every address that DNS then answers, and every IP literal, is
//! decided by [`Egress::check_address`] right before it is dialled. Both must allow. All policies that apply must
//! allow: a narrower one can only narrow.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use http::Method;
use ipnet::IpNet;
use serde::{Serialize, Serializer};

use crate::name::{Host, HostMatcher, Port};
use crate::path::prefix_matches;
use crate::resources::ObjectRef;

pub mod special;

/// The policies that bind one destination of one rule, widest first: Gateway, listener, route, rule, backend.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Egress {
    /// In the order they are asked.
    pub policies: Vec<Arc<EgressRules>>,
}

/// One compiled EgressPolicy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EgressRules {
    /// The policy, for the log and the refusal.
    pub policy: ObjectRef,
    /// Whether its denials bind.
    pub mode: Mode,
    /// When no rule matches.
    pub default_action: Action,
    /// The first that matches decides.
    pub rules: Vec<EgressRule>,
    /// Exceptions to the built-in deny list; they count if the mode is [`Mode::Enforce`]. Empty unless the policy is
    /// attached to a Gateway.
    pub allow_addresses: Vec<IpNet>,
    /// Addresses that are denied besides the built-in ones.
    pub deny_addresses: Vec<IpNet>,
    /// Whether tunnels that were open before it denied them go on (`tunnels: Keep`). The built-in list ends them in any
    /// case.
    pub keeps_tunnels: bool,
}

/// `mode` of an EgressPolicy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub enum Mode {
    /// What is denied is refused.
    #[default]
    Enforce,
    /// What would be denied is served, logged and counted. The built-in deny list holds all the same.
    Audit,
}

/// `action` of a rule, and `defaultAction`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub enum Action {
    /// May go.
    #[default]
    Allow,
    /// May not.
    Deny,
}

/// One rule. An empty list of a condition means "any"; a condition that is set must hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EgressRule {
    /// Its `name`, or `rule-<index>`.
    pub name: Arc<str>,
    /// What it says.
    pub action: Action,
    /// Names, wildcards, addresses, networks.
    pub hosts: Vec<HostMatcher>,
    /// Single ports and ranges.
    pub ports: Vec<PortRange>,
    /// Methods. A rule with methods never matches inside a tunnel.
    #[serde(serialize_with = "as_text")]
    pub methods: Vec<Method>,
    /// Path prefixes, by whole segments. A rule with paths never matches inside a tunnel.
    pub paths: Vec<String>,
}

/// An inclusive range of ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortRange {
    /// The lowest.
    pub first: Port,
    /// The highest.
    pub last: Port,
}

/// What is asked of the policies before a name is resolved.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'a> {
    /// Where to.
    pub host: &'a Host,
    /// Which port there.
    pub port: Port,
    /// Method and normalised path, where the request can be read; `None` for a tunnel.
    pub request: Option<(&'a Method, &'a str)>,
}

/// What the policies say of a request, and which rule made it so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Decision<'a> {
    /// The outcome.
    pub action: Action,
    /// The policy that decided: the one that denied, else the narrowest one. `None` if no policy applies.
    pub policy: Option<&'a ObjectRef>,
    /// The rule that decided; `None` if it was the policy's default action.
    pub rule: Option<&'a Arc<str>>,
    /// Whether a policy in audit mode would have denied. `policy` and `rule` then name that one, if `action` is allow.
    pub audited: bool,
}

/// Why an address may not be dialled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressDenied {
    /// The policy whose `addresses.deny` holds it; `None` is the built-in list.
    pub policy: Option<ObjectRef>,
    /// What kind of address it is, such as `loopback`; `denied by policy` for a policy's.
    pub class: &'static str,
}

impl Egress {
    /// Decides a request by its name. The first denial wins; no policy at all allows.
    #[must_use]
    pub fn check<'a>(&'a self, attempt: Attempt<'_>) -> Decision<'a> {
        let mut decision = Decision::default();
        for rules in &self.policies {
            let (action, rule) = rules.decide(attempt);
            let denied = action == Action::Deny;
            if denied && rules.mode == Mode::Enforce {
                return Decision {
                    action,
                    policy: Some(&rules.policy),
                    rule,
                    audited: false,
                };
            }
            if !decision.audited {
                decision = Decision {
                    action: Action::Allow,
                    policy: Some(&rules.policy),
                    rule,
                    audited: denied,
                };
            }
        }
        decision
    }

    /// The policies as they bind tunnels that were open before: without the denials of those that keep them, but with
    /// what these except from the built-in list, which goes on to hold.
    #[must_use]
    pub fn of_open_tunnels(&self) -> Cow<'_, Self> {
        if !self.policies.iter().any(|rules| rules.keeps_tunnels) {
            return Cow::Borrowed(self);
        }
        let policies = self.policies.iter().map(|rules| {
            if !rules.keeps_tunnels {
                return Arc::clone(rules);
            }
            Arc::new(EgressRules {
                default_action: Action::Allow,
                rules: Vec::new(),
                deny_addresses: Vec::new(),
                ..EgressRules::clone(rules)
            })
        });
        Cow::Owned(Self {
            policies: policies.collect(),
        })
    }

    /// Decides one address. An IPv6 address that carries an IPv4 one must be allowed for both.
    ///
    /// # Errors
    /// If a policy or the built-in list denies it.
    pub fn check_address(&self, address: IpAddr) -> Result<(), AddressDenied> {
        let address = address.to_canonical();
        self.check_one(address)?;
        special::embedded_ipv4(address).try_for_each(|inner| self.check_one(inner.into()))
    }

    /// Whether a policy in audit mode lists the address among those it would deny.
    #[must_use]
    pub fn audit_address(&self, address: IpAddr) -> Option<&ObjectRef> {
        let address = address.to_canonical();
        self.denying(Mode::Audit, address)
    }

    fn check_one(&self, address: IpAddr) -> Result<(), AddressDenied> {
        if let Some(policy) = self.denying(Mode::Enforce, address) {
            return Err(AddressDenied {
                policy: Some(policy.clone()),
                class: "denied by policy",
            });
        }
        let Some(class) = special::class(address) else {
            return Ok(());
        };
        // An audit only watches: it opens nothing either.
        let excepted = self
            .policies
            .iter()
            .filter(|rules| rules.mode == Mode::Enforce)
            .flat_map(|rules| &rules.allow_addresses)
            .any(|net| net.contains(&address));
        if excepted {
            Ok(())
        } else {
            Err(AddressDenied {
                policy: None,
                class,
            })
        }
    }

    fn denying(&self, mode: Mode, address: IpAddr) -> Option<&ObjectRef> {
        let mut policies = self.policies.iter().filter(|rules| rules.mode == mode);
        policies
            .find(|rules| {
                rules
                    .deny_addresses
                    .iter()
                    .any(|net| net.contains(&address))
            })
            .map(|rules| &rules.policy)
    }
}

impl EgressRules {
    fn decide(&self, attempt: Attempt<'_>) -> (Action, Option<&Arc<str>>) {
        match self.rules.iter().find(|rule| rule.matches(attempt)) {
            Some(rule) => (rule.action, Some(&rule.name)),
            None => (self.default_action, None),
        }
    }
}

impl EgressRule {
    fn matches(&self, attempt: Attempt<'_>) -> bool {
        any_or_empty(&self.hosts, |host| host.matches(attempt.host))
            && any_or_empty(&self.ports, |range| range.contains(attempt.port))
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
    /// Whether `port` is within.
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
