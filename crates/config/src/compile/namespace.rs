//! The namespaces whose routes may attach to a listener (`allowedRoutes`), and whose ListenerSets may attach to a Gateway
//! (`allowedListeners`).

use std::collections::BTreeMap;

use super::log::FieldFault;
use crate::api::gateway::{
    FromListenerSetNamespaces, FromNamespaces, ListenerSetNamespaces, ListenerSetSelector,
    NamespaceSelector, RouteNamespaces, SelectorExpression,
};
use crate::resources::{Kind, ObjectRef, Resources};

/// The label that every namespace has, with its name.
const NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// The namespaces whose objects may attach.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum NamespaceSelection {
    None,
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

    /// As [`NamespaceSelection::compile`], of `allowedListeners`.
    pub(super) fn of_listener_sets(
        spec: Option<&ListenerSetNamespaces>,
        field: &str,
    ) -> Result<Self, FieldFault> {
        let Some(ListenerSetNamespaces { from, selector }) = spec else {
            return Ok(Self::None);
        };
        let from = match from {
            None | Some(FromListenerSetNamespaces::None) => return Ok(Self::None),
            Some(FromListenerSetNamespaces::Same) => FromNamespaces::Same,
            Some(FromListenerSetNamespaces::All) => FromNamespaces::All,
            Some(FromListenerSetNamespaces::Selector) => FromNamespaces::Selector,
        };
        let selector = selector.clone().map(
            |ListenerSetSelector {
                 match_expressions,
                 match_labels,
             }| NamespaceSelector {
                match_expressions: match_expressions.map(|all| {
                    let all = all.into_iter();
                    all.map(|one| SelectorExpression {
                        key: one.key,
                        operator: one.operator,
                        values: one.values,
                    })
                    .collect()
                }),
                match_labels,
            },
        );
        let spec = RouteNamespaces {
            from: Some(from),
            selector,
        };
        Self::compile(Some(&spec), field)
    }

    /// Whether objects of the namespace `object` may attach to something of the namespace `parent`.
    pub(super) fn allow(&self, resources: &Resources, parent: &str, object: &str) -> bool {
        match self {
            Self::None => false,
            Self::All => true,
            Self::Same => parent == object,
            Self::Selector(requirements) => {
                let namespace =
                    resources
                        .namespaces
                        .get(&ObjectRef::new(Kind::Namespace, "", object));
                let labels =
                    namespace.and_then(|namespace| namespace.value.metadata.labels.as_ref());
                requirements
                    .iter()
                    .all(|requirement| requirement.holds(object, labels))
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
