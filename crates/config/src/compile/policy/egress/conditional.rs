//! What makes rules and exceptions of an EgressPolicy hold only for some requests, or only for some time: `when`, `expires`,
//! and `reason`, which says why they are there.

use std::fmt::Write as _;
use std::sync::Arc;

use egret_api::egret::{AllowedAddress, DescribedAddress};

use super::super::PolicyDraft;
use crate::compile::log::FieldFault;
use crate::compile::target::PolicyTarget;
use crate::expression::{AbsentHeaders, Expression, RequestForm};
use crate::policy::egress::{AddressException, EgressRules, Expiry};
use crate::resources::{Kind, Resources};

/// The longest reason in bytes.
const MAX_REASON: usize = 200;

/// How long before its end a rule or an exception is warned of, in seconds.
const SOON: i64 = 7 * 24 * 60 * 60;

/// Reads the expression of a rule. A header field that is absent reads as the empty text, so that a rule does not deny
/// everybody who leaves it out.
pub(super) fn when(text: &str) -> Result<Expression, String> {
    Expression::compile(text, AbsentHeaders::ReadEmpty).map_err(|fault| fault.to_string())
}

/// Reads an exception to the built-in deny list.
pub(super) fn exception(spec: &AllowedAddress) -> Result<AddressException, String> {
    let message = "not an address or network, nor an object with cidr, and expires or reason";
    let exception = super::net(spec.cidr().ok_or(message)?)?.into();
    let AllowedAddress::Described(DescribedAddress {
        cidr: _,
        expires,
        reason: told,
    }) = spec
    else {
        return Ok(exception);
    };
    let expires = expires.as_deref().map(Expiry::parse).transpose();
    let told = told.as_deref().map(reason).transpose();
    Ok(AddressException {
        expires: expires.map_err(|message| format!("expires: {message}"))?,
        reason: told.map_err(|message| format!("reason: {message}"))?,
        ..exception
    })
}

/// Reads why something is there, which is told in one line.
pub(super) fn reason(text: &str) -> Result<Arc<str>, String> {
    if text.trim().is_empty() || text.chars().any(char::is_control) {
        Err("empty, or not one line of text".to_owned())
    } else if text.len() > MAX_REASON {
        Err(format!("has more than {MAX_REASON} bytes"))
    } else {
        Ok(text.into())
    }
}

/// Warnings about what expires soon or has expired, at this time.
pub(super) fn ends(rules: &EgressRules, now: i64) -> Vec<FieldFault> {
    let of_rules = rules.rules.iter().enumerate().map(|(index, rule)| {
        let field = format!("spec.rules[{index}].expires");
        (
            field,
            "the rule matches nothing",
            rule.expires,
            &rule.reason,
        )
    });
    let exceptions = rules.allow_addresses.iter().enumerate();
    let exceptions = exceptions.map(|(index, exception)| {
        let field = format!("spec.addresses.allow[{index}].expires");
        let AddressException {
            expires, reason, ..
        } = exception;
        (field, "the addresses are not allowed", *expires, reason)
    });
    let all = of_rules.chain(exceptions);
    let near = all.filter_map(|(field, then, expires, reason)| {
        let expires = expires.filter(|expires| expires.is_near(now, SOON))?;
        let mut message = if expires.has_come(now) {
            format!("{then} since {expires}")
        } else {
            format!("{then} from {expires} on, which is soon")
        };
        if let Some(reason) = reason {
            let _ = write!(message, " ({reason})");
        }
        Some(FieldFault::new(field, message))
    });
    near.collect()
}

/// Finds the rules whose expression reads what no request shows that the policy is asked about, because each is a
/// connection of TLS that is forwarded undecrypted or as bytes.
pub(super) fn check_forms(rules: &EgressRules, resources: &Resources, draft: &mut PolicyDraft<'_>) {
    let mut targets = draft.targets.iter();
    if draft.targets.is_empty() || !targets.all(|target| is_only_for_tls(target, resources)) {
        return;
    }
    for (index, rule) in rules.rules.iter().enumerate() {
        let inputs = rule.when.as_ref().map(Expression::inputs);
        if inputs.is_some_and(|inputs| inputs.are_hidden(RequestForm::Sni)) {
            let message = "reads a request, and every target of the policy is for TLSRoutes, which show none: write \
                           egress.host, egress.port, source.address or connection.requested_server_name";
            let field = format!("spec.rules[{index}].when");
            draft.faults.push(FieldFault::new(field, message));
        }
    }
}

/// Whether nothing but TLSRoutes can be under a target.
fn is_only_for_tls(target: &PolicyTarget, resources: &Resources) -> bool {
    let PolicyTarget { object, section } = target;
    match object.kind {
        Kind::TlsRoute => true,
        Kind::Gateway => resources.gateways.get(object).is_some_and(|gateway| {
            let listeners = gateway.value.spec.listeners.iter();
            let mut listeners = listeners
                .filter(|it| section.as_ref().is_none_or(|section| *section == it.name))
                .peekable();
            listeners.peek().is_some() && listeners.all(|listener| listener.protocol == "TLS")
        }),
        _ => false,
    }
}
