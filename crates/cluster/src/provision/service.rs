//! The Service in front of the pods of a Gateway.

use std::net::IpAddr;

use egret_config::api::gateway::Gateway;
use egret_config::api::kgateway::ServiceParameters;
use serde_json::{Map, Value, json};

use super::context::ChildContext;
use super::kind::ChildKind;
use super::ledger::DesiredObject;

/// The type of the Service, unless GatewayParameters set another.
pub(super) const DEFAULT_TYPE: &str = "LoadBalancer";

pub(super) fn service(context: &ChildContext<'_>) -> DesiredObject {
    let nothing = ServiceParameters::default();
    let parameters = context.kube.service.as_ref().unwrap_or(&nothing);
    let kind = parameters.kind.as_deref().unwrap_or(DEFAULT_TYPE);
    let is_balanced = kind == DEFAULT_TYPE;
    let mut spec = Map::new();
    let mut set = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            spec.insert(name.to_owned(), value);
        }
    };
    set("type", Some(json!(kind)));
    set("selector", Some(json!(context.metadata.selector())));
    set("ports", Some(ports(context, parameters, kind)));
    let cluster_ip = parameters.cluster_ip.as_deref();
    set("clusterIP", cluster_ip.map(|ip| json!(ip)));
    let policy = parameters.external_traffic_policy.as_ref();
    let policy = policy.filter(|_| kind != "ClusterIP");
    set("externalTrafficPolicy", policy.map(|it| json!(it)));
    if is_balanced {
        let class = parameters.load_balancer_class.as_ref();
        set("loadBalancerClass", class.map(|class| json!(class)));
        let ranges = parameters.load_balancer_source_ranges.as_ref();
        set("loadBalancerSourceRanges", ranges.map(|it| json!(it)));
        let address = requested_address(context.plan.gateway);
        set("loadBalancerIP", address.map(|ip| json!(ip)));
    }
    let labels = parameters.extra_labels.as_ref();
    let annotations = parameters.extra_annotations.as_ref();
    let content = json!({"spec": spec});
    let metadata = &context.metadata;
    metadata.owned(ChildKind::Service, (labels, annotations), content)
}

/// One port for each port of a listener: all protocols of the Gateway API that Egret serves are TCP.
fn ports(context: &ChildContext<'_>, parameters: &ServiceParameters, kind: &str) -> Value {
    let ports = context.plan.ports.iter().map(|port| {
        let mut entry = json!({
            "name": format!("listener-{port}"),
            "port": port,
            "protocol": "TCP",
            "targetPort": port,
        });
        let mut settings = parameters.ports.iter().flatten();
        let settings = settings.find(|settings| settings.port == i32::from(*port));
        let node_port = settings.and_then(|settings| settings.node_port);
        if let Some(node_port) = node_port.filter(|_| kind != "ClusterIP") {
            entry["nodePort"] = json!(node_port);
        }
        entry
    });
    ports.collect()
}

/// The one address that a Gateway asks for. A load balancer is not asked for more than one.
pub(super) fn requested_address(gateway: &Gateway) -> Option<IpAddr> {
    let addresses = gateway.spec.addresses.as_deref().unwrap_or_default();
    let mut values = addresses.iter().filter_map(|it| it.value.as_deref());
    let first = values.next()?;
    first.parse().ok().filter(|_| values.next().is_none())
}
