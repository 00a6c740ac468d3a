//! docs/compatibility.md: what becomes of every field of kgateway's kinds.
//!
//! The page is made of the schemas of the types that are read. A field says itself, beside its declaration, that it is not
//! supported, has no effect, or differs from kgateway's, and the compilation acts by the same declarations; so the page
//! cannot say anything else than the report.

use std::fmt::Write as _;

use serde_json::Value;

use crate::crd::noted_specs;
use crate::kind::{KGATEWAY_GROUP, Kind};

/// What comes before the tables: the differences that are no field's.
const HEAD: &str = include_str!("compatibility/head.md");

/// What becomes of a field.
#[derive(Debug, PartialEq, Eq)]
pub enum FieldState<'a> {
    /// It works.
    Works,
    /// It works, and not as in kgateway.
    Differs(&'a str),
    /// It is read, and the report warns that it changes nothing, for this reason.
    NoEffect(&'a str),
    /// An object with it is refused.
    Refused,
}

/// The text of the page.
#[must_use]
pub fn page() -> String {
    let mut page = HEAD.to_owned();
    let noted = noted_specs();
    for kind in Kind::all().filter(|kind| kind.group() == KGATEWAY_GROUP) {
        let Some(schema) = noted.get(&kind) else {
            continue;
        };
        let mut table = FieldTable::default();
        table.fields(schema, "");
        // Writing to a String does not fail.
        let _ = write!(
            page,
            "\n## {kind}\n\n| field of `spec` | | |\n|---|---|---|\n"
        );
        page += &table.rows;
    }
    page
}

/// The rows of a kind.
#[derive(Default)]
struct FieldTable<'a> {
    rows: String,
    /// The structs that have rows, by their schemas.
    described: Vec<(&'a Value, String)>,
}

impl<'a> FieldTable<'a> {
    /// Adds the fields of a struct.
    fn fields(&mut self, schema: &'a Value, at: &str) {
        let properties = schema.get("properties").and_then(Value::as_object);
        for (name, field) in properties.into_iter().flatten() {
            let path = match at {
                "" => name.clone(),
                at => format!("{at}.{name}"),
            };
            self.field(field, &path);
        }
    }

    fn field(&mut self, schema: &'a Value, path: &str) {
        let state = FieldState::of(schema);
        let (inner, inside) = match schema.get("items") {
            Some(items) => (items, format!("{path}[]")),
            None => (schema, path.to_owned()),
        };
        let has_fields = inner.get("properties").is_some_and(Value::is_object);
        if !has_fields || state != FieldState::Works {
            self.row(path, &state);
        }
        if !has_fields || matches!(state, FieldState::NoEffect(_) | FieldState::Refused) {
            return;
        }
        let properties = &inner["properties"];
        let is_long = properties.as_object().is_some_and(|all| all.len() > 2);
        let mut described = self.described.iter();
        if let Some((_, first)) = described.find(|(known, _)| is_long && *known == properties) {
            let _ = writeln!(self.rows, "| `{inside}` | as `{first}` | |");
            return;
        }
        self.described.push((properties, inside.clone()));
        self.fields(inner, &inside);
    }

    fn row(&mut self, path: &str, state: &FieldState<'_>) {
        let (word, told) = match state {
            FieldState::Works => ("works", ""),
            FieldState::Differs(how) => ("differs", *how),
            FieldState::NoEffect(why) => ("no effect", *why),
            FieldState::Refused => ("refused", ""),
        };
        let _ = writeln!(self.rows, "| `{path}` | {word} | {told} |");
    }
}

impl<'a> FieldState<'a> {
    /// What the schema of a field says of it, as [`noted_specs`] gives it.
    #[must_use]
    pub fn of(schema: &'a Value) -> Self {
        let note = |name: &str| schema.get(name).and_then(Value::as_str);
        let items = schema.get("items");
        let is_refused = |schema: &Value| schema.get("x-egret-unsupported").is_some();
        if is_refused(schema) || items.is_some_and(is_refused) {
            Self::Refused
        } else if let Some(why) = note("x-egret-no-effect") {
            Self::NoEffect(why)
        } else if let Some(how) = note("x-egret-differs") {
            Self::Differs(how)
        } else {
            Self::Works
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_field_has_a_row_with_what_becomes_of_it() {
        let inner = json!({"a": {}, "b": {}, "c": {"x-egret-no-effect": "why"}});
        let schema = json!({"properties": {
            "list": {"type": "array", "items": {"properties": inner}},
            "odd": {"x-egret-unsupported": true},
            "odds": {"items": {"x-egret-unsupported": true}},
            "other": {"x-egret-differs": "how", "properties": {"d": {}}},
            "same": {"properties": inner},
        }});
        let mut table = FieldTable::default();
        table.fields(&schema, "");
        let expected = "\
| `list[].a` | works |  |
| `list[].b` | works |  |
| `list[].c` | no effect | why |
| `odd` | refused |  |
| `odds` | refused |  |
| `other` | differs | how |
| `other.d` | works |  |
| `same` | as `list[]` | |
";
        assert_eq!(table.rows, expected);
    }
}
