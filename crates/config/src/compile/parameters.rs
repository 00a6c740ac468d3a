//! GatewayParameters: the shape of what a controller makes for a Gateway.
//!
//! A Gateway names them, and so can its class. What the Gateway's parameters set takes precedence, field by field. The
//! proxy has no use for them: from files they are checked, and otherwise without effect.

use std::collections::BTreeSet;

use egret_api::gateway::{Gateway, GatewayClass};
use egret_api::kgateway::{GatewayParametersSpec, ImageParameters};
use egret_api::object::ApiType;

use super::log::{FieldFault, ReportLog, join};
use super::review::FaultCause;
use super::{missing, no_effect};
use crate::report::{ObjectStatus, PlainStatus, StatusCondition};
use crate::resources::{Kind, ObjectRef, Resources};

mod check;
mod overlay;

pub use check::PROXY_ARGUMENTS;
pub use overlay::merge_json;

/// A `parametersRef`, before it is resolved.
struct ParametersRef<'a> {
    field: &'static str,
    group: &'a str,
    kind: &'a str,
    namespace: Option<&'a str>,
    name: &'a str,
}

impl<'a> ParametersRef<'a> {
    fn of_class(class: &'a GatewayClass) -> Option<Self> {
        let reference = class.spec.parameters_ref.as_ref()?;
        Some(Self {
            field: "spec.parametersRef",
            group: &reference.group,
            kind: &reference.kind,
            namespace: reference.namespace.as_deref(),
            name: &reference.name,
        })
    }

    fn of_gateway(reference: &'a ObjectRef, gateway: &'a Gateway) -> Option<Self> {
        let namespace = Some(&*reference.namespace);
        let infrastructure = gateway.spec.infrastructure.as_ref();
        let reference = infrastructure?.parameters_ref.as_ref()?;
        Some(Self {
            field: "spec.infrastructure.parametersRef",
            group: &reference.group,
            kind: &reference.kind,
            namespace,
            name: &reference.name,
        })
    }

    /// The object that is referred to.
    fn object(&self) -> Result<ObjectRef, FieldFault> {
        let Self {
            field,
            group,
            kind,
            namespace,
            name,
        } = *self;
        if Kind::find(group, kind) != Some(Kind::GatewayParameters) {
            let message = format!(
                "{kind} of {group} cannot be the parameters; GatewayParameters of gateway.kgateway.dev can"
            );
            return Err(FieldFault::new(field, message));
        }
        let Some(namespace) = namespace.filter(|namespace| !namespace.is_empty()) else {
            let message = "a namespace is needed, because GatewayParameters have one";
            return Err(FieldFault::new(format!("{field}.namespace"), message));
        };
        Ok(ObjectRef::new(Kind::GatewayParameters, namespace, name))
    }

    fn resolve<'r>(
        &self,
        resources: &'r Resources,
    ) -> Result<&'r GatewayParametersSpec, FieldFault> {
        let object = self.object()?;
        let Some(found) = resources.gateway_parameters.get(&object) else {
            let message = missing::message(resources, &object);
            let fault = FieldFault::new(self.field, message);
            return Err(fault.with_cause(FaultCause::Absent(object)));
        };
        let faults = check::faults(&found.value.spec);
        if !faults.is_empty() {
            let message = format!("{object} is not valid: {}", join(&faults));
            let fault = FieldFault::new(self.field, message);
            return Err(fault.with_cause(FaultCause::Content(object)));
        }
        Ok(&found.value.spec)
    }
}

/// What is wrong with the parameters of a class.
pub(super) fn class_fault(resources: &Resources, class: &GatewayClass) -> Option<FieldFault> {
    ParametersRef::of_class(class)?.resolve(resources).err()
}

/// What is wrong with the parameters of a Gateway, or else with those of its class.
pub(super) fn gateway_fault(
    resources: &Resources,
    reference: &ObjectRef,
    gateway: &Gateway,
) -> Option<FieldFault> {
    let own = ParametersRef::of_gateway(reference, gateway);
    if let Some(Err(fault)) = own.map(|own| own.resolve(resources)) {
        return Some(fault);
    }
    let fault = class_fault(resources, class_of(resources, gateway)?)?;
    let message = format!("the class {}: {fault}", gateway.spec.gateway_class_name);
    Some(FieldFault::reference("spec.gatewayClassName", message))
}

/// The parameters of a Gateway over those of its class. Parameters that do not exist or are not valid count as none: the
/// Gateway is then not accepted.
#[must_use]
pub fn gateway_parameters(
    resources: &Resources,
    reference: &ObjectRef,
    gateway: &Gateway,
) -> GatewayParametersSpec {
    let class = class_of(resources, gateway).and_then(ParametersRef::of_class);
    let resolved = [class, ParametersRef::of_gateway(reference, gateway)];
    let resolved = resolved.iter().flatten();
    let resolved = resolved.filter_map(|reference| reference.resolve(resources).ok());
    resolved.fold(GatewayParametersSpec::default(), |base, over| {
        merge(&base, over)
    })
}

fn class_of<'a>(resources: &'a Resources, gateway: &Gateway) -> Option<&'a GatewayClass> {
    let class = ObjectRef::new(Kind::GatewayClass, "", &gateway.spec.gateway_class_name);
    Some(&resources.gateway_classes.get(&class)?.value)
}

/// Lays parameters over others. Maps and objects are merged, and anything else is replaced.
fn merge(base: &GatewayParametersSpec, over: &GatewayParametersSpec) -> GatewayParametersSpec {
    let mut base = base.clone();
    match (&over.kube, &over.self_managed) {
        (_, Some(_)) => base.kube = None,
        (Some(_), None) => base.self_managed = None,
        (None, None) => {}
    }
    // A tag and a digest say the same in two ways.
    if let Some(over) = image(&mut over.clone())
        && let Some(base) = image(&mut base)
        && (over.tag.is_some() || over.digest.is_some())
    {
        base.tag = None;
        base.digest = None;
    }
    let merged = match (base.encode(), over.encode()) {
        (Some(mut merged), Some(over)) => {
            merge_json(&mut merged, over);
            GatewayParametersSpec::decode(merged).0
        }
        (None, _) | (_, None) => None,
    };
    // Both are read from JSON, and a merge of two valid values is one too.
    merged.unwrap_or_else(|| over.clone())
}

fn image(spec: &mut GatewayParametersSpec) -> Option<&mut ImageParameters> {
    let container = spec.kube.as_mut()?.envoy_container.as_mut()?;
    container.image.as_mut()
}

/// Reports the objects that a class or a Gateway of Egret refers to, and those from files.
pub(super) fn report<'a>(
    resources: &Resources,
    classes: impl Iterator<Item = &'a GatewayClass>,
    gateways: impl Iterator<Item = (&'a ObjectRef, &'a Gateway)>,
    log: &mut ReportLog,
) {
    let of_classes = classes.filter_map(ParametersRef::of_class);
    let of_gateways =
        gateways.filter_map(|(reference, gateway)| ParametersRef::of_gateway(reference, gateway));
    let used: BTreeSet<ObjectRef> = of_classes
        .chain(of_gateways)
        .filter_map(|reference| reference.object().ok())
        .collect();
    for (reference, object) in &resources.gateway_parameters {
        // In a cluster, the parameters of others are for others to report.
        if !used.contains(reference) && object.source.file.is_empty() {
            continue;
        }
        let faults = check::faults(&object.value.spec);
        log.problems(reference, &object.source, &faults);
        no_effect::warn_of(reference, object, |parameters| &parameters.spec, log);
        let accepted = if faults.is_empty() {
            StatusCondition::new("Accepted", true, "Accepted", "GatewayParameters accepted")
        } else {
            StatusCondition::new("Accepted", false, "Invalid", join(&faults))
        };
        let conditions = vec![accepted];
        let status = ObjectStatus::Plain(PlainStatus { conditions });
        log.object(reference, &object.source, status);
    }
}
