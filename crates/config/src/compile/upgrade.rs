//! What connections may become: `httpUpgrade` of a TrafficPolicy to [`Upgrades`].

use super::log::Fault;
use super::value::Fields;
use crate::api::kgateway::{ConnectUpgrade, HttpUpgrade};
use crate::snapshot::Upgrades;

const CONNECT: &str = "CONNECT";

/// Most entries.
const MOST: usize = 16;

pub(super) fn of_policy(specs: &[HttpUpgrade], faults: &mut Vec<Fault>) -> Upgrades {
    let mut upgrades = Upgrades {
        connect: false,
        protocols: Vec::new(),
    };
    let mut fields = Fields::new("spec", faults);
    if specs.len() > MOST {
        fields.fault("httpUpgrade", format!("at most {MOST} are allowed"));
    }
    for (index, spec) in specs.iter().enumerate() {
        let HttpUpgrade {
            upgrade_type: name,
            connect,
        } = spec;
        let field = format!("httpUpgrade[{index}]");
        let is_same = |other: &HttpUpgrade| other.upgrade_type.eq_ignore_ascii_case(name);
        if specs[..index].iter().any(is_same) {
            fields.fault(&format!("{field}.type"), "given twice");
        } else if name.eq_ignore_ascii_case(CONNECT) {
            upgrades.connect = true;
            terminates(connect.as_ref(), &field, &mut fields);
        } else if connect.is_some() {
            fields.fault(&format!("{field}.connect"), "only for the type CONNECT");
        } else if is_protocol(name) {
            upgrades
                .protocols
                .push(name.to_ascii_lowercase().into_boxed_str());
        } else {
            let message = "not a protocol as Upgrade names it, such as websocket";
            fields.fault(&format!("{field}.type"), message);
        }
    }
    upgrades
}

fn terminates(connect: Option<&ConnectUpgrade>, field: &str, fields: &mut Fields<'_>) {
    let terminate = connect.and_then(|ConnectUpgrade { terminate }| *terminate);
    if terminate != Some(true) {
        let message = "true is needed: passing a CONNECT on to another proxy is not supported yet";
        fields.fault(&format!("{field}.connect.terminate"), message);
    }
}

/// `protocol-name ["/" protocol-version]` of tokens (RFC 9110 7.8).
fn is_protocol(text: &str) -> bool {
    let is_token = |text: &str| {
        let is_fine = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        !text.is_empty() && text.chars().all(is_fine)
    };
    match text.split_once('/') {
        Some((name, version)) => is_token(name) && is_token(version),
        None => is_token(text),
    }
}
