//! Which Gateways are ours: those of a class that names our controller, and those of our own classes when nobody
//! defined them.

use std::collections::BTreeMap;

use super::log::{Fault, Log};
use crate::api::gateway::{Gateway, GatewayClassSpec};
use crate::report::{Condition, PlainStatus, Status};
use crate::resources::Resources;

/// The controller whose Gateways are served, unless the caller says otherwise.
pub const CONTROLLER_NAME: &str = "egret.dev/gateway";

/// What the caller decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Gateways of this controller's classes are ours.
    pub controller_name: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            controller_name: CONTROLLER_NAME.to_owned(),
        }
    }
}

/// Classes that need no GatewayClass object.
const BUILT_IN: [&str; 2] = ["egret", "kgateway"];

/// The classes that were defined, and whether each is ours.
#[derive(Debug)]
pub(super) struct Classes(BTreeMap<String, bool>);

impl Classes {
    pub(super) fn compile(resources: &Resources, options: &Options, log: &mut Log) -> Self {
        let mut classes = BTreeMap::new();
        for (reference, object) in &resources.gateway_classes {
            let GatewayClassSpec {
                controller_name,
                description: _,
                parameters_ref,
            } = &object.value.spec;
            let mut ours = *controller_name == options.controller_name;
            if ours {
                let mut accepted = Condition::new(
                    "Accepted",
                    true,
                    "Accepted",
                    "GatewayClass accepted by the Egret controller",
                );
                if parameters_ref.is_some() {
                    let fault = Fault::unsupported("spec.parametersRef");
                    accepted =
                        Condition::new("Accepted", false, "InvalidParameters", fault.to_string());
                    log.problems(reference, &object.source, [&fault]);
                    ours = false;
                }
                let conditions = vec![accepted];
                log.object(
                    reference,
                    &object.source,
                    Status::Plain(PlainStatus { conditions }),
                );
            }
            classes.insert(reference.name.to_string(), ours);
        }
        Self(classes)
    }

    /// Whether we serve the Gateway.
    pub(super) fn is_ours(&self, gateway: &Gateway) -> bool {
        let class = gateway.spec.gateway_class_name.as_str();
        self.0
            .get(class)
            .copied()
            .unwrap_or_else(|| BUILT_IN.contains(&class))
    }
}
