//! What is wrong with a route, and the conditions that say so.

use crate::compile::log::{Fault, join};
use crate::report::Condition;

/// The condition that kgateway adds to the Gateway API's.
const PROGRAMMED: &str = "kgateway.dev/Programmed";

/// What is wrong with a route, whatever the parent.
#[derive(Debug, Default)]
pub(super) struct RouteFaults {
    /// Values that we do not support, or that nobody may.
    pub(super) unsupported: Vec<Fault>,
    /// References that lead nowhere, with the reason.
    pub(super) unresolved: Vec<(&'static str, Fault)>,
    /// Rules that refuse instead, by index.
    pub(super) replaced: Vec<(usize, Fault)>,
    /// Rules with matches that cannot be used, by index.
    pub(super) dropped: Vec<(usize, Fault)>,
    /// Fine, but worth a look.
    pub(super) warnings: Vec<Fault>,
}

/// What is wrong with a rule.
#[derive(Debug, Default)]
pub(super) struct RuleFaults {
    /// The route is not accepted, and the rule refuses.
    pub(super) unsupported: Vec<Fault>,
    /// The rule refuses.
    pub(super) replaced: Vec<Fault>,
}

impl RouteFaults {
    pub(super) fn all(&self) -> impl Iterator<Item = &Fault> {
        let unresolved = self.unresolved.iter().map(|(_, fault)| fault);
        let replaced = self
            .replaced
            .iter()
            .chain(&self.dropped)
            .map(|(_, fault)| fault);
        self.unsupported.iter().chain(unresolved).chain(replaced)
    }

    /// The conditions for one parent, which may have refused the route for a reason of its own.
    pub(super) fn conditions(&self, refused: Option<&(&'static str, Fault)>) -> Vec<Condition> {
        let accepted = match (refused, self.unsupported.is_empty()) {
            (Some((reason, fault)), _) => {
                Condition::new("Accepted", false, reason, fault.message.clone())
            }
            (None, false) => Condition::new(
                "Accepted",
                false,
                "UnsupportedValue",
                join(&self.unsupported),
            ),
            (None, true) => {
                Condition::new("Accepted", true, "Accepted", "Successfully accepted Route")
            }
        };
        let resolved = match self.unresolved.first() {
            None => Condition::new(
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
                Condition::new("ResolvedRefs", false, reason, messages.join("; "))
            }
        };
        vec![accepted, resolved, self.programmed(refused.is_some())]
    }

    fn programmed(&self, refused: bool) -> Condition {
        let say =
            |verb: &str, (index, fault): &(usize, Fault)| format!("{verb} Rule ({index}): {fault}");
        let replaced = self.replaced.iter().map(|entry| say("Replaced", entry));
        let dropped = self.dropped.iter().map(|entry| say("Dropped", entry));
        let messages: Vec<String> = replaced.chain(dropped).collect();
        if !messages.is_empty() {
            let reason = if self.replaced.is_empty() {
                "RouteRuleDropped"
            } else {
                "RouteRuleReplaced"
            };
            return Condition::new(PROGRAMMED, false, reason, messages.join("; "));
        }
        if refused {
            return Condition::new(
                PROGRAMMED,
                false,
                "Invalid",
                "Not programmed, because it is not accepted",
            );
        }
        Condition::new(
            PROGRAMMED,
            true,
            "Programmed",
            "Successfully programmed Route",
        )
    }
}
