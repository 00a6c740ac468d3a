//! What connections may become: `httpUpgrade` of a TrafficPolicy to [`Upgrades`], and what the `upgradeConfig` of a
//! ListenerPolicy shares with it.

use http::HeaderName;

use super::log::Fault;
use super::value::Fields;
use crate::api::kgateway::{ConnectUpgrade, HttpUpgrade};
use crate::snapshot::Upgrades;

/// What is no protocol, but stands in lists of them.
pub(super) const CONNECT: &str = "CONNECT";

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
        } else {
            match protocol(name) {
                Ok(name) => upgrades.protocols.push(name),
                Err(message) => fields.fault(&format!("{field}.type"), message),
            }
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

/// The name of a protocol that a connection may become, in lower case.
pub(super) fn protocol(name: &str) -> Result<Box<str>, &'static str> {
    // Its requests would go past every policy.
    if name.eq_ignore_ascii_case("h2c") {
        return Err("HTTP/2 is no upgrade here; it is spoken with prior knowledge");
    }
    // A token, and perhaps one more for the version. The names of fields are tokens.
    let is_token = |text: &str| HeaderName::from_bytes(text.as_bytes()).is_ok();
    let is_protocol = match name.split_once('/') {
        Some((name, version)) => is_token(name) && is_token(version),
        None => is_token(name),
    };
    if is_protocol {
        Ok(name.to_ascii_lowercase().into_boxed_str())
    } else {
        Err("not a protocol (RFC 9110 7.8)")
    }
}
