//! What the fields of the Gateway API's kinds mean here, from a text: a line `# Kind`, then a line `path: meaning` for each
//! field. The Gateway API describes its fields for whoever writes a gateway; these are for whoever uses this one.

use std::collections::BTreeMap;

use egret_config::resources::Kind;
use serde_json::Value;

/// The meaning of a field that makes an object be refused.
const NOT_SUPPORTED: &str = "not supported";

/// The meanings that were not used yet, by kind and path.
pub(crate) struct Meanings<'a> {
    unused: BTreeMap<(String, String), &'a str>,
    faults: Vec<String>,
}

impl<'a> Meanings<'a> {
    pub(crate) fn parse(text: &'a str) -> Self {
        let (mut unused, mut faults, mut kind) = (BTreeMap::new(), Vec::new(), "");
        for line in text.lines().filter(|line| !line.is_empty()) {
            if let Some(name) = line.strip_prefix("# ") {
                kind = name;
            } else if let Some((path, meaning)) = line.split_once(": ") {
                if unused
                    .insert((kind.to_owned(), path.to_owned()), meaning)
                    .is_some()
                {
                    faults.push(format!("{kind} {path}: two meanings"));
                }
            } else {
                faults.push(format!("{line}: not a path and a meaning"));
            }
        }
        Self { unused, faults }
    }

    /// Replaces the descriptions in the schema of a kind. A field without a meaning is left without a description.
    pub(crate) fn describe(&mut self, kind: Kind, schema: &mut Value) {
        self.describe_at(kind, schema, "");
    }

    fn describe_at(&mut self, kind: Kind, schema: &mut Value, at: &str) {
        if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
            for (name, field) in properties {
                let path = match at {
                    "" => name.clone(),
                    at => format!("{at}.{name}"),
                };
                self.describe_field(kind, field, &path);
            }
        }
    }

    fn describe_field(&mut self, kind: Kind, field: &mut Value, path: &str) {
        let meaning = self.unused.remove(&(kind.to_string(), path.to_owned()));
        if let Some(schema) = field.as_object_mut() {
            schema.remove("description");
            match meaning {
                Some(NOT_SUPPORTED) => {
                    schema.insert("x-egret-unsupported".to_owned(), true.into());
                }
                Some(meaning) => {
                    schema.insert("description".to_owned(), meaning.into());
                }
                None => {}
            }
        }
        match field.get_mut("items") {
            Some(items) => self.describe_at(kind, items, &format!("{path}[]")),
            None => self.describe_at(kind, field, path),
        }
    }

    /// What is wrong with the text.
    pub(crate) fn faults(self) -> Vec<String> {
        let unused = self.unused.keys();
        let unused = unused.map(|(kind, path)| format!("{kind} {path}: there is no such field"));
        self.faults.into_iter().chain(unused).collect()
    }
}
