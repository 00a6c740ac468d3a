//! What became of every object: conditions in the shapes Kubernetes has for them, and problems with file and line.

use std::fmt;
use std::sync::Arc;

use serde::{Serialize, Serializer};

use crate::resources::{Kind, ObjectRef, Source};

mod table;

/// The outcome of a compilation, for people, for `egret check` and for the statuses of a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// One for each object that has a status and is ours, by kind, namespace and name.
    pub objects: Vec<ObjectReport>,
    /// All that is not served as it was written.
    pub problems: Vec<Problem>,
    /// What is served, or nothing to us, but worth a look.
    pub warnings: Vec<Problem>,
}

/// What became of one object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectReport {
    /// The object.
    pub object: ObjectRef,
    /// Where it was written; empty if not in a file.
    pub file: Arc<str>,
    /// Where it starts; 0 if not in a file.
    pub line: usize,
    /// Its status.
    pub status: Status,
}

/// A status, in the shape its kind has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Status {
    /// Of a Gateway.
    Gateway(GatewayStatus),
    /// Of a route.
    Route(RouteStatus),
    /// Of a policy.
    Policy(PolicyStatus),
    /// Of anything else: conditions only.
    Plain(PlainStatus),
}

/// `status` of a Gateway, without the addresses, which only the running gateway knows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GatewayStatus {
    /// `Accepted`, `Programmed`.
    pub conditions: Vec<Condition>,
    /// In the order of the spec.
    pub listeners: Vec<ListenerStatus>,
}

/// One of `status.listeners`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListenerStatus {
    /// The listener.
    pub name: String,
    /// The kinds of route it takes.
    pub supported_kinds: Vec<RouteKind>,
    /// How many routes are attached to it.
    pub attached_routes: usize,
    /// `Accepted`, `Conflicted`, `ResolvedRefs`, `Programmed`.
    pub conditions: Vec<Condition>,
}

/// One of `supportedKinds`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteKind(pub Kind);

/// `status` of a route.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RouteStatus {
    /// One for each parentRef that names a Gateway of ours.
    pub parents: Vec<ParentStatus>,
}

/// One of `status.parents`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ParentStatus {
    /// As the route wrote it.
    pub parent_ref: Reference,
    /// `Accepted`, `ResolvedRefs`, `kgateway.dev/Programmed`.
    pub conditions: Vec<Condition>,
}

/// `status` of a policy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PolicyStatus {
    /// One for each target.
    pub ancestors: Vec<AncestorStatus>,
}

/// One of `status.ancestors`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AncestorStatus {
    /// The target.
    pub ancestor_ref: Reference,
    /// `Accepted`, `Attached`.
    pub conditions: Vec<Condition>,
}

/// `status` of anything else.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PlainStatus {
    /// `Accepted`.
    pub conditions: Vec<Condition>,
}

/// A reference to a parent or an ancestor.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Reference {
    /// API group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Name.
    pub name: String,
    /// Listener or rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub section_name: Option<String>,
    /// Port of the listeners that are meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<i32>,
}

/// A condition, without the parts that only a cluster has: generation and time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Condition {
    /// `Accepted`, `ResolvedRefs`, ...
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Whether it holds.
    #[serde(serialize_with = "as_status")]
    pub status: bool,
    /// One word.
    pub reason: &'static str,
    /// A sentence.
    pub message: String,
}

/// Something wrong, and where it was written. Prints as `path:line: Kind ns/name: field: message`; parts that are not
/// known are left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// The file; empty if there is none.
    pub file: Arc<str>,
    /// The line, from 1; 0 if there is none.
    pub line: usize,
    /// The object, if it is known which.
    pub object: Option<ObjectRef>,
    /// The path of the field, such as `spec.rules[0].filters[1]`; empty for the whole object.
    pub field: String,
    /// What is wrong.
    pub message: String,
}

impl Report {
    /// Whether all is served as it was written.
    #[must_use]
    pub fn accepted(&self) -> bool {
        self.problems.is_empty()
            && self
                .objects
                .iter()
                .flat_map(ObjectReport::conditions)
                .all(|(_, condition)| condition.is_fine())
    }

    /// For people: one line for each condition.
    #[must_use]
    pub fn table(&self) -> String {
        table::render(self)
    }
}

impl ObjectReport {
    /// Every condition, and the part of the object that it is about: a listener, a parent, an ancestor, or the whole.
    pub fn conditions(&self) -> impl Iterator<Item = (String, &Condition)> {
        let parts: Vec<(String, &[Condition])> = match &self.status {
            Status::Gateway(status) => [(String::new(), status.conditions.as_slice())]
                .into_iter()
                .chain(
                    status
                        .listeners
                        .iter()
                        .map(|l| (l.name.clone(), l.conditions.as_slice())),
                )
                .collect(),
            Status::Route(status) => status
                .parents
                .iter()
                .map(|parent| (parent.parent_ref.to_string(), parent.conditions.as_slice()))
                .collect(),
            Status::Policy(status) => status
                .ancestors
                .iter()
                .map(|ancestor| {
                    (
                        ancestor.ancestor_ref.to_string(),
                        ancestor.conditions.as_slice(),
                    )
                })
                .collect(),
            Status::Plain(status) => vec![(String::new(), status.conditions.as_slice())],
        };
        parts.into_iter().flat_map(|(part, conditions)| {
            conditions
                .iter()
                .map(move |condition| (part.clone(), condition))
        })
    }
}

impl Condition {
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
        }
    }

    /// Whether nothing is wrong: all conditions we use are good when true, but `Conflicted`.
    #[must_use]
    pub fn is_fine(&self) -> bool {
        self.status != (self.kind == "Conflicted")
    }
}

impl Problem {
    /// A problem of a field of an object.
    #[must_use]
    pub fn new(
        object: &ObjectRef,
        source: &Source,
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

impl fmt::Display for Problem {
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

/// `namespace/name`, then `/section` or `:port`.
impl fmt::Display for Reference {
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
