//! Addresses of Gateways, and whether they are programmed.

use k8s_openapi::api::core::v1::Service;
use serde_json::{Value, json};

use super::{gateway, parameters};
use crate::provision::{Infrastructure, ProvisionFault, WriteFault, infrastructure};

fn service(spec: Value, ingress: Value) -> Service {
    let status = json!({"loadBalancer": {"ingress": ingress}});
    serde_json::from_value(json!({"spec": spec, "status": status})).unwrap()
}

/// A load balancer with these addresses.
fn balancer(ingress: Value) -> Service {
    service(
        json!({"type": "LoadBalancer", "clusterIPs": ["10.0.0.1"]}),
        ingress,
    )
}

fn of(addresses: Value, kube: Value, service: Option<&Service>) -> Infrastructure {
    let gateway = gateway("gw", &json!({ "addresses": addresses }));
    infrastructure(&gateway, &parameters(kube), None, None, service)
}

fn reason(outcome: &Infrastructure) -> &str {
    outcome
        .not_programmed
        .as_ref()
        .map_or("", |(reason, _)| reason)
}

#[test]
fn addresses_are_those_of_the_service() {
    let kube = || json!({"kube": {}});
    for (service, expected) in [
        (
            balancer(json!([{"ip": "192.0.2.1"}, {"ip": "192.0.2.2"}])),
            vec!["192.0.2.1", "192.0.2.2"],
        ),
        (
            balancer(json!([{"hostname": "lb.example", "ip": "192.0.2.1"}])),
            vec!["lb.example"],
        ),
        (
            balancer(json!([{"ip": "192.0.2.1"}, {"ip": "192.0.2.1"}])),
            vec!["192.0.2.1"],
        ),
        (balancer(json!([])), vec![]),
        (
            service(
                json!({"type": "ClusterIP", "clusterIPs": ["10.0.0.1", "fd00::1"]}),
                json!([]),
            ),
            vec!["10.0.0.1", "fd00::1"],
        ),
        (
            service(
                json!({"type": "ClusterIP", "clusterIPs": ["None"]}),
                json!([]),
            ),
            vec![],
        ),
    ] {
        let outcome = of(json!(null), kube(), Some(&service));
        assert_eq!(outcome.addresses, expected);
        assert_eq!(outcome.not_programmed, None);
    }
    let many: Vec<Value> = (0..20)
        .map(|n| json!({"ip": format!("192.0.2.{n}")}))
        .collect();
    assert_eq!(
        of(json!(null), kube(), Some(&balancer(json!(many))))
            .addresses
            .len(),
        16
    );
}

#[test]
fn an_address_that_is_asked_for_must_be_given() {
    let kube = || json!({"kube": {}});
    let given = balancer(json!([{"ip": "192.0.2.7"}]));
    let usable = json!([{"type": "IPAddress", "value": "192.0.2.7"}]);
    assert_eq!(reason(&of(usable.clone(), kube(), Some(&given))), "");
    let other = balancer(json!([{"ip": "192.0.2.8"}]));
    let outcome = of(usable.clone(), kube(), Some(&other));
    assert_eq!(reason(&outcome), "AddressNotUsable");
    assert_eq!(outcome.addresses, ["192.0.2.8"]);
    let none = balancer(json!([]));
    assert_eq!(reason(&of(usable, kube(), Some(&none))), "AddressNotUsable");
    // Two, of which one could be had; a name; any address.
    let two = json!([{"value": "192.0.2.7"}, {"value": "192.0.2.8"}]);
    assert_eq!(reason(&of(two, kube(), Some(&given))), "AddressNotUsable");
    let name = json!([{"type": "Hostname", "value": "gw.example"}]);
    let outcome = of(name.clone(), kube(), Some(&given));
    let message = "Hostname addresses may not be used".to_owned();
    assert_eq!(outcome.not_programmed, Some(("AddressNotUsable", message)));
    assert_eq!(
        reason(&of(json!([{"type": "IPAddress"}]), kube(), Some(&given))),
        ""
    );
    // Who makes everything himself knows his addresses.
    let outcome = of(name, json!({"selfManaged": {}}), None);
    assert_eq!(outcome.addresses, ["gw.example"]);
    assert_eq!(outcome.not_programmed, None);
}

#[test]
fn a_gateway_is_programmed_when_its_service_is_there() {
    let gateway = gateway("gw", &json!({}));
    let nothing = parameters(json!({"kube": {}}));
    let service = balancer(json!([]));
    let of = |fault: Option<&ProvisionFault>, failed: Option<&WriteFault>, service| {
        infrastructure(&gateway, &nothing, fault, failed, service).not_programmed
    };
    let text = "t".to_owned();
    let waiting = "Waiting for the Service of the Gateway".to_owned();
    assert_eq!(of(None, None, None), Some(("Pending", waiting)));
    assert_eq!(of(None, None, Some(&service)), None);
    let away = WriteFault::Unavailable(text.clone());
    assert_eq!(of(None, Some(&away), None), Some(("Pending", text.clone())));
    // What is there goes on while the API server is away.
    assert_eq!(of(None, Some(&away), Some(&service)), None);
    let refused = WriteFault::Refused(text.clone());
    assert_eq!(
        of(None, Some(&refused), Some(&service)),
        Some(("Invalid", text))
    );
    let name = ProvisionFault::Name("a.b".to_owned());
    let message = "a Service cannot be named a.b: a dot is not allowed in its name".to_owned();
    assert_eq!(of(Some(&name), None, None), Some(("Invalid", message)));
}
