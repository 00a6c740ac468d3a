//! Services that the gateway itself asks for its policies.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use crate::resources::ObjectRef;

/// Which reference to a service this is: the GatewayExtension that has it, and the field. The snapshot says where that is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct ServiceId(Arc<str>);

impl ServiceId {
    /// The reference in a field of a GatewayExtension.
    #[must_use]
    pub fn new(extension: &ObjectRef, field: &str) -> Self {
        Self(format!("{extension}: {field}").into())
    }
}

impl fmt::Display for ServiceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
