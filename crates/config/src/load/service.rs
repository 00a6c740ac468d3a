//! Reads Services and EndpointSlices to what is kept of them.

use std::net::IpAddr;
use std::sync::Arc;

use egret_api::decode::DecodeFault;
use k8s_openapi::api::core::v1 as core;
use k8s_openapi::api::discovery::v1 as discovery;

use crate::name::Port;
use crate::resources::{
    EndpointSlice, EndpointState, Service, ServicePort, SliceAddressType, SliceEndpoint, SlicePort,
    TransportProtocol,
};

/// The label by which an EndpointSlice names its Service.
const SERVICE_LABEL: &str = "kubernetes.io/service-name";

pub(super) fn service(written: core::Service, faults: &mut Vec<DecodeFault>) -> Service {
    let spec = written.spec.unwrap_or_default();
    let is_external = spec.type_.as_deref() == Some("ExternalName");
    let mut ports = Vec::new();
    for (index, written) in spec.ports.into_iter().flatten().enumerate() {
        let Some(port) = port(written.port) else {
            faults.push(no_port(format!("spec.ports[{index}].port")));
            continue;
        };
        ports.push(ServicePort {
            name: written.name.unwrap_or_default().into(),
            port,
            transport: transport(written.protocol.as_deref()),
            app_protocol: written.app_protocol.map(Into::into),
        });
    }
    Service {
        labels: written.metadata.labels.unwrap_or_default(),
        external_name: is_external.then(|| spec.external_name.unwrap_or_default().into()),
        ports: ports.into(),
    }
}

pub(super) fn endpoint_slice(
    written: discovery::EndpointSlice,
    faults: &mut Vec<DecodeFault>,
) -> EndpointSlice {
    let labels = written.metadata.labels.unwrap_or_default();
    let addresses = match written.address_type.as_str() {
        "IPv4" | "IPv6" => SliceAddressType::Ip,
        "FQDN" => SliceAddressType::Name,
        other => {
            faults.push(DecodeFault {
                field: "addressType".to_owned(),
                message: format!("{other:?} is not IPv4, IPv6 or FQDN"),
                is_unknown: false,
            });
            SliceAddressType::Name
        }
    };
    let endpoints = match addresses {
        SliceAddressType::Ip => endpoints(written.endpoints, faults),
        SliceAddressType::Name => Arc::default(),
    };
    EndpointSlice {
        service: labels.get(SERVICE_LABEL).map(|name| name.as_str().into()),
        addresses,
        ports: ports(written.ports.unwrap_or_default(), faults),
        endpoints,
    }
}

/// The ports with a number. A port without one would mean all ports, which a Service cannot say.
fn ports(written: Vec<discovery::EndpointPort>, faults: &mut Vec<DecodeFault>) -> Arc<[SlicePort]> {
    let mut ports = Vec::new();
    for (index, written) in written.into_iter().enumerate() {
        let Some(number) = written.port.filter(|number| *number != 0) else {
            continue;
        };
        let Some(port) = port(number) else {
            faults.push(no_port(format!("ports[{index}].port")));
            continue;
        };
        ports.push(SlicePort {
            name: written.name.unwrap_or_default().into(),
            port,
            transport: transport(written.protocol.as_deref()),
        });
    }
    ports.into()
}

fn endpoints(
    written: Vec<discovery::Endpoint>,
    faults: &mut Vec<DecodeFault>,
) -> Arc<[SliceEndpoint]> {
    let mut endpoints = Vec::new();
    for (index, written) in written.into_iter().enumerate() {
        let Some(state) = state(written.conditions.as_ref()) else {
            continue;
        };
        // All addresses of an endpoint mean the same, and only the first is to be used.
        let Some(text) = written.addresses.first() else {
            continue;
        };
        match address(text) {
            Ok(address) => endpoints.push(SliceEndpoint { address, state }),
            Err(message) => faults.push(DecodeFault {
                field: format!("endpoints[{index}].addresses[0]"),
                message,
                is_unknown: false,
            }),
        }
    }
    endpoints.into()
}

/// The state of an endpoint, if it can serve at all. A condition that is not known counts as Kubernetes says: an endpoint
/// is ready, as much serving as ready, and not terminating.
fn state(conditions: Option<&discovery::EndpointConditions>) -> Option<EndpointState> {
    let is_ready = conditions.and_then(|all| all.ready).unwrap_or(true);
    let is_serving = conditions.and_then(|all| all.serving).unwrap_or(is_ready);
    let is_terminating = conditions
        .and_then(|all| all.terminating)
        .unwrap_or_default();
    if is_ready {
        Some(EndpointState::Ready)
    } else {
        (is_serving && is_terminating).then_some(EndpointState::Draining)
    }
}

/// Parses the address of an endpoint. What no pod can have is refused, as an API server does; the loopback addresses,
/// which it refuses too, are what endpoints have that run beside Egret.
fn address(text: &str) -> Result<IpAddr, String> {
    let address: IpAddr = text
        .parse()
        .map_err(|_| format!("{text:?} is not an IP address"))?;
    let is_link_local = match address {
        IpAddr::V4(v4) => v4.is_link_local() || v4.is_broadcast(),
        IpAddr::V6(v6) => v6.is_unicast_link_local() || v6.to_ipv4_mapped().is_some(),
    };
    if address.is_unspecified() || address.is_multicast() || is_link_local {
        return Err(format!("{text} cannot be the address of an endpoint"));
    }
    Ok(address)
}

fn transport(protocol: Option<&str>) -> TransportProtocol {
    match protocol {
        None | Some("TCP") => TransportProtocol::Tcp,
        Some(_) => TransportProtocol::Other,
    }
}

fn port(number: i32) -> Option<Port> {
    u16::try_from(number).ok().and_then(Port::new)
}

fn no_port(field: String) -> DecodeFault {
    DecodeFault {
        field,
        message: "not a port: 1 to 65535".to_owned(),
        is_unknown: false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn slice(fields: Value) -> (EndpointSlice, Vec<String>) {
        let mut faults = Vec::new();
        let written = serde_json::from_value(fields).unwrap();
        let slice = endpoint_slice(written, &mut faults);
        let faults = faults.into_iter();
        let told = faults.map(|fault| format!("{}: {}", fault.field, fault.message));
        (slice, told.collect())
    }

    #[test]
    fn an_endpoint_is_ready_unless_it_says_otherwise_and_serves_while_it_terminates() {
        use EndpointState::{Draining, Ready};
        for (conditions, expected) in [
            (json!(null), Some(Ready)),
            (json!({}), Some(Ready)),
            (json!({"ready": true}), Some(Ready)),
            (json!({"ready": false}), None),
            (json!({"ready": false, "serving": true}), None),
            (
                json!({"ready": false, "serving": true, "terminating": true}),
                Some(Draining),
            ),
            (
                json!({"ready": false, "serving": false, "terminating": true}),
                None,
            ),
            (json!({"ready": false, "terminating": true}), None),
            // Pods of a Service that publishes addresses which are not ready.
            (json!({"ready": true, "serving": false}), Some(Ready)),
            (
                json!({"ready": true, "serving": false, "terminating": true}),
                Some(Ready),
            ),
        ] {
            let endpoint = json!([{"addresses": ["10.0.0.1"], "conditions": conditions}]);
            let (slice, faults) =
                slice(json!({"metadata": {}, "addressType": "IPv4", "endpoints": endpoint}));
            let state = slice.endpoints.first().map(|endpoint| endpoint.state);
            assert_eq!(state, expected, "{conditions}");
            assert_eq!(faults, [""; 0]);
        }
    }

    #[test]
    fn only_the_first_address_of_an_endpoint_and_ports_with_a_number_count() {
        let (slice, faults) = slice(json!({
            "metadata": {"labels": {"kubernetes.io/service-name": "shop"}},
            "addressType": "IPv6",
            "endpoints": [{"addresses": ["fd00::1", "fd00::2"]}, {"addresses": []}],
            "ports": [
                {"name": "http", "port": 8080},
                {"name": "dns", "port": 53, "protocol": "UDP"},
                {"name": "any"},
                {"name": "none", "port": 0},
                {"port": 81},
            ],
        }));
        assert_eq!(faults, [""; 0]);
        assert_eq!(slice.service.as_deref(), Some("shop"));
        let addresses: Vec<String> = slice
            .endpoints
            .iter()
            .map(|endpoint| endpoint.address.to_string())
            .collect();
        assert_eq!(addresses, ["fd00::1"]);
        let ports: Vec<_> = slice
            .ports
            .iter()
            .map(|port| (&*port.name, port.port.get(), port.transport))
            .collect();
        let (tcp, other) = (TransportProtocol::Tcp, TransportProtocol::Other);
        assert_eq!(
            ports,
            [("http", 8080, tcp), ("dns", 53, other), ("", 81, tcp)]
        );
    }

    #[test]
    fn lists_may_be_absent_and_names_are_no_addresses() {
        for (address_type, addresses) in [
            ("IPv4", SliceAddressType::Ip),
            ("FQDN", SliceAddressType::Name),
        ] {
            let (absent, faults) = slice(json!({"metadata": {}, "addressType": address_type}));
            assert_eq!((absent.ports.len(), absent.endpoints.len()), (0, 0));
            assert_eq!(absent.addresses, addresses);
            assert_eq!(faults, [""; 0]);
        }
        let (named, faults) = slice(json!({
            "metadata": {}, "addressType": "FQDN", "endpoints": [{"addresses": ["a.test"]}]
        }));
        assert_eq!((named.endpoints.len(), faults.len()), (0, 0));
    }

    #[test]
    fn addresses_that_no_endpoint_can_have_are_faults() {
        for text in [
            "0.0.0.0",
            "169.254.1.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "fe80::1",
            "ff02::1",
            "::ffff:10.0.0.1",
            "010.0.0.1",
            "a.test",
            "",
        ] {
            let (slice, faults) = slice(json!({
                "metadata": {}, "addressType": "IPv4",
                "endpoints": [{"addresses": ["10.0.0.1"]}, {"addresses": [text]}],
            }));
            assert_eq!(slice.endpoints.len(), 1, "{text}");
            assert_eq!(faults.len(), 1, "{text}");
            assert!(
                faults[0].starts_with("endpoints[1].addresses[0]: "),
                "{faults:?}"
            );
        }
        let (_, faults) = slice(json!({
            "metadata": {}, "addressType": "IPv5", "ports": [{"port": 70000}]
        }));
        assert_eq!(
            faults,
            [
                "addressType: \"IPv5\" is not IPv4, IPv6 or FQDN",
                "ports[0].port: not a port: 1 to 65535"
            ]
        );
    }

    #[test]
    fn what_matters_of_a_service_is_kept() {
        let mut faults = Vec::new();
        let written = json!({
            "metadata": {"labels": {"app": "shop"}},
            "spec": {"ports": [
                {"name": "http", "port": 80, "targetPort": "web", "appProtocol": "kubernetes.io/h2c"},
                {"name": "dns", "port": 53, "protocol": "UDP"},
                {"name": "wrong", "port": 0},
            ]},
        });
        let kept = service(serde_json::from_value(written).unwrap(), &mut faults);
        assert_eq!(kept.labels["app"], "shop");
        assert_eq!(kept.external_name, None);
        let ports = kept.ports.iter();
        let ports: Vec<_> = ports
            .map(|port| {
                (
                    &*port.name,
                    port.port.get(),
                    port.transport,
                    port.app_protocol.as_deref(),
                )
            })
            .collect();
        assert_eq!(
            ports,
            [
                (
                    "http",
                    80,
                    TransportProtocol::Tcp,
                    Some("kubernetes.io/h2c")
                ),
                ("dns", 53, TransportProtocol::Other, None),
            ]
        );
        let fields: Vec<_> = faults.iter().map(|fault| fault.field.as_str()).collect();
        assert_eq!(fields, ["spec.ports[2].port"]);
        for (spec, expected) in [
            (
                json!({"type": "ExternalName", "externalName": "a.test"}),
                Some("a.test"),
            ),
            (json!({"type": "ExternalName"}), Some("")),
            (
                json!({"type": "LoadBalancer", "externalName": "a.test"}),
                None,
            ),
            (json!(null), None),
        ] {
            let written = json!({"metadata": {}, "spec": spec});
            let kept = service(serde_json::from_value(written).unwrap(), &mut faults);
            assert_eq!(kept.external_name.as_deref(), expected, "{spec}");
        }
    }
}
