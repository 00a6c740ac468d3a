//! From objects as they are written to what a controller makes of them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use egret_config::compile::{CompileOptions, CompiledConfig, GatewayPlacement, compile};
use egret_config::load::{ConfigFile, load};
use egret_config::references;
use egret_config::resources::{Kind, ObjectRef, Resources};
use serde_json::json;

use super::access::AccessIndex;
use super::plan::ControllerPlan;
use crate::provision::{
    ChildKey, ChildKind, LiveObjects, ProvisionFault, ProvisionSettings, RESERVED_PORTS,
    SecretAccess,
};
use crate::status::GatewayAddress;

const OBJECTS: &str = "\
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: egret}
spec: {controllerName: egret.dev/gateway}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: a, namespace: infra, uid: u-a}
spec:
  gatewayClassName: egret
  listeners:
  - {name: http, protocol: HTTP, port: 8080, allowedRoutes: {namespaces: {from: All}}}
  - {name: taken, protocol: HTTP, port: 8082}
  - {name: https, protocol: HTTPS, port: 8443, tls: {certificateRefs: [{name: certificate}]}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: b, namespace: infra, uid: u-b}
spec:
  gatewayClassName: egret
  allowedListeners: {namespaces: {from: Same}}
  listeners:
  - {name: http, protocol: HTTP, port: 8080}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: c, namespace: infra, uid: u-c}
spec:
  gatewayClassName: egret
  infrastructure:
    parametersRef: {group: gateway.kgateway.dev, kind: GatewayParameters, name: lost}
  listeners:
  - {name: http, protocol: HTTP, port: 8080}
---
apiVersion: gateway.networking.k8s.io/v1
kind: ListenerSet
metadata: {name: added, namespace: infra}
spec:
  parentRef: {name: b}
  listeners:
  - {name: http, protocol: HTTP, port: 8090}
  - {name: https, protocol: HTTPS, port: 9443, tls: {certificateRefs: [{name: of-set}]}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: ListenerSet
metadata: {name: not-allowed, namespace: apps}
spec:
  parentRef: {name: b, namespace: infra}
  listeners: [{name: http, protocol: HTTP, port: 8091}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: foreign, namespace: infra, uid: u-f}
spec:
  gatewayClassName: other
  listeners:
  - {name: http, protocol: HTTP, port: 8080}
---
apiVersion: gateway.kgateway.dev/v1alpha1
kind: Backend
metadata: {name: partner, namespace: apps}
spec: {static: {hosts: [{host: partner.example, port: 443}]}}
---
apiVersion: gateway.kgateway.dev/v1alpha1
kind: BackendConfigPolicy
metadata: {name: tls, namespace: apps}
spec:
  targetRefs: [{group: gateway.kgateway.dev, kind: Backend, name: partner}]
  tls: {secretRef: {name: client}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: r, namespace: apps}
spec:
  parentRefs: [{name: a, namespace: infra}]
  rules: [{backendRefs: [{group: gateway.kgateway.dev, kind: Backend, name: partner}]}]
---
apiVersion: gateway.kgateway.dev/v1alpha1
kind: Backend
metadata: {name: other, namespace: infra}
spec: {static: {hosts: [{host: other.example, port: 443}]}}
---
apiVersion: gateway.kgateway.dev/v1alpha1
kind: BackendConfigPolicy
metadata: {name: other, namespace: infra}
spec:
  targetRefs: [{group: gateway.kgateway.dev, kind: Backend, name: other}]
  tls: {secretRef: {name: of-other}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: same-port, namespace: infra}
spec:
  parentRefs: [{name: b}]
  rules: [{backendRefs: [{group: gateway.kgateway.dev, kind: Backend, name: other}]}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: of-users, namespace: apps}
spec:
  parentRefs: [{name: a, namespace: infra}]
  hostnames: [users.example]
---
apiVersion: gateway.kgateway.dev/v1alpha1
kind: TrafficPolicy
metadata: {name: users, namespace: apps}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: HTTPRoute, name: of-users}]
  basicAuth: {secretRef: {name: users}}
---
apiVersion: gateway.kgateway.dev/v1alpha1
kind: TrafficPolicy
metadata: {name: keys, namespace: infra}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: b}]
  apiKeyAuth: {secretSelector: {matchLabels: {team: a}}}
";

fn options() -> CompileOptions {
    CompileOptions {
        placement: GatewayPlacement::Apart,
        reserved: RESERVED_PORTS
            .map(|port| SocketAddr::from(([0, 0, 0, 0], port)))
            .into(),
        ..CompileOptions::default()
    }
}

fn read() -> (Resources, CompiledConfig) {
    let loaded = load([ConfigFile {
        name: "t.yaml",
        text: OBJECTS,
    }]);
    assert_eq!(loaded.errors, []);
    let compiled = compile(&loaded.resources, &options());
    (loaded.resources, compiled)
}

fn settings() -> ProvisionSettings {
    ProvisionSettings {
        controller_name: "egret.dev/gateway".to_owned(),
        image: "egret:1".to_owned(),
        require_egress_policy: false,
        version: "1",
    }
}

fn gateway(name: &str) -> ObjectRef {
    ObjectRef::new(Kind::Gateway, "infra", name)
}

#[test]
fn pods_read_the_secrets_of_their_own_gateway() {
    let (resources, compiled) = read();
    let references = references::secrets(&resources, &options());
    let index = AccessIndex::of(&references, &resources, &compiled);
    let shown = |name: &str| {
        let SecretAccess { named, selected } = index.needed(&gateway(name));
        let named = named.iter().map(ToString::to_string);
        let selected = selected
            .iter()
            .map(|namespace| format!("all of {namespace}"));
        named.chain(selected).collect::<Vec<_>>()
    };
    assert_eq!(
        shown("a"),
        [
            "Secret apps/client",
            "Secret apps/users",
            "Secret infra/certificate"
        ]
    );
    // Its port is another Gateway's too, which it does not meet.
    assert_eq!(
        shown("b"),
        [
            "Secret infra/of-other",
            "Secret infra/of-set",
            "all of infra"
        ]
    );
    assert_eq!(shown("c"), [""; 0]);
}

#[test]
fn every_gateway_of_the_controller_is_planned() {
    let (resources, compiled) = read();
    let plan = ControllerPlan::of(&resources, &compiled, &settings(), |_| {
        SecretAccess::default()
    });
    let planned: BTreeMap<&str, _> = plan
        .gateways
        .iter()
        .map(|planned| (&*planned.gateway.name, &planned.objects))
        .collect();
    assert_eq!(planned.keys().copied().collect::<Vec<_>>(), ["a", "b", "c"]);
    assert_eq!(*planned["c"], Err(ProvisionFault::NotAccepted));
    // A port without its certificate is there all the same; one that pods use themselves is not.
    let ports = |name: &str| {
        let objects = planned[name].as_ref().unwrap();
        let mut services = objects.iter();
        let service = services.find(|object| object.key.kind == ChildKind::Service);
        let ports = service.unwrap().value["spec"]["ports"].as_array().unwrap();
        let ports = ports.iter().map(|port| port["port"].as_u64().unwrap());
        ports.collect::<Vec<_>>()
    };
    assert_eq!(ports("a"), [8080, 8443]);
    // A ListenerSet adds its ports, if the Gateway allows it.
    assert_eq!(ports("b"), [8080, 8090, 9443]);
}

#[test]
fn what_gateways_use_is_known_of_each() {
    let (_, compiled) = read();
    let uses = &compiled.review.uses;
    let used = uses.iter().map(|(gateway, it)| {
        let objects = it.objects.iter().map(ToString::to_string);
        (
            &*gateway.name,
            it.ports.iter().copied().collect::<Vec<_>>(),
            objects.collect::<Vec<_>>(),
        )
    });
    // Their Secrets do not exist, so that the policies are what requests are refused for.
    let used: Vec<_> = used.collect();
    let of = |policies: &[&str]| policies.iter().map(ToString::to_string).collect::<Vec<_>>();
    let of_a = of(&["TrafficPolicy apps/users", "BackendConfigPolicy apps/tls"]);
    let of_b = of(&[
        "TrafficPolicy infra/keys",
        "BackendConfigPolicy infra/other",
    ]);
    assert_eq!(
        used,
        [("a", vec![8080], of_a), ("b", vec![8080, 8090], of_b)]
    );
}

#[test]
fn the_status_of_a_gateway_follows_its_service() {
    let (resources, compiled) = read();
    let plan = ControllerPlan::of(&resources, &compiled, &settings(), |_| {
        SecretAccess::default()
    });
    let mut live = LiveObjects::new();
    let state = |live: &LiveObjects, name: &str| {
        let states = plan.states(&resources, live, |_| None);
        let found = states
            .into_iter()
            .find(|(object, _)| *object == gateway(name));
        let (_, state) = found.unwrap();
        let reasons = state
            .conditions
            .iter()
            .map(|it| (it.kind, it.status, it.reason));
        (state.addresses, reasons.collect::<Vec<_>>())
    };
    assert_eq!(
        state(&live, "b"),
        (vec![], vec![("Programmed", false, "Pending")])
    );
    let service = json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {
            "name": "b", "namespace": "infra",
            "ownerReferences": [{"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "name": "b", "uid": "u-b"}],
        },
        "spec": {"type": "LoadBalancer"},
        "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}, {"hostname": "lb.example"}]}},
    });
    let key = ChildKey {
        kind: ChildKind::Service,
        namespace: "infra".into(),
        name: "b".into(),
    };
    live.insert(key, Arc::new(serde_json::from_value(service).unwrap()));
    let addresses = vec![
        GatewayAddress::Ip("192.0.2.1".parse().unwrap()),
        GatewayAddress::Hostname("lb.example".to_owned()),
    ];
    assert_eq!(state(&live, "b"), (addresses, vec![]));
    assert_eq!(state(&live, "a").0, []);
}
