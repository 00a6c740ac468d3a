//! Objects as a person would write them: YAML without what an API server adds.

use egret_api::object::ApiType;
use serde_json::{Map, Value};

use super::{Kind, ObjectMap, ObjectRef, Resources};

/// What API servers and their clients write into the metadata of objects.
const ADDED_METADATA: [&str; 7] = [
    "creationTimestamp",
    "generation",
    "managedFields",
    "resourceVersion",
    "selfLink",
    "uid",
    "ownerReferences",
];

/// The annotation in which kubectl keeps the whole object.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Header fields whose values are credentials (RFC 9110 11.6.2, 11.7.2; RFC 6265 5.4), and what keys are often sent in.
const CREDENTIAL_FIELDS: [&str; 6] = [
    "authorization",
    "proxy-authorization",
    "cookie",
    "set-cookie",
    "api-key",
    "x-api-key",
];

/// What stands for a credential.
const NOT_SHOWN: &str = "(not shown)";

impl Resources {
    /// An object as YAML, without its status and without credentials; `None` if it is not there, or is of a kind that is
    /// only named: Secrets and ConfigMaps may hold anything, and the others are not written by people.
    #[must_use]
    pub fn manifest(&self, object: &ObjectRef) -> Option<String> {
        match object.kind {
            Kind::GatewayClass => manifest(&self.gateway_classes, object),
            Kind::Gateway => manifest(&self.gateways, object),
            Kind::ListenerSet => manifest(&self.listener_sets, object),
            Kind::HttpRoute => manifest(&self.http_routes, object),
            Kind::GrpcRoute => manifest(&self.grpc_routes, object),
            Kind::TlsRoute => manifest(&self.tls_routes, object),
            Kind::BackendTlsPolicy => manifest(&self.backend_tls_policies, object),
            Kind::XBackendTrafficPolicy => manifest(&self.backend_traffic_policies, object),
            Kind::ReferenceGrant => manifest(&self.reference_grants, object),
            Kind::Backend => manifest(&self.backends, object),
            Kind::BackendConfigPolicy => manifest(&self.backend_config_policies, object),
            Kind::TrafficPolicy => manifest(&self.traffic_policies, object),
            Kind::DirectResponse => manifest(&self.direct_responses, object),
            Kind::GatewayExtension => manifest(&self.gateway_extensions, object),
            Kind::GatewayParameters => manifest(&self.gateway_parameters, object),
            Kind::ListenerPolicy => manifest(&self.listener_policies, object),
            Kind::HttpListenerPolicy => manifest(&self.http_listener_policies, object),
            Kind::EgressPolicy => manifest(&self.egress_policies, object),
            Kind::ResolverPolicy => manifest(&self.resolver_policies, object),
            _ => None,
        }
    }
}

fn manifest<T: ApiType>(all: &ObjectMap<T>, object: &ObjectRef) -> Option<String> {
    yaml_of(&*all.get(object)?.value)
}

/// An object as YAML, without its status and without credentials.
pub(super) fn yaml_of<T: ApiType>(object: &T) -> Option<String> {
    let mut value = object.encode()?;
    let fields = value.as_object_mut()?;
    fields.remove("status");
    if let Some(Value::Object(metadata)) = fields.get_mut("metadata") {
        strip(metadata);
    }
    hide_credentials(&mut value);
    serde_saphyr::to_string(&value).ok()
}

fn strip(metadata: &mut Map<String, Value>) {
    for added in ADDED_METADATA {
        metadata.remove(added);
    }
    let Some(Value::Object(annotations)) = metadata.get_mut("annotations") else {
        return;
    };
    annotations.remove(LAST_APPLIED);
    if annotations.is_empty() {
        metadata.remove("annotations");
    }
}

/// Takes away the values of header fields that carry credentials, and the users of `basicAuth`.
fn hide_credentials(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(hide_credentials),
        Value::Object(fields) => {
            let name = fields.get("name").and_then(Value::as_str);
            let is_credential = name.is_some_and(is_credential_field);
            for (key, value) in fields.iter_mut() {
                match &**key {
                    "value" if is_credential => *value = NOT_SHOWN.into(),
                    "basicAuth" => hide_users(value),
                    _ => hide_credentials(value),
                }
            }
        }
        _ => {}
    }
}

fn is_credential_field(name: &str) -> bool {
    CREDENTIAL_FIELDS
        .iter()
        .any(|field| name.eq_ignore_ascii_case(field))
}

/// The users of `basicAuth` are names with hashes of passwords.
fn hide_users(basic: &mut Value) {
    if let Some(Value::Array(users)) = basic.get_mut("users") {
        users.fill(NOT_SHOWN.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::{ConfigFile, load};

    const TEXT: &str = "\
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata:
  name: all
  namespace: apps
  uid: 4c5e
  resourceVersion: '17'
  annotations: {kubectl.kubernetes.io/last-applied-configuration: '{}'}
spec:
  hostnames: ['*.example.com']
  rules:
  - filters:
    - type: RequestHeaderModifier
      requestHeaderModifier:
        set: [{name: Authorization, value: Bearer s3cret}, {name: X-Team, value: edge}]
---
apiVersion: gateway.kgateway.dev/v1alpha1
kind: TrafficPolicy
metadata: {name: users, namespace: apps}
spec:
  basicAuth: {users: ['alice:$2y$05$s3cret']}
---
apiVersion: v1
kind: Secret
metadata: {name: key, namespace: apps}
stringData: {key: s3cret}
";

    #[test]
    fn an_object_is_shown_without_its_servers_fields_and_without_credentials() {
        let loaded = load([ConfigFile {
            name: "a.yaml",
            text: TEXT,
        }]);
        assert!(loaded.errors.is_empty(), "{:?}", loaded.errors);
        let shown = |kind, name| {
            let object = ObjectRef::new(kind, "apps", name);
            loaded.resources.manifest(&object)
        };
        let route = shown(Kind::HttpRoute, "all").unwrap();
        let users = shown(Kind::TrafficPolicy, "users").unwrap();
        for absent in ["s3cret", "uid", "resourceVersion", "annotations", "status"] {
            assert!(
                !route.contains(absent) && !users.contains(absent),
                "{route}{users}"
            );
        }
        for present in ["kind: HTTPRoute", "*.example.com", "X-Team", "edge"] {
            assert!(route.contains(present), "{route}");
        }
        assert_eq!(shown(Kind::Secret, "key"), None);
        assert_eq!(shown(Kind::HttpRoute, "other"), None);
        // It can be loaded again.
        let again = load([ConfigFile {
            name: "b.yaml",
            text: &route,
        }]);
        assert!(again.errors.is_empty(), "{:?}\n{route}", again.errors);
        assert_eq!(again.resources.http_routes.len(), 1);
    }
}
