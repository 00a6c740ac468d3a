//! Where the objects of a kind are in the paths of an API server, and the order of their versions.

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

/// Whether a version of an object or a collection is of an older state of the server than another.
pub(crate) fn is_older(now: &str, seen: &str) -> bool {
    match (now.parse::<u64>(), seen.parse::<u64>()) {
        (Ok(now), Ok(seen)) => now < seen,
        // Nothing is known of the order of other versions.
        (Ok(_) | Err(_), Ok(_) | Err(_)) => false,
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

    #[test]
    fn versions_are_numbers_or_have_no_order() {
        for (now, seen, expected) in [
            ("888", "917", true),
            ("917", "917", false),
            ("1000", "999", false),
            ("", "5", false),
            ("a", "5", false),
        ] {
            assert_eq!(is_older(now, seen), expected, "{now} {seen}");
        }
    }
}
