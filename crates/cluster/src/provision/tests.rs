//! The objects of Gateways, as they are applied.

use std::collections::BTreeSet;

use egret_config::api::gateway::Gateway;
use egret_config::api::kgateway::GatewayParametersSpec;
use egret_config::resources::{Kind, ObjectRef};
use serde_json::{Value, json};

use super::{
    ChildKind, DesiredObject, GatewayPlan, ProvisionFault, ProvisionSettings, SecretAccess,
    desired, listener_ports,
};

mod ledger;
mod outcome;
mod server;
mod strip;
mod writer;

/// The objects of the Gateway `http` with a listener on port 8080.
const GOLDEN: &str = include_str!("tests/http.yaml");

pub(super) fn settings() -> ProvisionSettings {
    ProvisionSettings {
        controller_name: "egret.dev/gateway".to_owned(),
        image: "ghcr.io/egret-proxy/egret:1.2.3".to_owned(),
        require_egress_policy: false,
        version: "1.2.3",
    }
}

/// A Gateway with these fields of `spec`, beside its class and a listener on port 8080.
pub(super) fn gateway(name: &str, spec: &Value) -> Gateway {
    let mut gateway = json!({
        "metadata": {"name": name, "namespace": "infra", "uid": "u-1"},
        "spec": {
            "gatewayClassName": "egret",
            "listeners": [{"name": "http", "protocol": "HTTP", "port": 8080}],
        },
    });
    egret_config::compile::merge_json(&mut gateway["spec"], spec.clone());
    serde_json::from_value(gateway).unwrap()
}

pub(super) fn parameters(spec: Value) -> GatewayParametersSpec {
    serde_json::from_value(spec).unwrap()
}

pub(super) fn objects(
    gateway: &Gateway,
    parameters: &GatewayParametersSpec,
    access: &SecretAccess,
    settings: &ProvisionSettings,
) -> Result<Vec<DesiredObject>, ProvisionFault> {
    let name = gateway.metadata.name.as_deref().unwrap();
    let plan = GatewayPlan {
        reference: &ObjectRef::new(Kind::Gateway, "infra", name),
        gateway,
        parameters,
        ports: &listener_ports(&gateway.spec.listeners),
        access,
    };
    desired(plan, settings)
}

/// The objects of a Gateway with these fields of `spec`, and these parameters.
pub(super) fn made(spec: &Value, kube: Value) -> Vec<DesiredObject> {
    let gateway = gateway("gw", spec);
    let parameters = parameters(json!({ "kube": kube }));
    objects(&gateway, &parameters, &SecretAccess::default(), &settings()).unwrap()
}

pub(super) fn of(objects: &[DesiredObject], kind: ChildKind) -> &Value {
    let object = objects.iter().find(|object| object.key.kind == kind);
    &object.unwrap().value
}

fn deployment(kube: Value) -> Value {
    of(&made(&json!({}), kube), ChildKind::Deployment).clone()
}

fn service(spec: &Value, kube: Value) -> Value {
    of(&made(spec, kube), ChildKind::Service)["spec"].clone()
}

fn container(kube: Value) -> Value {
    deployment(kube)["spec"]["template"]["spec"]["containers"][0].clone()
}

#[test]
fn the_objects_of_a_plain_gateway_are_those_of_the_file() {
    let gateway = gateway("http", &json!({}));
    let nothing = GatewayParametersSpec::default();
    let mut access = SecretAccess::default();
    for (kind, namespace, name) in [
        (Kind::Secret, "infra", "certificate"),
        (Kind::ConfigMap, "infra", "authorities"),
        (Kind::Secret, "apps", "users"),
    ] {
        let object = ObjectRef::new(kind, namespace, name);
        access.named.insert(object);
    }
    let objects = objects(&gateway, &nothing, &access, &settings()).unwrap();
    let made: Vec<&Value> = objects.iter().map(|object| &object.value).collect();
    let golden: Vec<Value> = GOLDEN
        .split("\n---\n")
        .map(|text| serde_saphyr::from_str(text).unwrap())
        .collect();
    let golden: Vec<&Value> = golden.iter().collect();
    for (made, golden) in made.iter().zip(&golden) {
        assert_eq!(made, golden, "{}", serde_saphyr::to_string(made).unwrap());
    }
    assert_eq!(made.len(), golden.len());
}

#[test]
fn names_that_no_service_can_have_make_nothing() {
    let made = |name: &str| {
        let gateway = gateway(name, &json!({}));
        let nothing = GatewayParametersSpec::default();
        objects(&gateway, &nothing, &SecretAccess::default(), &settings())
    };
    assert_eq!(made("a.b"), Err(ProvisionFault::Name("a.b".to_owned())));
    assert_eq!(
        made("a.b").unwrap_err().to_string(),
        "a Service cannot be named a.b: a dot is not allowed in its name"
    );
    for name in ["1st", &"x".repeat(63), &"x".repeat(64), &"x".repeat(253)] {
        let objects = made(name).unwrap();
        for object in objects {
            let labels = object.value["metadata"]["labels"].as_object().unwrap();
            assert!(
                labels
                    .values()
                    .all(|value| value.as_str().unwrap().len() <= 63)
            );
            if object.key.kind == ChildKind::Service {
                assert!(object.key.name.len() <= 63);
            }
        }
    }
    let mut young = gateway("gw", &json!({}));
    young.metadata.uid = None;
    let nothing = GatewayParametersSpec::default();
    let young = objects(&young, &nothing, &SecretAccess::default(), &settings());
    assert_eq!(young, Err(ProvisionFault::NoUid));
}

#[test]
fn a_change_of_listeners_replaces_no_pods() {
    let pods = |port: u16| {
        let listeners = json!({"listeners": [{"name": "http", "protocol": "HTTP", "port": port}]});
        let objects = made(&listeners, json!({}));
        of(&objects, ChildKind::Deployment)["spec"]["template"].clone()
    };
    assert_eq!(pods(8080), pods(9090));
}

#[test]
fn a_service_has_one_port_for_each_port_of_listeners() {
    let listeners = json!({"listeners": [
        {"name": "a.very.long.name.with.dots", "protocol": "HTTP", "port": 80, "hostname": "a.example"},
        {"name": "b", "protocol": "HTTP", "port": 80, "hostname": "b.example"},
        {"name": "c", "protocol": "HTTPS", "port": 443},
        {"name": "d", "protocol": "TLS", "port": 443},
        {"name": "e", "protocol": "HTTP", "port": 8082},
        {"name": "f", "protocol": "HTTP", "port": 19000},
        {"name": "g", "protocol": "UDP", "port": 53},
        {"name": "h", "protocol": "HTTP", "port": 65535},
    ]});
    let entry = |port: u16| json!({"name": format!("listener-{port}"), "port": port, "protocol": "TCP", "targetPort": port});
    let spec = service(&listeners, json!({}));
    assert_eq!(spec["ports"], json!([entry(80), entry(443), entry(65535)]));
    let none = gateway(
        "gw",
        &json!({"listeners": [{"name": "g", "protocol": "UDP", "port": 53}]}),
    );
    let nothing = GatewayParametersSpec::default();
    let none = objects(&none, &nothing, &SecretAccess::default(), &settings());
    assert_eq!(none, Err(ProvisionFault::NoPorts));
}

#[test]
fn the_service_is_of_the_type_that_parameters_say() {
    let everything = json!({"service": {
        "type": "LoadBalancer", "externalTrafficPolicy": "Local", "loadBalancerClass": "x.example/y",
        "loadBalancerSourceRanges": ["192.0.2.0/24"], "ports": [{"port": 8080, "nodePort": 30080}],
        "extraLabels": {"a": "b"}, "extraAnnotations": {"c": "d"},
    }});
    let address = json!({"addresses": [{"type": "IPAddress", "value": "192.0.2.7"}]});
    let objects = made(&address, everything.clone());
    let made = of(&objects, ChildKind::Service);
    assert_eq!(made["metadata"]["labels"]["a"], "b");
    assert_eq!(made["metadata"]["annotations"], json!({"c": "d"}));
    let spec = &made["spec"];
    assert_eq!(spec["type"], "LoadBalancer");
    assert_eq!(spec["loadBalancerIP"], "192.0.2.7");
    assert_eq!(spec["loadBalancerClass"], "x.example/y");
    assert_eq!(spec["externalTrafficPolicy"], "Local");
    assert_eq!(spec["loadBalancerSourceRanges"], json!(["192.0.2.0/24"]));
    assert_eq!(spec["ports"][0]["nodePort"], 30080);
    // What is only for load balancers or nodes is left out, for the API server would refuse it.
    let mut inner = everything;
    inner["service"]["type"] = json!("ClusterIP");
    let spec = service(&address, inner);
    let fields: BTreeSet<&String> = spec.as_object().unwrap().keys().collect();
    assert_eq!(
        fields.into_iter().collect::<Vec<_>>(),
        ["ports", "selector", "type"]
    );
    assert_eq!(spec["ports"][0].get("nodePort"), None);
    let headless = service(
        &json!({}),
        json!({"service": {"type": "ClusterIP", "clusterIP": "None"}}),
    );
    assert_eq!(headless["clusterIP"], "None");
    let two = json!({"addresses": [{"value": "192.0.2.7"}, {"value": "192.0.2.8"}]});
    assert_eq!(service(&two, json!({})).get("loadBalancerIP"), None);
}

#[test]
fn labels_and_annotations_of_a_gateway_are_on_all_that_is_made() {
    let infrastructure = json!({"infrastructure": {
        "labels": {"team": "net", "app.kubernetes.io/managed-by": "nobody", "app.kubernetes.io/name": "other"},
        "annotations": {"owner": "net"},
    }});
    let kube = json!({"podTemplate": {
        "extraLabels": {"tier": "edge", "gateway.networking.k8s.io/gateway-name": "other"},
        "extraAnnotations": {"prometheus.io/scrape": "false"},
    }});
    let objects = made(&infrastructure, kube);
    for object in &objects {
        let metadata = &object.value["metadata"];
        assert_eq!(metadata["labels"]["team"], "net", "{:?}", object.key);
        assert_eq!(metadata["annotations"]["owner"], "net", "{:?}", object.key);
        // Nothing takes the place of what objects are found by.
        assert_eq!(metadata["labels"]["app.kubernetes.io/managed-by"], "egret");
        assert_eq!(metadata["labels"]["app.kubernetes.io/name"], "gw");
    }
    let pods = &of(&objects, ChildKind::Deployment)["spec"]["template"]["metadata"];
    assert_eq!(pods["labels"]["team"], "net");
    assert_eq!(pods["labels"]["tier"], "edge");
    assert_eq!(
        pods["labels"]["gateway.networking.k8s.io/gateway-name"],
        "gw"
    );
    assert_eq!(pods["annotations"]["prometheus.io/scrape"], "false");
    assert_eq!(pods["annotations"]["prometheus.io/port"], "8082");
    let quiet = deployment(json!({"stats": {"enabled": false}}));
    let annotations = &quiet["spec"]["template"]["metadata"]["annotations"];
    assert_eq!(annotations.get("prometheus.io/scrape"), None);
}

#[test]
fn the_labels_of_kgateway_are_kept_in_its_place() {
    let mut settings = settings();
    settings.controller_name = "kgateway.dev/kgateway".to_owned();
    settings.require_egress_policy = true;
    let gateway = gateway("gw", &json!({}));
    let nothing = GatewayParametersSpec::default();
    let objects = objects(&gateway, &nothing, &SecretAccess::default(), &settings).unwrap();
    let deployment = of(&objects, ChildKind::Deployment);
    assert_eq!(deployment["metadata"]["labels"]["kgateway"], "kube-gateway");
    let args = deployment
        .pointer("/spec/template/spec/containers/0/args")
        .unwrap();
    let args: Vec<&str> = args
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it.as_str().unwrap())
        .collect();
    assert!(
        args.join(" ")
            .contains("--controller-name kgateway.dev/kgateway")
    );
}

#[test]
fn the_container_is_as_parameters_say() {
    let container = container(json!({"envoyContainer": {
        "image": {"registry": "r.example", "tag": "v2", "pullPolicy": "Always"},
        "bootstrap": {"logLevel": "warning"},
        "env": [{"name": "A", "value": "b"}],
        "extraArgs": ["--workers", "2", "--drain-timeout=5s"],
        "resources": {"limits": {"memory": "512Mi"}},
        "securityContext": {"runAsUser": 7},
        "extraVolumeMounts": [{"name": "v", "mountPath": "/v"}],
    }, "podTemplate": {
        "gracefulShutdown": {"enabled": true, "sleepTimeSeconds": 5},
        "terminationGracePeriodSeconds": 20,
        "readinessProbe": {"httpGet": {"path": "/mine", "port": 1}},
        "livenessProbe": {"tcpSocket": {"port": 2}},
    }}));
    assert_eq!(container["image"], "r.example/egret:v2");
    assert_eq!(container["imagePullPolicy"], "Always");
    assert_eq!(container["env"], json!([{"name": "A", "value": "b"}]));
    assert_eq!(
        container["resources"],
        json!({"limits": {"memory": "512Mi"}})
    );
    assert_eq!(container["securityContext"]["runAsUser"], 7);
    assert_eq!(container["securityContext"]["runAsNonRoot"], true);
    assert_eq!(
        container["volumeMounts"],
        json!([{"name": "v", "mountPath": "/v"}])
    );
    assert_eq!(container["readinessProbe"]["httpGet"]["path"], "/mine");
    assert_eq!(container["livenessProbe"]["tcpSocket"]["port"], 2);
    let args: Vec<&str> = container["args"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it.as_str().unwrap())
        .collect();
    assert_eq!(
        args.join(" "),
        "proxy --gateway infra/gw --probe-address 0.0.0.0:8082 --controller-name egret.dev/gateway \
         --shutdown-delay 5s --log-level warn --workers 2 --drain-timeout=5s"
    );
}

#[test]
fn the_pods_are_as_parameters_say() {
    let kube = json!({
        "deployment": {"replicas": 3, "strategy": {"type": "Recreate"}},
        "podTemplate": {
            "nodeSelector": {"a": "b"}, "priorityClassName": "high", "tolerations": [{"operator": "Exists"}],
            "imagePullSecrets": [{"name": "s"}], "extraVolumes": [{"name": "v", "emptyDir": {}}],
            "affinity": {"nodeAffinity": {}}, "securityContext": {"fsGroup": 7},
            "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}],
        },
    });
    let made = deployment(kube);
    assert_eq!(made["spec"]["replicas"], 3);
    assert_eq!(made["spec"]["strategy"], json!({"type": "Recreate"}));
    let pod = &made["spec"]["template"]["spec"];
    for field in [
        "affinity",
        "imagePullSecrets",
        "tolerations",
        "topologySpreadConstraints",
        "volumes",
    ] {
        assert!(pod.get(field).is_some(), "{field}");
    }
    assert_eq!(pod["nodeSelector"], json!({"a": "b"}));
    assert_eq!(pod["priorityClassName"], "high");
    let security = json!({"fsGroup": 7, "seccompProfile": {"type": "RuntimeDefault"}});
    assert_eq!(pod["securityContext"], security);
    let low = json!({"listeners": [{"name": "http", "protocol": "HTTP", "port": 80}]});
    let objects = self::made(&low, json!({}));
    let pod = &of(&objects, ChildKind::Deployment)["spec"]["template"]["spec"];
    let sysctls = json!([{"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"}]);
    assert_eq!(pod["securityContext"]["sysctls"], sysctls);
    let bare = deployment(json!({"omitDefaultSecurityContext": true}));
    let pod = &bare["spec"]["template"]["spec"];
    assert_eq!(pod.get("securityContext"), None);
    assert_eq!(pod["containers"][0].get("securityContext"), None);
}

#[test]
fn an_autoscaler_decides_the_number_of_pods_alone() {
    let kube = json!({
        "deployment": {"replicas": 3},
        "horizontalPodAutoscaler": {
            "metadata": {"labels": {"a": "b"}},
            "spec": {"minReplicas": 2, "maxReplicas": 9, "behavior": null},
        },
    });
    let objects = made(&json!({}), kube);
    assert_eq!(
        of(&objects, ChildKind::Deployment)["spec"].get("replicas"),
        None
    );
    let scaler = of(&objects, ChildKind::HorizontalPodAutoscaler);
    assert_eq!(scaler["metadata"]["labels"]["a"], "b");
    assert_eq!(
        scaler["spec"]["scaleTargetRef"],
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "gw"})
    );
    assert_eq!(scaler["spec"]["minReplicas"], 2);
    assert_eq!(scaler["spec"]["maxReplicas"], 9);
}

#[test]
fn a_disruption_budget_has_one_limit() {
    let budget = |overlay: Value| {
        let objects = made(&json!({}), json!({ "podDisruptionBudget": overlay }));
        let mut spec = of(&objects, ChildKind::PodDisruptionBudget)["spec"].clone();
        spec.as_object_mut().unwrap().remove("selector").unwrap();
        spec
    };
    assert_eq!(budget(json!({})), json!({"maxUnavailable": 1}));
    let share = json!({"spec": {"minAvailable": "50%"}});
    assert_eq!(budget(share), json!({"minAvailable": "50%"}));
    let number = json!({"spec": {"maxUnavailable": 2}});
    assert_eq!(budget(number), json!({"maxUnavailable": 2}));
}

#[test]
fn selected_secrets_need_a_rule_without_names() {
    let mut access = SecretAccess::default();
    access.selected.insert("apps".into());
    let secret = ObjectRef::new(Kind::Secret, "apps", "s");
    let map = ObjectRef::new(Kind::ConfigMap, "apps", "m");
    access.named.extend([secret, map]);
    let gateway = gateway("gw", &json!({}));
    let nothing = GatewayParametersSpec::default();
    let objects = objects(&gateway, &nothing, &access, &settings()).unwrap();
    let verbs = json!(["get", "list", "watch"]);
    assert_eq!(
        of(&objects, ChildKind::Role)["rules"],
        json!([
            {"apiGroups": [""], "resources": ["secrets"], "verbs": verbs},
            {"apiGroups": [""], "resources": ["configmaps"], "verbs": verbs, "resourceNames": ["m"]},
        ])
    );
    let cluster_scoped = objects
        .iter()
        .filter(|object| !object.key.kind.is_namespaced());
    for object in cluster_scoped {
        assert_eq!(object.value["metadata"].get("ownerReferences"), None);
    }
}

#[test]
fn nothing_is_made_where_somebody_else_makes_it() {
    let gateway = gateway("a.b", &json!({}));
    let parameters = parameters(json!({"selfManaged": {}}));
    let made = objects(&gateway, &parameters, &SecretAccess::default(), &settings());
    assert_eq!(made, Ok(Vec::new()));
}
