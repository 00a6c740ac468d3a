//! The policies of a request, in the one order in which they are asked: who sends it ([`authenticate`]), whatever the
//! rule makes of it; then where it goes ([`admit`]), before any DNS query; then, in `dial/egress.rs`, each address.

use egret_config::name::Port;
use egret_config::policy::egress::{Action, Attempt, Decision};
use egret_config::snapshot::Rule;
use http::Method;
use http::request::Parts;

use crate::credentials::{self, Caller};
use crate::plan::Plan;
use crate::record::Exchange;
use crate::refusal::Refusal;
use crate::target::Target;

/// Decides whether the client may send requests of the rule at all. `None` is one that is not asked who it is.
///
/// # Errors
/// [`Refusal::Unauthenticated`] with what it lacks.
pub(crate) fn authenticate<'a>(
    rule: &'a Rule,
    target: &Target,
    parts: &Parts,
    exchange: &Exchange,
) -> Result<Option<Caller<'a>>, Refusal> {
    match credentials::authenticate(&rule.policies, target, parts) {
        Ok(None) => Ok(None),
        Ok(Some(caller)) => {
            exchange.sent_by(caller.name());
            Ok(Some(caller))
        }
        Err(refused) => {
            exchange.decided(&Decision {
                action: Action::Deny,
                policy: Some(&refused.policy),
                ..Decision::default()
            });
            Err(Refusal::Unauthenticated(refused))
        }
    }
}

/// The same of one that was let in before, with what it sent then.
pub(crate) fn lets_in(rule: &Rule, target: &Target, parts: &Parts) -> bool {
    credentials::authenticate(&rule.policies, target, parts).is_ok()
}

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
