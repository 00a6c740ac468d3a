//! The place where an object was written: its file, and the line of each of its fields.

use std::collections::BTreeMap;
use std::sync::Arc;

/// The place where an object was written; empty if the object does not come from a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceLocation {
    /// The file, as the caller named it; empty if there is none.
    pub file: Arc<str>,
    /// The line where the object starts, from 1; 0 if there is none.
    pub line: usize,
    /// The number of lines in the file before the document that the object is in.
    pub lines_before: usize,
    /// The line of each field in its document, by its path from the object's root: `spec.rules[0].name`. It does not depend
    /// on what is before the document, so that it can be shared with the object as it was before a change of the file.
    pub positions: Arc<BTreeMap<String, usize>>,
}

impl SourceLocation {
    /// The line of a field, or of the nearest enclosing field that was written.
    #[must_use]
    pub fn line_of(&self, field: &str) -> usize {
        let mut path = field;
        while !path.is_empty() {
            if let Some(line) = self.positions.get(path) {
                return self.lines_before + line;
            }
            path = &path[..path.rfind(['.', '[']).unwrap_or(0)];
        }
        self.line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_that_was_not_written_has_the_line_of_its_parent() {
        let positions = [("spec", 4), ("spec.rules", 5), ("spec.rules[0]", 6)];
        let source = SourceLocation {
            file: "a.yaml".into(),
            line: 11,
            lines_before: 10,
            positions: Arc::new(positions.map(|(path, line)| (path.to_owned(), line)).into()),
        };
        for (path, line) in [
            ("spec.rules[0].filters[2]", 16),
            ("spec.rules[1]", 15),
            ("spec.rulesets", 14),
            ("metadata", 11),
            ("", 11),
        ] {
            assert_eq!(source.line_of(path), line, "{path}");
        }
        assert_eq!(SourceLocation::default().line_of("spec"), 0);
    }
}
