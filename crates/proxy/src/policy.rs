//! The policies of a request, in the one order in which they are asked.

use egret_config::name::Port;
use egret_config::policy::egress::{Action, Attempt, Decision};
use http::Method;

use crate::plan::Plan;
use crate::record::Exchange;
use crate::refusal::Refusal;

/// Decides by name whether the request may leave, before any DNS query is made for it.
///
/// # Errors
/// [`Refusal::Policy`] with what denied it.
pub(crate) fn admit(plan: &Plan<'_>, method: &Method, exchange: &Exchange) -> Result<(), Refusal> {
    let decision = decide(plan, method, plan.destination.port);
    exchange.decided(&decision);
    match decision.action {
        Action::Allow => Ok(()),
        Action::Deny => Err(Refusal::Policy {
            policy: decision.policy.cloned(),
            rule: decision.rule.cloned(),
        }),
    }
}

/// The same for another host of the backend, when the request may not be told that it was refused.
pub(crate) fn allows(plan: &Plan<'_>, method: &Method) -> bool {
    decide(plan, method, plan.destination.port).action == Action::Allow
}

/// The same for another port of the destination: one that its HTTPS record names, which nobody has judged yet.
pub(crate) fn allows_port(plan: &Plan<'_>, method: &Method, port: Port) -> bool {
    port == plan.destination.port || decide(plan, method, port).action == Action::Allow
}

fn decide<'a>(plan: &Plan<'a>, method: &Method, port: Port) -> Decision<'a> {
    // Of a CONNECT only the destination can be known.
    let request = (*method != Method::CONNECT).then_some((method, &*plan.normalized_path));
    plan.egress.check(Attempt {
        host: &plan.destination.host,
        port,
        request,
    })
}
