//! What the controller knows of each Gateway beside its configuration: the addresses, and whether it can run.

use std::collections::BTreeMap;

use egret_config::report::StatusCondition;
use egret_config::resources::ObjectRef;
use serde_json::{Value, json};

/// What is known of the Gateways that have objects of their own in the cluster. The addresses of a Gateway that is not
/// among them stay as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GatewayAddresses(BTreeMap<ObjectRef, GatewayState>);

/// What is known of one Gateway.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GatewayState {
    /// The addresses where clients reach the Gateway, in a fixed order.
    pub addresses: Vec<GatewayAddress>,
    /// Conditions that take the place of those of the configuration while these are true: `Accepted` if the Gateway
    /// cannot be had as it is written, `Programmed` if it is not there yet.
    pub conditions: Vec<StatusCondition>,
}

/// An address of a Gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GatewayAddress {
    /// An IP address.
    Ip(std::net::IpAddr),
    /// A DNS name.
    Hostname(String),
}

impl GatewayAddresses {
    /// Sets what is known of a Gateway.
    pub fn insert(&mut self, gateway: ObjectRef, state: GatewayState) {
        self.0.insert(gateway, state);
    }

    /// What is known of a Gateway.
    #[must_use]
    pub fn get(&self, gateway: &ObjectRef) -> Option<&GatewayState> {
        self.0.get(gateway)
    }
}

impl FromIterator<(ObjectRef, GatewayState)> for GatewayAddresses {
    fn from_iter<I: IntoIterator<Item = (ObjectRef, GatewayState)>>(gateways: I) -> Self {
        Self(gateways.into_iter().collect())
    }
}

impl GatewayState {
    /// The conditions of a Gateway, of which the configuration knows these. What is false there stays: it is wrong
    /// whatever runs.
    pub(super) fn applied_to(&self, conditions: &[StatusCondition]) -> Vec<StatusCondition> {
        let mut conditions = conditions.to_vec();
        for known in &self.conditions {
            match conditions.iter_mut().find(|it| it.kind == known.kind) {
                Some(condition) if condition.status => *condition = known.clone(),
                Some(_) => {}
                None => conditions.push(known.clone()),
            }
        }
        conditions
    }
}

impl GatewayAddress {
    pub(super) fn to_json(&self) -> Value {
        match self {
            Self::Ip(ip) => json!({"type": "IPAddress", "value": ip}),
            Self::Hostname(name) => json!({"type": "Hostname", "value": name}),
        }
    }
}
