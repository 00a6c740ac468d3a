//! Reports objects of kinds that are not supported yet.

use super::log::{FieldFault, ReportLog};
use crate::report::{ObjectStatus, PlainStatus, StatusCondition};
use crate::resources::{Kind, Resources};

pub(super) fn report(resources: &Resources, log: &mut ReportLog) {
    for (reference, object) in &resources.unsupported {
        let fault = FieldFault::new("", format!("{} is not supported yet", reference.kind));
        match reference.kind {
            // These do nothing by themselves: a reference to one is reported where it is written.
            Kind::Service | Kind::EndpointSlice => log.warn(reference, &object.source, &fault),
            _ => {
                log.problems(reference, &object.source, [&fault]);
                let conditions = vec![StatusCondition::new(
                    "Accepted",
                    false,
                    "Invalid",
                    fault.message,
                )];
                let status = ObjectStatus::Plain(PlainStatus { conditions });
                log.object(reference, &object.source, status);
            }
        }
    }
}
