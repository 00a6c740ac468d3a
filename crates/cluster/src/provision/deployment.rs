//! The Deployment of a Gateway, and the ConfigMap that tells people how its pods were started.

use egret_config::api::kgateway::{
    BootstrapParameters, ContainerParameters, PodParameters, StatsParameters,
};
use egret_config::compile::merge_json;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::context::ChildContext;
use super::image;
use super::kind::ChildKind;
use super::ledger::DesiredObject;
use super::metadata::NameMap;
use super::plan::PROBE_PORT;

/// The name of the container.
pub(super) const CONTAINER: &str = "egret-proxy";
/// The user and the group of the process.
const USER: u32 = 10_101;
/// Ports below it need a privilege, unless the pod lifts that limit.
const FIRST_FREE_PORT: u16 = 1024;

/// How a pod stops, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct StopTimes {
    /// How long the pod has until it is killed.
    grace: i64,
    /// How long it goes on accepting connections, until nobody sends it new ones any more.
    delay: i64,
    /// How long requests in progress then have to finish.
    drain: i64,
}

impl StopTimes {
    fn of(pods: &PodParameters) -> Self {
        let grace = pods.termination_grace_period_seconds.unwrap_or(60);
        let shutdown = pods.graceful_shutdown.unwrap_or_default();
        let delay = match shutdown.enabled {
            Some(false) => 0,
            Some(true) | None => shutdown.sleep_time_seconds.unwrap_or(10),
        };
        let delay = delay.min(grace);
        let left = grace - delay;
        // Some time is left to close what has not finished.
        let drain = left - (left / 5).min(10);
        Self {
            grace,
            delay,
            drain,
        }
    }
}

pub(super) fn config_map(context: &ChildContext<'_>) -> DesiredObject {
    let data = json!({"arguments": arguments(context).join("\n")});
    let metadata = &context.metadata;
    metadata.owned(ChildKind::ConfigMap, (None, None), json!({"data": data}))
}

pub(super) fn deployment(context: &ChildContext<'_>) -> DesiredObject {
    let parameters = context.kube.deployment.as_ref();
    let mut spec = Map::new();
    // Where there is an autoscaler, the number of pods is its affair.
    let replicas = parameters.and_then(|deployment| deployment.replicas);
    let is_scaled = context.kube.horizontal_pod_autoscaler.is_some();
    set(&mut spec, "replicas", replicas.filter(|_| !is_scaled));
    let strategy = parameters.and_then(|deployment| deployment.strategy.as_ref());
    set(&mut spec, "strategy", strategy);
    let selector = json!({"matchLabels": context.metadata.selector()});
    spec.insert("selector".to_owned(), selector);
    spec.insert("template".to_owned(), template(context));
    let metadata = &context.metadata;
    let content = json!({"spec": spec});
    metadata.owned(ChildKind::Deployment, (None, None), content)
}

fn template(context: &ChildContext<'_>) -> Value {
    let nothing = PodParameters::default();
    let pods = context.kube.pod_template.as_ref().unwrap_or(&nothing);
    let mut annotations = NameMap::new();
    let reference = context.plan.reference;
    let full_name = format!("{}/{}", reference.namespace, reference.name);
    let name = "gateway.kgateway.dev/gateway-full-name".to_owned();
    annotations.insert(name, full_name);
    let stats = context.kube.stats.as_ref();
    if stats.and_then(|StatsParameters { enabled, .. }| *enabled) != Some(false) {
        let port = PROBE_PORT.to_string();
        for (name, value) in [("path", "/metrics"), ("port", &port), ("scrape", "true")] {
            annotations.insert(format!("prometheus.io/{name}"), value.to_owned());
        }
    }
    annotations.extend(pods.extra_annotations.clone().unwrap_or_default());
    let metadata = &context.metadata;
    json!({
        "metadata": {
            "labels": metadata.labels(pods.extra_labels.as_ref()),
            "annotations": metadata.annotations(Some(&annotations)),
        },
        "spec": pod(context, pods),
    })
}

fn pod(context: &ChildContext<'_>, pods: &PodParameters) -> Value {
    let mut spec = Map::new();
    let name = json!(context.metadata.name);
    spec.insert("serviceAccountName".to_owned(), name);
    // The proxy reads its configuration from the API server.
    let mounts_token = json!(true);
    spec.insert("automountServiceAccountToken".to_owned(), mounts_token);
    let grace = json!(StopTimes::of(pods).grace);
    spec.insert("terminationGracePeriodSeconds".to_owned(), grace);
    let security = pod_security(context, pods);
    set(&mut spec, "securityContext", security);
    let container = container(context, pods);
    spec.insert("containers".to_owned(), json!([container]));
    set(&mut spec, "affinity", pods.affinity.as_ref());
    set(
        &mut spec,
        "imagePullSecrets",
        pods.image_pull_secrets.as_ref(),
    );
    set(&mut spec, "nodeSelector", pods.node_selector.as_ref());
    set(
        &mut spec,
        "priorityClassName",
        pods.priority_class_name.as_ref(),
    );
    set(&mut spec, "tolerations", pods.tolerations.as_ref());
    let spread = pods.topology_spread_constraints.as_ref();
    set(&mut spec, "topologySpreadConstraints", spread);
    set(&mut spec, "volumes", pods.extra_volumes.as_ref());
    Value::Object(spec)
}

fn container(context: &ChildContext<'_>, pods: &PodParameters) -> Value {
    let nothing = ContainerParameters::default();
    let parameters = context.kube.envoy_container.as_ref().unwrap_or(&nothing);
    let image = parameters.image.as_ref();
    let mut container = Map::new();
    container.insert("name".to_owned(), json!(CONTAINER));
    let name = image::name(&context.settings.image, image);
    container.insert("image".to_owned(), json!(name));
    let policy = image.and_then(|image| image.pull_policy.as_ref());
    set(&mut container, "imagePullPolicy", policy);
    container.insert("args".to_owned(), json!(arguments(context)));
    // Those of listeners are not told: a change of listeners is no reason to replace the pods.
    let ports = json!([{"containerPort": PROBE_PORT, "protocol": "TCP"}]);
    container.insert("ports".to_owned(), ports);
    set(&mut container, "env", parameters.env.as_ref());
    let mounts = parameters.extra_volume_mounts.as_ref();
    set(&mut container, "volumeMounts", mounts);
    set(&mut container, "resources", parameters.resources.as_ref());
    let security = container_security(context, parameters);
    set(&mut container, "securityContext", security);
    // The process is alive before it has read its configuration, and that may take as long as the API server is away.
    let alive = json!({"httpGet": probe("/healthz"), "periodSeconds": 1, "failureThreshold": 60});
    let ready = json!({"httpGet": probe("/readyz"), "periodSeconds": 2, "failureThreshold": 3});
    let startup = pods.startup_probe.as_ref().map_or(alive, |it| json!(it));
    container.insert("startupProbe".to_owned(), startup);
    let readiness = pods.readiness_probe.as_ref().map_or(ready, |it| json!(it));
    container.insert("readinessProbe".to_owned(), readiness);
    let liveness = pods.liveness_probe.as_ref();
    set(&mut container, "livenessProbe", liveness);
    Value::Object(container)
}

fn probe(path: &str) -> Value {
    json!({"path": path, "port": PROBE_PORT, "scheme": "HTTP"})
}

/// What the controller is told too, so that what it reports is what the pods serve.
const REQUIRE_POLICY: &str = "--require-egress-policy";

/// The arguments of the container. What `extraArgs` sets takes the place of ours.
fn arguments(context: &ChildContext<'_>) -> Vec<String> {
    let reference = context.plan.reference;
    let gateway = format!("{}/{}", reference.namespace, reference.name);
    let probes = format!("0.0.0.0:{PROBE_PORT}");
    let fixed = ["proxy", "--gateway", &gateway, "--probe-address", &probes];
    let mut arguments: Vec<String> = fixed.map(str::to_owned).into();
    let controller = context.settings.controller_name.clone();
    arguments.extend(["--controller-name".to_owned(), controller]);
    let nothing = PodParameters::default();
    let pods = context.kube.pod_template.as_ref().unwrap_or(&nothing);
    let StopTimes { delay, drain, .. } = StopTimes::of(pods);
    let container = context.kube.envoy_container.as_ref();
    let bootstrap = container.and_then(|container| container.bootstrap.as_ref());
    let extra = container.and_then(|container| container.extra_args.as_deref());
    let extra = extra.unwrap_or_default();
    let is_given = |name: &str| {
        let mut names = extra.iter().map(|it| it.split('=').next().unwrap_or(it));
        names.any(|other| other == name)
    };
    let ours = [
        ("--shutdown-delay", Some(format!("{delay}s"))),
        ("--drain-timeout", Some(format!("{drain}s"))),
        ("--log-level", bootstrap.and_then(log_level)),
    ];
    for (name, value) in ours {
        if let Some(value) = value.filter(|_| !is_given(name)) {
            arguments.extend([name.to_owned(), value]);
        }
    }
    if context.settings.require_egress_policy && !is_given(REQUIRE_POLICY) {
        arguments.push(REQUIRE_POLICY.to_owned());
    }
    arguments.extend_from_slice(extra);
    arguments
}

/// Envoy's log levels in Egret's words.
fn log_level(bootstrap: &BootstrapParameters) -> Option<String> {
    let level = bootstrap.log_level.as_deref()?;
    let level = match level {
        "warning" => "warn",
        "critical" => "error",
        other => other,
    };
    Some(level.to_owned())
}

fn pod_security(context: &ChildContext<'_>, pods: &PodParameters) -> Option<Value> {
    let mut security = json!({});
    if context.kube.omit_default_security_context != Some(true) {
        security = json!({"seccompProfile": {"type": "RuntimeDefault"}});
        let mut ports = context.plan.ports.iter();
        if ports.any(|port| *port < FIRST_FREE_PORT) {
            let name = "net.ipv4.ip_unprivileged_port_start";
            security["sysctls"] = json!([{"name": name, "value": "0"}]);
        }
    }
    overlaid(security, pods.security_context.as_ref())
}

fn container_security(
    context: &ChildContext<'_>,
    parameters: &ContainerParameters,
) -> Option<Value> {
    let security = match context.kube.omit_default_security_context {
        Some(true) => json!({}),
        Some(false) | None => json!({
            "allowPrivilegeEscalation": false,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": true,
            "runAsNonRoot": true,
            "runAsUser": USER,
        }),
    };
    overlaid(security, parameters.security_context.as_ref())
}

/// `None` if nothing is set.
fn overlaid(mut base: Value, over: Option<&impl Serialize>) -> Option<Value> {
    if let Some(over) = over {
        merge_json(&mut base, json!(over));
    }
    (base != json!({})).then_some(base)
}

fn set(object: &mut Map<String, Value>, name: &str, value: Option<impl Serialize>) {
    if let Some(value) = value {
        object.insert(name.to_owned(), json!(value));
    }
}

#[cfg(test)]
mod tests {
    use egret_config::api::kgateway::GracefulShutdown;

    use super::*;

    #[test]
    fn a_pod_has_time_to_drain_after_it_has_left_the_service() {
        let times = |grace: Option<i64>, shutdown: Option<(bool, Option<i64>)>| {
            let pods = PodParameters {
                termination_grace_period_seconds: grace,
                graceful_shutdown: shutdown.map(|(enabled, seconds)| GracefulShutdown {
                    enabled: Some(enabled),
                    sleep_time_seconds: seconds,
                }),
                ..PodParameters::default()
            };
            let StopTimes {
                grace,
                delay,
                drain,
            } = StopTimes::of(&pods);
            assert!(delay + drain <= grace && drain >= 0);
            (grace, delay, drain)
        };
        assert_eq!(times(None, None), (60, 10, 40));
        assert_eq!(times(None, Some((false, Some(5)))), (60, 0, 50));
        assert_eq!(times(Some(20), Some((true, Some(5)))), (20, 5, 12));
        assert_eq!(times(Some(5), None), (5, 5, 0));
        assert_eq!(times(Some(0), None), (0, 0, 0));
        assert_eq!(times(Some(3600), Some((true, Some(60)))), (3600, 60, 3530));
    }
}
