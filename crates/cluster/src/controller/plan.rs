//! From a compiled configuration to the objects of each Gateway, and from what became of them to the Gateway's status.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use egret_config::api::kgateway::GatewayParametersSpec;
use egret_config::compile::{CompiledConfig, gateway_parameters};
use egret_config::report::{ObjectReport, ObjectStatus, StatusCondition};
use egret_config::resources::{ObjectRef, Resources};
use k8s_openapi::api::core::v1::Service;
use kube::core::DynamicObject;

use crate::provision::{
    ChildKind, GatewayObjects, GatewayPlan, LiveObjects, ProvisionFault, ProvisionSettings,
    RESERVED_PORTS, SecretAccess, WriteFault, desired, infrastructure, listener_ports,
};
use crate::status::{GatewayAddress, GatewayState};

/// What each Gateway is to become.
#[derive(Clone, Debug, Default)]
pub(super) struct ControllerPlan {
    pub(super) gateways: Vec<GatewayObjects>,
    parameters: BTreeMap<ObjectRef, GatewayParametersSpec>,
}

impl ControllerPlan {
    /// The objects of every Gateway that the controller serves. `resources` are those that the configuration was compiled
    /// from, and `access` says what the pods of a Gateway read.
    pub(super) fn of(
        resources: &Resources,
        compiled: &CompiledConfig,
        settings: &ProvisionSettings,
        access: impl Fn(&ObjectRef) -> SecretAccess,
    ) -> Self {
        let of_sets = ports_of_sets(resources, compiled);
        let mut plan = Self::default();
        for report in &compiled.report.objects {
            let reference = &report.object;
            let (ObjectStatus::Gateway(_), Some(object)) =
                (&report.status, resources.gateways.get(reference))
            else {
                continue;
            };
            let gateway = &*object.value;
            let parameters = gateway_parameters(resources, reference, gateway);
            let is_going = gateway.metadata.deletion_timestamp.is_some();
            let objects = if is_going || !is_accepted(report) {
                Err(ProvisionFault::NotAccepted)
            } else {
                let mut ports = listener_ports(&gateway.spec.listeners);
                ports.extend(of_sets.get(reference).into_iter().flatten());
                let served = compiled.review.uses.get(reference);
                let served = served.into_iter().flat_map(|it| &it.ports);
                ports.extend(served.filter(|port| !RESERVED_PORTS.contains(port)));
                let plan = GatewayPlan {
                    reference,
                    gateway,
                    parameters: &parameters,
                    ports: &ports,
                    access: &access(reference),
                };
                desired(plan, settings)
            };
            plan.gateways.push(GatewayObjects {
                gateway: reference.clone(),
                uid: gateway.metadata.uid.clone(),
                objects,
            });
            plan.parameters.insert(reference.clone(), parameters);
        }
        plan
    }

    /// What the statuses of the Gateways say beside their configuration. `fault` is why objects could not be written.
    pub(super) fn states<'a>(
        &self,
        resources: &Resources,
        live: &LiveObjects,
        fault: impl Fn(&GatewayObjects) -> Option<&'a WriteFault>,
    ) -> Vec<(ObjectRef, GatewayState)> {
        let states = self.gateways.iter().filter_map(|planned| {
            let gateway = &resources.gateways.get(&planned.gateway)?.value;
            let parameters = self.parameters.get(&planned.gateway)?;
            let service = service_of(planned, live);
            let not_made = planned.objects.as_ref().err();
            let outcome = infrastructure(
                gateway,
                parameters,
                not_made,
                fault(planned),
                service.as_ref(),
            );
            let address = |value: &String| match value.parse::<IpAddr>() {
                Ok(ip) => GatewayAddress::Ip(ip),
                Err(_) => GatewayAddress::Hostname(value.clone()),
            };
            let programmed = outcome.not_programmed;
            let condition = programmed.map(|(reason, message)| {
                StatusCondition::new("Programmed", false, reason, message)
            });
            let state = GatewayState {
                addresses: outcome.addresses.iter().map(address).collect(),
                conditions: condition.into_iter().collect(),
            };
            Some((planned.gateway.clone(), state))
        });
        states.collect()
    }
}

/// The ports of the ListenerSets that are attached to each Gateway.
fn ports_of_sets(
    resources: &Resources,
    compiled: &CompiledConfig,
) -> BTreeMap<ObjectRef, BTreeSet<u16>> {
    let mut ports: BTreeMap<ObjectRef, BTreeSet<u16>> = BTreeMap::new();
    for report in &compiled.report.objects {
        let set = resources.listener_sets.get(&report.object);
        let gateway = resources.gateway_of_set(&report.object);
        if let (Some(set), Some(gateway), true) = (set, gateway, is_accepted(report)) {
            let of_set = listener_ports(&set.value.spec.listeners);
            ports.entry(gateway).or_default().extend(of_set);
        }
    }
    ports
}

/// Whether the Gateway or the ListenerSet can be had as it is written. If only listeners are wrong, it can: they may be right
/// soon.
fn is_accepted(report: &ObjectReport) -> bool {
    let mut of_gateway = report.conditions().filter(|(part, _)| part.is_empty());
    let accepted = of_gateway.find(|(_, condition)| condition.kind == "Accepted");
    accepted.is_none_or(|(_, it)| it.status || it.reason == "ListenersNotValid")
}

/// The Service of a Gateway as it is. It is told by its owner's name even if it is not to be written now.
fn service_of(planned: &GatewayObjects, live: &LiveObjects) -> Option<Service> {
    let is_of_gateway = |object: &DynamicObject| {
        let mut owners = object.metadata.owner_references.iter().flatten();
        owners.any(|owner| owner.kind == "Gateway" && owner.name == *planned.gateway.name)
    };
    let mut services = live.iter().filter(|(key, object)| {
        key.kind == ChildKind::Service
            && key.namespace == planned.gateway.namespace
            && is_of_gateway(object)
    });
    let (_, service) = services.next()?;
    let value = serde_json::to_value(&**service).ok()?;
    serde_json::from_value(value).ok()
}
