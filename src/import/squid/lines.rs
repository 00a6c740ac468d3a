//! The lines of a `squid.conf`.

/// A directive with its words.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct DirectiveLine<'t> {
    /// The line that it begins on, counted from 1.
    pub(super) at: usize,
    /// The name of the directive.
    pub(super) name: &'t str,
    /// The words after it; a backslash at the end of a line goes on with the next one.
    pub(super) words: Vec<String>,
}

/// Reads the directives. A word that begins with `#` begins a comment, which goes on with its line.
pub(super) fn read(text: &str) -> Vec<DirectiveLine<'_>> {
    let mut directives = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((index, line)) = lines.next() {
        let (line, mut goes_on) = continued(line);
        let mut all: Vec<_> = line.split_whitespace().collect();
        while goes_on && let Some((_, next)) = lines.next() {
            let (next, more) = continued(next);
            all.extend(next.split_whitespace());
            goes_on = more;
        }
        let mut words = all.into_iter().take_while(|word| !word.starts_with('#'));
        if let Some(name) = words.next() {
            directives.push(DirectiveLine {
                at: index + 1,
                name,
                words: words.map(str::to_owned).collect(),
            });
        }
    }
    directives
}

fn continued(line: &str) -> (&str, bool) {
    let trimmed = line.trim_end();
    match trimmed.strip_suffix('\\') {
        Some(line) if !trimmed.trim_start().starts_with('#') => (line, true),
        _ => (trimmed, false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_go_on_and_comments_end_them() {
        let text = "# http_access allow all\n\nacl a dstdomain \\\n  a.example # one\nhttp_access deny a # \\\nx y";
        let read: Vec<_> = read(text)
            .into_iter()
            .map(|line| (line.at, line.name, line.words.join(" ")))
            .collect();
        assert_eq!(
            read,
            [
                (3, "acl", "a dstdomain a.example".to_owned()),
                (5, "http_access", "deny a".to_owned()),
            ]
        );
    }
}
