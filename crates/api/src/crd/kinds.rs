//! The table of the kinds that have a definition.

use serde::Serialize;
use serde_json::Value;

use super::{spec, status};
use crate::egret::{EgressPolicySpec, ResolverPolicySpec};
use crate::kgateway::{
    BackendConfigPolicySpec, BackendSpec, DirectResponseSpec, GatewayExtensionSpec,
    GatewayParametersSpec, HttpListenerPolicySpec, ListenerPolicySpec, TrafficPolicySpec,
};
use crate::kind::Kind;

/// What the definition of a kind is made of.
pub(super) struct KindDefinition {
    pub(super) kind: Kind,
    pub(super) short_names: &'static [&'static str],
    pub(super) description: &'static str,
    /// The schema of `spec`.
    pub(super) spec: fn() -> Value,
    /// The schema of `status`.
    pub(super) status: fn() -> Value,
    /// What `kubectl get` prints.
    pub(super) columns: &'static [PrinterColumn],
    /// Of a policy, whether it holds for its target alone (`Direct`), or for what is below it too (`Inherited`).
    pub(super) policy: Option<&'static str>,
}

/// A column of `kubectl get`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PrinterColumn {
    name: &'static str,
    #[serde(rename = "type")]
    column_type: &'static str,
    json_path: &'static str,
}

const AGE: PrinterColumn = PrinterColumn {
    name: "Age",
    column_type: "date",
    json_path: ".metadata.creationTimestamp",
};
const TYPE: PrinterColumn = text_column("Type", ".spec.type");
const ACCEPTED: PrinterColumn = text_column(
    "Accepted",
    ".status.conditions[?(@.type=='Accepted')].status",
);
const POLICY_ACCEPTED: PrinterColumn = text_column(
    "Accepted",
    ".status.ancestors[*].conditions[?(@.type=='Accepted')].status",
);
const POLICY_ATTACHED: PrinterColumn = text_column(
    "Attached",
    ".status.ancestors[*].conditions[?(@.type=='Attached')].status",
);

const fn text_column(name: &'static str, json_path: &'static str) -> PrinterColumn {
    PrinterColumn {
        name,
        column_type: "string",
        json_path,
    }
}

const fn policy(kind: Kind, spec: fn() -> Value, description: &'static str) -> KindDefinition {
    KindDefinition {
        kind,
        short_names: &[],
        description,
        spec,
        status: status::of_policy,
        columns: &[POLICY_ACCEPTED, POLICY_ATTACHED, AGE],
        policy: Some("Direct"),
    }
}

/// The kinds, in the order in which they are printed.
pub(super) const DEFINITIONS: &[KindDefinition] = &[
    KindDefinition {
        short_names: &["egresspol"],
        policy: Some("Inherited"),
        ..policy(
            Kind::EgressPolicy,
            spec::of::<EgressPolicySpec>,
            "Which destinations the requests of a Gateway, listener, route, rule or Backend may be sent to. Every policy \
             that applies must allow a request.",
        )
    },
    KindDefinition {
        short_names: &["resolverpol"],
        policy: Some("Inherited"),
        ..policy(
            Kind::ResolverPolicy,
            spec::of::<ResolverPolicySpec>,
            "How the host names of requests through a Gateway or to a Backend are resolved.",
        )
    },
    KindDefinition {
        kind: Kind::Backend,
        short_names: &[],
        description: "The upstream of a route.",
        spec: spec::of::<BackendSpec>,
        status: status::of_conditions,
        columns: &[TYPE, ACCEPTED, AGE],
        policy: None,
    },
    policy(
        Kind::BackendConfigPolicy,
        spec::of::<BackendConfigPolicySpec>,
        "How the proxy connects to Backends and Services.",
    ),
    KindDefinition {
        policy: None,
        ..policy(
            Kind::DirectResponse,
            spec::of::<DirectResponseSpec>,
            "A response that the gateway generates itself.",
        )
    },
    KindDefinition {
        kind: Kind::GatewayExtension,
        short_names: &[],
        description: "What policies ask about requests: whose tokens are accepted.",
        spec: spec::of::<GatewayExtensionSpec>,
        status: status::of_conditions,
        columns: &[TYPE, ACCEPTED, AGE],
        policy: None,
    },
    KindDefinition {
        kind: Kind::GatewayParameters,
        short_names: &[],
        description: "How the pods and the Service of a Gateway are made.",
        spec: spec::of::<GatewayParametersSpec>,
        status: status::of_conditions,
        columns: &[AGE],
        policy: None,
    },
    policy(
        Kind::HttpListenerPolicy,
        spec::of::<HttpListenerPolicySpec>,
        "HTTP settings of the listeners of a Gateway: the older form of ListenerPolicy.",
    ),
    policy(
        Kind::ListenerPolicy,
        spec::of::<ListenerPolicySpec>,
        "Settings of the listeners of a Gateway.",
    ),
    policy(
        Kind::TrafficPolicy,
        spec::of::<TrafficPolicySpec>,
        "What is done with requests before they are forwarded.",
    ),
];
