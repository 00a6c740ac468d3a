//! Policies that could not be read: their targets refuse every request, because nobody knows what they protect.

use super::{CompiledPolicies, PolicyDraft, TargetOutcome};
use crate::compile::log::{FieldFault, ReportLog};
use crate::compile::target::{TargetKinds, TargetLookup};
use crate::resources::{Kind, UnreadPolicy};

const TARGETS: TargetKinds = TargetKinds::only(&[
    Kind::Gateway,
    Kind::ListenerSet,
    Kind::HttpRoute,
    Kind::GrpcRoute,
    Kind::TlsRoute,
    Kind::Backend,
    Kind::Service,
]);

pub(super) fn compile(
    targets: TargetLookup<'_>,
    policies: &mut CompiledPolicies,
    log: &mut ReportLog,
) {
    for (reference, object) in &targets.resources.unread_policies {
        let UnreadPolicy {
            metadata,
            target_refs,
            target_selectors,
            faults,
        } = &*object.value;
        let mut draft =
            PolicyDraft::with_metadata(reference, &object.source, metadata, target_refs, TARGETS);
        draft.select(targets, target_selectors, TARGETS);
        let faults = faults.iter();
        let faults = faults.map(|fault| FieldFault::new(&fault.field, &fault.message));
        draft.faults.extend(faults);
        // It has faults, and so is attached to nothing.
        draft.finish(targets, policies, log, |_, _| TargetOutcome::Attached);
    }
}
