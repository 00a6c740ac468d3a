//! The policies of a request, in the one order in which they are asked, for every form of request: HTTP, CONNECT, Upgrade
//! and TLS passthrough.
//!
//! First [`admit`] asks the policies of the rule, whatever the rule makes of the request. Then the request is planned, and
//! [`Admitted::clear`] asks the egress policies about the destination by its name, before any DNS query is made for it.
//! Only what is [`Cleared`] can be sent. Each address is checked after that, in `dial/egress.rs`.
//!
//! [`readmit`] and [`allows`] ask the same policies again about an open tunnel when the configuration has changed.

use egret_config::name::Port;
use egret_config::policy::egress::{EgressAction, EgressDecision, EgressRequest};
use egret_config::policy::traffic::TrafficSettings;
use egret_config::snapshot::RouteRule;
use http::HeaderMap;
use http::request::Parts;

use crate::message::target::Target;
use crate::plan::ForwardPlan;
use crate::refusal::Refusal;

pub(crate) mod credentials;
mod header_modifiers;

use credentials::Principal;

/// What the policies of a rule are asked about.
pub(crate) struct PolicyContext<'a, 'r> {
    /// The rule that the request falls under.
    pub(crate) rule: &'a RouteRule,
    /// Where the request wants to go.
    pub(crate) target: &'r Target,
    /// The request's head as it came.
    pub(crate) request: &'r Parts,
}

/// A request that the policies of its rule let through. Made by [`admit`] alone.
pub(crate) struct Admitted<'a> {
    policies: &'a TrafficSettings,
    principal: Option<Principal<'a>>,
}

/// A request that may be sent: the policies of its rule let it through, and the egress policies its destination. Made by
/// [`Admitted::clear`] alone, as a permitted address is made by the egress check alone. The destination can only be changed
/// to another that the policies allow.
pub(crate) struct Cleared<'a> {
    plan: Box<ForwardPlan<'a>>,
    /// The policies of the rule; `None` for a request of the gateway's own.
    policies: Option<&'a TrafficSettings>,
    principal: Option<Principal<'a>>,
}

/// Asks the policies of the rule, in their order.
///
/// # Errors
/// The refusal of the first policy that does not let the request through.
pub(crate) fn admit<'a>(context: &PolicyContext<'a, '_>) -> Result<Admitted<'a>, Refusal> {
    let principal = credentials::authenticate(context)?;
    Ok(Admitted {
        policies: &context.rule.policies,
        principal,
    })
}

/// Asks the policies of the rule again about a tunnel that is open, with the request that opened it.
pub(crate) fn readmit(context: &PolicyContext<'_, '_>) -> bool {
    admit(context).is_ok()
}

/// Whether the egress policies of a plan allow its destination by name.
pub(crate) fn allows(plan: &ForwardPlan<'_>) -> bool {
    decide(plan, plan.destination.port).action == EgressAction::Allow
}

/// Makes the changes of the policies of a rule to the response of a request that fell under it, whether it comes from an
/// upstream, from the gateway or is a refusal.
pub(crate) fn edit_response(policies: &TrafficSettings, headers: &mut HeaderMap) {
    header_modifiers::edit_response(policies, headers);
}

impl<'a> Admitted<'a> {
    /// Who sent the request, if a policy asked for it.
    pub(crate) fn principal(&self) -> Option<&Principal<'a>> {
        self.principal.as_ref()
    }

    /// Asks the egress policies about the destination by its name, and gives their decision beside the witness.
    ///
    /// # Errors
    /// [`Refusal::Policy`] with what denied it.
    pub(crate) fn clear(
        self,
        mut plan: Box<ForwardPlan<'a>>,
    ) -> Result<(Cleared<'a>, EgressDecision<'a>), Refusal> {
        let decision = clear_name(&mut plan)?;
        let cleared = Cleared {
            plan,
            policies: Some(self.policies),
            principal: self.principal,
        };
        Ok((cleared, decision))
    }
}

impl<'a> Cleared<'a> {
    /// Clears a request of the gateway's own, which falls under no rule: only the egress policies of the service are asked.
    ///
    /// # Errors
    /// [`Refusal::Policy`] with what denied it.
    pub(crate) fn own(mut plan: Box<ForwardPlan<'a>>) -> Result<Self, Refusal> {
        clear_name(&mut plan)?;
        Ok(Self {
            plan,
            policies: None,
            principal: None,
        })
    }

    /// Where the request goes.
    pub(crate) fn plan(&self) -> &ForwardPlan<'a> {
        &self.plan
    }

    /// Who sent the request, if a policy asked for it.
    pub(crate) fn principal(&self) -> Option<&Principal<'a>> {
        self.principal.as_ref()
    }

    /// Makes the changes of the policies to the head of the request, before those of the filters of the rule.
    pub(crate) fn edit_request(&self, headers: &mut HeaderMap) {
        if let Some(policies) = self.policies {
            header_modifiers::edit_request(policies, headers);
        }
    }

    /// Whether the policies allow this port of the destination, which its HTTPS record may name.
    pub(crate) fn allows_port(&self, port: u16) -> bool {
        let Some(port) = Port::new(port) else {
            return false;
        };
        port == self.plan.destination.port || decide(&self.plan, port).action == EgressAction::Allow
    }

    /// Turns to the next host of the backend that the policies allow, if one of the next `others` is. Returns how many of
    /// them come after that; `None` if the policies allow none, and the plan is then as it was.
    pub(crate) fn next_host(&mut self, others: usize) -> Option<usize> {
        let began_at = self.plan.host_index();
        for passed in 1..=others {
            self.plan.next_host();
            if allows(&self.plan) {
                return Some(others - passed);
            }
        }
        self.plan.turn_to(began_at);
        None
    }

    /// The request asks for another protocol in place of HTTP.
    pub(crate) fn expects_upgrade(&mut self) {
        self.plan.expects_upgrade();
    }

    /// Goes on with HTTP/1.1, which the upstream requires (RFC 9113 7, HTTP_1_1_REQUIRED). False if another version is
    /// configured.
    pub(crate) fn fall_back_to_http1(&mut self) -> bool {
        self.plan.fall_back_to_http1()
    }
}

/// Asks about the destination of a plan by its name. Of a backend with several hosts, turns to the first that is allowed.
///
/// # Errors
/// [`Refusal::Policy`] with what denied the host that the plan began with, if no host is allowed.
fn clear_name<'a>(plan: &mut ForwardPlan<'a>) -> Result<EgressDecision<'a>, Refusal> {
    let first = decide(plan, plan.destination.port);
    let mut decision = first;
    for _ in 0..plan.other_hosts() {
        if decision.action == EgressAction::Allow {
            break;
        }
        plan.next_host();
        decision = decide(plan, plan.destination.port);
    }
    match decision.action {
        EgressAction::Allow => Ok(decision),
        EgressAction::Deny => Err(Refusal::Policy {
            policy: first.policy.cloned(),
            rule: first.rule.cloned(),
        }),
    }
}

fn decide<'a>(plan: &ForwardPlan<'a>, port: Port) -> EgressDecision<'a> {
    plan.egress.check(EgressRequest {
        host: &plan.destination.host,
        port,
        request: plan.method_and_path(),
    })
}
