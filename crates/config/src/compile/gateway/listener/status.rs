//! The status of a listener.

use super::ListenerDraft;
use crate::compile::log::{FieldFault, join};
use crate::report::{ListenerStatus, RouteKind, StatusCondition};
use crate::snapshot::ValidationMode;

impl ListenerDraft<'_> {
    pub(in crate::compile::gateway) fn status(&self, gateway_accepted: bool) -> ListenerStatus {
        ListenerStatus {
            name: self.name().to_owned(),
            supported_kinds: self.kinds.iter().copied().map(RouteKind).collect(),
            attached_routes: self.attached.len(),
            conditions: vec![
                condition(
                    "Accepted",
                    &self.not_accepted,
                    "Successfully accepted Listener",
                ),
                self.conflicted(),
                condition(
                    "ResolvedRefs",
                    &self.not_resolved,
                    "Successfully resolved all references",
                ),
                self.programmed(gateway_accepted),
            ],
        }
    }

    /// Whether clients are served whose certificates were not verified.
    pub(in crate::compile::gateway) fn is_insecure(&self) -> bool {
        let served = self.served();
        let tls = served
            .as_ref()
            .and_then(|(_, protocol)| protocol.server_tls());
        let clients = tls.and_then(|tls| tls.clients.as_ref());
        clients.is_some_and(|clients| clients.mode == ValidationMode::Unverified)
    }

    fn conflicted(&self) -> StatusCondition {
        match self.conflict {
            Some(conflict) => {
                let mut message = conflict.message().to_owned();
                message[..1].make_ascii_uppercase();
                StatusCondition::new("Conflicted", true, conflict.reason(), message)
            }
            None => {
                let message = "Successfully verified that Listener has no conflicts";
                StatusCondition::new("Conflicted", false, "NoConflicts", message)
            }
        }
    }

    fn programmed(&self, gateway_accepted: bool) -> StatusCondition {
        let message = match (self.is_programmed(), self.not_accepted.is_empty()) {
            (true, _) if gateway_accepted => {
                let message = "Successfully programmed Listener";
                return StatusCondition::new("Programmed", true, "Programmed", message);
            }
            (false, true) => "Not programmed, because it has no certificate to show",
            (true | false, _) => "Not programmed, because it is not accepted",
        };
        let reason = match self.conflict {
            // The Gateway API has these reasons for a listener of a ListenerSet alone.
            Some(conflict) if self.is_of_set() => conflict.reason(),
            _ => "Invalid",
        };
        StatusCondition::new("Programmed", false, reason, message)
    }
}

/// A condition that is true if there are no faults; the first fault gives the reason.
fn condition(
    kind: &'static str,
    wrong: &[(&'static str, FieldFault)],
    fine: &str,
) -> StatusCondition {
    match wrong.first() {
        None => StatusCondition::new(kind, true, kind, fine),
        Some((reason, _)) => {
            let message = join(wrong.iter().map(|(_, fault)| fault));
            StatusCondition::new(kind, false, reason, message)
        }
    }
}
