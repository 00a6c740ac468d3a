//! Compiles `upgradeConfig` to [`AllowedUpgrades`].

use egret_api::kgateway::UpgradeConfig;

use crate::compile::log::FieldFault;
use crate::compile::upgrade::{CONNECT, protocol};
use crate::snapshot::AllowedUpgrades;

/// Compiles `upgradeConfig`; `at` is the path of the struct that contains it.
pub(super) fn read(
    spec: &UpgradeConfig,
    at: &str,
    faults: &mut Vec<FieldFault>,
) -> AllowedUpgrades {
    let UpgradeConfig { enabled_upgrades } = spec;
    let field = format!("{at}.upgradeConfig.enabledUpgrades");
    if enabled_upgrades.is_empty() {
        faults.push(FieldFault::new(&field, "at least one is needed"));
    }
    let mut upgrades = AllowedUpgrades {
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
            Err(wrong) => faults.push(FieldFault::new(format!("{field}[{index}]"), wrong)),
        }
    }
    upgrades
}
