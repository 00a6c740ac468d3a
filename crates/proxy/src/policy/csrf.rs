//! `csrf` of a TrafficPolicy: refuses requests that pages of other origins send.

use egret_config::policy::csrf::CsrfPolicy;
use egret_config::policy::traffic::{PolicySetting, TrafficSettings};
use egret_config::resources::ObjectRef;
use http::header::HOST;
use http::request::Parts;
use http::{HeaderValue, StatusCode};

use super::draw::lot;
use crate::refusal::{DenyingField, PolicyDenial, Refusal};

/// The body of the response, which is Envoy's.
const BODY: &str = "Invalid origin";

/// Decides about a request by the page that sent it.
///
/// # Errors
/// [`Refusal::Denied`] if the page may not send it.
pub(super) fn check(policies: &TrafficSettings, request: &Parts) -> Result<(), Refusal> {
    match &policies.csrf {
        PolicySetting::Set(policy, csrf) => judge(csrf, policy, request),
        PolicySetting::Unset | PolicySetting::Disabled(_) => Ok(()),
    }
}

/// What only rules with the policy need, apart from what every rule does.
#[inline(never)]
fn judge(csrf: &CsrfPolicy, policy: &ObjectRef, request: &Parts) -> Result<(), Refusal> {
    if is_allowed(csrf, request, lot()) {
        return Ok(());
    }
    Err(Refusal::Denied(Box::new(denial(policy))))
}

/// Whether a request with this lot, which is below 100, is let through.
fn is_allowed(csrf: &CsrfPolicy, request: &Parts, lot: u8) -> bool {
    let host = request.headers.get(HOST).map(HeaderValue::as_bytes);
    lot >= csrf.judged
        || csrf.is_shadow
        || csrf.allows(&request.method, &request.headers, host.unwrap_or_default())
}

fn denial(policy: &ObjectRef) -> PolicyDenial {
    PolicyDenial {
        policy: policy.clone(),
        by: DenyingField::Csrf,
        rule: None,
        status: StatusCode::FORBIDDEN,
        details: format!("csrf of {policy} allows no page of this origin to send this"),
        body: Some(BODY.into()),
        headers: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    #[test]
    fn as_many_are_judged_as_the_policy_says_and_none_in_the_shadow() {
        let request = Request::post("/").header(HOST, "a.test");
        let (foreign, ()) = request.body(()).unwrap().into_parts();
        for (judged, is_shadow, lot, expected) in [
            (100, false, 99, false),
            (50, false, 49, false),
            (50, false, 50, true),
            (0, false, 0, true),
            (100, true, 0, true),
        ] {
            let csrf = CsrfPolicy {
                judged,
                is_shadow,
                additional: Vec::new(),
            };
            let allowed = is_allowed(&csrf, &foreign, lot);
            assert_eq!(allowed, expected, "{judged} {is_shadow} {lot}");
        }
    }
}
