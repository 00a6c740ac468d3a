//! GatewayParameters: what is accepted, what is told, and how those of a class and of a Gateway are merged.

use serde_json::{Value, json};

use super::{CompiledConfig, condition, problems, run, warnings};
use crate::compile::{CompileOptions, GatewayPlacement, compile, gateway_parameters};
use crate::in_force::InForce;
use crate::load::{ConfigFile, load};
use crate::resources::{Kind, ObjectRef, Resources};

/// A Gateway `infra/gw` that refers to GatewayParameters `infra/p`, and these parameters.
fn documents(spec: &str) -> String {
    format!("{GATEWAY}{}", parameters("p", spec))
}

const GATEWAY: &str = "\
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: gw, namespace: infra}
spec:
  gatewayClassName: egret
  infrastructure:
    parametersRef: {group: gateway.kgateway.dev, kind: GatewayParameters, name: p}
  listeners:
  - {name: http, protocol: HTTP, port: 8080}
";

const CLASS: &str = "---
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: egret}
spec:
  controllerName: egret.dev/gateway
  parametersRef: {group: gateway.kgateway.dev, kind: GatewayParameters, name: c, namespace: infra}
";

fn parameters(name: &str, spec: &str) -> String {
    format!(
        "---\napiVersion: gateway.kgateway.dev/v1alpha1\nkind: GatewayParameters\n\
         metadata: {{name: {name}, namespace: infra}}\nspec: {spec}\n"
    )
}

fn read(text: &str) -> Resources {
    let file = ConfigFile {
        name: "t.yaml",
        text,
    };
    let loaded = load([file]);
    assert!(loaded.errors.is_empty(), "{:?}", loaded.errors);
    loaded.resources
}

fn merged(text: &str) -> Value {
    let resources = read(text);
    let reference = ObjectRef::new(Kind::Gateway, "infra", "gw");
    let gateway = &resources.gateways[&reference].value;
    serde_json::to_value(gateway_parameters(&resources, &reference, gateway)).unwrap()
}

fn accepted(compiled: &CompiledConfig) -> String {
    condition(compiled, "Gateway infra/gw", "Accepted")
}

#[test]
fn everything_that_shapes_the_objects_is_accepted() {
    let compiled = run(&documents(
        "{kube: {
          deployment: {replicas: 3, strategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 1, maxUnavailable: 25%}}},
          envoyContainer: {
            bootstrap: {logLevel: debug}, env: [{name: A, value: b}], extraArgs: [--workers, '2', --log-format=json],
            image: {registry: r.example/team, repository: egret, tag: v1, pullPolicy: Always},
            resources: {limits: {memory: 512Mi}}, securityContext: {runAsUser: 7}},
          podTemplate: {
            extraLabels: {a: b}, extraAnnotations: {a: b}, nodeSelector: {a: b}, tolerations: [{operator: Exists}],
            topologySpreadConstraints: [{maxSkew: 1, topologyKey: zone, whenUnsatisfiable: DoNotSchedule}],
            gracefulShutdown: {enabled: true, sleepTimeSeconds: 5}, terminationGracePeriodSeconds: 20},
          service: {
            type: NodePort, externalTrafficPolicy: Local, extraLabels: {a: b}, loadBalancerSourceRanges: [192.0.2.0/24],
            ports: [{port: 8080, nodePort: 30080}]},
          serviceAccount: {extraAnnotations: {a: b}}, omitDefaultSecurityContext: false, stats: {enabled: false},
          horizontalPodAutoscaler: {metadata: {labels: {a: b}}, spec: {minReplicas: 2, maxReplicas: 9}},
          podDisruptionBudget: {spec: {minAvailable: 50%}}}}",
    ));
    assert!(compiled.report.accepted(), "{}", compiled.report.table());
    assert_eq!(
        condition(&compiled, "GatewayParameters infra/p", "Accepted"),
        "true Accepted: GatewayParameters accepted"
    );
    assert_eq!(warnings(&compiled), [""; 0]);
    assert!(run(&documents("{selfManaged: {}}")).report.accepted());
}

fn container(field: &str) -> String {
    format!("{{kube: {{envoyContainer: {{{field}}}}}}}")
}

fn service(field: &str) -> String {
    format!("{{kube: {{service: {{{field}}}}}}}")
}

fn deployment(field: &str) -> String {
    format!("{{kube: {{deployment: {{{field}}}}}}}")
}

/// Parameters that are wrong in what they say of pods, each with a part of what is told.
fn wrong_pods() -> Vec<(String, &'static str)> {
    vec![
        ("{}".to_owned(), "spec: exactly one of kube and selfManaged"),
        (
            "{kube: {}, selfManaged: {}}".to_owned(),
            "spec: exactly one of kube and selfManaged",
        ),
        (
            "{kube: {istio: {}}}".to_owned(),
            "spec.kube.istio: not supported yet",
        ),
        (
            "{kube: {deploymentOverlay: {spec: {}}}}".to_owned(),
            "spec.kube.deploymentOverlay: not supported yet",
        ),
        (
            deployment("replicas: -1"),
            "spec.kube.deployment.replicas: must not be negative",
        ),
        (
            deployment("strategy: {type: Blue}"),
            "strategy.type: Blue is not one of RollingUpdate, Recreate",
        ),
        (
            deployment("strategy: {type: Recreate, rollingUpdate: {}}"),
            "strategy.rollingUpdate: is not for strategy Recreate",
        ),
        (
            deployment("strategy: {rollingUpdate: {maxSurge: '3'}}"),
            "rollingUpdate.maxSurge: must be a number",
        ),
        (
            container("bootstrap: {logLevel: loud}"),
            "bootstrap.logLevel: loud is not one of trace",
        ),
        (
            container("bootstrap: {logFormat: {text: x}}"),
            "bootstrap.logFormat: not supported yet",
        ),
    ]
}

/// Parameters that are wrong in what they say of the container.
fn wrong_containers() -> Vec<(String, &'static str)> {
    vec![
        (
            container("env: [{name: A}, {name: A}]"),
            "env[1].name: A is set twice",
        ),
        (
            container("extraArgs: [--concurrency, '2']"),
            "extraArgs[0]: --concurrency cannot be set here",
        ),
        (
            container("extraArgs: [--gateway=a/b]"),
            "extraArgs[0]: --gateway cannot be set here",
        ),
        (
            container("extraArgs: [--workers, '2', '3']"),
            "extraArgs[2]: 3 cannot be set here",
        ),
        (
            container("extraArgs: [--workers=1, --workers=2]"),
            "extraArgs[1]: --workers is set twice",
        ),
        (
            container("image: {tag: a, digest: 'sha256:b'}"),
            "image: only one of tag and digest may be set",
        ),
        (
            container("image: {repository: envoy-wrapper}"),
            "image.repository: is an image of Envoy",
        ),
        (
            container("image: {pullPolicy: Sometimes}"),
            "image.pullPolicy: Sometimes is not one of",
        ),
    ]
}

/// Parameters that are wrong in what they say of other objects.
fn wrong_objects() -> Vec<(String, &'static str)> {
    vec![
        (
            "{kube: {podTemplate: {terminationGracePeriodSeconds: -1}}}".to_owned(),
            "podTemplate.terminationGracePeriodSeconds: must be from 0",
        ),
        (
            service("type: ExternalName"),
            "service.type: ExternalName leads away from the pods",
        ),
        (
            service("type: Magic"),
            "service.type: Magic is not one of LoadBalancer, NodePort, ClusterIP",
        ),
        (
            service("externalTrafficPolicy: Global"),
            "externalTrafficPolicy: Global is not one of",
        ),
        (
            service("loadBalancerSourceRanges: [here]"),
            "loadBalancerSourceRanges[0]: must be a network",
        ),
        (
            service("ports: [{port: 0}, {port: 1, nodePort: 65536}, {port: 1}]"),
            "ports[0].port: must be from 1 to 65535",
        ),
        (
            "{kube: {horizontalPodAutoscaler: {spec: {minReplicas: 2}}}}".to_owned(),
            "horizontalPodAutoscaler.spec.maxReplicas",
        ),
        (
            "{kube: {horizontalPodAutoscaler: {spec: {maxReplicas: many}}}}".to_owned(),
            "horizontalPodAutoscaler.spec.maxReplicas",
        ),
        (
            "{kube: {horizontalPodAutoscaler: {spec: {maxReplicas: 2, metricz: []}}}}".to_owned(),
            "horizontalPodAutoscaler.spec.metricz: unknown field; did you mean metrics?",
        ),
        (
            "{kube: {podDisruptionBudget: {spec: {minAvailable: 1, maxUnavailable: 1}}}}"
                .to_owned(),
            "podDisruptionBudget.spec: only one of minAvailable and maxUnavailable",
        ),
        (
            "{kube: {podDisruptionBudget: {spec: {minAvailable: '1'}}}}".to_owned(),
            "podDisruptionBudget.spec.minAvailable: must be a number, as in 1",
        ),
        (
            "{kube: {podDisruptionBudget: {spec: {maxUnavailable: 150%}}}}".to_owned(),
            "podDisruptionBudget.spec.maxUnavailable: must be a number",
        ),
    ]
}

#[test]
fn what_is_wrong_is_named_and_the_gateway_is_not_accepted() {
    let cases = [wrong_pods(), wrong_containers(), wrong_objects()];
    for (spec, expected) in cases.concat() {
        let compiled = run(&documents(&spec));
        let told = problems(&compiled);
        assert!(
            told.iter()
                .any(|line| line.contains("GatewayParameters infra/p: ") && line.contains(expected)),
            "{spec}: {told:#?}"
        );
        let of_parameters = condition(&compiled, "GatewayParameters infra/p", "Accepted");
        assert!(of_parameters.starts_with("false Invalid: "), "{spec}");
        let of_gateway = accepted(&compiled);
        let expected = "false InvalidParameters: spec.infrastructure.parametersRef: \
                        GatewayParameters infra/p is not valid: ";
        assert!(of_gateway.starts_with(expected), "{spec}: {of_gateway}");
    }
}

#[test]
fn what_only_tunes_envoy_is_a_warning() {
    let compiled = run(&documents(
        "{kube: {stats: {enabled: true, matcher: {}}, envoyContainer: {bootstrap: {
          componentLogLevels: {router: trace}, dnsResolver: {udpMaxQueries: 50}}}}}",
    ));
    assert!(compiled.report.accepted(), "{}", compiled.report.table());
    let told = warnings(&compiled);
    for field in [
        "envoyContainer.bootstrap.componentLogLevels",
        "envoyContainer.bootstrap.dnsResolver",
        "stats.matcher",
    ] {
        let expected = format!("spec.kube.{field}: has no effect: ");
        assert!(told.iter().any(|line| line.contains(&expected)), "{told:?}");
    }
    assert_eq!(told.len(), 3);
}

#[test]
fn references_that_lead_nowhere_are_told() {
    let of_class = |from: &str, to: &str| {
        let class = CLASS.replace(from, to);
        format!("{GATEWAY}{}{class}", parameters("p", "{kube: {}}"))
    };
    let cases = [
        (
            GATEWAY.to_owned(),
            "false InvalidParameters: spec.infrastructure.parametersRef: GatewayParameters infra/p not found",
        ),
        (
            documents("{kube: {}}").replace("GatewayParameters, name", "ConfigMap, name"),
            "false InvalidParameters: spec.infrastructure.parametersRef: ConfigMap of gateway.kgateway.dev cannot be",
        ),
        (
            of_class("", ""),
            "false InvalidParameters: spec.gatewayClassName: the class egret: spec.parametersRef: GatewayParameters \
             infra/c not found",
        ),
        (
            of_class(", namespace: infra", ""),
            "false InvalidParameters: spec.gatewayClassName: the class egret: spec.parametersRef.namespace: a namespace",
        ),
    ];
    for (text, expected) in cases {
        let compiled = run(&text);
        assert!(
            accepted(&compiled).starts_with(expected),
            "{}",
            accepted(&compiled)
        );
        assert!(compiled.snapshot.sockets.is_empty());
    }
    let class = condition(&run(&of_class("", "")), "GatewayClass egret", "Accepted");
    assert!(class.starts_with(
        "false InvalidParameters: spec.parametersRef: GatewayParameters infra/c not found"
    ));
}

#[test]
fn the_parameters_of_a_gateway_are_laid_over_those_of_its_class() {
    let both = |class: &str, own: &str| {
        let class = parameters("c", class);
        merged(&format!("{}{CLASS}{class}", documents(own)))
    };
    assert_eq!(
        both(
            "{kube: {deployment: {replicas: 2}, podTemplate: {extraLabels: {a: class, b: class}}, envoyContainer: {\
             env: [{name: A, value: a}], image: {registry: r.example, digest: 'sha256:0'}}}}",
            "{kube: {podTemplate: {extraLabels: {b: own}}, service: {type: ClusterIP}, envoyContainer: {\
             env: [{name: B, value: b}], image: {tag: v2}}}}",
        ),
        json!({"kube": {
            "deployment": {"replicas": 2},
            "envoyContainer": {"env": [{"name": "B", "value": "b"}], "image": {"registry": "r.example", "tag": "v2"}},
            "podTemplate": {"extraLabels": {"a": "class", "b": "own"}},
            "service": {"type": "ClusterIP"},
        }})
    );
    assert_eq!(
        both("{kube: {}}", "{selfManaged: {}}"),
        json!({"selfManaged": {}})
    );
    assert_eq!(
        both("{selfManaged: {}}", "{kube: {deployment: {replicas: 2}}}"),
        json!({"kube": {"deployment": {"replicas": 2}}})
    );
    assert_eq!(merged(&documents("{kube: {}}")), json!({"kube": {}}));
}

#[test]
fn a_gateway_keeps_the_last_good_version_of_its_parameters() {
    let options = CompileOptions::default();
    let good = documents("{kube: {deployment: {replicas: 2}}}");
    let (before, _) = InForce::start(read(&good), &options);
    for worse in [
        documents("{kube: {deployment: {replicas: -2}}}"),
        GATEWAY.to_owned(),
    ] {
        let change = before.change(read(&worse), &options).unwrap();
        assert_eq!(change.compiled.snapshot.sockets.len(), 1, "{worse}");
        let held: Vec<String> = change
            .compiled
            .report
            .held
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(held, ["GatewayParameters infra/p of generation 1"]);
        let reference = ObjectRef::new(Kind::Gateway, "infra", "gw");
        let served = change.in_force.served();
        let gateway = &served.gateways[&reference].value;
        let parameters = gateway_parameters(served, &reference, gateway);
        let deployment = parameters.kube.unwrap().deployment.unwrap();
        assert_eq!(deployment.replicas, Some(2));
    }
}

#[test]
fn addresses_in_a_cluster_are_those_of_the_service() {
    let accepted = |addresses: &str| {
        let class = CLASS.replace("  parametersRef: {group: gateway.kgateway.dev, kind: GatewayParameters, name: c, namespace: infra}\n", "");
        let spec = format!("spec:\n  addresses: [{addresses}]\n");
        let text = format!(
            "{}{class}",
            documents("{kube: {}}").replacen("spec:\n", &spec, 1)
        );
        let options = CompileOptions {
            placement: GatewayPlacement::Apart,
            ..CompileOptions::default()
        };
        accepted(&compile(&read(&text), &options))
    };
    let fine = "true Accepted: Successfully accepted Gateway";
    assert_eq!(
        accepted("{type: Hostname, value: gw.example}, {value: 192.0.2.1}, {type: IPAddress}"),
        fine
    );
    assert_eq!(
        accepted("{value: 192.0.2.1}, {type: example.org/odd, value: x}"),
        "false UnsupportedAddress: spec.addresses[1].type: Unknown address kind"
    );
}
