//! Labels, annotations and owners of the objects that are made for a Gateway.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::kind::ChildKind;
use super::ledger::{ChildKey, DesiredObject};
use super::plan::{GatewayPlan, ProvisionSettings};

/// The label that names who makes an object.
pub const MANAGED_BY_LABEL: &str = "app.kubernetes.io/managed-by";
/// The value of that label, and the name under which objects are applied.
pub const MANAGER: &str = "egret";
/// The label with the name of the Gateway.
pub const GATEWAY_LABEL: &str = "gateway.networking.k8s.io/gateway-name";
/// The label with the namespace of the Gateway, on objects that may be outside of it.
pub const NAMESPACE_LABEL: &str = "egret.dev/gateway-namespace";
/// The annotation with the name of the controller that makes an object.
const CONTROLLER_ANNOTATION: &str = "egret.dev/controller-name";
/// kgateway's controller, whose labels are kept when Egret takes its place.
const KGATEWAY_CONTROLLER: &str = "kgateway.dev/kgateway";

/// Labels or annotations.
pub(super) type NameMap = BTreeMap<String, String>;

/// What the metadata of all objects of a Gateway are made of.
pub(super) struct ChildMetadata<'a> {
    /// The name of the objects.
    pub(super) name: String,
    plan: GatewayPlan<'a>,
    settings: &'a ProvisionSettings,
    uid: &'a str,
}

impl<'a> ChildMetadata<'a> {
    /// `None` if the Gateway has no uid.
    pub(super) fn of(
        plan: GatewayPlan<'a>,
        settings: &'a ProvisionSettings,
        name: String,
    ) -> Option<Self> {
        Some(Self {
            name,
            plan,
            settings,
            uid: plan.gateway.metadata.uid.as_deref()?,
        })
    }

    /// The labels that select the pods. They are kgateway's, because the selector of a Deployment cannot be changed.
    pub(super) fn selector(&self) -> NameMap {
        let labels = [
            "app.kubernetes.io/name",
            "app.kubernetes.io/instance",
            GATEWAY_LABEL,
        ];
        let labels = labels.map(|label| (label.to_owned(), self.name.clone()));
        labels.into()
    }

    /// The labels of every object. Those of the Gateway come first, so that they cannot take the place of ours.
    pub(super) fn labels(&self, more: Option<&NameMap>) -> NameMap {
        let infrastructure = self.plan.gateway.spec.infrastructure.as_ref();
        let given = infrastructure.and_then(|it| it.labels.as_ref());
        let mut labels = NameMap::new();
        for (label, value) in [given, more].into_iter().flatten().flatten() {
            labels.insert(label.clone(), value.clone());
        }
        labels.extend(self.selector());
        let class = &self.plan.gateway.spec.gateway_class_name;
        let own = [
            ("app.kubernetes.io/component", "proxy"),
            (MANAGED_BY_LABEL, MANAGER),
            ("app.kubernetes.io/version", self.settings.version),
            ("gateway.networking.k8s.io/gateway-class-name", class),
        ];
        let own = own.map(|(label, value)| (label.to_owned(), value.to_owned()));
        labels.extend(own.into_iter().filter(|(_, value)| value.len() <= 63));
        if self.settings.controller_name == KGATEWAY_CONTROLLER {
            labels.insert("kgateway".to_owned(), "kube-gateway".to_owned());
        }
        labels
    }

    /// The annotations of every object: those of the Gateway, and these.
    pub(super) fn annotations(&self, more: Option<&NameMap>) -> NameMap {
        let infrastructure = self.plan.gateway.spec.infrastructure.as_ref();
        let given = infrastructure.and_then(|it| it.annotations.as_ref());
        let given = [given, more].into_iter().flatten().flatten();
        given
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }

    /// An object in the namespace of the Gateway, which goes when the Gateway goes.
    pub(super) fn owned(
        &self,
        kind: ChildKind,
        (labels, annotations): (Option<&NameMap>, Option<&NameMap>),
        content: Value,
    ) -> DesiredObject {
        let owner = json!([{
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "Gateway",
            "name": &*self.plan.reference.name,
            "uid": self.uid,
            "controller": true,
        }]);
        let mut metadata = Map::new();
        metadata.insert("name".to_owned(), json!(self.name));
        let namespace = &*self.plan.reference.namespace;
        metadata.insert("namespace".to_owned(), json!(namespace));
        metadata.insert("labels".to_owned(), json!(self.labels(labels)));
        let annotations = self.annotations(annotations);
        if !annotations.is_empty() {
            metadata.insert("annotations".to_owned(), json!(annotations));
        }
        metadata.insert("ownerReferences".to_owned(), owner);
        self.object(kind, metadata, content)
    }

    /// An object that cannot have the Gateway as its owner, because it is in another namespace or in none. The controller
    /// finds it by its labels when the Gateway is gone.
    pub(super) fn unowned(
        &self,
        kind: ChildKind,
        namespace: Option<&str>,
        content: Value,
    ) -> DesiredObject {
        let reference = self.plan.reference;
        let mut metadata = Map::new();
        let name = self.unowned_name();
        metadata.insert("name".to_owned(), json!(name));
        if let Some(namespace) = namespace {
            metadata.insert("namespace".to_owned(), json!(namespace));
        }
        let mut labels = self.labels(None);
        let of_gateway = (NAMESPACE_LABEL.to_owned(), reference.namespace.to_string());
        labels.extend([of_gateway]);
        metadata.insert("labels".to_owned(), json!(labels));
        let mut annotations = self.annotations(None);
        let controller = self.settings.controller_name.clone();
        annotations.insert(CONTROLLER_ANNOTATION.to_owned(), controller);
        metadata.insert("annotations".to_owned(), json!(annotations));
        self.object(kind, metadata, content)
    }

    /// The name of objects outside of the namespace of the Gateway.
    pub(super) fn unowned_name(&self) -> String {
        let namespace = &self.plan.reference.namespace;
        format!("egret-proxy:{namespace}:{}", self.name)
    }

    fn object(
        &self,
        kind: ChildKind,
        metadata: Map<String, Value>,
        content: Value,
    ) -> DesiredObject {
        let resource = kind.resource();
        let text = |field: &str| metadata.get(field).and_then(Value::as_str);
        let key = ChildKey {
            kind,
            namespace: text("namespace").unwrap_or_default().into(),
            name: text("name").unwrap_or_default().into(),
        };
        let mut value = json!({
            "apiVersion": resource.api_version,
            "kind": resource.kind,
            "metadata": metadata,
        });
        if let (Value::Object(value), Value::Object(content)) = (&mut value, content) {
            value.extend(content);
        }
        DesiredObject { key, value }
    }
}

/// Whether an object that has no owner was made by this controller.
pub(super) fn is_of_controller(annotations: Option<&NameMap>, controller_name: &str) -> bool {
    let name = annotations.and_then(|annotations| annotations.get(CONTROLLER_ANNOTATION));
    name.is_some_and(|name| name == controller_name)
}
