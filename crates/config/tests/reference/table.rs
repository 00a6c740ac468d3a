//! The table of the fields of a schema.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use egret_config::compatibility::FieldState;
use serde_json::Value;

use super::schema::{default_and_meaning, type_of};

const HEAD: &str = "| field of `spec` | type | default | meaning |\n|---|---|---|---|\n";

/// How many fields a struct has that is described again wherever it occurs.
const FEW: usize = 2;

/// The table of all fields of a schema, and the fields that have no meaning.
pub(crate) fn of(schema: &Value) -> (String, Vec<String>) {
    let mut described = BTreeMap::new();
    find_places(schema, "", &mut described);
    let mut table = FieldTable {
        described,
        text: HEAD.to_owned(),
        unsaid: Vec::new(),
    };
    table.fields(schema, "");
    (table.text, table.unsaid)
}

struct FieldTable {
    /// Where each struct is described, which is where it is nearest to the top.
    described: BTreeMap<String, String>,
    text: String,
    unsaid: Vec<String>,
}

impl FieldTable {
    fn fields(&mut self, schema: &Value, at: &str) {
        let required = schema.get("required").and_then(Value::as_array);
        for (name, field) in properties(schema) {
            let is_required = required.is_some_and(|all| all.iter().any(|one| one == name));
            self.field(field, &join(at, name), is_required);
        }
    }

    fn field(&mut self, schema: &Value, path: &str, is_required: bool) {
        let (default, mut meaning) = default_and_meaning(schema, is_required);
        if meaning.is_empty() {
            self.unsaid.push(path.to_owned());
        }
        let (inner, inside) = inside(schema, path);
        let same_as = self.described.get(&shape(inner)).cloned();
        let same_as = same_as.filter(|first| *first != inside && is_long(inner) && is_read(schema));
        if let Some(first) = &same_as {
            let _ = write!(meaning, " Its fields are those of `{first}`.");
        }
        let cells = [format!("`{path}`"), type_of(schema), default, meaning];
        let cells = cells.map(|cell| cell.replace('|', "\\|"));
        // Writing to a String does not fail.
        let _ = writeln!(self.text, "| {} |", cells.join(" | "));
        if same_as.is_none() && is_read(schema) {
            self.fields(inner, &inside);
        }
    }
}

/// Notes for each struct the place that is nearest to the top.
fn find_places(schema: &Value, at: &str, found: &mut BTreeMap<String, String>) {
    for (name, field) in properties(schema) {
        let path = join(at, name);
        let (inner, inside) = inside(field, &path);
        if properties(inner).next().is_none() || !is_read(field) {
            continue;
        }
        let depth = |path: &str| path.matches('.').count();
        let known = found.entry(shape(inner)).or_insert_with(|| inside.clone());
        if depth(&inside) < depth(known) {
            known.clone_from(&inside);
        }
        find_places(inner, &inside, found);
    }
}

fn properties(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    let properties = schema.get("properties").and_then(Value::as_object);
    properties.into_iter().flatten()
}

fn join(at: &str, name: &str) -> String {
    match at {
        "" => name.to_owned(),
        at => format!("{at}.{name}"),
    }
}

/// The schema that has the fields of a field, and the path in front of them.
fn inside<'a>(schema: &'a Value, path: &str) -> (&'a Value, String) {
    match schema.get("items") {
        Some(items) => (items, format!("{path}[]")),
        None => (schema, path.to_owned()),
    }
}

/// Whether the fields of a field matter.
fn is_read(schema: &Value) -> bool {
    matches!(
        FieldState::of(schema),
        FieldState::Works | FieldState::Differs(_)
    )
}

fn is_long(schema: &Value) -> bool {
    properties(schema).count() > FEW
}

/// The fields of a struct without what is said of them, as a text that can be compared.
fn shape(schema: &Value) -> String {
    let mut shape = schema.get("properties").cloned().unwrap_or_default();
    remove_descriptions(&mut shape);
    shape.to_string()
}

fn remove_descriptions(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            fields.retain(|name, value| {
                let is_said = name == "description" && value.is_string();
                !is_said && !name.starts_with("x-egret-")
            });
            fields.values_mut().for_each(remove_descriptions);
        }
        Value::Array(items) => items.iter_mut().for_each(remove_descriptions),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_field_has_a_row_and_long_structs_are_described_once() {
        let text = |what: &str| json!({"type": "string", "description": what});
        let long = |what: &str| {
            json!({
                "type": "object",
                "description": what,
                "properties": {"a": text("A."), "b": text("B; b|c by default."), "c": text("")},
            })
        };
        let schema = json!({
            "required": ["name"],
            "properties": {
                "deep": {"type": "object", "description": "Deep.", "properties": {"in": long("In.")}},
                "idle": {"description": "x", "x-egret-no-effect": "why", "properties": {"d": {}}},
                "list": {"type": "array", "description": "List.", "items": long("")},
                "name": text("Name."),
            },
        });
        let (table, unsaid) = of(&schema);
        let rows = "\
| `deep` | object |  | Deep. |
| `deep.in` | object |  | In. Its fields are those of `list[]`. |
| `idle` | any |  | *Has no effect*: why. |
| `list` | list of objects |  | List. |
| `list[].a` | string |  | A. |
| `list[].b` | string | b\\|c | B. |
| `list[].c` | string |  |  |
| `name` | string | required | Name. |
";
        assert_eq!(table, format!("{HEAD}{rows}"));
        assert_eq!(unsaid, ["list[].c"]);
    }
}
