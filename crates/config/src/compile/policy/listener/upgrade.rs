//! `upgradeConfig` to [`Upgrades`].

use crate::api::kgateway::UpgradeConfig;
use crate::compile::log::Fault;
use crate::compile::upgrade::{CONNECT, protocol};
use crate::snapshot::Upgrades;

/// Reads it; `at` is the path of what it is a field of.
pub(super) fn read(spec: &UpgradeConfig, at: &str, faults: &mut Vec<Fault>) -> Upgrades {
    let UpgradeConfig { enabled_upgrades } = spec;
    let field = format!("{at}.upgradeConfig.enabledUpgrades");
    if enabled_upgrades.is_empty() {
        faults.push(Fault::new(&field, "at least one is needed"));
    }
    let mut upgrades = Upgrades {
        connect: false,
        protocols: Vec::new(),
    };
    for (index, name) in enabled_upgrades.iter().enumerate() {
        if name.eq_ignore_ascii_case(CONNECT) {
            upgrades.connect = true;
            continue;
        }
        match protocol(name) {
            Ok(name) if upgrades.protocols.contains(&name) => {}
            Ok(name) => upgrades.protocols.push(name),
            Err(wrong) => faults.push(Fault::new(format!("{field}[{index}]"), wrong)),
        }
    }
    upgrades
}
