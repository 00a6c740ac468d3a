//! The verdict on an exchange: what the policies decided about where it went, and which of them.

use std::fmt;
use std::sync::Arc;

use egret_config::name::Host;
use egret_config::policy::egress::{
    AddressDenied, DecidingRule, EgressAction, EgressDecision, EgressMode, HelloName,
};
use egret_config::resources::ObjectRef;

use crate::refusal::{Refusal, RefusalSubject};

/// What the policies decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The destination is allowed, by a rule or by a default action.
    Allowed(DecidingRule),
    /// A policy in audit mode would have denied the destination by its name.
    Audited(DecidingRule),
    /// A limit of a policy in audit mode is reached.
    LimitAudited { policy: ObjectRef, limit: Arc<str> },
    /// A policy in audit mode would have denied the upstream's address.
    AddressAudited { policy: ObjectRef },
    /// A policy denies the destination by its name.
    Denied(DecidingRule),
    /// Every address of the destination is denied: by a policy, or by the built-in list.
    AddressDenied { policy: Option<ObjectRef> },
    /// The client did not authenticate as the policy demands.
    Unauthenticated { policy: ObjectRef },
    /// The ClientHello inside the tunnel is not for the host of the CONNECT, as a policy requires.
    SniDenied(SniViolation),
    /// Likewise, but the policy is in audit mode.
    SniAudited(SniViolation),
}

/// A ClientHello that is not for the host of its CONNECT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SniViolation {
    /// The policy that requires it to be.
    pub(crate) policy: ObjectRef,
    /// The host of the CONNECT.
    pub(crate) host: Host,
    /// What the ClientHello says.
    pub(crate) hello: HelloName,
}

/// What the verdict is made of when the exchange has ended.
#[derive(Debug, Default)]
pub(crate) struct VerdictFacts {
    by_name: Option<Verdict>,
    denial: Option<Verdict>,
}

impl VerdictFacts {
    /// The policies let the destination through by its name.
    pub(crate) fn cleared(&mut self, decision: &EgressDecision<'_>) {
        let by = decision.deciding_rule();
        self.by_name = Some(match decision.action {
            EgressAction::Allow if decision.audited => Verdict::Audited(by),
            EgressAction::Allow => Verdict::Allowed(by),
            EgressAction::Deny => Verdict::Denied(by),
        });
    }

    /// A limit of a policy in audit mode would have refused the exchange.
    pub(crate) fn over_limit(&mut self, policy: &ObjectRef, limit: &Arc<str>) {
        self.by_name = Some(Verdict::LimitAudited {
            policy: policy.clone(),
            limit: limit.clone(),
        });
    }

    /// A redirect was followed, before which these were the facts. What a policy in audit mode would have denied on the way is
    /// what is told.
    pub(crate) fn follow(&mut self, before: Self) {
        let is_audit = |verdict: &Verdict| verdict.as_str() == "audit";
        if let Some(audited) = before.by_name.filter(is_audit) {
            self.by_name = Some(audited);
        }
    }

    /// The exchange was refused, which is the end of it.
    pub(crate) fn refused(&mut self, refusal: &Refusal) {
        self.denial = match refusal {
            Refusal::Policy(by) => Some(Verdict::Denied(by.clone())),
            Refusal::Denied(denial) => Some(Verdict::Denied(DecidingRule {
                policy: Some(denial.policy.clone()),
                rule: denial.rule.clone(),
                ..DecidingRule::default()
            })),
            Refusal::Address(denied) => Some(Verdict::AddressDenied {
                policy: denied.policy.clone(),
            }),
            Refusal::Unauthenticated(client) => Some(Verdict::Unauthenticated {
                policy: client.policy.clone(),
            }),
            _ => None,
        };
    }

    /// The ClientHello inside the tunnel is not as a policy requires.
    pub(crate) fn violated(&mut self, violation: SniViolation, mode: EgressMode) {
        self.denial = Some(match mode {
            EgressMode::Enforce => Verdict::SniDenied(violation),
            EgressMode::Audit => Verdict::SniAudited(violation),
        });
    }

    /// What the exchange was refused for, if a policy did.
    pub(crate) fn denial(&self) -> Option<&Verdict> {
        self.denial.as_ref()
    }

    /// The verdict as far as the exchange has come.
    pub(crate) fn so_far(&self) -> Option<Verdict> {
        self.denial.clone().or_else(|| self.by_name.clone())
    }

    /// The verdict. An exchange that was served is never denied, whatever was denied on the way: another host or another
    /// address was not.
    pub(crate) fn settle(&mut self, audited_by: Option<ObjectRef>) -> Option<Verdict> {
        let audited = audited_by.map(|policy| Verdict::AddressAudited { policy });
        let by_name = || self.by_name.take();
        self.denial.take().or(audited).or_else(by_name)
    }
}

impl Verdict {
    /// The `verdict` of the access log.
    pub(crate) const fn as_str(&self) -> &'static str {
        match self {
            Self::Allowed(_) => "allow",
            Self::Audited(_)
            | Self::LimitAudited { .. }
            | Self::AddressAudited { .. }
            | Self::SniAudited(_) => "audit",
            Self::Denied(_)
            | Self::AddressDenied { .. }
            | Self::Unauthenticated { .. }
            | Self::SniDenied(_) => "deny",
        }
    }

    /// What an exchange that was served, wholly or in part, would have been or was refused for: the same text as that of the
    /// refusal about this.
    pub(crate) fn details(&self, about: impl FnOnce() -> RefusalSubject) -> Option<String> {
        match self {
            Self::Audited(by) => Some(Refusal::Policy(by.clone()).details(&about())),
            Self::AddressAudited { policy } => {
                let refusal = Refusal::Address(AddressDenied {
                    policy: Some(policy.clone()),
                    class: "denied by policy",
                });
                Some(refusal.details(&about()))
            }
            Self::LimitAudited { policy, limit } => {
                Some(format!("limit {limit} of {policy} is reached"))
            }
            Self::SniDenied(violation) | Self::SniAudited(violation) => Some(violation.to_string()),
            Self::Allowed(_)
            | Self::Denied(_)
            | Self::AddressDenied { .. }
            | Self::Unauthenticated { .. } => None,
        }
    }

    /// The policy that decided.
    pub(crate) const fn policy(&self) -> Option<&ObjectRef> {
        match self {
            Self::Allowed(by) | Self::Audited(by) | Self::Denied(by) => by.policy.as_ref(),
            Self::AddressDenied { policy } => policy.as_ref(),
            Self::AddressAudited { policy }
            | Self::LimitAudited { policy, .. }
            | Self::Unauthenticated { policy }
            | Self::SniDenied(SniViolation { policy, .. })
            | Self::SniAudited(SniViolation { policy, .. }) => Some(policy),
        }
    }

    /// The rule of the policy that decided.
    pub(crate) const fn rule(&self) -> Option<&Arc<str>> {
        match self {
            Self::LimitAudited { limit, .. } => Some(limit),
            _ => match self.by() {
                Some(by) => by.rule.as_ref(),
                None => None,
            },
        }
    }

    /// Why the rule is there.
    pub(crate) const fn rule_reason(&self) -> Option<&Arc<str>> {
        match self.by() {
            Some(by) => by.reason.as_ref(),
            None => None,
        }
    }

    /// The policy and the rule that decided by name.
    const fn by(&self) -> Option<&DecidingRule> {
        match self {
            Self::Allowed(by) | Self::Audited(by) | Self::Denied(by) => Some(by),
            Self::LimitAudited { .. }
            | Self::AddressAudited { .. }
            | Self::AddressDenied { .. }
            | Self::Unauthenticated { .. }
            | Self::SniDenied(_)
            | Self::SniAudited(_) => None,
        }
    }
}

impl fmt::Display for SniViolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            policy,
            host,
            hello,
        } = self;
        match hello {
            HelloName::Name(name) => write!(f, "the ClientHello asks for {name}")?,
            HelloName::Address(address) => write!(f, "the ClientHello asks for {address}")?,
            HelloName::Absent => f.write_str("the ClientHello asks for no name")?,
            HelloName::Unreadable => {
                f.write_str("the ClientHello cannot be read or is not complete")?
            }
        }
        write!(
            f,
            ", and the CONNECT is for {host}: denied by {policy} (sni: MustMatch)"
        )
    }
}

#[cfg(test)]
mod tests {
    use egret_config::policy::egress::AddressDenied;
    use egret_config::resources::Kind;

    use super::*;
    use crate::dial::failure::ConnectFailure;

    fn policy(name: &str) -> ObjectRef {
        ObjectRef::new(Kind::EgressPolicy, "apps", name)
    }

    fn cleared(audited: bool) -> VerdictFacts {
        let mut facts = VerdictFacts::default();
        facts.cleared(&EgressDecision {
            action: EgressAction::Allow,
            policy: Some(&policy("names")),
            rule: Some(&"first".into()),
            audited,
            ..EgressDecision::default()
        });
        facts
    }

    fn told(verdict: Option<&Verdict>) -> (&str, Option<&str>, Option<&str>) {
        let verdict = verdict.unwrap();
        let policy = verdict.policy().map(|policy| &*policy.name);
        (verdict.as_str(), policy, verdict.rule().map(|rule| &**rule))
    }

    #[test]
    fn what_was_served_is_allowed_or_audited() {
        let by_name = cleared(false).settle(None);
        assert_eq!(
            told(by_name.as_ref()),
            ("allow", Some("names"), Some("first"))
        );
        let audited = cleared(true).settle(None);
        assert_eq!(
            told(audited.as_ref()),
            ("audit", Some("names"), Some("first"))
        );
        let address = cleared(false).settle(Some(policy("addresses")));
        assert_eq!(told(address.as_ref()), ("audit", Some("addresses"), None));
        assert_eq!(VerdictFacts::default().settle(None), None);
    }

    #[test]
    fn what_was_refused_by_a_policy_is_denied() {
        let denied = |refusal| {
            let mut facts = cleared(false);
            facts.refused(&refusal);
            facts.settle(Some(policy("addresses")))
        };
        let by_name = denied(Refusal::Policy(DecidingRule {
            policy: Some(policy("closed")),
            ..DecidingRule::default()
        }));
        assert_eq!(told(by_name.as_ref()), ("deny", Some("closed"), None));
        let address = denied(Refusal::Address(AddressDenied {
            policy: None,
            class: "loopback",
        }));
        assert_eq!(told(address.as_ref()), ("deny", None, None));
        // A refusal for another reason says nothing about the policies.
        let refused = denied(Refusal::Connect(ConnectFailure::Refused));
        assert_eq!(told(refused.as_ref()), ("audit", Some("addresses"), None));
    }
}
