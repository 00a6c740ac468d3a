//! Namespaces, as `allowedRoutes` selects them.

use std::collections::BTreeMap;

use super::log::Fault;
use crate::api::gateway::{FromNamespaces, NamespaceSelector, RouteNamespaces, SelectorExpression};
use crate::resources::{Kind, ObjectRef, Resources};

/// The label that every namespace has.
const NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// The namespaces whose routes a listener takes.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Namespaces {
    All,
    Same,
    Selector(Vec<Requirement>),
}

/// One condition on a namespace's labels.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Requirement {
    key: String,
    test: Test,
}

#[derive(Clone, Debug, PartialEq)]
enum Test {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    DoesNotExist,
}

impl Namespaces {
    pub(super) fn compile(spec: Option<&RouteNamespaces>, field: &str) -> Result<Self, Fault> {
        let Some(RouteNamespaces { from, selector }) = spec else {
            return Ok(Self::Same);
        };
        match from {
            None | Some(FromNamespaces::Same) => Ok(Self::Same),
            Some(FromNamespaces::All) => Ok(Self::All),
            Some(FromNamespaces::Selector) => {
                let field = format!("{field}.selector");
                let selector = selector.as_ref();
                let selector =
                    selector.ok_or_else(|| Fault::new(&field, "needed when from is Selector"))?;
                requirements(selector, &field).map(Self::Selector)
            }
        }
    }

    /// Whether routes of a namespace may attach to a Gateway in another, or the same.
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

impl Requirement {
    fn holds(&self, namespace: &str, labels: Option<&BTreeMap<String, String>>) -> bool {
        let value = if self.key == NAME_LABEL {
            Some(namespace)
        } else {
            labels
                .and_then(|labels| labels.get(&self.key))
                .map(String::as_str)
        };
        match &self.test {
            Test::In(values) => value.is_some_and(|value| values.iter().any(|v| v == value)),
            Test::NotIn(values) => !value.is_some_and(|value| values.iter().any(|v| v == value)),
            Test::Exists => value.is_some(),
            Test::DoesNotExist => value.is_none(),
        }
    }
}

fn requirements(selector: &NamespaceSelector, field: &str) -> Result<Vec<Requirement>, Fault> {
    let NamespaceSelector {
        match_expressions,
        match_labels,
    } = selector;
    let labels = match_labels
        .iter()
        .flatten()
        .map(|(key, value)| Requirement {
            key: key.clone(),
            test: Test::In(vec![value.clone()]),
        });
    let mut requirements: Vec<Requirement> = labels.collect();
    for (index, expression) in match_expressions.iter().flatten().enumerate() {
        let SelectorExpression {
            key,
            operator,
            values,
        } = expression;
        let values = values.clone().unwrap_or_default();
        let test = match (operator.as_str(), values.is_empty()) {
            ("In", false) => Test::In(values),
            ("NotIn", false) => Test::NotIn(values),
            ("Exists", true) => Test::Exists,
            ("DoesNotExist", true) => Test::DoesNotExist,
            _ => {
                let message =
                    "operator is In or NotIn with values, or Exists or DoesNotExist without";
                return Err(Fault::new(
                    format!("{field}.matchExpressions[{index}]"),
                    message,
                ));
            }
        };
        requirements.push(Requirement {
            key: key.clone(),
            test,
        });
    }
    Ok(requirements)
}
