//! What is wrong with GatewayParameters.

use std::collections::BTreeSet;

use egret_api::kgateway::{
    ContainerParameters, DeploymentParameters, GatewayParametersSpec, ImageParameters,
    KubeParameters, PodParameters, ServiceParameters,
};
use egret_api::suggest::did_you_mean;

use super::overlay::{autoscaler_faults, budget_faults, share_fault};
use crate::compile::log::FieldFault;
use crate::name::Port;

/// The arguments of `egret proxy` that `extraArgs` may have. The others are the controller's affair.
pub const PROXY_ARGUMENTS: [&str; 7] = [
    "--drain-timeout",
    "--log-format",
    "--log-level",
    "--max-connections",
    "--require-egress-policy",
    "--shutdown-delay",
    "--workers",
];

/// Envoy's names of log levels.
const LOG_LEVELS: [&str; 8] = [
    "trace", "debug", "info", "warn", "warning", "error", "critical", "off",
];

/// The most seconds that a pod may take to stop.
const MAX_SECONDS: i64 = 31_536_000;

/// The faults of an object, as they are collected.
#[derive(Default)]
struct FaultList(Vec<FieldFault>);

impl FaultList {
    fn add(&mut self, field: impl Into<String>, message: impl Into<String>) {
        self.0.push(FieldFault::new(field, message));
    }

    /// Adds a fault unless the value is one of those that are allowed.
    fn one_of(&mut self, field: &str, value: Option<&str>, allowed: &[&str]) {
        if let Some(value) = value.filter(|value| !allowed.contains(value)) {
            let message = format!("{value} is not one of {}", allowed.join(", "));
            self.add(field, message);
        }
    }

    fn within(&mut self, field: &str, value: Option<i64>, most: i64) {
        if value.is_some_and(|value| !(0..=most).contains(&value)) {
            self.add(field, format!("must be from 0 to {most}"));
        }
    }

    fn unsupported(&mut self, parent: &str, names: impl Iterator<Item = &'static str>) {
        let faults = names.map(|name| FieldFault::unsupported(format!("{parent}.{name}")));
        self.0.extend(faults);
    }
}

/// Everything that is wrong.
pub(super) fn faults(spec: &GatewayParametersSpec) -> Vec<FieldFault> {
    let mut faults = FaultList::default();
    match (&spec.kube, &spec.self_managed) {
        (Some(kube), None) => kubernetes(kube, &mut faults),
        (None, Some(_)) => {}
        (Some(_), Some(_)) | (None, None) => {
            faults.add("spec", "exactly one of kube and selfManaged is needed");
        }
    }
    faults.0
}

fn kubernetes(kube: &KubeParameters, faults: &mut FaultList) {
    faults.unsupported("spec.kube", kube.unsupported());
    if let Some(deployment) = &kube.deployment {
        check_deployment(deployment, faults);
    }
    if let Some(container) = &kube.envoy_container {
        check_container(container, faults);
    }
    if let Some(pods) = &kube.pod_template {
        check_pods(pods, faults);
    }
    if let Some(service) = &kube.service {
        check_service(service, faults);
    }
    if let Some(overlay) = &kube.horizontal_pod_autoscaler {
        let found = autoscaler_faults(overlay, "spec.kube.horizontalPodAutoscaler");
        faults.0.extend(found);
    }
    if let Some(overlay) = &kube.pod_disruption_budget {
        let found = budget_faults(overlay, "spec.kube.podDisruptionBudget");
        faults.0.extend(found);
    }
}

fn check_deployment(deployment: &DeploymentParameters, faults: &mut FaultList) {
    const FIELD: &str = "spec.kube.deployment";
    if deployment.replicas.is_some_and(|replicas| replicas < 0) {
        faults.add(format!("{FIELD}.replicas"), "must not be negative");
    }
    let Some(strategy) = &deployment.strategy else {
        return;
    };
    let kind = strategy.kind.as_deref();
    let field = format!("{FIELD}.strategy.type");
    faults.one_of(&field, kind, &["RollingUpdate", "Recreate"]);
    let Some(rolling) = &strategy.rolling_update else {
        return;
    };
    let field = format!("{FIELD}.strategy.rollingUpdate");
    if kind == Some("Recreate") {
        faults.add(&field, "is not for strategy Recreate");
    }
    for (name, value) in [
        ("maxSurge", &rolling.max_surge),
        ("maxUnavailable", &rolling.max_unavailable),
    ] {
        if let Some(message) = value.as_ref().and_then(share_fault) {
            faults.add(format!("{field}.{name}"), message);
        }
    }
}

fn check_container(container: &ContainerParameters, faults: &mut FaultList) {
    const FIELD: &str = "spec.kube.envoyContainer";
    if let Some(bootstrap) = &container.bootstrap {
        let field = format!("{FIELD}.bootstrap");
        faults.unsupported(&field, bootstrap.unsupported());
        let level = bootstrap.log_level.as_deref();
        faults.one_of(&format!("{field}.logLevel"), level, &LOG_LEVELS);
    }
    let mut names = BTreeSet::new();
    for (index, variable) in container.env.iter().flatten().enumerate() {
        if !names.insert(&variable.name) {
            let field = format!("{FIELD}.env[{index}].name");
            faults.add(field, format!("{} is set twice", variable.name));
        }
    }
    check_arguments(container.extra_args.as_deref().unwrap_or_default(), faults);
    if let Some(image) = &container.image {
        check_image(image, faults);
    }
}

/// An unknown argument would keep every pod from starting.
fn check_arguments(arguments: &[String], faults: &mut FaultList) {
    let mut names = BTreeSet::new();
    let mut may_be_value = false;
    for (index, argument) in arguments.iter().enumerate() {
        let field = format!("spec.kube.envoyContainer.extraArgs[{index}]");
        if !argument.starts_with('-') && std::mem::take(&mut may_be_value) {
            continue;
        }
        let (name, value) = match argument.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (argument.as_str(), None),
        };
        if !PROXY_ARGUMENTS.contains(&name) {
            let meant = did_you_mean(name, PROXY_ARGUMENTS);
            let known = PROXY_ARGUMENTS.join(", ");
            let message = format!("{name} cannot be set here{meant}; what can be is {known}");
            faults.add(field, message);
        } else if !names.insert(name) {
            faults.add(field, format!("{name} is set twice"));
        }
        may_be_value = value.is_none() && name != "--require-egress-policy";
    }
}

fn check_image(image: &ImageParameters, faults: &mut FaultList) {
    const FIELD: &str = "spec.kube.envoyContainer.image";
    if image.tag.is_some() && image.digest.is_some() {
        faults.add(FIELD, "only one of tag and digest may be set");
    }
    let repository = image.repository.as_deref();
    if repository.is_some_and(|name| name.ends_with("envoy-wrapper")) {
        let message = "is an image of Envoy; Egret's is egret";
        faults.add(format!("{FIELD}.repository"), message);
    }
    let policy = image.pull_policy.as_deref();
    let allowed = ["Always", "IfNotPresent", "Never"];
    faults.one_of(&format!("{FIELD}.pullPolicy"), policy, &allowed);
}

fn check_pods(pods: &PodParameters, faults: &mut FaultList) {
    const FIELD: &str = "spec.kube.podTemplate";
    let grace = pods.termination_grace_period_seconds;
    let field = format!("{FIELD}.terminationGracePeriodSeconds");
    faults.within(&field, grace, MAX_SECONDS);
    let sleep = pods.graceful_shutdown;
    let sleep = sleep.and_then(|shutdown| shutdown.sleep_time_seconds);
    let field = format!("{FIELD}.gracefulShutdown.sleepTimeSeconds");
    faults.within(&field, sleep, MAX_SECONDS);
}

fn check_service(service: &ServiceParameters, faults: &mut FaultList) {
    const FIELD: &str = "spec.kube.service";
    let kind = service.kind.as_deref();
    let field = format!("{FIELD}.type");
    if kind == Some("ExternalName") {
        faults.add(&field, "ExternalName leads away from the pods");
    } else {
        faults.one_of(&field, kind, &["LoadBalancer", "NodePort", "ClusterIP"]);
    }
    let policy = service.external_traffic_policy.as_deref();
    let field = format!("{FIELD}.externalTrafficPolicy");
    faults.one_of(&field, policy, &["Cluster", "Local"]);
    let ranges = service.load_balancer_source_ranges.iter().flatten();
    for (index, range) in ranges.enumerate() {
        if range.trim().parse::<ipnet::IpNet>().is_err() {
            let field = format!("{FIELD}.loadBalancerSourceRanges[{index}]");
            faults.add(field, "must be a network, as in 192.0.2.0/24");
        }
    }
    let mut ports = BTreeSet::new();
    let is_port = |port: i32| u16::try_from(port).ok().and_then(Port::new).is_some();
    for (index, entry) in service.ports.iter().flatten().enumerate() {
        let field = format!("{FIELD}.ports[{index}]");
        for (name, port) in [("port", Some(entry.port)), ("nodePort", entry.node_port)] {
            if port.is_some_and(|port| !is_port(port)) {
                faults.add(format!("{field}.{name}"), "must be from 1 to 65535");
            }
        }
        if !ports.insert(entry.port) {
            faults.add(
                format!("{field}.port"),
                format!("{} is set twice", entry.port),
            );
        }
    }
}
