//! Paths as `URLRewrite` and `RequestRedirect` change them.

use crate::snapshot::PathRewrite;

impl PathRewrite {
    /// The new path. `path` is the one that matched: with [`PathRewrite::Prefix`], a path that `matched_prefix` does not
    /// cover stays as it is.
    #[must_use]
    pub fn apply(&self, path: &str, matched_prefix: Option<&str>) -> String {
        let replacement = match self {
            Self::Full(full) => return rooted(full),
            Self::Prefix(replacement) => replacement,
        };
        let prefix = matched_prefix.unwrap_or("/");
        let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
        let rest = path
            .strip_prefix(prefix)
            .filter(|rest| rest.is_empty() || rest.starts_with('/'));
        let Some(rest) = rest else {
            return path.to_owned();
        };
        let replacement = replacement.strip_suffix('/').unwrap_or(replacement);
        rooted(&format!("{replacement}{rest}"))
    }
}

fn rooted(path: &str) -> String {
    if path.starts_with('/') {
        path.to_owned()
    } else {
        format!("/{path}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of the Gateway API, HTTPPathModifier `replacePrefixMatch`, and some more.
    #[test]
    fn prefixes_are_replaced_by_whole_segments() {
        let cases = [
            ("/foo/bar", "/foo", "/xyz", "/xyz/bar"),
            ("/foo/bar", "/foo", "/xyz/", "/xyz/bar"),
            ("/foo/bar", "/foo/", "/xyz", "/xyz/bar"),
            ("/foo/bar", "/foo/", "/xyz/", "/xyz/bar"),
            ("/foo", "/foo", "/xyz", "/xyz"),
            ("/foo/", "/foo", "/xyz", "/xyz/"),
            ("/foo/bar", "/foo", "", "/bar"),
            ("/foo/", "/foo", "", "/"),
            ("/foo", "/foo", "", "/"),
            ("/foo/", "/foo", "/", "/"),
            ("/foo", "/foo", "/", "/"),
            ("/foo", "/foo/", "/xyz/", "/xyz"),
            ("/a", "/", "/xyz", "/xyz/a"),
            ("/", "/", "/xyz", "/xyz/"),
            ("/foobar", "/foo", "/xyz", "/foobar"),
        ];
        for (path, prefix, replacement, expected) in cases {
            let rewrite = PathRewrite::Prefix(replacement.to_owned());
            assert_eq!(
                rewrite.apply(path, Some(prefix)),
                expected,
                "{path} {prefix} {replacement}"
            );
        }
    }

    #[test]
    fn a_full_path_replaces_all() {
        let rewrite = PathRewrite::Full("/new".to_owned());
        assert_eq!(rewrite.apply("/old/path", Some("/old")), "/new");
        assert_eq!(PathRewrite::Full(String::new()).apply("/old", None), "/");
    }
}
