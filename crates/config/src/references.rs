//! Which Secrets and ConfigMaps the other objects refer to, for those who may read no others.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::compile::{CompileOptions, FaultCause, compile};
use crate::resources::{Kind, LabelSelector, ObjectRef, Resources};

/// The Secrets and ConfigMaps that objects refer to, each with the objects that refer to it. References that lack their
/// ReferenceGrant are not among them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SecretReferences {
    /// The Secrets and ConfigMaps that are referred to by name.
    pub named: BTreeMap<ObjectRef, BTreeSet<ObjectRef>>,
    /// The Secrets that are referred to by their labels.
    pub selected: BTreeMap<SecretSelection, BTreeSet<ObjectRef>>,
}

/// The Secrets of a namespace that a selector matches.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SecretSelection {
    /// The namespace.
    pub namespace: Arc<str>,
    /// What their labels must be.
    pub selector: LabelSelector,
}

/// The Secrets and ConfigMaps that objects refer to, whether they exist or not.
///
/// They are what a compilation misses when there are none, so that this and the compiler cannot differ.
#[must_use]
pub fn secrets(resources: &Resources, options: &CompileOptions) -> SecretReferences {
    let without = Resources {
        secrets: BTreeMap::new(),
        config_maps: BTreeMap::new(),
        ..resources.clone()
    };
    let mut references = SecretReferences::default();
    for fault in compile(&without, options).review.faults {
        let from = match fault.cause {
            FaultCause::Object
            | FaultCause::Reference
            | FaultCause::Content(_)
            | FaultCause::Contents(_) => continue,
            FaultCause::Absent(object) if matches!(object.kind, Kind::Secret | Kind::ConfigMap) => {
                references.named.entry(object).or_default()
            }
            // Other objects can be missed as much, and are read in any case.
            FaultCause::Absent(_) => continue,
            FaultCause::NoneSelected {
                namespace,
                selector,
            } => {
                let selection = SecretSelection {
                    namespace,
                    selector,
                };
                references.selected.entry(selection).or_default()
            }
        };
        from.insert(fault.object);
    }
    references
}

/// The references of objects that change, for one set of options. They are found anew only if an object has changed that
/// can have any, and not whenever an endpoint of a Service comes or goes.
#[derive(Debug, Default)]
pub struct ReferenceFinder {
    found: Option<(Resources, Arc<SecretReferences>)>,
}

impl ReferenceFinder {
    /// The references of these objects, as [`secrets`] finds them.
    pub fn secrets(
        &mut self,
        resources: &Resources,
        options: &CompileOptions,
    ) -> Arc<SecretReferences> {
        if let Some((of, found)) = &self.found {
            let changes = resources.changes_since(of);
            if !changes.iter().any(|it| may_refer(it.object.kind)) {
                return found.clone();
            }
        }
        let found = Arc::new(secrets(resources, options));
        self.found = Some((resources.clone(), found.clone()));
        found
    }
}

/// Whether the references of objects can depend on an object of this kind.
fn may_refer(kind: Kind) -> bool {
    !matches!(kind, Kind::Secret | Kind::ConfigMap | Kind::EndpointSlice)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::{ConfigFile, load};

    const OBJECTS: &str = "\
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: gw, namespace: infra}
spec:
  gatewayClassName: egret
  tls:
    frontend:
      default: {validation: {caCertificateRefs: [{group: '', kind: ConfigMap, name: clients}]}}
  listeners:
  - {name: http, protocol: HTTP, port: 8080}
  - name: https
    protocol: HTTPS
    port: 8443
    tls:
      certificateRefs: [{name: own}, {name: granted, namespace: other}, {name: refused, namespace: third}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: ReferenceGrant
metadata: {name: g, namespace: other}
spec:
  from: [{group: gateway.networking.k8s.io, kind: Gateway, namespace: infra}]
  to: [{group: '', kind: Secret}]
---
apiVersion: gateway.kgateway.dev/v1alpha1
kind: Backend
metadata: {name: b, namespace: infra}
spec: {dynamicForwardProxy: {}}
---
apiVersion: gateway.kgateway.dev/v1alpha1
kind: BackendConfigPolicy
metadata: {name: tls, namespace: infra}
spec:
  targetRefs: [{group: gateway.kgateway.dev, kind: Backend, name: b}]
  tls: {secretRef: {name: upstream}}
---
apiVersion: gateway.kgateway.dev/v1alpha1
kind: TrafficPolicy
metadata: {name: users, namespace: infra}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: gw}]
  basicAuth: {secretRef: {name: users}}
---
apiVersion: gateway.kgateway.dev/v1alpha1
kind: TrafficPolicy
metadata: {name: keys, namespace: infra}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: gw}]
  apiKeyAuth: {secretSelector: {matchLabels: {team: a}}}
---
apiVersion: v1
kind: Secret
metadata: {name: own, namespace: infra}
";

    #[test]
    fn references_are_found_whether_they_lead_to_something_or_not() {
        let loaded = load([ConfigFile {
            name: "t.yaml",
            text: OBJECTS,
        }]);
        assert_eq!(loaded.errors, []);
        let references = secrets(&loaded.resources, &CompileOptions::default());
        let named = references.named.iter();
        let named: Vec<String> = named
            .map(|(object, from)| format!("{object} from {from:?}", from = shown(from)))
            .collect();
        assert_eq!(
            named,
            [
                "Secret infra/own from \"Gateway infra/gw\"",
                "Secret infra/upstream from \"BackendConfigPolicy infra/tls\"",
                "Secret infra/users from \"TrafficPolicy infra/users\"",
                "Secret other/granted from \"Gateway infra/gw\"",
                "ConfigMap infra/clients from \"Gateway infra/gw\"",
            ]
        );
        let selected = references.selected.iter();
        let selected: Vec<String> = selected
            .map(|(selection, from)| {
                format!(
                    "{} {} {}",
                    selection.namespace,
                    selection.selector,
                    shown(from)
                )
            })
            .collect();
        assert_eq!(selected, ["infra team=a TrafficPolicy infra/keys"]);
    }

    #[test]
    fn references_are_found_anew_only_if_they_may_be_others() {
        let read = |text: &str| {
            let name = "t.yaml";
            let loaded = load([ConfigFile { name, text }]);
            assert_eq!(loaded.errors, []);
            loaded.resources
        };
        let options = CompileOptions::default();
        let mut finder = ReferenceFinder::default();
        let first = finder.secrets(&read(OBJECTS), &options);
        assert_eq!(*first, secrets(&read(OBJECTS), &options));
        // The Secret that is referred to is gone, and another has come.
        let secret = OBJECTS.replace("{name: own, namespace: infra}", "{name: x, namespace: y}");
        let slice = format!(
            "{secret}---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n\
             metadata: {{name: s, namespace: infra}}\naddressType: IPv4\nendpoints: []\n"
        );
        for same in [&secret, &slice] {
            assert!(Arc::ptr_eq(&finder.secrets(&read(same), &options), &first));
        }
        let other = OBJECTS.replace("secretRef: {name: users}", "secretRef: {name: others}");
        let found = finder.secrets(&read(&other), &options);
        assert_ne!(found, first);
        assert_eq!(*found, secrets(&read(&other), &options));
    }

    fn shown(objects: &BTreeSet<ObjectRef>) -> String {
        let objects: Vec<String> = objects.iter().map(ToString::to_string).collect();
        objects.join(", ")
    }
}
