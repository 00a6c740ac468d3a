//! The namespaces whose routes may attach to a listener (`allowedRoutes`), and whose ListenerSets may attach to a Gateway
//! (`allowedListeners`).

use egret_api::gateway::{
    FromListenerSetNamespaces, FromNamespaces, ListenerSetNamespaces, ListenerSetSelector,
    NamespaceSelector, RouteNamespaces, SelectorExpression,
};

use super::log::FieldFault;
use crate::resources::{
    EXPRESSION_NEEDS, Kind, LabelExpression, LabelSelector, ObjectRef, Resources,
};

/// The label that every namespace has, with its name.
const NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// The namespaces whose objects may attach.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum NamespaceSelection {
    None,
    All,
    Same,
    Selector(LabelSelector),
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
            Self::Selector(selector) => {
                let namespaces = &resources.namespaces;
                let namespace = namespaces.get(&ObjectRef::new(Kind::Namespace, "", object));
                let labels = namespace.and_then(|it| it.value.metadata.labels.as_ref());
                selector.holds(|key| match key {
                    NAME_LABEL => Some(object),
                    key => Some(labels?.get(key)?.as_str()),
                })
            }
        }
    }
}

fn requirements(selector: &NamespaceSelector, field: &str) -> Result<LabelSelector, FieldFault> {
    let NamespaceSelector {
        match_expressions,
        match_labels,
    } = selector;
    let labels = match_labels.clone().unwrap_or_default();
    let expressions = match_expressions.iter().flatten();
    let expressions = expressions.map(|expression| LabelExpression {
        key: &expression.key,
        operator: &expression.operator,
        values: expression.values.as_deref().unwrap_or_default(),
    });
    LabelSelector::read(&labels, expressions).map_err(|index| {
        FieldFault::new(
            format!("{field}.matchExpressions[{index}]"),
            EXPRESSION_NEEDS,
        )
    })
}
