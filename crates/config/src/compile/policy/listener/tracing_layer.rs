//! `tracing` of a policy, and what it is at a Gateway.

use std::sync::Arc;

use crate::resources::ObjectRef;
use crate::snapshot::Tracing;

/// The tracing that a policy configures, at whatever Gateway.
#[derive(Clone, Debug)]
pub(in crate::compile::policy) struct TracingLayer {
    pub(super) tracing: Tracing,
    /// Whether it says how the service is called.
    pub(super) names_service: bool,
}

impl TracingLayer {
    /// The tracing of the listeners of a Gateway.
    pub(in crate::compile::policy) fn of(&self, gateway: &ObjectRef) -> Arc<Tracing> {
        let mut tracing = self.tracing.clone();
        if !self.names_service {
            let ObjectRef {
                name, namespace, ..
            } = gateway;
            tracing.service_name = format!("{name}.{namespace}").into();
        }
        Arc::new(tracing)
    }
}
