//! What a compilation finds out about its objects beyond their statuses: in which object each fault is, and what each
//! policy is bound to. Whoever replaces one configuration by another decides by it what may be replaced.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use super::missing;
use crate::report::ReportProblem;
use crate::resources::{LabelSelector, ObjectRef, Resources};

/// What a compilation finds out about its objects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CompileReview {
    /// The faults that are in an object, and not only in its relation to others.
    pub faults: Vec<ObjectFault>,
    /// What each policy is bound to.
    pub bindings: BTreeMap<ObjectRef, PolicyBinding>,
    /// The EgressPolicies of each listener that is served: those on the listener and on its Gateway.
    pub listeners: BTreeMap<ListenerName, BTreeSet<ObjectRef>>,
    /// What each Gateway uses that is served; only of Gateways that are apart.
    pub uses: BTreeMap<ObjectRef, GatewayUse>,
    /// Why listeners that are served refuse every request until an EgressPolicy is bound to them.
    pub unprotected: Vec<String>,
}

/// A listener: its Gateway and its name.
pub type ListenerName = (ObjectRef, String);

/// What a Gateway uses that is served.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GatewayUse {
    /// The ports of its listeners, and of its ListenerSets.
    pub ports: BTreeSet<u16>,
    /// The Backends and Services that its rules lead to, and the objects for which they refuse.
    pub objects: BTreeSet<ObjectRef>,
}

/// A fault that keeps the new version of an object from being served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectFault {
    /// The object whose report has the fault.
    pub object: ObjectRef,
    /// The object that the fault is in.
    pub cause: FaultCause,
    /// The fault as it is reported.
    pub problem: ReportProblem,
}

/// The object that a fault is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FaultCause {
    /// The object that is compiled is wrong in itself, whatever the other objects are.
    Object,
    /// A reference between objects, for which the Gateway API says what becomes of it: a Backend that does not exist, a
    /// missing ReferenceGrant, an older object that has precedence.
    Reference,
    /// The content of this Secret, ConfigMap or file.
    Content(ObjectRef),
    /// The content of these two files, which do not belong together.
    Contents(Box<[ObjectRef; 2]>),
    /// This Secret or ConfigMap does not exist.
    Absent(ObjectRef),
    /// No Secret of the namespace has such labels.
    NoneSelected {
        /// The namespace of the Secrets.
        namespace: Arc<str>,
        /// What the labels of the Secrets must be.
        selector: LabelSelector,
    },
}

/// What is wrong with a Secret or ConfigMap that an object refers to.
#[derive(Debug)]
pub(super) struct ReferentFault {
    pub(super) message: String,
    pub(super) cause: FaultCause,
}

/// An object, or a section of one: a listener of a Gateway, a rule of a route.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PolicyTarget {
    /// The object.
    pub object: ObjectRef,
    /// The name of the section; `None` is the whole object.
    pub section: Option<String>,
}

/// What a policy is bound to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyBinding {
    /// Where the policy is written; without a message.
    pub place: ReportProblem,
    /// The targets that exist and that Egret serves.
    pub bound: BTreeSet<PolicyTarget>,
    /// The targets that another controller serves.
    pub foreign: BTreeSet<PolicyTarget>,
    /// The references that lead to nothing, each with the problem that reports it.
    pub dangling: Vec<ReportProblem>,
}

impl ReferentFault {
    /// A fault in the content of a Secret, ConfigMap or file.
    pub(super) fn content(object: &ObjectRef, message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            cause: FaultCause::Content(object.clone()),
        }
    }

    /// A Secret or ConfigMap that does not exist among these objects.
    pub(super) fn absent(resources: &Resources, object: &ObjectRef) -> Self {
        Self {
            message: missing::message(resources, object),
            ..Self::not_found(object)
        }
    }

    /// A Secret or ConfigMap that does not exist.
    pub(super) fn not_found(object: &ObjectRef) -> Self {
        Self {
            message: format!("{object} not found"),
            cause: FaultCause::Absent(object.clone()),
        }
    }

    /// A reference that is not allowed.
    pub(super) fn not_permitted(message: String) -> Self {
        Self {
            message,
            cause: FaultCause::Reference,
        }
    }
}

/// A fault of the reference itself, and so of the object that has it.
impl From<String> for ReferentFault {
    fn from(message: String) -> Self {
        Self {
            message,
            cause: FaultCause::Object,
        }
    }
}

/// Writes the object, then `#section`.
impl fmt::Display for PolicyTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { object, section } = self;
        match section {
            Some(section) => write!(f, "{object}#{section}"),
            None => write!(f, "{object}"),
        }
    }
}
