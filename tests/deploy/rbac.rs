//! The permissions of the controller and of the proxies.

use std::collections::BTreeSet;

use egret_config::resources::Kind;
use serde_json::Value;

use crate::{INSTALLATIONS, manifest, object};

const READ: [&str; 3] = ["get", "list", "watch"];

/// A permission: an API group, a resource and a verb.
type Permission = (String, String, String);

/// What the rules of a role permit without naming objects.
fn permissions(role: &Value) -> BTreeSet<Permission> {
    let texts = |value: &Value| -> Vec<String> {
        let items = value.as_array().unwrap().iter();
        items
            .map(|item| item.as_str().unwrap().to_owned())
            .collect()
    };
    let mut all = BTreeSet::new();
    for rule in role["rules"].as_array().unwrap() {
        if rule.get("resourceNames").is_some() {
            continue;
        }
        for group in texts(&rule["apiGroups"]) {
            for resource in texts(&rule["resources"]) {
                for verb in texts(&rule["verbs"]) {
                    all.insert((group.clone(), resource.clone(), verb));
                }
            }
        }
    }
    all
}

fn may(role: &BTreeSet<Permission>, group: &str, resource: &str, verb: &str) -> bool {
    role.contains(&(group.to_owned(), resource.to_owned(), verb.to_owned()))
}

/// The kinds that are read.
fn kinds() -> impl Iterator<Item = Kind> {
    Kind::all().filter(|kind| !kind.versions().is_empty())
}

#[test]
fn the_controller_may_read_every_kind_and_write_its_status() {
    for name in INSTALLATIONS {
        let objects = manifest(name);
        let role = permissions(object(&objects, "ClusterRole", "egret-controller"));
        for kind in kinds() {
            for verb in READ {
                assert!(
                    may(&role, kind.group(), &kind.plural(), verb),
                    "{kind}: {verb}"
                );
            }
            let is_core = ["", "discovery.k8s.io"].contains(&kind.group());
            let has_status = !is_core && kind != Kind::ReferenceGrant;
            let status = format!("{}/status", kind.plural());
            for verb in ["get", "patch"] {
                assert_eq!(
                    may(&role, kind.group(), &status, verb),
                    has_status,
                    "{status}"
                );
            }
            // Configuration belongs to those who wrote it.
            let is_made = [Kind::ConfigMap, Kind::Service].contains(&kind);
            for verb in ["create", "update", "patch", "delete"] {
                assert_eq!(
                    may(&role, kind.group(), &kind.plural(), verb),
                    is_made,
                    "{kind}"
                );
            }
        }
    }
}

#[test]
fn proxies_may_read_all_but_secrets_and_write_nothing() {
    for name in INSTALLATIONS {
        let objects = manifest(name);
        let role = permissions(object(&objects, "ClusterRole", "egret-proxy"));
        for kind in kinds() {
            let is_named = [Kind::Secret, Kind::ConfigMap].contains(&kind);
            for verb in READ {
                let may = may(&role, kind.group(), &kind.plural(), verb);
                assert_eq!(may, !is_named, "{kind}: {verb}");
            }
        }
        assert!(
            role.iter()
                .all(|(_, _, verb)| READ.contains(&verb.as_str()))
        );
    }
}

/// An API server refuses a Role that permits more than its author may do, and a binding to a role that he may not bind.
#[test]
fn the_controller_may_grant_what_proxies_need_and_no_more() {
    for name in INSTALLATIONS {
        let objects = manifest(name);
        let controller = object(&objects, "ClusterRole", "egret-controller");
        let role = permissions(controller);
        for resource in ["secrets", "configmaps"] {
            assert!(READ.iter().all(|verb| may(&role, "", resource, verb)));
        }
        let group = "rbac.authorization.k8s.io";
        for resource in ["roles", "rolebindings", "clusterrolebindings"] {
            for verb in [
                "get", "list", "watch", "create", "patch", "update", "delete",
            ] {
                assert!(may(&role, group, resource, verb), "{resource}: {verb}");
            }
        }
        let rules = controller["rules"].as_array().unwrap();
        let named = |rule: &&Value| rule.get("resourceNames").is_some();
        let bind: Vec<&Value> = rules.iter().filter(named).collect();
        assert_eq!(bind.len(), 1);
        assert_eq!(bind[0]["verbs"], serde_json::json!(["bind"]));
        assert_eq!(bind[0]["resourceNames"], serde_json::json!(["egret-proxy"]));
        let escalates = ["escalate", "impersonate", "bind", "*"];
        let mut verbs = role.iter().map(|(_, _, verb)| verb.as_str());
        assert!(!verbs.any(|verb| escalates.contains(&verb)));
        assert!(
            role.iter()
                .all(|(group, resource, _)| group != "*" && resource != "*")
        );
    }
}

#[test]
fn the_lease_is_in_the_namespace_of_the_controller() {
    for name in INSTALLATIONS {
        let objects = manifest(name);
        let role = object(&objects, "Role", "egret-controller");
        assert_eq!(role["metadata"]["namespace"], "egret-system");
        let create = permissions(role);
        assert!(may(&create, "coordination.k8s.io", "leases", "create"));
        assert_eq!(create.len(), 1, "all else is for one name");
        let named = &role["rules"][1];
        assert_eq!(
            named["resourceNames"],
            serde_json::json!(["egret-controller"])
        );
        for binding in ["RoleBinding", "ClusterRoleBinding"] {
            let binding = object(&objects, binding, "egret-controller");
            assert_eq!(binding["subjects"][0]["name"], "egret-controller");
            assert_eq!(binding["subjects"][0]["namespace"], "egret-system");
            assert_eq!(binding["roleRef"]["name"], "egret-controller");
        }
    }
}
