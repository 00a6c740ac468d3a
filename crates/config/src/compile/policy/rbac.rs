//! Compiles `rbac` of a TrafficPolicy to [`Rbac`].

use egret_api::kgateway::{RbacPolicy, TrafficPolicySpec, TrafficRbac};

use super::reader::{FieldReading, PolicyReader, ReadPolicy};
use crate::compile::value::SpecFields;
use crate::expression::{AbsentHeaders, Expression, RequestForm};
use crate::policy::rbac::{Rbac, RbacAction};
use crate::policy::traffic::TrafficSettings;

/// Maximum number of expressions in a policy.
const MAX_EXPRESSIONS: usize = 256;

impl ReadPolicy for Rbac {
    type Spec = TrafficRbac;

    fn of(spec: &TrafficPolicySpec) -> Option<&TrafficRbac> {
        spec.rbac.as_ref()
    }

    fn read(
        spec: &TrafficRbac,
        fields: &mut SpecFields<'_>,
        _reader: PolicyReader<'_>,
    ) -> FieldReading<Self> {
        let TrafficRbac { action, policy } = spec;
        let RbacPolicy { match_expressions } = policy;
        let mut fields = fields.nested("policy");
        if match_expressions.len() > MAX_EXPRESSIONS {
            let message = format!("at most {MAX_EXPRESSIONS} are allowed");
            fields.fault("matchExpressions", message);
        }
        let mut expressions = Vec::with_capacity(match_expressions.len());
        for (index, text) in match_expressions.iter().enumerate() {
            match Expression::compile(text, AbsentHeaders::AreErrors) {
                Ok(expression) => expressions.push(expression),
                Err(fault) => {
                    fields.fault(&format!("matchExpressions[{index}]"), fault.to_string());
                }
            }
        }
        FieldReading::Set(Self {
            action: action.unwrap_or_default(),
            expressions,
        })
    }
}

/// Warnings about expressions that deny what they cannot see in a tunnel, each with its field.
pub(super) fn warnings(settings: &TrafficSettings) -> Vec<(String, &'static str)> {
    let Some(rbac) = settings.rbac.value() else {
        return Vec::new();
    };
    if rbac.expressions.is_empty() {
        let message = "no expressions: every request is refused";
        return vec![("spec.rbac.policy.matchExpressions".to_owned(), message)];
    }
    if rbac.action == RbacAction::Allow {
        return Vec::new();
    }
    let hidden = rbac.expressions.iter().enumerate();
    let hidden = hidden.filter(|(_, it)| it.inputs().are_hidden(RequestForm::Connect));
    let warned = hidden.map(|(index, _)| {
        let field = format!("spec.rbac.policy.matchExpressions[{index}]");
        let message = "reads what a tunnel does not show, so that it denies no CONNECT: deny those with \
                       request.form == 'connect', or switch them off with httpUpgrade";
        (field, message)
    });
    warned.collect()
}
