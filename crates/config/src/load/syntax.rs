//! The errors of text that is not YAML, in words for its author.

/// What the parser says, and what that means. The parser's texts begin with these.
const MEANINGS: [(&str, &str); 13] = [
    (
        "mapping values are not allowed in this context",
        "a `: ` where no field can begin; a text with `: ` in it needs quotes",
    ),
    (
        "while parsing a block collection, did not find expected '-' indicator",
        "this line does not fit the list above; its items begin with `-`, at one indentation",
    ),
    (
        "while parsing a block mapping, did not find expected key",
        "the indentation of this line fits none of the fields above",
    ),
    (
        "while parsing a flow mapping, did not find",
        "a `,` or `}` is missing",
    ),
    (
        "while parsing a flow sequence, did not find",
        "a `,` or `]` is missing",
    ),
    ("unexpected EOF", "the text ends too early"),
    (
        "alias references unknown anchor",
        "`*name` refers to an anchor `&name` that is not defined before it; a text that begins with `*` needs quotes",
    ),
    (
        "simple key expected ':'",
        "a field has a `:` after its name",
    ),
    (
        "tabs disallowed within this context",
        "lines are indented with spaces, not with tabs",
    ),
    (
        "recursive references",
        "an anchor that contains a reference to itself",
    ),
    (
        "expected string scalar",
        "the name of a field must be a text",
    ),
    ("invalid !!binary base64", "not valid base64"),
    ("invalid indentation", "the indentation is not valid"),
];

/// The message in plain words, without the position, which the caller knows.
pub(super) fn plain(message: &str) -> String {
    let message = without_position(message);
    if let Some(key) = message.strip_prefix("duplicate mapping key: ") {
        let key = key.split(", set DuplicateKeyPolicy").next();
        return format!("the field {} is given twice", key.unwrap_or_default());
    }
    let meaning = MEANINGS.iter().find(|(text, _)| message.starts_with(text));
    let plain = meaning.map_or(message, |(_, plain)| plain);
    format!("not valid YAML: {plain}")
}

/// The text without `at line 1, column 2` at its end.
fn without_position(message: &str) -> &str {
    match message.rsplit_once(" at line ") {
        Some((text, position))
            if position
                .chars()
                .all(|char| char.is_ascii_digit() || ", column".contains(char)) =>
        {
            text
        }
        _ => message,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{ConfigFile, load};

    #[test]
    fn what_is_not_yaml_is_told_in_plain_words_and_its_place_once() {
        for (text, expected) in [
            ("a: [", "1: not valid YAML: unclosed bracket '['"),
            ("a: 1\na: 2", "2: the field a is given twice"),
            (
                "a: b: c",
                "1: not valid YAML: a `: ` where no field can begin",
            ),
            ("a: \"x", "1: not valid YAML: unclosed quote"),
            ("a: *x", "1: not valid YAML: `*name` refers to an anchor"),
            (
                "hosts: [*.example.com]",
                "1: not valid YAML: `*name` refers to an anchor `&name` that is not defined before it; a text that begins with `*` needs quotes",
            ),
            (
                "a: 1\nb 2\nc: 3",
                "2: not valid YAML: a field has a `:` after its name",
            ),
            (
                "a:\n\tb: 1",
                "2: not valid YAML: lines are indented with spaces",
            ),
            (
                "- a\nb: 1",
                "2: not valid YAML: this line does not fit the list above",
            ),
            ("a: {b: 1 c: 2}", "1: not valid YAML: a"),
            ("a: @x", "1: not valid YAML: unexpected character: `@'"),
            (
                "a:\n  - b\n c: d",
                "3: not valid YAML: the indentation of this line",
            ),
            (
                "{\"a\": 1,, }",
                "1: not valid YAML: the text ends too early",
            ),
            (
                "? [a]\n: b",
                "1: not valid YAML: the name of a field must be a text",
            ),
            ("a: &x [*x]", "1: not valid YAML: an anchor that contains"),
        ] {
            let errors = load([ConfigFile {
                name: "a.yaml",
                text,
            }])
            .errors;
            let told: Vec<_> = errors.iter().map(ToString::to_string).collect();
            assert_eq!(told.len(), 1, "{text:?}: {told:?}");
            assert!(
                told[0].starts_with(&format!("a.yaml:{expected}")),
                "{text:?}: {told:?}"
            );
            assert!(!told[0].contains("column"), "{told:?}");
        }
    }
}
