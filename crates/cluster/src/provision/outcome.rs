//! What a Gateway's status says about its infrastructure: its addresses, and whether it is programmed.

use egret_config::api::gateway::Gateway;
use egret_config::api::kgateway::GatewayParametersSpec;
use k8s_openapi::api::core::v1::Service;

use super::fault::WriteFault;
use super::plan::ProvisionFault;
use super::service::{DEFAULT_TYPE, requested_address};

/// The most addresses that a status can have.
const MOST_ADDRESSES: usize = 16;

/// What became of the objects of a Gateway.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Infrastructure {
    /// The addresses of the Gateway: IP addresses and host names.
    pub addresses: Vec<String>,
    /// Reason and message of the condition `Programmed`, if the Gateway is not programmed.
    pub not_programmed: Option<(&'static str, String)>,
}

/// What is known of the objects of a Gateway.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct InfrastructureFacts<'a> {
    pub(super) fault: Option<&'a ProvisionFault>,
    pub(super) failed: Option<&'a WriteFault>,
    pub(super) service: Option<&'a Service>,
}

/// What the status of a Gateway says. `fault` is why nothing is made, `failed` why a part could not be made, and `service`
/// the Service as it is.
#[must_use]
pub fn infrastructure(
    gateway: &Gateway,
    parameters: &GatewayParametersSpec,
    fault: Option<&ProvisionFault>,
    failed: Option<&WriteFault>,
    service: Option<&Service>,
) -> Infrastructure {
    let facts = InfrastructureFacts {
        fault,
        failed,
        service,
    };
    let mut addresses = if parameters.self_managed.is_some() {
        requested(gateway).map(str::to_owned).collect()
    } else {
        service.map(addresses_of).unwrap_or_default()
    };
    addresses.truncate(MOST_ADDRESSES);
    let not_programmed = not_programmed(gateway, parameters, facts, &addresses);
    Infrastructure {
        addresses,
        not_programmed,
    }
}

fn not_programmed(
    gateway: &Gateway,
    parameters: &GatewayParametersSpec,
    facts: InfrastructureFacts<'_>,
    addresses: &[String],
) -> Option<(&'static str, String)> {
    let spec = gateway.spec.addresses.as_deref().unwrap_or_default();
    let mut spec_types = spec.iter().map(|address| address.r#type.as_deref());
    if spec_types.any(|kind| kind == Some("Hostname")) && parameters.self_managed.is_none() {
        let message = "Hostname addresses may not be used";
        return Some(("AddressNotUsable", message.to_owned()));
    }
    if parameters.self_managed.is_some() {
        return None;
    }
    if let Some(fault) = facts.fault {
        return Some(("Invalid", fault.to_string()));
    }
    if let Some(failed) = facts.failed.filter(|failed| failed.is_refusal()) {
        return Some(("Invalid", failed.to_string()));
    }
    if facts.service.is_none() {
        let message = facts.failed.map_or_else(
            || "Waiting for the Service of the Gateway".to_owned(),
            ToString::to_string,
        );
        return Some(("Pending", message));
    }
    let values: Vec<&str> = requested(gateway).collect();
    match requested_address(gateway) {
        None if values.is_empty() => None,
        None => Some((
            "AddressNotUsable",
            format!(
                "Only one IP address can be asked for, and not all of {}",
                values.join(", ")
            ),
        )),
        Some(ip) => {
            let mut given = addresses.iter().map(|address| address.parse());
            let is_given = given.any(|given| given == Ok(ip));
            let message = || format!("The Service has not been given the address {ip}");
            (!is_given).then(|| ("AddressNotUsable", message()))
        }
    }
}

/// The addresses that the Gateway asks for by value.
fn requested(gateway: &Gateway) -> impl Iterator<Item = &str> {
    let addresses = gateway.spec.addresses.iter().flatten();
    let values = addresses.filter_map(|address| address.value.as_deref());
    values.filter(|value| !value.is_empty())
}

fn addresses_of(service: &Service) -> Vec<String> {
    let spec = service.spec.as_ref();
    let kind = spec.and_then(|spec| spec.type_.as_deref());
    let mut addresses: Vec<String> = Vec::new();
    let mut add = |value: &str| {
        if !addresses.iter().any(|address| address == value) {
            addresses.push(value.to_owned());
        }
    };
    if kind == Some(DEFAULT_TYPE) {
        let status = service.status.as_ref();
        let balancer = status.and_then(|status| status.load_balancer.as_ref());
        for ingress in balancer
            .and_then(|it| it.ingress.as_ref())
            .into_iter()
            .flatten()
        {
            let name = ingress.hostname.as_deref().filter(|name| !name.is_empty());
            if let Some(value) = name.or(ingress.ip.as_deref()) {
                add(value);
            }
        }
    } else {
        let ips = spec.and_then(|spec| spec.cluster_ips.as_ref());
        for ip in ips.into_iter().flatten().filter(|ip| *ip != "None") {
            add(ip);
        }
    }
    addresses
}
