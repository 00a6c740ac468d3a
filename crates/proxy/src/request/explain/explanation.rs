//! What would become of a request, in the words of the access log.

use std::net::SocketAddr;

use egret_config::name::{Host, Port};
use egret_config::policy::egress::{AddressDenied, EgressMode};
use egret_config::resources::ObjectRef;
use egret_config::snapshot::{BindAddress, Listener, RouteRule, WeightedBackend};
use http::StatusCode;
use serde::Serialize;

use crate::meter::LabelValue as _;
use crate::plan::ForwardPlan;
use crate::record::VerdictFacts;
use crate::refusal::{Refusal, RefusalRow, RefusalSubject};

/// What would become of a request that comes to one socket, and goes to one backend of its rule if that has several.
///
/// The fields have the names and the values that they have in the access log, but that objects are named with their kind.
/// Those that are not known are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// What becomes of it.
    pub outcome: Outcome,
    /// The socket that it comes to, `address:port`.
    pub socket: String,
    /// The listener, `namespace/gateway/listener`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listener: Option<String>,
    /// The route and the rule, `namespace/route/rule`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// The backend.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backend: Option<String>,
    /// The weight of the backend; absent if it is the only one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<u32>,
    /// The user or client that the request has proven to be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Where it goes, `host:port`, as policies see it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination: Option<String>,
    /// The scheme towards there; absent for tunnels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheme: Option<&'static str>,
    /// `allow`, `deny`, or `audit` for what a policy in audit mode would deny.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<&'static str>,
    /// The policy that made the verdict.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// Its rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Why the rule is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule_reason: Option<String>,
    /// The status that the gateway itself answers with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Why it is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    /// The reason in a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub details: Option<String>,
    /// The addresses that were judged.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<ExplainedAddress>,
    /// The fields of TrafficPolicies that hold for the rule, in the order in which a request meets them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub traffic_policies: Vec<ExplainedField>,
    /// The EgressPolicies that hold for the backend, in the order in which they are asked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub egress_policies: Vec<ExplainedPolicy>,
    /// What may decide otherwise about a request of an access log, by what the log does not tell of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub undecided: Option<Undecided>,
    /// What else a reader has to know.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// What may decide about a request, by what an access log does not tell of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Undecided {
    /// Policies that ask for credentials, of which the request has shown none that are known.
    ByCredentials,
    /// Matches of a rule, `rbac`, or a rule of an EgressPolicy.
    By(String),
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It is refused.
    #[default]
    Refused,
    /// The rule answers it.
    Answered,
    /// It is forwarded.
    Forwarded,
    /// A tunnel is opened for it.
    Tunnel,
}

/// One address of the destination.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ExplainedAddress {
    /// The address and the port.
    pub address: SocketAddr,
    /// As of the request.
    pub verdict: &'static str,
    /// The policy that denies it, or would.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// Why it is denied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
}

/// A field that a TrafficPolicy sets or disables.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ExplainedField {
    /// The field.
    pub field: &'static str,
    /// The policy.
    pub policy: String,
    /// Whether the policy disables it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub disabled: bool,
}

/// An EgressPolicy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ExplainedPolicy {
    /// The policy.
    pub policy: String,
    /// Whether its denials are enforced.
    pub mode: &'static str,
}

impl ExplainedAddress {
    pub(super) fn new(
        address: SocketAddr,
        denied: Option<AddressDenied>,
        audited: Option<&ObjectRef>,
    ) -> Self {
        let (verdict, policy, reason) = match (denied, audited) {
            (Some(AddressDenied { policy, class }), _) => {
                ("deny", policy.map(|policy| policy.to_string()), Some(class))
            }
            (None, Some(policy)) => ("audit", Some(policy.to_string()), None),
            (None, None) => ("allow", None, None),
        };
        Self {
            address,
            verdict,
            policy,
            reason,
        }
    }
}

impl Explanation {
    /// Nothing is known but the socket.
    pub(super) fn at(bind: BindAddress) -> Self {
        let port = bind.port;
        Self {
            socket: match bind.ip {
                Some(ip) => SocketAddr::new(ip, port.get()).to_string(),
                None => format!("*:{port}"),
            },
            ..Self::default()
        }
    }

    /// Whether the request is served.
    #[must_use]
    pub fn is_served(&self) -> bool {
        self.outcome != Outcome::Refused
    }

    pub(super) fn taken_by(&mut self, listener: &Listener) {
        self.listener = Some(listener.full_name.to_string());
    }

    pub(super) fn routed(&mut self, rule: &RouteRule) {
        self.route = Some(rule.full_name());
        let fields = rule.policies.stated().map(|stated| ExplainedField {
            field: stated.name,
            policy: stated.policy.to_string(),
            disabled: stated.is_disabled,
        });
        self.traffic_policies = fields.collect();
    }

    /// The rule answers.
    pub(super) fn answered(&mut self, status: StatusCode) {
        self.outcome = Outcome::Answered;
        self.status = Some(status.as_u16());
    }

    /// The request would go to this backend, one of several or the only one.
    pub(super) fn planned(&mut self, backend: &WeightedBackend, total: u64) {
        self.weight = (u64::from(backend.weight) != total).then_some(backend.weight);
        let policies = backend.egress.policies.iter().map(|rules| ExplainedPolicy {
            policy: rules.policy.to_string(),
            mode: match rules.mode {
                EgressMode::Enforce => "Enforce",
                EgressMode::Audit => "Audit",
            },
        });
        self.egress_policies = policies.collect();
    }

    /// The request would go there.
    pub(super) fn heads_for(&mut self, plan: &ForwardPlan<'_>) {
        self.backend = Some(plan.backend.to_string());
        let to = &plan.destination;
        self.destination = Some(format!("{}:{}", to.host, to.port));
        let is_tunnel = plan.method_and_path().is_none();
        self.scheme = (!is_tunnel).then(|| to.scheme.as_str());
    }

    /// What the policies made of it, and why it is refused if it is. `destination` is where it was to go, if that is known.
    pub(super) fn settled(
        &mut self,
        mut facts: VerdictFacts,
        refusal: Option<&Refusal>,
        destination: Option<(Host, Port)>,
    ) {
        let about = || RefusalSubject {
            destination: destination.clone(),
            address: self.addresses.first().map(|judged| judged.address),
            id: None,
        };
        let mut details = None;
        if let Some(refusal) = refusal {
            facts.refused(refusal);
            let RefusalRow { status, reason, .. } = refusal.row();
            details = Some(refusal.details(&about()));
            self.outcome = Outcome::Refused;
            self.status = Some(status.as_u16());
            self.reason = Some(reason.as_str());
        }
        if let Some(verdict) = facts.settle(None) {
            self.verdict = Some(verdict.as_str());
            self.policy = verdict.policy().map(ToString::to_string);
            self.rule = verdict.rule().map(ToString::to_string);
            self.rule_reason = verdict.rule_reason().map(ToString::to_string);
            details = details.or_else(|| verdict.details(about));
        }
        self.details = details;
    }
}
