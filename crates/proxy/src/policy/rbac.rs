//! `rbac` of a TrafficPolicy: lets a planned request through, or refuses it.

use egret_config::expression::RequestView;
use egret_config::policy::traffic::{PolicySetting, TrafficSettings};
use egret_config::resources::ObjectRef;
use http::StatusCode;

use crate::refusal::{DenyingField, PolicyDenial, Refusal};

/// The body of the response, as kgateway documents it.
const BODY: &str = "RBAC: access denied";

/// Asks about a request, which is only looked at if there is a policy.
///
/// # Errors
/// [`Refusal::Denied`] if it is not let through.
pub(super) fn check<'v>(
    policies: &TrafficSettings,
    request: impl FnOnce() -> RequestView<'v>,
) -> Result<(), Refusal> {
    let PolicySetting::Set(policy, rbac) = &policies.rbac else {
        return Ok(());
    };
    let request = request();
    if rbac.allows(&request) {
        return Ok(());
    }
    Err(Refusal::Denied(Box::new(denial(policy, &request))))
}

fn denial(policy: &ObjectRef, request: &RequestView<'_>) -> PolicyDenial {
    let there = request.egress;
    PolicyDenial {
        policy: policy.clone(),
        by: DenyingField::Rbac,
        rule: None,
        status: StatusCode::FORBIDDEN,
        details: format!(
            "{}:{} is denied by rbac of {policy}",
            there.host, there.port
        ),
        body: Some(BODY.into()),
        headers: Vec::new(),
    }
}

/// The policy that may decide by what the default access log does not tell.
pub(super) fn undecided(policies: &TrafficSettings) -> Option<&ObjectRef> {
    match &policies.rbac {
        PolicySetting::Set(policy, rbac) if rbac.reads_unlogged() => Some(policy),
        _ => None,
    }
}

/// Whether what is asked depends on where the request goes, so that it is asked again before it goes elsewhere.
pub(super) fn reads_egress(policies: &TrafficSettings) -> bool {
    let rbac = policies.rbac.value();
    rbac.is_some_and(|rbac| rbac.reads_egress())
}
