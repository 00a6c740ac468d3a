//! EgressPolicies that the program writes.

use egret_config::api::egret::{EgressPolicy, EgressPolicySpec};
use egret_config::api::target::TargetRef;
use egret_config::resources::{GATEWAY_GROUP, ObjectRef};

/// A policy of this name for a Gateway, which takes the place of the targets in `spec`.
pub(crate) fn object(spec: EgressPolicySpec, gateway: &ObjectRef, name: &str) -> EgressPolicy {
    let spec = EgressPolicySpec {
        target_refs: vec![TargetRef {
            group: GATEWAY_GROUP.to_owned(),
            kind: "Gateway".to_owned(),
            name: gateway.name.to_string(),
            section_name: None,
        }],
        ..spec
    };
    let mut policy = EgressPolicy::new(name, spec);
    policy.metadata.namespace = Some(gateway.namespace.to_string());
    policy
}

/// The [`object`] as a YAML document.
///
/// # Errors
/// If it cannot be written as YAML.
pub(crate) fn yaml(
    spec: EgressPolicySpec,
    gateway: &ObjectRef,
    name: &str,
) -> Result<String, String> {
    let yaml = serde_saphyr::to_string(&object(spec, gateway, name));
    let yaml = yaml.map_err(|error| error.to_string())?;
    Ok(format!("{}\n", yaml.trim_end()))
}
