//! Faults of a route, and the conditions that report them.

use super::backend_ref::UnresolvedRefs;
use crate::compile::log::{FieldFault, join};
use crate::report::StatusCondition;

/// The condition that kgateway defines in addition to those of the Gateway API.
const PROGRAMMED: &str = "kgateway.dev/Programmed";

/// The faults of a route, at all of its parents.
#[derive(Debug, Default)]
pub(super) struct RouteFaults {
    /// Values that are not supported or not valid.
    pub(super) unsupported: Vec<FieldFault>,
    /// References that could not be resolved, each with its reason.
    pub(super) unresolved: UnresolvedRefs,
    /// Rules that refuse every request, by index.
    pub(super) replaced: Vec<(usize, FieldFault)>,
    /// Matches that are dropped, by the index of the rule.
    pub(super) dropped: Vec<(usize, FieldFault)>,
    /// Warnings about the route.
    pub(super) warnings: Vec<FieldFault>,
}

/// The faults of a rule.
#[derive(Debug, Default)]
pub(super) struct RuleFaults {
    /// The route is not accepted, and the rule refuses every request.
    pub(super) unsupported: Vec<FieldFault>,
    /// The rule refuses every request.
    pub(super) replaced: Vec<FieldFault>,
    /// The rule is served.
    pub(super) warnings: Vec<FieldFault>,
}

impl RouteFaults {
    pub(super) fn all(&self) -> impl Iterator<Item = &FieldFault> {
        let unresolved = self.unresolved.iter().map(|(_, fault)| fault);
        let replaced = self
            .replaced
            .iter()
            .chain(&self.dropped)
            .map(|(_, fault)| fault);
        self.unsupported.iter().chain(unresolved).chain(replaced)
    }

    /// The conditions at one parent; `refused` is the reason why the parent itself refused the route.
    pub(super) fn conditions(
        &self,
        refused: Option<&(&'static str, FieldFault)>,
    ) -> Vec<StatusCondition> {
        let accepted = match (refused, self.unsupported.is_empty()) {
            (Some((reason, fault)), _) => {
                StatusCondition::new("Accepted", false, reason, fault.message.clone())
            }
            (None, false) => StatusCondition::new(
                "Accepted",
                false,
                "UnsupportedValue",
                join(&self.unsupported),
            ),
            (None, true) => {
                StatusCondition::new("Accepted", true, "Accepted", "Successfully accepted Route")
            }
        };
        let resolved = match self.unresolved.first() {
            None => StatusCondition::new(
                "ResolvedRefs",
                true,
                "ResolvedRefs",
                "Successfully resolved all references",
            ),
            Some((reason, _)) => {
                let messages: Vec<&str> = self
                    .unresolved
                    .iter()
                    .map(|(_, fault)| fault.message.as_str())
                    .collect();
                StatusCondition::new("ResolvedRefs", false, reason, messages.join("; "))
            }
        };
        vec![accepted, resolved, self.programmed(refused.is_some())]
    }

    fn programmed(&self, refused: bool) -> StatusCondition {
        let describe = |verb: &str, (index, fault): &(usize, FieldFault)| {
            format!("{verb} Rule ({index}): {fault}")
        };
        let replaced = self
            .replaced
            .iter()
            .map(|entry| describe("Replaced", entry));
        let dropped = self.dropped.iter().map(|entry| describe("Dropped", entry));
        let messages: Vec<String> = replaced.chain(dropped).collect();
        if !messages.is_empty() {
            let reason = if self.replaced.is_empty() {
                "RouteRuleDropped"
            } else {
                "RouteRuleReplaced"
            };
            return StatusCondition::new(PROGRAMMED, false, reason, messages.join("; "));
        }
        if refused {
            return StatusCondition::new(
                PROGRAMMED,
                false,
                "Invalid",
                "Not programmed, because it is not accepted",
            );
        }
        StatusCondition::new(
            PROGRAMMED,
            true,
            "Programmed",
            "Successfully programmed Route",
        )
    }
}
