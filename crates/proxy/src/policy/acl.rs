//! `acl` of a TrafficPolicy: refuses clients by their address.

use std::net::IpAddr;

use egret_config::policy::acl::{AclDenial, ClientAcl};
use egret_config::policy::traffic::{PolicySetting, TrafficSettings};
use egret_config::resources::ObjectRef;
use http::HeaderValue;

use crate::refusal::{DenyingField, PolicyDenial, Refusal};

/// Decides about a client by its address.
///
/// # Errors
/// [`Refusal::Denied`] if its requests are denied.
pub(super) fn check(policies: &TrafficSettings, client: IpAddr) -> Result<(), Refusal> {
    match &policies.acl {
        PolicySetting::Set(policy, acl) => judge(acl, policy, client),
        PolicySetting::Unset | PolicySetting::Disabled(_) => Ok(()),
    }
}

/// What only rules with the policy need, apart from what every rule does.
#[inline(never)]
fn judge(acl: &ClientAcl, policy: &ObjectRef, client: IpAddr) -> Result<(), Refusal> {
    acl.check(client)
        .map_err(|by| Refusal::Denied(Box::new(denial(acl, by, policy, client))))
}

fn denial(acl: &ClientAcl, by: AclDenial<'_>, policy: &ObjectRef, client: IpAddr) -> PolicyDenial {
    let details = match by.rule {
        Some(rule) => format!("the client {client} is denied by rule {rule} of acl of {policy}"),
        None => format!("the client {client} is denied: no rule of acl of {policy} allows it"),
    };
    let mut headers = acl.response.headers.clone();
    if let (Some(name), Some(rule)) = (&acl.response.blocked_by, by.rule)
        && let Ok(value) = HeaderValue::from_str(rule)
    {
        headers.push((name.clone(), value));
    }
    PolicyDenial {
        policy: policy.clone(),
        by: DenyingField::Acl,
        rule: by.rule.cloned(),
        status: acl.response.status,
        details,
        body: None,
        headers,
    }
}
