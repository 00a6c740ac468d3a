//! What egress policies are asked about a request, and what they decide.

use std::sync::Arc;

use http::Method;

use super::{EgressAction, EgressClient};
use crate::expression::{EvaluationError, KeptRequest};
use crate::name::{Host, Port};
use crate::resources::ObjectRef;

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
    /// The request itself; needed if [`super::EgressPolicySet::reads_requests`]. A request of the gateway's own has none, and
    /// matches no rule with an expression.
    pub asked: Option<AskedRequest<'a>>,
    /// The time in seconds of Unix time; needed if [`super::EgressPolicySet::reads_time`].
    pub now: i64,
}

/// A request as the expressions of rules see it, beside where it goes.
#[derive(Clone, Copy, Debug)]
pub struct AskedRequest<'a> {
    /// The request as it came.
    pub request: &'a KeptRequest,
    /// The scheme by which it is sent; `None` in a tunnel.
    pub scheme: Option<&'static str>,
}

/// The decision about a request, and the rule that made it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EgressDecision<'a> {
    /// Whether the request is allowed.
    pub action: EgressAction,
    /// The policy that decided: the one that denied, else the narrowest. `None` if no policy applies.
    pub policy: Option<&'a ObjectRef>,
    /// The rule that decided; `None` if the policy's default action did.
    pub rule: Option<&'a Arc<str>>,
    /// Why the rule is there.
    pub reason: Option<&'a Arc<str>>,
    /// Why the expression of the rule could not be evaluated, for which the request is denied.
    pub error: Option<Box<EvaluationError>>,
    /// Whether a policy in audit mode would have denied the request. If `action` is allow, `policy` and `rule` name
    /// that policy and its rule.
    pub audited: bool,
}

/// The policy and the rule that decided about a request, as they are told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DecidingRule {
    /// The policy; `None` if no policy applies.
    pub policy: Option<ObjectRef>,
    /// The rule; `None` if the policy's default action decided.
    pub rule: Option<Arc<str>>,
    /// Why the rule is there.
    pub reason: Option<Arc<str>>,
    /// Why the expression of the rule could not be evaluated.
    pub error: Option<Box<EvaluationError>>,
}

impl EgressDecision<'_> {
    /// The policy and the rule that decided.
    #[must_use]
    pub fn deciding_rule(&self) -> DecidingRule {
        DecidingRule {
            policy: self.policy.cloned(),
            rule: self.rule.cloned(),
            reason: self.reason.cloned(),
            error: self.error.clone(),
        }
    }
}
