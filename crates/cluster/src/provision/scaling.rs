//! How many pods a Gateway has, and how many may be unavailable.

use egret_config::api::kgateway::ResourceOverlay;
use egret_config::compile::merge_json;
use serde_json::{Value, json};

use super::context::ChildContext;
use super::kind::ChildKind;
use super::ledger::DesiredObject;

/// By default one pod may be unavailable. That keeps several from being evicted at once, and stops no node from being
/// drained.
pub(super) fn disruption_budget(context: &ChildContext<'_>) -> DesiredObject {
    let overlay = context.kube.pod_disruption_budget.as_ref();
    let mut spec = json!({"selector": {"matchLabels": context.metadata.selector()}});
    let given = overlay.and_then(|overlay| overlay.spec.as_ref());
    let is_set = |name: &str| {
        let value = given.and_then(|given| given.get(name));
        value.is_some_and(|value| !value.is_null())
    };
    if !is_set("minAvailable") && !is_set("maxUnavailable") {
        spec["maxUnavailable"] = json!(1);
    }
    overlaid(context, ChildKind::PodDisruptionBudget, overlay, spec)
}

/// The autoscaler, if there is to be one.
pub(super) fn autoscaler(context: &ChildContext<'_>) -> Option<DesiredObject> {
    let overlay = context.kube.horizontal_pod_autoscaler.as_ref()?;
    let resource = ChildKind::Deployment.resource();
    let spec = json!({"scaleTargetRef": {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "name": context.metadata.name,
    }});
    let kind = ChildKind::HorizontalPodAutoscaler;
    Some(overlaid(context, kind, Some(overlay), spec))
}

fn overlaid(
    context: &ChildContext<'_>,
    kind: ChildKind,
    overlay: Option<&ResourceOverlay>,
    mut spec: Value,
) -> DesiredObject {
    if let Some(over) = overlay.and_then(|overlay| overlay.spec.clone()) {
        merge_json(&mut spec, over);
    }
    let metadata = overlay.and_then(|overlay| overlay.metadata.as_ref());
    let labels = metadata.and_then(|metadata| metadata.labels.as_ref());
    let annotations = metadata.and_then(|metadata| metadata.annotations.as_ref());
    let content = json!({"spec": spec});
    context.metadata.owned(kind, (labels, annotations), content)
}
