//! Reads configurations one after another, and what has not changed only once.

use std::collections::HashMap;
use std::mem;

use super::document::{DocumentPlace, split};
use super::{ConfigFile, LoadedConfig, PartialConfig};
use crate::resources::{ObjectRef, Resources};

/// Reads configurations one after another. A document that the configuration before has too is not parsed again: its objects
/// are shared.
#[derive(Debug, Default)]
pub struct ConfigLoader {
    /// The documents of the last configuration that nothing is wrong with, by their text.
    documents: HashMap<Box<str>, Vec<KnownObject>>,
    /// Their objects.
    resources: Resources,
}

/// An object of a document.
#[derive(Clone, Debug)]
pub(super) struct KnownObject {
    pub(super) object: ObjectRef,
    /// The line where it begins in the document.
    pub(super) line: usize,
}

impl ConfigLoader {
    /// Reads the objects of all files.
    pub fn load<'a>(&mut self, files: impl IntoIterator<Item = ConfigFile<'a>>) -> LoadedConfig {
        let mut config = PartialConfig::default();
        let mut documents = HashMap::with_capacity(self.documents.len());
        for ConfigFile { name, text } in files {
            let mut place = DocumentPlace {
                file: name.into(),
                lines_before: 0,
            };
            for (lines_before, text) in split(text) {
                place.lines_before = lines_before;
                if let Some((text, objects)) = self.documents.remove_entry(text)
                    && config.adopt(&place, &objects, &self.resources)
                {
                    documents.insert(text, objects);
                    continue;
                }
                if let Some(objects) = config.read(&place, text) {
                    documents.insert(text.into(), objects);
                }
            }
        }
        let PartialConfig { loaded, .. } = config;
        self.documents = documents;
        self.resources = loaded.resources.clone();
        loaded
    }
}

impl PartialConfig {
    /// Takes the objects of a document from an earlier configuration, unless one of them is there already, which is to be
    /// told.
    fn adopt(&mut self, place: &DocumentPlace, objects: &[KnownObject], from: &Resources) -> bool {
        let mut known = objects.iter();
        if known.any(|known| self.seen.contains_key(&known.object)) {
            return false;
        }
        for KnownObject { object, line } in objects {
            let line = place.line(*line);
            let at = (&place.file, line, place.lines_before);
            self.loaded.resources.adopt(object, from, at);
            self.seen.insert(object.clone(), (place.file.clone(), line));
        }
        true
    }

    /// Reads the text of a document. Returns its objects if there is nothing to say about it.
    fn read(&mut self, place: &DocumentPlace, text: &str) -> Option<Vec<KnownObject>> {
        let told = |config: &Self| {
            let LoadedConfig {
                errors, warnings, ..
            } = &config.loaded;
            errors.len() + warnings.len()
        };
        let before = told(self);
        self.document.clear();
        self.text(place, text);
        let objects = mem::take(&mut self.document);
        (told(self) == before).then_some(objects)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::load;
    use super::*;

    fn backend(name: &str) -> String {
        format!(
            "---\napiVersion: gateway.kgateway.dev/v1alpha1\nkind: Backend\nmetadata: {{name: {name}}}\n\
             spec:\n  dynamicForwardProxy: {{}}\n"
        )
    }

    fn list(names: [&str; 2]) -> String {
        let items = names.map(|name| backend(name).replacen("---\n", "", 1));
        let items = items.map(|item| format!("- {}", item.trim_end().replace('\n', "\n  ")));
        format!(
            "---\napiVersion: v1\nkind: List\nitems:\n{}\n",
            items.join("\n")
        )
    }

    fn files<'a>(texts: &'a [(&'a str, String)]) -> impl Iterator<Item = ConfigFile<'a>> {
        let texts = texts.iter();
        texts.map(|(name, text)| ConfigFile { name, text })
    }

    #[test]
    fn what_is_known_is_read_as_if_it_was_not() {
        let [a, b, c] = ["a", "b", "c"].map(backend);
        let wrong = backend("wrong").replace("dynamicForwardProxy", "dynamicForwardProxi");
        let foreign = "---\napiVersion: apps/v1\nkind: Deployment\n";
        let two = list(["d", "e"]);
        let mut loader = ConfigLoader::default();
        for texts in [
            vec![("1", format!("{a}{b}"))],
            // Further down, with one that is new and one that is skipped.
            vec![("1", format!("# a\n{c}{foreign}{a}{b}"))],
            // In other files, in another order, one of them no more.
            vec![("1", b.clone()), ("2", format!("{foreign}{two}{a}"))],
            vec![("0", two.clone()), ("1", format!("{b}{wrong}"))],
            // Twice, in the same text and in another.
            vec![("0", format!("{b}{two}{b}")), ("1", list(["a", "d"]))],
            vec![("0", format!("{b}a: [\n{two}")), ("1", wrong)],
            vec![],
            vec![("0", format!("{b}{two}"))],
        ] {
            let known = loader.load(files(&texts));
            let new = load(files(&texts));
            assert_eq!(known.resources, new.resources, "{texts:?}");
            assert_eq!(known.errors, new.errors, "{texts:?}");
            assert_eq!(known.warnings, new.warnings, "{texts:?}");
            assert_eq!(
                (known.skipped, &known.unread),
                (new.skipped, &new.unread),
                "{texts:?}"
            );
        }
    }

    #[test]
    fn what_has_not_changed_is_shared() {
        let mut loader = ConfigLoader::default();
        let mut load = |text: String| loader.load(files(&[("a", text)])).resources.backends;
        let first = load(format!("{}{}", backend("a"), backend("b")));
        let changed = backend("a").replace("{}\n", "{enableTls: true}\n");
        let then = load(format!("{}{changed}{}", backend("c"), backend("b")));
        let shared: Vec<_> = first
            .iter()
            .map(|(name, object)| (&*name.name, Arc::ptr_eq(&object.value, &then[name].value)))
            .collect();
        assert_eq!(shared, [("a", false), ("b", true)]);
        let b = then.iter().find(|(name, _)| &*name.name == "b");
        assert_eq!(b.map(|(_, object)| object.source.line_of("spec")), Some(17));
    }
}
