//! The resources as they are written: the types of the Gateway API, of kgateway, and of `egret.dev`, how they are read and
//! written as JSON, and the schemas by which an API server checks them.
//!
//! What resources mean is said in `egret-config`. Nothing here is passed by a request.
//!
//! ```
//! use egret_api::egret::{EgressAction, EgressPolicy};
//! use egret_api::object::ApiType;
//! use serde_json::json;
//!
//! let spec = json!({
//!     "targetRefs": [{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "egress"}],
//!     "defaultAction": "Deny",
//!     "rules": [{"action": "Allow", "hosts": ["api.example.com"], "prots": [443]}],
//! });
//! let (policy, faults) = EgressPolicy::decode(json!({"metadata": {"name": "partners"}, "spec": spec}));
//!
//! assert_eq!(policy.unwrap().spec.default_action, Some(EgressAction::Deny));
//! assert_eq!(faults[0].field, "spec.rules[0].prots");
//! assert_eq!(faults[0].message, "unknown field; did you mean ports?");
//! ```

pub mod compatibility;
pub mod crd;
pub mod decode;
pub mod duration;
pub mod egret;
pub mod gateway;
pub mod kgateway;
pub mod kind;
pub mod object;
pub mod quantity;
pub mod suggest;
pub mod target;
mod validation;
