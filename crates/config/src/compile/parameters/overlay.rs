//! Parts of objects that are laid over what a controller makes.

use egret_api::kgateway::ResourceOverlay;
use egret_api::object::ApiType;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscalerSpec;
use k8s_openapi::api::policy::v1::PodDisruptionBudgetSpec;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde_json::{Value, json};

use crate::compile::log::FieldFault;

/// Lays a value over another: fields of objects one by one, anything else as a whole. A field of `null` is left as it is.
pub fn merge_json(base: &mut Value, over: Value) {
    match (base, over) {
        (Value::Object(base), Value::Object(over)) => {
            for (name, value) in over {
                merge_json(base.entry(name).or_insert(Value::Null), value);
            }
        }
        (_, Value::Null) => {}
        (base, over) => *base = over,
    }
}

/// The faults of the overlay of a HorizontalPodAutoscaler.
pub(super) fn autoscaler_faults(overlay: &ResourceOverlay, field: &str) -> Vec<FieldFault> {
    let base = json!({"scaleTargetRef": {"kind": "Deployment", "name": "x"}});
    let (spec, mut faults) = read::<HorizontalPodAutoscalerSpec>(base, overlay, field);
    let Some(spec) = spec else {
        return faults;
    };
    let least = spec.min_replicas.unwrap_or(1);
    if least < 1 || spec.max_replicas < least {
        faults.push(FieldFault::new(
            format!("{field}.spec.maxReplicas"),
            "must be at least 1, and at least minReplicas",
        ));
    }
    if given(overlay, "scaleTargetRef") {
        faults.push(FieldFault::new(
            format!("{field}.spec.scaleTargetRef"),
            "is the Deployment of the Gateway; leave the field out",
        ));
    }
    faults
}

/// The faults of the overlay of a PodDisruptionBudget.
pub(super) fn budget_faults(overlay: &ResourceOverlay, field: &str) -> Vec<FieldFault> {
    let (spec, mut faults) = read::<PodDisruptionBudgetSpec>(json!({}), overlay, field);
    let Some(spec) = spec else {
        return faults;
    };
    if spec.min_available.is_some() && spec.max_unavailable.is_some() {
        faults.push(FieldFault::new(
            format!("{field}.spec"),
            "only one of minAvailable and maxUnavailable may be set",
        ));
    }
    for (name, value) in [
        ("minAvailable", &spec.min_available),
        ("maxUnavailable", &spec.max_unavailable),
    ] {
        if let Some(message) = value.as_ref().and_then(share_fault) {
            faults.push(FieldFault::new(format!("{field}.spec.{name}"), message));
        }
    }
    if given(overlay, "selector") {
        faults.push(FieldFault::new(
            format!("{field}.spec.selector"),
            "selects the pods of the Gateway; leave the field out",
        ));
    }
    faults
}

/// What is wrong with a number of pods, or a share of them.
pub(super) fn share_fault(value: &IntOrString) -> Option<&'static str> {
    match value {
        IntOrString::Int(number) => (*number < 0).then_some("must not be negative"),
        IntOrString::String(text) => {
            let percent = text.strip_suffix('%');
            let percent = percent.filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
            let percent = percent.and_then(|text| text.parse::<u8>().ok());
            let is_share = percent.is_some_and(|percent| percent <= 100);
            (!is_share)
                .then_some("must be a number, as in 1, or a percentage up to 100, as in \"50%\"")
        }
    }
}

fn given(overlay: &ResourceOverlay, name: &str) -> bool {
    let spec = overlay.spec.as_ref();
    spec.is_some_and(|spec| spec.get(name).is_some_and(|value| !value.is_null()))
}

fn read<T: ApiType>(
    mut base: Value,
    overlay: &ResourceOverlay,
    field: &str,
) -> (Option<T>, Vec<FieldFault>) {
    let over = overlay.spec.clone().unwrap_or_default();
    if !matches!(over, Value::Null | Value::Object(_)) {
        let fault = FieldFault::new(format!("{field}.spec"), "must be an object");
        return (None, vec![fault]);
    }
    merge_json(&mut base, over);
    let (spec, faults) = T::decode(base);
    let located = faults.into_iter().map(|fault| {
        let path = match fault.field.as_str() {
            "" => format!("{field}.spec"),
            inner => format!("{field}.spec.{inner}"),
        };
        FieldFault::new(path, fault.message)
    });
    (spec, located.collect())
}
