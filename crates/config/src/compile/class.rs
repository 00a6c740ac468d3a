//! GatewayClasses: which Gateways Egret serves. Those are the Gateways of a class that names its controller, and of its
//! built-in classes where no GatewayClass object defines them.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use egret_api::gateway::{Gateway, GatewayClass, GatewayClassSpec};

use super::log::ReportLog;
use super::parameters;
use crate::report::{ObjectStatus, PlainStatus, StatusCondition};
use crate::resources::Resources;

/// The name of the controller, unless the caller sets another.
pub const CONTROLLER_NAME: &str = "egret.dev/gateway";

/// Options of a compilation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompileOptions {
    /// Gateways of classes that name this controller are served.
    pub controller_name: String,
    /// Whether several Gateways are served in one place.
    pub placement: GatewayPlacement,
    /// The addresses of the gateway's own servers, such as the admin server, whose ports no listener can have.
    pub reserved: Vec<SocketAddr>,
    /// Whether a listener without an EgressPolicy on it or on its Gateway refuses every request.
    pub require_egress_policy: bool,
    /// The time in seconds of Unix time, at which certificates are judged; `None` judges none.
    pub now: Option<i64>,
    /// Whether files that objects name by their paths are among the objects.
    pub files: FileAccess,
}

/// Whether files that objects name by their paths can be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FileAccess {
    /// They have been read, and are among the objects.
    #[default]
    Here,
    /// Those that are not among the objects may be where this is served: they are not judged, but warned of.
    Partly,
    /// They are in the pods that serve, and are not judged.
    Elsewhere,
}

/// Where Gateways are served, one beside the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GatewayPlacement {
    /// In one process, as from files. The addresses of a Gateway are bound, a port belongs to the oldest Gateway that has
    /// it, and the built-in classes need no GatewayClass object.
    Shared,
    /// Each in a process of its own, as in the pods of a cluster. Listeners bind every local address, the same ports of
    /// two Gateways are not in conflict, `spec.addresses` is for the Service in front, and no class is built in.
    Apart,
}

impl Default for CompileOptions {
    fn default() -> Self {
        Self {
            controller_name: CONTROLLER_NAME.to_owned(),
            placement: GatewayPlacement::Shared,
            reserved: Vec::new(),
            require_egress_policy: false,
            now: None,
            files: FileAccess::default(),
        }
    }
}

/// Classes that need no GatewayClass object.
const BUILT_IN: [&str; 2] = ["egret", "kgateway"];

/// The classes that decide which Gateways are served.
#[derive(Debug)]
pub(super) struct GatewayClasses {
    /// The classes that GatewayClass objects define, each with whether it names the controller.
    defined: BTreeMap<String, bool>,
    pub(super) placement: GatewayPlacement,
}

impl GatewayClasses {
    pub(super) fn compile(
        resources: &Resources,
        options: &CompileOptions,
        log: &mut ReportLog,
    ) -> Self {
        let mut classes = BTreeMap::new();
        for (reference, object) in &resources.gateway_classes {
            let GatewayClassSpec {
                controller_name,
                description: _,
                parameters_ref: _,
            } = &object.value.spec;
            let ours = *controller_name == options.controller_name;
            if ours {
                let mut accepted = StatusCondition::new(
                    "Accepted",
                    true,
                    "Accepted",
                    "GatewayClass accepted by the Egret controller",
                );
                if let Some(fault) = parameters::class_fault(resources, &object.value) {
                    accepted = StatusCondition::new(
                        "Accepted",
                        false,
                        "InvalidParameters",
                        fault.to_string(),
                    );
                    log.problems(reference, &object.source, [&fault]);
                }
                let conditions = vec![accepted];
                log.object(
                    reference,
                    &object.source,
                    ObjectStatus::Plain(PlainStatus { conditions }),
                );
            }
            classes.insert(reference.name.to_string(), ours);
        }
        Self {
            defined: classes,
            placement: options.placement,
        }
    }

    /// The GatewayClass objects that name the controller.
    pub(super) fn ours<'a>(
        &self,
        resources: &'a Resources,
    ) -> impl Iterator<Item = &'a GatewayClass> {
        let objects = resources.gateway_classes.iter();
        let ours =
            objects.filter(|(reference, _)| self.defined.get(&*reference.name) == Some(&true));
        ours.map(|(_, object)| &*object.value)
    }

    /// Whether Egret serves the Gateway.
    pub(super) fn is_ours(&self, gateway: &Gateway) -> bool {
        let class = gateway.spec.gateway_class_name.as_str();
        let is_built_in =
            || self.placement == GatewayPlacement::Shared && BUILT_IN.contains(&class);
        let defined = self.defined.get(class).copied();
        defined.unwrap_or_else(is_built_in)
    }
}
