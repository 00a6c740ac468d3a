//! Reports objects of kinds that are not supported yet.

use super::log::{FieldFault, ReportLog};
use crate::report::{ObjectStatus, PlainStatus, StatusCondition};
use crate::resources::Resources;

pub(super) fn report(resources: &Resources, log: &mut ReportLog) {
    for (reference, object) in &resources.unsupported {
        let fault = FieldFault::new("", format!("{} is not supported yet", reference.kind));
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
