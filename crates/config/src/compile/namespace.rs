//! `allowedRoutes.namespaces` of a listener: the namespaces whose routes may attach.

use std::collections::BTreeMap;

use super::log::FieldFault;
use crate::api::gateway::{FromNamespaces, NamespaceSelector, RouteNamespaces, SelectorExpression};
use crate::resources::{Kind, ObjectRef, Resources};

/// The label that every namespace has, with its name.
const NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// The namespaces whose routes may attach to a listener.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum NamespaceSelection {
    All,
    Same,
    Selector(Vec<LabelRequirement>),
}

/// One requirement on the labels of a namespace.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct LabelRequirement {
    key: String,
    test: LabelOperator,
}

#[derive(Clone, Debug, PartialEq)]
enum LabelOperator {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    DoesNotExist,
}

impl NamespaceSelection {
    pub(super) fn compile(spec: Option<&RouteNamespaces>, field: &str) -> Result<Self, FieldFault> {
        let Some(RouteNamespaces { from, selector }) = spec else {
            return Ok(Self::Same);
        };
        match from {
            None | Some(FromNamespaces::Same) => Ok(Self::Same),
            Some(FromNamespaces::All) => Ok(Self::All),
            Some(FromNamespaces::Selector) => {
                let field = format!("{field}.selector");
                let selector = selector.as_ref();
                let selector = selector
                    .ok_or_else(|| FieldFault::new(&field, "needed when from is Selector"))?;
                requirements(selector, &field).map(Self::Selector)
            }
        }
    }

    /// Whether routes of the namespace `route` may attach to a Gateway of the namespace `gateway`.
    pub(super) fn allow(&self, resources: &Resources, gateway: &str, route: &str) -> bool {
        match self {
            Self::All => true,
            Self::Same => gateway == route,
            Self::Selector(requirements) => {
                let object = resources
                    .namespaces
                    .get(&ObjectRef::new(Kind::Namespace, "", route));
                let labels = object.and_then(|object| object.value.metadata.labels.as_ref());
                requirements
                    .iter()
                    .all(|requirement| requirement.holds(route, labels))
            }
        }
    }
}

impl LabelRequirement {
    fn holds(&self, namespace: &str, labels: Option<&BTreeMap<String, String>>) -> bool {
        let value = if self.key == NAME_LABEL {
            Some(namespace)
        } else {
            labels
                .and_then(|labels| labels.get(&self.key))
                .map(String::as_str)
        };
        match &self.test {
            LabelOperator::In(values) => {
                value.is_some_and(|value| values.iter().any(|v| v == value))
            }
            LabelOperator::NotIn(values) => {
                !value.is_some_and(|value| values.iter().any(|v| v == value))
            }
            LabelOperator::Exists => value.is_some(),
            LabelOperator::DoesNotExist => value.is_none(),
        }
    }
}

fn requirements(
    selector: &NamespaceSelector,
    field: &str,
) -> Result<Vec<LabelRequirement>, FieldFault> {
    let NamespaceSelector {
        match_expressions,
        match_labels,
    } = selector;
    let labels = match_labels
        .iter()
        .flatten()
        .map(|(key, value)| LabelRequirement {
            key: key.clone(),
            test: LabelOperator::In(vec![value.clone()]),
        });
    let mut requirements: Vec<LabelRequirement> = labels.collect();
    for (index, expression) in match_expressions.iter().flatten().enumerate() {
        let SelectorExpression {
            key,
            operator,
            values,
        } = expression;
        let values = values.clone().unwrap_or_default();
        let test = match (operator.as_str(), values.is_empty()) {
            ("In", false) => LabelOperator::In(values),
            ("NotIn", false) => LabelOperator::NotIn(values),
            ("Exists", true) => LabelOperator::Exists,
            ("DoesNotExist", true) => LabelOperator::DoesNotExist,
            _ => {
                let message =
                    "operator is In or NotIn with values, or Exists or DoesNotExist without";
                return Err(FieldFault::new(
                    format!("{field}.matchExpressions[{index}]"),
                    message,
                ));
            }
        };
        requirements.push(LabelRequirement {
            key: key.clone(),
            test,
        });
    }
    Ok(requirements)
}
