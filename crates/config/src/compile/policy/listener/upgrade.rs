//! `upgradeConfig` to [`Upgrades`].

use http::HeaderName;

use crate::api::kgateway::UpgradeConfig;
use crate::compile::log::Fault;
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
        let name = name.to_ascii_lowercase();
        let wrong = match name.as_str() {
            "connect" => {
                upgrades.connect = true;
                continue;
            }
            // Its requests would go past every policy.
            "h2c" => "HTTP/2 is no upgrade here; it is spoken with prior knowledge",
            name if !is_protocol(name) => "not a protocol (RFC 9110 7.8)",
            name => {
                if !upgrades.protocols.iter().any(|known| **known == *name) {
                    upgrades.protocols.push(name.into());
                }
                continue;
            }
        };
        faults.push(Fault::new(format!("{field}[{index}]"), wrong));
    }
    upgrades
}

/// A token, and perhaps one more for the version. The names of fields are the tokens in lower case.
fn is_protocol(text: &str) -> bool {
    let is_token = |text: &str| HeaderName::from_bytes(text.as_bytes()).is_ok();
    match text.split_once('/') {
        Some((name, version)) => is_token(name) && is_token(version),
        None => is_token(text),
    }
}
