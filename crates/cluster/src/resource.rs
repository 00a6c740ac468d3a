//! Where the objects of a kind are in the paths of an API server.

use egret_config::resources::Kind;
use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject};

/// The resource of a kind in one of its versions.
#[must_use]
pub fn of(kind: Kind, version: &str) -> ApiResource {
    let group = kind.group();
    ApiResource {
        group: group.to_owned(),
        version: version.to_owned(),
        api_version: match group.is_empty() {
            true => version.to_owned(),
            false => format!("{group}/{version}"),
        },
        kind: kind.as_str().to_owned(),
        plural: kind.plural(),
    }
}

/// The objects of a kind, in all namespaces or in one.
#[must_use]
pub fn api(
    client: Client,
    kind: Kind,
    version: &str,
    namespace: Option<&str>,
) -> Api<DynamicObject> {
    let resource = of(kind, version);
    match namespace {
        Some(namespace) => Api::namespaced_with(client, namespace, &resource),
        None => Api::all_with(client, &resource),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_core_group_has_no_name() {
        assert_eq!(of(Kind::Secret, "v1").api_version, "v1");
        let policy = of(Kind::EgressPolicy, "v1alpha1");
        assert_eq!(policy.api_version, "egret.dev/v1alpha1");
        assert_eq!(policy.plural, "egresspolicies");
    }
}
