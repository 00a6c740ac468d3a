//! The status of a Gateway, and of a ListenerSet.

use super::listener::ListenerDraft;
use crate::compile::log::{FieldFault, join};
use crate::report::{GatewayStatus, ListenerStatus, StatusCondition};

/// The status of a Gateway while its listeners are added.
#[derive(Debug, Default)]
pub(super) struct GatewayStatusDraft {
    listeners: Vec<ListenerStatus>,
    /// The names of the listeners that are not programmed.
    not_programmed: Vec<String>,
    has_accepted: bool,
    has_unresolved: bool,
    /// A reference of the Gateway itself that could not be resolved, and the reason.
    unresolved: Option<(&'static str, FieldFault)>,
    is_insecure: bool,
    /// The number of ListenerSets that are attached; `None` if the Gateway says nothing of ListenerSets.
    attached_sets: Option<usize>,
}

/// The status of a ListenerSet while its listeners are added.
#[derive(Debug, Default)]
pub(super) struct SetStatusDraft {
    listeners: Vec<ListenerStatus>,
    not_programmed: Vec<String>,
}

impl GatewayStatusDraft {
    /// Adds a listener.
    pub(super) fn add(&mut self, listener: &ListenerDraft<'_>, gateway_accepted: bool) {
        self.listeners.push(listener.status(gateway_accepted));
        self.has_accepted |= listener.is_accepted();
        self.has_unresolved |= listener.has_unresolved_references();
        self.is_insecure |= gateway_accepted && listener.is_insecure();
        if !listener.is_programmed() {
            self.not_programmed.push(listener.name().to_owned());
        }
    }

    /// Adds what the Gateway says of a listener of one of its ListenerSets.
    pub(super) fn add_of_set(&mut self, listener: &ListenerDraft<'_>) {
        self.is_insecure |= listener.is_insecure();
    }

    /// Sets a reference of the Gateway itself that could not be resolved.
    pub(super) fn unresolved(&mut self, reason: &'static str, fault: FieldFault) {
        self.unresolved = Some((reason, fault));
    }

    /// Sets the number of ListenerSets that are attached.
    pub(super) fn attached_sets(&mut self, count: usize) {
        self.attached_sets = Some(count);
    }

    /// The status; `refused` is the reason with the faults, if the Gateway is not accepted.
    pub(super) fn finish(self, refused: Option<&(&'static str, Vec<FieldFault>)>) -> GatewayStatus {
        let mut conditions = match refused {
            Some((reason, faults)) => vec![
                StatusCondition::new("Accepted", false, reason, join(faults)),
                not_programmed("Not served, because it is not accepted"),
            ],
            None => vec![self.accepted(), self.programmed()],
        };
        conditions.push(self.resolved_refs());
        if self.is_insecure {
            conditions.push(StatusCondition::new(
                "InsecureFrontendValidationMode",
                true,
                "ConfigurationChanged",
                "Clients are served whose certificates were not verified",
            ));
        }
        GatewayStatus {
            conditions,
            listeners: self.listeners,
            attached_listener_sets: self.attached_sets,
        }
    }

    /// A Gateway is accepted if a listener is, even one that is not programmed for want of a certificate.
    fn accepted(&self) -> StatusCondition {
        if self.not_programmed.is_empty() && !self.listeners.is_empty() {
            let message = "Successfully accepted Gateway";
            return StatusCondition::new("Accepted", true, "Accepted", message);
        }
        let names = self.not_programmed.join(", ");
        let message = format!("Some listeners are not programmed: {names}");
        StatusCondition::new("Accepted", self.has_accepted, "ListenersNotValid", message)
    }

    fn programmed(&self) -> StatusCondition {
        if self.not_programmed.len() == self.listeners.len() {
            return not_programmed("No listener is programmed");
        }
        let message = "Successfully programmed Gateway";
        StatusCondition::new("Programmed", true, "Programmed", message)
    }

    /// The references of the Gateway itself, and a summary of the same condition of the listeners.
    fn resolved_refs(&self) -> StatusCondition {
        if let Some((reason, fault)) = &self.unresolved {
            return StatusCondition::new("ResolvedRefs", false, reason, fault.to_string());
        }
        if self.has_unresolved {
            let message = "One or more listeners have unresolved references";
            return StatusCondition::new("ResolvedRefs", false, "ListenersNotResolved", message);
        }
        let message = "Successfully resolved all Gateway references";
        StatusCondition::new("ResolvedRefs", true, "ResolvedRefs", message)
    }
}

impl SetStatusDraft {
    /// Adds a listener.
    pub(super) fn add(&mut self, listener: &ListenerDraft<'_>) {
        self.listeners.push(listener.status(true));
        if !listener.is_programmed() {
            self.not_programmed.push(listener.name().to_owned());
        }
    }

    /// The status, and whether the set is accepted: that is if one of its listeners is served.
    pub(super) fn finish(self) -> (GatewayStatus, bool) {
        let Self {
            listeners,
            not_programmed,
        } = self;
        let is_accepted = not_programmed.len() < listeners.len();
        let names = not_programmed.join(", ");
        let invalid = format!("Some listeners are not programmed: {names}");
        let accepted = match not_programmed.is_empty() {
            true => ("Accepted", "Successfully accepted ListenerSet".to_owned()),
            false => ("ListenersNotValid", invalid),
        };
        let programmed = match is_accepted {
            true => ("Programmed", "Successfully programmed ListenerSet"),
            false => ("ListenersNotValid", "No listener is programmed"),
        };
        let conditions = vec![
            StatusCondition::new("Accepted", is_accepted, accepted.0, accepted.1),
            StatusCondition::new("Programmed", is_accepted, programmed.0, programmed.1),
        ];
        let status = GatewayStatus {
            conditions,
            listeners,
            attached_listener_sets: None,
        };
        (status, is_accepted)
    }
}

fn not_programmed(message: &str) -> StatusCondition {
    StatusCondition::new("Programmed", false, "Invalid", message)
}
