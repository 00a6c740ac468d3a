//! A decision about a request: recorded, or made now.

use std::fmt;

use egret_proxy::{Explanation, Outcome};
use serde::Serialize;

use crate::access_log::LogLine;

/// What was decided about a request, and by what.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) struct Decision {
    pub(super) verdict: DecisionKind,
    /// The policy, `namespace/name`.
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<String>,
    /// Its rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<String>,
    /// Why it is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// What a client notices of a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum DecisionKind {
    /// The request may leave.
    Allow,
    /// It may leave, and a policy in audit mode would deny it.
    Audit,
    /// The gateway answers it.
    Answer,
    /// It is refused.
    Refuse,
}

/// Reasons that depend on more than a request and a configuration.
const NOT_REPEATABLE: &[&str] = &[
    "rate_limit",
    "fault",
    "csrf",
    "body_too_large",
    "transformation",
    "authentication_overload",
    "jwks_unavailable",
    "misdirected",
    "loop",
];
/// Reasons of refusals without a verdict that a configuration alone decides.
const BY_CONFIGURATION: &[&str] = &["no_route", "no_tunnel", "misconfigured"];

impl Decision {
    /// What a line says; `None` if it does not tell, or if the decision cannot be repeated.
    pub(super) fn recorded(line: &LogLine<'_>) -> Option<Self> {
        let reason = line.reason.as_deref();
        // Without an address there is nothing to judge.
        let is_unknown = reason == Some("address_denied") && line.upstream.is_none();
        if is_unknown || reason.is_some_and(|reason| NOT_REPEATABLE.contains(&reason)) {
            return None;
        }
        let verdict = match (line.verdict.as_deref(), reason) {
            (Some("allow"), _) => DecisionKind::Allow,
            (Some("audit"), _) => DecisionKind::Audit,
            (Some("deny"), _) => DecisionKind::Refuse,
            (_, Some(reason)) if BY_CONFIGURATION.contains(&reason) => DecisionKind::Refuse,
            (None, None) if line.status.is_some() => DecisionKind::Answer,
            _ => return None,
        };
        let is_refused = verdict == DecisionKind::Refuse;
        let text = |text: &Option<_>| text.as_deref().map(str::to_owned);
        Some(Self {
            verdict,
            policy: text(&line.policy),
            rule: text(&line.rule),
            reason: reason.filter(|_| is_refused).map(str::to_owned),
        })
    }

    /// What would be decided now.
    pub(super) fn now(told: &Explanation) -> Self {
        let verdict = match (told.outcome, told.verdict) {
            (Outcome::Refused, _) => DecisionKind::Refuse,
            (Outcome::Answered, _) => DecisionKind::Answer,
            (Outcome::Forwarded | Outcome::Tunnel, Some("audit")) => DecisionKind::Audit,
            (Outcome::Forwarded | Outcome::Tunnel, _) => DecisionKind::Allow,
        };
        // The log has no kind before the name.
        let policy = told.policy.as_deref();
        let policy = policy.map(|policy| policy.rsplit_once(' ').map_or(policy, |(_, name)| name));
        Self {
            verdict,
            policy: policy.map(str::to_owned),
            rule: told.rule.clone(),
            reason: told.reason.map(str::to_owned),
        }
    }

    /// The listener is gone.
    pub(super) fn no_listener() -> Self {
        Self {
            verdict: DecisionKind::Refuse,
            policy: None,
            rule: None,
            reason: Some("no_listener".to_owned()),
        }
    }

    /// Whether nobody need look at what is decided now, where it was decided like `recorded` before. That a policy in audit
    /// mode would deny is news; that it would not any more is what it was in audit mode for.
    pub(super) fn is_like(&self, recorded: &Self) -> bool {
        self.verdict == recorded.verdict
            || (self.verdict, recorded.verdict) == (DecisionKind::Allow, DecisionKind::Audit)
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.verdict {
            DecisionKind::Allow => "allowed",
            DecisionKind::Audit => "allowed in audit mode",
            DecisionKind::Answer => "answered by the gateway",
            DecisionKind::Refuse => "refused",
        })?;
        if let Some(reason) = &self.reason {
            write!(f, ": {reason}")?;
        }
        match (&self.rule, &self.policy) {
            (Some(rule), Some(policy)) => write!(f, " by rule {rule} of {policy}"),
            (None, Some(policy)) => write!(f, " by {policy}"),
            (_, None) => Ok(()),
        }
    }
}
