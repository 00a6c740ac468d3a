//! Objects of kinds that are not supported yet.

use super::log::{Fault, Log};
use crate::report::{Condition, PlainStatus, Status};
use crate::resources::{Kind, Resources};

pub(super) fn report(resources: &Resources, log: &mut Log) {
    for (reference, object) in &resources.unsupported {
        let fault = Fault::new("", format!("{} is not supported yet", reference.kind));
        match reference.kind {
            Kind::GatewayExtension | Kind::GatewayParameters => {
                log.problems(reference, &object.source, [&fault]);
                let conditions = vec![Condition::new("Accepted", false, "Invalid", fault.message)];
                let status = Status::Plain(PlainStatus { conditions });
                log.object(reference, &object.source, status);
            }
            _ => log.warn(reference, &object.source, &fault),
        }
    }
}
