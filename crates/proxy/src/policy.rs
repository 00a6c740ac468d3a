//! The policies of a request, in the one order in which they are asked.

use egret_config::policy::egress::{Action, Attempt, Egress};
use http::Method;

use crate::plan::Plan;
use crate::record::Exchange;
use crate::refusal::Refusal;

/// Decides by name whether the request may leave, before any DNS query is made for it.
///
/// # Errors
/// [`Refusal::Policy`] with what denied it.
pub(crate) fn admit(
    egress: &Egress,
    plan: &Plan<'_>,
    method: &Method,
    exchange: &Exchange,
) -> Result<(), Refusal> {
    let request = Some((method, &*plan.normalized_path));
    let decision = egress.check(Attempt {
        host: &plan.destination.host,
        port: plan.destination.port,
        request,
    });
    exchange.decided(&decision);
    match decision.action {
        Action::Allow => Ok(()),
        Action::Deny => Err(Refusal::Policy {
            policy: decision.policy.cloned(),
            rule: decision.rule.cloned(),
        }),
    }
}
