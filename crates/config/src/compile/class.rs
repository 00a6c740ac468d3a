//! GatewayClasses: which Gateways Egret serves. Those are the Gateways of a class that names its controller, and of its
//! built-in classes where no GatewayClass object defines them.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::log::{FieldFault, ReportLog};
use crate::api::gateway::{Gateway, GatewayClassSpec};
use crate::report::{ObjectStatus, PlainStatus, StatusCondition};
use crate::resources::Resources;

/// The name of the controller, unless the caller sets another.
pub const CONTROLLER_NAME: &str = "egret.dev/gateway";

/// Options of a compilation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompileOptions {
    /// Gateways of classes that name this controller are served.
    pub controller_name: String,
    /// The address of the admin server, whose port no listener can have.
    pub admin: Option<SocketAddr>,
    /// Whether a listener without an EgressPolicy on it or on its Gateway refuses every request.
    pub require_egress_policy: bool,
    /// The time in seconds of Unix time, at which certificates are judged; `None` judges none.
    pub now: Option<i64>,
}

impl Default for CompileOptions {
    fn default() -> Self {
        Self {
            controller_name: CONTROLLER_NAME.to_owned(),
            admin: None,
            require_egress_policy: false,
            now: None,
        }
    }
}

/// Classes that need no GatewayClass object.
const BUILT_IN: [&str; 2] = ["egret", "kgateway"];

/// The classes that GatewayClass objects define, each with whether it names the controller.
#[derive(Debug)]
pub(super) struct GatewayClasses(BTreeMap<String, bool>);

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
                parameters_ref,
            } = &object.value.spec;
            let mut ours = *controller_name == options.controller_name;
            if ours {
                let mut accepted = StatusCondition::new(
                    "Accepted",
                    true,
                    "Accepted",
                    "GatewayClass accepted by the Egret controller",
                );
                if parameters_ref.is_some() {
                    let fault = FieldFault::unsupported("spec.parametersRef");
                    accepted = StatusCondition::new(
                        "Accepted",
                        false,
                        "InvalidParameters",
                        fault.to_string(),
                    );
                    log.problems(reference, &object.source, [&fault]);
                    ours = false;
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
        Self(classes)
    }

    /// Whether Egret serves the Gateway.
    pub(super) fn is_ours(&self, gateway: &Gateway) -> bool {
        let class = gateway.spec.gateway_class_name.as_str();
        self.0
            .get(class)
            .copied()
            .unwrap_or_else(|| BUILT_IN.contains(&class))
    }
}
