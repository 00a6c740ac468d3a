//! YAML as a tree that knows the line of each of its nodes.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use serde_saphyr::Spanned;

use crate::report::Problem;
use crate::resources::{Kind, ObjectRef, Source};

/// A node and the line where it was written: for the value of a field, the line of the field's name.
#[derive(Debug)]
pub(super) struct Node {
    line: usize,
    tree: Tree,
}

#[derive(Debug)]
enum Tree {
    Leaf(Value),
    List(Vec<Node>),
    Fields(Vec<(String, Node)>),
}

/// Text that is not YAML.
#[derive(Debug)]
pub(super) struct SyntaxError {
    pub(super) line: usize,
    pub(super) message: String,
}

/// Deepest nesting: more than a CustomResourceDefinition has, which may lie beside our files, and less than the stack of
/// a thread (2 MiB) holds, in a debug build too.
const MAX_DEPTH: usize = 40;

/// Reads all documents of a text; empty ones are left out.
pub(super) fn parse(text: &str) -> Result<Vec<Node>, SyntaxError> {
    // YAML 1.2: `no` is a text that somebody may want as a name or a body, and so are `0755` and `1_000`. The limits
    // are there for accidents; the default ones are too low for a large installation.
    let options = serde_saphyr::options! {
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        budget: serde_saphyr::budget! {
            max_depth: MAX_DEPTH,
            max_documents: 1_000_000,
            max_events: 100_000_000,
            max_nodes: 50_000_000,
        },
    };
    let documents = serde_saphyr::from_multiple_with_options::<Spanned<Tree>>(text, options);
    let documents = documents.map_err(|error| SyntaxError {
        line: error.location().map_or(0, |location| line(location.line())),
        message: one_line(&error.without_snippet().to_string()),
    })?;
    Ok(documents.into_iter().map(Node::from).collect())
}

fn line(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl Node {
    pub(super) fn is_null(&self) -> bool {
        matches!(self.tree, Tree::Leaf(Value::Null))
    }

    /// The text of a field of this node.
    pub(super) fn text(&self, field: &str) -> Option<&str> {
        match &self.field(field)?.tree {
            Tree::Leaf(Value::String(text)) => Some(text),
            Tree::Leaf(_) | Tree::List(_) | Tree::Fields(_) => None,
        }
    }

    /// The line of a field of this node, or of the node.
    pub(super) fn line_of(&self, field: &str) -> usize {
        self.field(field).map_or(self.line, |node| node.line)
    }

    fn field(&self, name: &str) -> Option<&Self> {
        match &self.tree {
            Tree::Fields(fields) => fields
                .iter()
                .find(|(key, _)| key == name)
                .map(|(_, node)| node),
            Tree::Leaf(_) | Tree::List(_) => None,
        }
    }

    /// The names of the fields of this node, and their lines.
    pub(super) fn fields(&self) -> impl Iterator<Item = (&str, usize)> {
        let fields = match &self.tree {
            Tree::Fields(fields) => fields.as_slice(),
            Tree::Leaf(_) | Tree::List(_) => &[],
        };
        fields.iter().map(|(name, node)| (name.as_str(), node.line))
    }

    /// The items of the list that a field of this node holds; `None` if it holds something else, or is not there. `null`
    /// is how Go writes a list without items.
    pub(super) fn into_items(self, field: &str) -> Option<Vec<Self>> {
        let Tree::Fields(fields) = self.tree else {
            return None;
        };
        let (_, node) = fields.into_iter().find(|(key, _)| key == field)?;
        match node.tree {
            Tree::List(items) => Some(items),
            Tree::Leaf(Value::Null) => Some(Vec::new()),
            Tree::Leaf(_) | Tree::Fields(_) => None,
        }
    }

    /// Takes the node for an object: finds out its name, and puts it into the namespace `default` if it names none.
    pub(super) fn into_object(
        self,
        kind: Kind,
        file: &Arc<str>,
    ) -> Result<(ObjectRef, Value, Source), Problem> {
        let metadata = self.field("metadata");
        let text = |field| {
            metadata
                .and_then(|metadata| metadata.text(field))
                .unwrap_or_default()
        };
        let namespace = match text("namespace") {
            _ if !kind.is_namespaced() => "",
            "" => "default",
            namespace => namespace,
        };
        let object = ObjectRef::new(kind, namespace, text("name"));
        if object.name.is_empty() {
            return Err(Problem {
                file: file.clone(),
                line: self.line_of("metadata"),
                object: None,
                field: "metadata.name".to_owned(),
                message: format!("a {kind} needs a name"),
            });
        }
        let mut positions = BTreeMap::new();
        let line = self.line;
        let mut value = self.into_value("", &mut positions);
        if kind.is_namespaced()
            && let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut)
        {
            metadata.insert(
                "namespace".to_owned(),
                Value::String(object.namespace.to_string()),
            );
        }
        let source = Source {
            file: file.clone(),
            line,
            positions: Arc::new(positions),
        };
        Ok((object, value, source))
    }

    fn into_value(self, path: &str, positions: &mut BTreeMap<String, usize>) -> Value {
        if !path.is_empty() {
            positions.insert(path.to_owned(), self.line);
        }
        match self.tree {
            Tree::Leaf(value) => value,
            Tree::List(items) => items
                .into_iter()
                .enumerate()
                .map(|(index, item)| item.into_value(&format!("{path}[{index}]"), positions))
                .collect(),
            Tree::Fields(fields) => {
                let value = |(key, node): (String, Self)| {
                    let path = if path.is_empty() {
                        key.clone()
                    } else {
                        format!("{path}.{key}")
                    };
                    let value = node.into_value(&path, positions);
                    (key, value)
                };
                Value::Object(fields.into_iter().map(value).collect::<Map<_, _>>())
            }
        }
    }
}

impl From<Spanned<Tree>> for Node {
    fn from(spanned: Spanned<Tree>) -> Self {
        Self {
            line: line(spanned.referenced.line()),
            tree: spanned.value,
        }
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreeVisitor)
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Tree, E> {
        Ok(Tree::Leaf(Value::Bool(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Tree, E> {
        Ok(Tree::Leaf(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Tree, E> {
        Ok(Tree::Leaf(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Tree, E> {
        let number = Number::from_f64(value).ok_or_else(|| E::custom("not a finite number"))?;
        Ok(Tree::Leaf(Value::Number(number)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Tree, E> {
        Ok(Tree::Leaf(value.into()))
    }

    fn visit_string<E>(self, value: String) -> Result<Tree, E> {
        Ok(Tree::Leaf(value.into()))
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Leaf(Value::Null))
    }

    fn visit_none<E>(self) -> Result<Tree, E> {
        Ok(Tree::Leaf(Value::Null))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Tree, D::Error> {
        Tree::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Tree, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element::<Spanned<Tree>>()? {
            items.push(item.into());
        }
        Ok(Tree::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tree, A::Error> {
        let mut fields = Vec::new();
        while let Some((key, value)) = map.next_entry::<Spanned<String>, Spanned<Tree>>()? {
            let node = Node {
                line: line(key.referenced.line()),
                tree: value.value,
            };
            fields.push((key.value, node));
        }
        Ok(Tree::Fields(fields))
    }
}
