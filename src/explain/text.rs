//! Explanations for people.

use std::fmt::Write as _;

use egret_proxy::{ExplainedAddress, ExplainedField, Explanation, Outcome};

/// The explanations, with an empty line between two.
pub(super) fn of(explanations: &[Explanation]) -> String {
    let texts: Vec<_> = explanations.iter().map(text).collect();
    texts.join("\n")
}

fn text(told: &Explanation) -> String {
    let mut text = format!("{}\n", headline(told));
    let mut line = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            let _ = writeln!(text, "  {name:<12} {value}");
        }
    };
    line("socket", Some(told.socket.clone()));
    line("listener", told.listener.clone());
    line("route", told.route.clone());
    line("user", told.user.clone());
    let weight = told
        .weight
        .map_or_else(String::new, |weight| format!(" (weight {weight})"));
    line(
        "backend",
        told.backend
            .as_ref()
            .map(|backend| format!("{backend}{weight}")),
    );
    let scheme = told
        .scheme
        .map_or_else(String::new, |scheme| format!(" ({scheme})"));
    let destination = told.destination.as_ref();
    line(
        "destination",
        destination.map(|destination| format!("{destination}{scheme}")),
    );
    let mut name = "policies";
    for field in &told.traffic_policies {
        line(std::mem::take(&mut name), Some(of_field(field)));
    }
    let mut name = "egress";
    for policy in &told.egress_policies {
        let asked = format!("{} (mode: {})", policy.policy, policy.mode);
        line(std::mem::take(&mut name), Some(asked));
    }
    let mut name = "addresses";
    for address in &told.addresses {
        line(std::mem::take(&mut name), Some(of_address(address)));
    }
    let mut name = "note";
    for note in &told.notes {
        line(std::mem::take(&mut name), Some(note.clone()));
    }
    text
}

/// What becomes of the request, and who says so.
fn headline(told: &Explanation) -> String {
    let status = told
        .status
        .map_or_else(String::new, |status| format!(" with {status}"));
    let outcome = match told.outcome {
        Outcome::Refused => format!("refused{status}"),
        Outcome::Answered => format!("answered{status}"),
        Outcome::Forwarded => "forwarded".to_owned(),
        Outcome::Tunnel => "a tunnel is opened".to_owned(),
    };
    let why = match (&told.details, told.verdict) {
        (Some(details), Some("audit")) => Some(format!("audit: {details}")),
        (Some(details), _) => Some(details.clone()),
        (None, Some("allow")) => Some(allowed_by(told)),
        (None, verdict) => verdict.map(str::to_owned),
    };
    why.map_or_else(|| outcome.clone(), |why| format!("{outcome}: {why}"))
}

fn allowed_by(told: &Explanation) -> String {
    let Some(policy) = &told.policy else {
        return "no EgressPolicy holds, so that every name is allowed".to_owned();
    };
    let reason = told.rule_reason.as_ref();
    let reason = reason.map_or_else(String::new, |reason| format!(" ({reason})"));
    match &told.rule {
        Some(rule) => format!("allowed by rule {rule} of {policy}{reason}"),
        None => format!("allowed by the default action of {policy}"),
    }
}

fn of_field(field: &ExplainedField) -> String {
    let disabled = if field.disabled { ", disabled" } else { "" };
    format!("{} ({}{disabled})", field.field, field.policy)
}

fn of_address(judged: &ExplainedAddress) -> String {
    let mut text = format!("{} {}", judged.address.ip(), judged.verdict);
    let why = judged
        .reason
        .map(str::to_owned)
        .or_else(|| judged.policy.clone());
    if let Some(why) = why {
        let _ = write!(text, " ({why})");
    }
    text
}
