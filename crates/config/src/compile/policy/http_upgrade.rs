//! Compiles `httpUpgrade` of a TrafficPolicy to [`AllowedUpgrades`].

use egret_api::kgateway::{ConnectUpgrade, HttpUpgrade, TrafficPolicySpec};

use super::reader::{FieldReading, PolicyReader, ReadPolicy};
use crate::compile::upgrade::{CONNECT, protocol};
use crate::compile::value::SpecFields;
use crate::policy::http_upgrade::AllowedUpgrades;

/// Maximum number of entries in a policy.
const MAX_UPGRADES: usize = 16;

impl ReadPolicy for AllowedUpgrades {
    type Spec = Vec<HttpUpgrade>;

    fn of(spec: &TrafficPolicySpec) -> Option<&Vec<HttpUpgrade>> {
        spec.http_upgrade.as_ref()
    }

    fn read(
        specs: &Vec<HttpUpgrade>,
        fields: &mut SpecFields<'_>,
        _reader: PolicyReader<'_>,
    ) -> FieldReading<Self> {
        let mut upgrades = Self {
            connect: false,
            protocols: Vec::new(),
        };
        if specs.len() > MAX_UPGRADES {
            fields.struct_fault(format!("at most {MAX_UPGRADES} are allowed"));
        }
        for (index, spec) in specs.iter().enumerate() {
            let HttpUpgrade {
                upgrade_type: name,
                connect,
            } = spec;
            let mut fields = fields.element(index);
            let is_same = |other: &HttpUpgrade| other.upgrade_type.eq_ignore_ascii_case(name);
            if specs[..index].iter().any(is_same) {
                fields.fault("type", "given twice");
            } else if name.eq_ignore_ascii_case(CONNECT) {
                upgrades.connect = true;
                terminates(connect.as_ref(), &mut fields);
            } else if connect.is_some() {
                fields.fault("connect", "only for the type CONNECT");
            } else {
                match protocol(name) {
                    Ok(name) => upgrades.protocols.push(name),
                    Err(message) => fields.fault("type", message),
                }
            }
        }
        FieldReading::Set(upgrades)
    }
}

fn terminates(connect: Option<&ConnectUpgrade>, fields: &mut SpecFields<'_>) {
    let terminate = connect.and_then(|ConnectUpgrade { terminate }| *terminate);
    if terminate != Some(true) {
        let message = "true is needed: passing a CONNECT on to another proxy is not supported yet";
        fields.fault("connect.terminate", message);
    }
}
