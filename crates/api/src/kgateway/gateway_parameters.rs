//! `GatewayParameters`: the shape of the Kubernetes objects that are made for a Gateway.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Affinity, EnvVar, LocalObjectReference, PodSecurityContext, Probe, ResourceRequirements,
    SecurityContext, Toleration, TopologySpreadConstraint, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::UnsupportedValue;
use crate::validation;

/// `spec` of GatewayParameters. Exactly one of the fields must be set.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "gateway.kgateway.dev",
    version = "v1alpha1",
    kind = "GatewayParameters",
    namespaced
)]
#[kube(
    plural = "gatewayparameters",
    schema = "disabled",
    derive = "PartialEq"
)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [validation::exactly_one(&["kube", "selfManaged"])]))]
pub struct GatewayParametersSpec {
    /// The controller makes the objects, in this shape.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kube: Option<KubeParameters>,
    /// The controller makes nothing: somebody else runs `egret proxy`, and the addresses in the status are those of the
    /// Gateway's `spec`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub self_managed: Option<SelfManaged>,
}

/// `spec.selfManaged` of GatewayParameters, which has no fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct SelfManaged {}

recognised! {
    /// `spec.kube` of GatewayParameters.
    #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
    KubeParameters {
        /// The Deployment.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        deployment: Option<DeploymentParameters>,
        /// The container of the proxy.
        #[serde(default, rename = "envoyContainer", skip_serializing_if = "Option::is_none")]
        envoy_container: Option<ContainerParameters>,
        /// The pods.
        #[serde(default, rename = "podTemplate", skip_serializing_if = "Option::is_none")]
        pod_template: Option<PodParameters>,
        /// The Service.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        service: Option<ServiceParameters>,
        /// The ServiceAccount.
        #[serde(default, rename = "serviceAccount", skip_serializing_if = "Option::is_none")]
        service_account: Option<ObjectDecoration>,
        /// Leaves only the security contexts that are set; `false` by default.
        #[serde(
            default,
            rename = "omitDefaultSecurityContext",
            skip_serializing_if = "Option::is_none"
        )]
        omit_default_security_context: Option<bool>,
        /// The metrics of the pods.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stats: Option<StatsParameters>,
        /// A HorizontalPodAutoscaler of the Deployment, with which `replicas` has no effect; none by default.
        #[serde(
            default,
            rename = "horizontalPodAutoscaler",
            skip_serializing_if = "Option::is_none"
        )]
        horizontal_pod_autoscaler: Option<ResourceOverlay>,
        /// The PodDisruptionBudget of the pods; `maxUnavailable: 1` by default.
        #[serde(
            default,
            rename = "podDisruptionBudget",
            skip_serializing_if = "Option::is_none"
        )]
        pod_disruption_budget: Option<ResourceOverlay>,
    }
    unsupported {
        deployment_overlay = "deploymentOverlay",
        istio = "istio",
        service_account_overlay = "serviceAccountOverlay",
        service_overlay = "serviceOverlay",
        vertical_pod_autoscaler = "verticalPodAutoscaler",
    }
    without_effect {
        sds_container = "sdsContainer": "it is Envoy's sidecar for secrets of Istio",
    }
}

/// `spec.kube.deployment` of GatewayParameters.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DeploymentParameters {
    /// The number of pods. If it is not set, the Deployment has one, or as many as somebody else gave it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub replicas: Option<i32>,
    /// How pods are replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strategy: Option<DeploymentStrategy>,
}

/// `spec.kube.deployment.strategy` of GatewayParameters.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeploymentStrategy {
    /// `RollingUpdate` or `Recreate`.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The settings of a rolling update.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rolling_update: Option<RollingUpdate>,
}

/// `spec.kube.deployment.strategy.rollingUpdate` of GatewayParameters.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RollingUpdate {
    /// How many pods there may be beyond `replicas`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "validation::int_or_string")]
    pub max_surge: Option<IntOrString>,
    /// How many pods may be unavailable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "validation::int_or_string")]
    pub max_unavailable: Option<IntOrString>,
}

/// `spec.kube.envoyContainer` of GatewayParameters.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContainerParameters {
    /// How the proxy starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bootstrap: Option<BootstrapParameters>,
    /// Environment variables.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "validation::any_objects")]
    pub env: Option<Vec<EnvVar>>,
    /// Further arguments of `egret proxy`: `--drain-timeout`, `--log-format`, `--log-level`, `--max-connections`,
    /// `--require-egress-policy`, `--shutdown-delay`, `--workers`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32), inner(length(min = 1, max = 256)))]
    pub extra_args: Option<Vec<String>>,
    /// Further mounts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "validation::any_objects")]
    pub extra_volume_mounts: Option<Vec<VolumeMount>>,
    /// The image: each part that is set takes the place of that of the controller's `--image`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageParameters>,
    /// Requests and limits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "validation::any_object")]
    pub resources: Option<ResourceRequirements>,
    /// The security context of the container, over the default one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "validation::any_object")]
    pub security_context: Option<SecurityContext>,
}

recognised! {
    /// `spec.kube.envoyContainer.bootstrap` of GatewayParameters.
    #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
    BootstrapParameters {
        /// The `--log-level` of the proxy, in Envoy's words; `info` by default.
        #[serde(default, rename = "logLevel", skip_serializing_if = "Option::is_none")]
        log_level: Option<String>,
    }
    unsupported {
        enable_readiness_probe_proxy_protocol = "enableReadinessProbeProxyProtocol",
        log_format = "logFormat",
    }
    without_effect {
        component_log_levels = "componentLogLevels": "Envoy's components have no counterpart",
        dns_resolver = "dnsResolver": "it tunes Envoy's DNS library",
    }
}

/// `spec.kube.envoyContainer.image` of GatewayParameters. What is not set is that of the controller's own image.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImageParameters {
    /// The registry, with its path: `ghcr.io/egret-proxy`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registry: Option<String>,
    /// The name of the image: `egret`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// The tag; not beside `digest`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// The digest; not beside `tag`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// When the image is pulled: `Always`, `IfNotPresent` or `Never`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull_policy: Option<String>,
}

/// `spec.kube.podTemplate` of GatewayParameters.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PodParameters {
    /// Annotations of the pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extra_annotations: Option<BTreeMap<String, String>>,
    /// Labels of the pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extra_labels: Option<BTreeMap<String, String>>,
    /// Further volumes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "validation::any_objects")]
    pub extra_volumes: Option<Vec<Volume>>,
    /// Which nodes and which other pods are preferred.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "validation::any_object")]
    pub affinity: Option<Affinity>,
    /// How pods stop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub graceful_shutdown: Option<GracefulShutdown>,
    /// The Secrets that the image is pulled with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "validation::any_objects")]
    pub image_pull_secrets: Option<Vec<LocalObjectReference>>,
    /// The liveness probe; none by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "validation::any_object")]
    pub liveness_probe: Option<Probe>,
    /// The labels that nodes must have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_selector: Option<BTreeMap<String, String>>,
    /// The priority class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority_class_name: Option<String>,
    /// The readiness probe; `/readyz` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "validation::any_object")]
    pub readiness_probe: Option<Probe>,
    /// The security context of the pods, over the default one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "validation::any_object")]
    pub security_context: Option<PodSecurityContext>,
    /// The startup probe; `/healthz` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "validation::any_object")]
    pub startup_probe: Option<Probe>,
    /// How long a pod may take to stop. What `gracefulShutdown` leaves of it is for requests in progress; 60 by
    /// default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 31_536_000))]
    pub termination_grace_period_seconds: Option<i64>,
    /// The taints of nodes that do not matter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "validation::any_objects")]
    pub tolerations: Option<Vec<Toleration>>,
    /// How pods are spread over nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "validation::any_objects")]
    pub topology_spread_constraints: Option<Vec<TopologySpreadConstraint>>,
}

/// `spec.kube.podTemplate.gracefulShutdown` of GatewayParameters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GracefulShutdown {
    /// Whether a pod that stops goes on accepting connections for a while; `true` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// For how long it does; 10 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 31_536_000))]
    pub sleep_time_seconds: Option<i64>,
}

/// `spec.kube.service` of GatewayParameters.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceParameters {
    /// `LoadBalancer`, `NodePort` or `ClusterIP`; `LoadBalancer` by default.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"]))]
    pub kind: Option<String>,
    /// The address in the cluster; `None` makes the Service headless.
    #[serde(default, rename = "clusterIP", skip_serializing_if = "Option::is_none")]
    pub cluster_ip: Option<String>,
    /// `Cluster` or `Local`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_traffic_policy: Option<String>,
    /// Annotations of the Service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extra_annotations: Option<BTreeMap<String, String>>,
    /// Labels of the Service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extra_labels: Option<BTreeMap<String, String>>,
    /// The kind of load balancer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load_balancer_class: Option<String>,
    /// The networks of clients that the load balancer serves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load_balancer_source_ranges: Option<Vec<String>>,
    /// Settings of single ports of listeners.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ports: Option<Vec<ServicePortParameters>>,
}

/// `spec.kube.service.ports[]` of GatewayParameters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServicePortParameters {
    /// The port of a listener.
    #[schemars(range(min = 1, max = 65535))]
    pub port: i32,
    /// The port on the nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub node_port: Option<i32>,
}

/// Labels and annotations of an object that is made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObjectDecoration {
    /// Annotations of the object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extra_annotations: Option<BTreeMap<String, String>>,
    /// Labels of the object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extra_labels: Option<BTreeMap<String, String>>,
}

recognised! {
    /// `spec.kube.stats` of GatewayParameters.
    #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
    StatsParameters {
        /// Whether the pods have the `prometheus.io` annotations; `true` by default.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        enabled: Option<bool>,
    }
    unsupported {}
    without_effect {
        enable_stats_route = "enableStatsRoute": "it is about Envoy's statistics",
        matcher = "matcher": "it is about Envoy's statistics",
        route_prefix_rewrite = "routePrefixRewrite": "it is about Envoy's statistics",
        stats_route_prefix_rewrite = "statsRoutePrefixRewrite": "it is about Envoy's statistics",
    }
}

/// A part of an object, which is laid over what the controller would make: `spec` in the words of the object's own kind.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ResourceOverlay {
    /// Labels and annotations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<OverlayMetadata>,
    /// Fields of the object's `spec`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "validation::any_object")]
    pub spec: Option<serde_json::Value>,
}

/// `metadata` of an overlay.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OverlayMetadata {
    /// Labels of the object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
    /// Annotations of the object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<BTreeMap<String, String>>,
}
