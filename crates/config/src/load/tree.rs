//! Parses YAML to a tree that knows the line of each of its nodes.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use serde_saphyr::Spanned;

use super::document::DocumentPlace;
use super::syntax;
use crate::resources::{Kind, ObjectRef, SourceLocation};

/// A node, and the line where it was written, from the first of the text that was parsed. For the value of a field that is
/// the line of the field's name.
#[derive(Debug)]
pub(super) struct YamlNode {
    line: usize,
    tree: YamlTree,
}

#[derive(Debug)]
enum YamlTree {
    Leaf(Value),
    List(Vec<YamlNode>),
    Fields(Vec<(String, YamlNode)>),
}

/// The error for a text that is not YAML.
#[derive(Debug)]
pub(super) struct SyntaxError {
    pub(super) line: usize,
    pub(super) message: String,
}

/// Maximum nesting depth. It is more than a CustomResourceDefinition needs, which may lie in the same directory, and
/// less than the stack of a thread (2 MiB) holds, even in a debug build.
const MAX_DEPTH: usize = 40;

/// Parses all documents of a text; empty documents are left out.
pub(super) fn parse(text: &str) -> Result<Vec<YamlNode>, SyntaxError> {
    // YAML 1.2: `no` is a text that somebody may want as a name or a body, and so are `0755` and `1_000`. The limits
    // protect against accidents; the default limits are too low for a large installation.
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
    let documents = serde_saphyr::from_multiple_with_options::<Spanned<YamlTree>>(text, options);
    let documents = documents.map_err(|error| SyntaxError {
        line: error.location().map_or(0, |location| line(location.line())),
        message: syntax::plain(&one_line(&error.without_snippet().to_string())),
    })?;
    Ok(documents.into_iter().map(YamlNode::from).collect())
}

fn line(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl YamlNode {
    pub(super) fn is_null(&self) -> bool {
        matches!(self.tree, YamlTree::Leaf(Value::Null))
    }

    /// The text of a field of this node.
    pub(super) fn text(&self, field: &str) -> Option<&str> {
        match &self.field(field)?.tree {
            YamlTree::Leaf(Value::String(text)) => Some(text),
            YamlTree::Leaf(_) | YamlTree::List(_) | YamlTree::Fields(_) => None,
        }
    }

    /// The line of a field of this node, or of the node.
    pub(super) fn line_of(&self, field: &str) -> usize {
        self.field(field).map_or(self.line, |node| node.line)
    }

    fn field(&self, name: &str) -> Option<&Self> {
        match &self.tree {
            YamlTree::Fields(fields) => fields
                .iter()
                .find(|(key, _)| key == name)
                .map(|(_, node)| node),
            YamlTree::Leaf(_) | YamlTree::List(_) => None,
        }
    }

    /// The names of the fields of this node, each with its line.
    pub(super) fn fields(&self) -> impl Iterator<Item = (&str, usize)> {
        let fields = match &self.tree {
            YamlTree::Fields(fields) => fields.as_slice(),
            YamlTree::Leaf(_) | YamlTree::List(_) => &[],
        };
        fields.iter().map(|(name, node)| (name.as_str(), node.line))
    }

    /// The items of the list in a field of this node; `None` if the field holds something else or is missing. `null` is
    /// how Go writes an empty list.
    pub(super) fn into_items(self, field: &str) -> Option<Vec<Self>> {
        let YamlTree::Fields(fields) = self.tree else {
            return None;
        };
        let (_, node) = fields.into_iter().find(|(key, _)| key == field)?;
        match node.tree {
            YamlTree::List(items) => Some(items),
            YamlTree::Leaf(Value::Null) => Some(Vec::new()),
            YamlTree::Leaf(_) | YamlTree::Fields(_) => None,
        }
    }

    /// The identity that an object of this kind has by its metadata, with the namespace `default` if there is none;
    /// `None` if it has no name.
    pub(super) fn reference(&self, kind: Kind) -> Option<ObjectRef> {
        let metadata = self.field("metadata")?;
        let name = metadata.text("name").filter(|name| !name.is_empty())?;
        let namespace = metadata.text("namespace").filter(|text| !text.is_empty());
        let namespace = match namespace {
            _ if !kind.is_namespaced() => "",
            namespace => namespace.unwrap_or("default"),
        };
        Some(ObjectRef::new(kind, namespace, name))
    }

    /// Takes the node for an object: its value, with the namespace of the object, and where it was written.
    pub(super) fn into_object(
        self,
        object: &ObjectRef,
        place: &DocumentPlace,
    ) -> (Value, SourceLocation) {
        let mut positions = BTreeMap::new();
        let line = place.line(self.line);
        let mut value = self.into_value("", &mut positions);
        if object.kind.is_namespaced()
            && let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut)
        {
            metadata.insert(
                "namespace".to_owned(),
                Value::String(object.namespace.to_string()),
            );
        }
        let source = SourceLocation {
            file: place.file.clone(),
            line,
            lines_before: place.lines_before,
            positions: Arc::new(positions),
        };
        (value, source)
    }

    fn into_value(self, path: &str, positions: &mut BTreeMap<String, usize>) -> Value {
        if !path.is_empty() {
            positions.insert(path.to_owned(), self.line);
        }
        match self.tree {
            YamlTree::Leaf(value) => value,
            YamlTree::List(items) => items
                .into_iter()
                .enumerate()
                .map(|(index, item)| item.into_value(&format!("{path}[{index}]"), positions))
                .collect(),
            YamlTree::Fields(fields) => {
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

impl From<Spanned<YamlTree>> for YamlNode {
    fn from(spanned: Spanned<YamlTree>) -> Self {
        Self {
            line: line(spanned.referenced.line()),
            tree: spanned.value,
        }
    }
}

impl<'de> Deserialize<'de> for YamlTree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreeVisitor)
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = YamlTree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<YamlTree, E> {
        Ok(YamlTree::Leaf(Value::Bool(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<YamlTree, E> {
        Ok(YamlTree::Leaf(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<YamlTree, E> {
        Ok(YamlTree::Leaf(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<YamlTree, E> {
        let number = Number::from_f64(value).ok_or_else(|| E::custom("not a finite number"))?;
        Ok(YamlTree::Leaf(Value::Number(number)))
    }

    fn visit_str<E>(self, value: &str) -> Result<YamlTree, E> {
        Ok(YamlTree::Leaf(value.into()))
    }

    fn visit_string<E>(self, value: String) -> Result<YamlTree, E> {
        Ok(YamlTree::Leaf(value.into()))
    }

    fn visit_unit<E>(self) -> Result<YamlTree, E> {
        Ok(YamlTree::Leaf(Value::Null))
    }

    fn visit_none<E>(self) -> Result<YamlTree, E> {
        Ok(YamlTree::Leaf(Value::Null))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<YamlTree, D::Error> {
        YamlTree::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<YamlTree, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element::<Spanned<YamlTree>>()? {
            items.push(item.into());
        }
        Ok(YamlTree::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<YamlTree, A::Error> {
        let mut fields = Vec::new();
        while let Some((key, value)) = map.next_entry::<Spanned<String>, Spanned<YamlTree>>()? {
            let node = YamlNode {
                line: line(key.referenced.line()),
                tree: value.value,
            };
            fields.push((key.value, node));
        }
        Ok(YamlTree::Fields(fields))
    }
}
