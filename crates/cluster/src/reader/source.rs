//! What one watch is about: the objects of a kind, or some of them.

use std::fmt;
use std::sync::Arc;

use egret_config::references::SecretSelection;
use egret_config::resources::{Kind, LabelSelector, ObjectRef};
use kube::api::{ListParams, WatchParams};

/// Objects that are listed and watched together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Source {
    pub(super) kind: Kind,
    pub(super) part: SourcePart,
}

/// Which objects of a kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum SourcePart {
    All,
    /// The object of this namespace and name alone, so that no more than this need be permitted.
    Named {
        namespace: Arc<str>,
        name: Arc<str>,
    },
    /// Those of a namespace with such labels.
    Labelled {
        namespace: Arc<str>,
        selector: LabelSelector,
    },
}

impl Source {
    pub(super) fn all(kind: Kind) -> Self {
        let part = SourcePart::All;
        Self { kind, part }
    }

    pub(super) fn named(object: &ObjectRef) -> Self {
        Self {
            kind: object.kind,
            part: SourcePart::Named {
                namespace: object.namespace.clone(),
                name: object.name.clone(),
            },
        }
    }

    pub(super) fn labelled(selection: &SecretSelection) -> Self {
        Self {
            kind: Kind::Secret,
            part: SourcePart::Labelled {
                namespace: selection.namespace.clone(),
                selector: selection.selector.clone(),
            },
        }
    }

    /// The EndpointSlices of a Service.
    pub(super) fn slices_of(service: &ObjectRef) -> Self {
        let label = (
            "kubernetes.io/service-name".to_owned(),
            service.name.to_string(),
        );
        let labels = [label].into();
        Self {
            kind: Kind::EndpointSlice,
            part: SourcePart::Labelled {
                namespace: service.namespace.clone(),
                selector: LabelSelector::of_labels(&labels),
            },
        }
    }

    pub(super) fn namespace(&self) -> Option<&str> {
        match &self.part {
            SourcePart::All => None,
            SourcePart::Named { namespace, .. } | SourcePart::Labelled { namespace, .. } => {
                Some(namespace)
            }
        }
    }

    pub(super) fn list_params(&self) -> ListParams {
        ListParams {
            field_selector: self.fields(),
            label_selector: self.labels(),
            ..ListParams::default()
        }
    }

    pub(super) fn watch_params(&self) -> WatchParams {
        WatchParams {
            field_selector: self.fields(),
            label_selector: self.labels(),
            ..WatchParams::default()
        }
    }

    fn fields(&self) -> Option<String> {
        match &self.part {
            SourcePart::Named { name, .. } => Some(format!("metadata.name={name}")),
            SourcePart::All | SourcePart::Labelled { .. } => None,
        }
    }

    fn labels(&self) -> Option<String> {
        match &self.part {
            SourcePart::Labelled { selector, .. } => Some(selector.to_string()),
            SourcePart::All | SourcePart::Named { .. } => None,
        }
    }
}

/// Writes `HTTPRoutes`, or `Secret ns/name`.
impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.kind;
        match &self.part {
            SourcePart::All => f.write_str(&kind.plural()),
            SourcePart::Named { namespace, name } => write!(f, "{kind} {namespace}/{name}"),
            SourcePart::Labelled { namespace, .. } => {
                let labels = self.labels().unwrap_or_default();
                write!(f, "{} of {namespace} with {labels}", kind.plural())
            }
        }
    }
}
