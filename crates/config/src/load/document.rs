//! The documents of a file, before they are parsed.

use std::sync::Arc;

use crate::report::ReportProblem;

/// Where a document is.
#[derive(Debug)]
pub(super) struct DocumentPlace {
    pub(super) file: Arc<str>,
    /// The number of lines in the file before the document.
    pub(super) lines_before: usize,
}

impl DocumentPlace {
    /// The line in the file of a line in the document.
    pub(super) fn line(&self, in_document: usize) -> usize {
        self.lines_before + in_document
    }

    /// A problem at a line of the document.
    pub(super) fn problem(
        &self,
        in_document: usize,
        field: &str,
        message: String,
    ) -> ReportProblem {
        ReportProblem {
            file: self.file.clone(),
            line: self.line(in_document),
            object: None,
            field: field.to_owned(),
            message,
        }
    }
}

/// Splits a text where a line begins with `---`, which can be nothing but the start of a document. Each part comes with the
/// number of lines before it. A text is one part if it has a directive, which is for the document after it, or if it has
/// line breaks that are not counted here.
pub(super) fn split(text: &str) -> Vec<(usize, &str)> {
    let is_whole = text.starts_with('%')
        || text.contains("\n%")
        || text
            .match_indices('\r')
            .any(|(at, _)| text.as_bytes().get(at + 1) != Some(&b'\n'));
    if is_whole {
        return vec![(0, text)];
    }
    let mut parts = Vec::new();
    let (mut begin, mut lines_before) = (0, 0);
    for (at, _) in text.match_indices("\n---") {
        let is_marker = matches!(
            text.as_bytes().get(at + 4),
            None | Some(b' ' | b'\t' | b'\r' | b'\n')
        );
        if is_marker {
            let part = &text[begin..=at];
            parts.push((lines_before, part));
            lines_before += part.bytes().filter(|byte| *byte == b'\n').count();
            begin = at + 1;
        }
    }
    parts.push((lines_before, &text[begin..]));
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_split_at_its_documents() {
        for (text, parts) in [
            ("", vec![(0, "")]),
            ("a\n", vec![(0, "a\n")]),
            (
                "# b\n---\na: |\n  ---\n--- # c\n----\n---",
                vec![
                    (0, "# b\n"),
                    (1, "---\na: |\n  ---\n"),
                    (4, "--- # c\n----\n"),
                    (6, "---"),
                ],
            ),
            ("a\r\n---\r\nb", vec![(0, "a\r\n"), (1, "---\r\nb")]),
            ("a\rb\n---\nc", vec![(0, "a\rb\n---\nc")]),
            (
                "a\n...\n%YAML 1.2\n---\nb",
                vec![(0, "a\n...\n%YAML 1.2\n---\nb")],
            ),
        ] {
            assert_eq!(split(text), parts, "{text:?}");
        }
    }
}
