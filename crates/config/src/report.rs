//! The report of a compilation: the status of every object, in the shapes of the Gateway API, and problems with file
//! and line.
//!
//! The report is read by people, printed by `egret check`, and written to the statuses of a cluster.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use serde::{Serialize, Serializer};

use crate::resources::{Kind, ObjectRef, SourceLocation};

mod findings;
mod table;

pub use findings::Findings;

/// The report of a compilation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// One entry for each object that has a status and is served by Egret, by kind, namespace and name.
    pub objects: Vec<ObjectReport>,
    /// Everything that is not served as it was written.
    pub problems: Vec<ReportProblem>,
    /// What is served, or is not for Egret, but may be a mistake.
    pub warnings: Vec<ReportProblem>,
    /// The number of objects that were skipped because their kinds are not for Egret.
    pub skipped: usize,
    /// The objects that are served in an earlier version, because the newest one cannot be.
    pub held: Vec<HeldObject>,
}

/// An object that is served in an earlier version. Prints as `Kind ns/name of generation N`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HeldObject {
    /// The object.
    pub object: ObjectRef,
    /// The last generation of the configuration in which the object was served as it was written.
    pub generation: u64,
    /// The problem for which the newest version is not served.
    pub reason: String,
}

/// The status of one object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectReport {
    /// The object.
    pub object: ObjectRef,
    /// The file where it was written; empty if it does not come from a file.
    pub file: Arc<str>,
    /// The line where it starts; 0 if it does not come from a file.
    pub line: usize,
    /// Its status.
    pub status: ObjectStatus,
}

/// The status of an object, in the shape of its kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum ObjectStatus {
    /// The status of a Gateway or a ListenerSet.
    Gateway(GatewayStatus),
    /// The status of a route.
    Route(RouteStatus),
    /// The status of a policy.
    Policy(PolicyStatus),
    /// The status of any other object: conditions only.
    Plain(PlainStatus),
}

/// `status` of a Gateway, without the addresses, which only the running gateway knows; or of a ListenerSet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GatewayStatus {
    /// The conditions `Accepted` and `Programmed`; of a Gateway also `ResolvedRefs`, and `InsecureFrontendValidationMode`
    /// if it applies.
    pub conditions: Vec<StatusCondition>,
    /// The listeners, in the order of the spec.
    pub listeners: Vec<ListenerStatus>,
    /// The number of ListenerSets that are attached, if the Gateway says anything of ListenerSets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attached_listener_sets: Option<usize>,
}

/// `status.listeners[]` of a Gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListenerStatus {
    /// The name of the listener.
    pub name: String,
    /// The kinds of route that may attach to it.
    pub supported_kinds: Vec<RouteKind>,
    /// How many routes are attached to it.
    pub attached_routes: usize,
    /// The conditions `Accepted`, `Conflicted`, `ResolvedRefs` and `Programmed`.
    pub conditions: Vec<StatusCondition>,
}

/// `supportedKinds[]` of a listener's status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteKind(pub Kind);

/// `status` of a route.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RouteStatus {
    /// One entry for each parentRef that names a Gateway served by Egret, or a ListenerSet of one.
    pub parents: Vec<ParentStatus>,
}

/// `status.parents[]` of a route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ParentStatus {
    /// The parentRef as the route has it.
    pub parent_ref: ParentReference,
    /// The conditions `Accepted`, `ResolvedRefs` and `kgateway.dev/Programmed`.
    pub conditions: Vec<StatusCondition>,
}

/// `status` of a policy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PolicyStatus {
    /// One entry for each Gateway of the targets, or for each target that is a backend.
    pub ancestors: Vec<AncestorStatus>,
}

/// `status.ancestors[]` of a policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AncestorStatus {
    /// The Gateway, or the backend.
    pub ancestor_ref: ParentReference,
    /// The conditions `Accepted` and `Attached`.
    pub conditions: Vec<StatusCondition>,
}

/// `status` of an object of any other kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PlainStatus {
    /// The condition `Accepted`.
    pub conditions: Vec<StatusCondition>,
}

/// A reference to a parent or an ancestor (Gateway API, ParentReference).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ParentReference {
    /// The API group of the object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// The kind of the object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The namespace of the object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The name of the object.
    pub name: String,
    /// The name of a listener or of a rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub section_name: Option<String>,
    /// The port of the listeners.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<i32>,
}

/// A condition, without what only a cluster knows: generation and time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StatusCondition {
    /// The type of the condition, such as `Accepted` or `ResolvedRefs`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Whether the condition is true.
    #[serde(serialize_with = "as_status")]
    pub status: bool,
    /// The reason, in one CamelCase word.
    pub reason: &'static str,
    /// The message, in one sentence.
    pub message: String,
    /// Whether the condition is as its author wanted it, although it is false.
    #[serde(skip)]
    pub is_intended: bool,
}

/// A problem or a warning, with the place where it was written. Prints as `path:line: Kind ns/name: field: message`;
/// unknown parts are left out.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReportProblem {
    /// The file; empty if there is none.
    pub file: Arc<str>,
    /// The line, from 1; 0 if there is none.
    pub line: usize,
    /// The object, if it is known.
    pub object: Option<ObjectRef>,
    /// The path of the field, such as `spec.rules[0].filters[1]`; empty for the whole object.
    pub field: String,
    /// What is wrong.
    pub message: String,
}

impl Report {
    /// Whether everything is served as it was written.
    #[must_use]
    pub fn accepted(&self) -> bool {
        self.problems.is_empty()
            && self
                .objects
                .iter()
                .flat_map(ObjectReport::conditions)
                .all(|(_, condition)| condition.is_fine())
    }

    /// The report as a table for people, with one line for each condition.
    #[must_use]
    pub fn table(&self) -> String {
        table::render(self, |_| true)
    }

    /// The table of the conditions that are not fine; `None` if all are.
    #[must_use]
    pub fn table_of_faults(&self) -> Option<String> {
        let mut all = self.objects.iter().flat_map(ObjectReport::conditions);
        all.any(|(_, condition)| !condition.is_fine())
            .then(|| table::render(self, |condition| !condition.is_fine()))
    }

    /// What people are told about the configuration. `read_errors` are those of the files, and `unread` the objects
    /// that have them, so that references to them lead nowhere.
    #[must_use]
    pub fn findings(
        &self,
        read_errors: &[ReportProblem],
        unread: &BTreeSet<ObjectRef>,
    ) -> Findings {
        Findings::of(self, read_errors, unread)
    }
}

impl ObjectReport {
    /// All conditions, each with the part of the object that it is about: a listener, a parent or an ancestor; empty
    /// for the whole object.
    pub fn conditions(&self) -> impl Iterator<Item = (String, &StatusCondition)> {
        let parts: Vec<(String, &[StatusCondition])> = match &self.status {
            ObjectStatus::Gateway(status) => [(String::new(), status.conditions.as_slice())]
                .into_iter()
                .chain(
                    status
                        .listeners
                        .iter()
                        .map(|l| (l.name.clone(), l.conditions.as_slice())),
                )
                .collect(),
            ObjectStatus::Route(status) => status
                .parents
                .iter()
                .map(|parent| (parent.parent_ref.to_string(), parent.conditions.as_slice()))
                .collect(),
            ObjectStatus::Policy(status) => status
                .ancestors
                .iter()
                .map(|ancestor| {
                    (
                        ancestor.ancestor_ref.to_string(),
                        ancestor.conditions.as_slice(),
                    )
                })
                .collect(),
            ObjectStatus::Plain(status) => vec![(String::new(), status.conditions.as_slice())],
        };
        parts.into_iter().flat_map(|(part, conditions)| {
            conditions
                .iter()
                .map(move |condition| (part.clone(), condition))
        })
    }
}

impl ObjectReport {
    /// Adds a note to the message of every condition that reports a fault.
    pub(crate) fn with_note(mut self, note: &str) -> Self {
        let noted = |conditions: &mut Vec<StatusCondition>| {
            for condition in conditions.iter_mut().filter(|it| !it.is_fine()) {
                condition.message = format!("{}; {note}", condition.message);
            }
        };
        match &mut self.status {
            ObjectStatus::Gateway(status) => {
                noted(&mut status.conditions);
                let listeners = status.listeners.iter_mut();
                listeners.for_each(|listener| noted(&mut listener.conditions));
            }
            ObjectStatus::Route(status) => {
                let parents = status.parents.iter_mut();
                parents.for_each(|parent| noted(&mut parent.conditions));
            }
            ObjectStatus::Policy(status) => {
                let ancestors = status.ancestors.iter_mut();
                ancestors.for_each(|ancestor| noted(&mut ancestor.conditions));
            }
            ObjectStatus::Plain(status) => noted(&mut status.conditions),
        }
        self
    }
}

impl StatusCondition {
    /// A condition of this type.
    #[must_use]
    pub fn new(
        kind: &'static str,
        status: bool,
        reason: &'static str,
        message: impl Into<String>,
    ) -> Self {
        Self {
            kind,
            status,
            reason,
            message: message.into(),
            is_intended: false,
        }
    }

    /// Whether the condition reports no fault: every condition is good when true, except `Conflicted`.
    #[must_use]
    pub fn is_fine(&self) -> bool {
        self.is_intended || self.status != (self.kind == "Conflicted")
    }
}

impl ReportProblem {
    /// A problem of a field of an object.
    #[must_use]
    pub fn new(
        object: &ObjectRef,
        source: &SourceLocation,
        field: &str,
        message: impl Into<String>,
    ) -> Self {
        Self {
            file: source.file.clone(),
            line: source.line_of(field),
            object: Some(object.clone()),
            field: field.to_owned(),
            message: message.into(),
        }
    }
}

impl fmt::Display for ReportProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.file.is_empty() {
            f.write_str(&self.file)?;
            if self.line > 0 {
                write!(f, ":{}", self.line)?;
            }
            f.write_str(": ")?;
        }
        if let Some(object) = &self.object {
            write!(f, "{object}: ")?;
        }
        if !self.field.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        f.write_str(&self.message)
    }
}

impl fmt::Display for HeldObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            object, generation, ..
        } = self;
        write!(f, "{object} of generation {generation}")
    }
}

/// Writes `Kind namespace/name`, then `:port` and `#section`.
impl fmt::Display for ParentReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(kind) = &self.kind {
            write!(f, "{kind} ")?;
        }
        if let Some(namespace) = &self.namespace {
            write!(f, "{namespace}/")?;
        }
        f.write_str(&self.name)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        match &self.section_name {
            Some(section) => write!(f, "#{section}"),
            None => Ok(()),
        }
    }
}

impl Serialize for RouteKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map([("group", self.0.group()), ("kind", self.0.as_str())])
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature serde asks for"
)]
fn as_status<S: Serializer>(status: &bool, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(if *status { "True" } else { "False" })
}
