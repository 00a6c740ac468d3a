//! Path rewriting by `URLRewrite` and `RequestRedirect`.

use crate::path::{normalize_path, prefix_matches, resolve_segments};
use crate::rule::PathRewrite;

impl PathRewrite {
    /// Rewrites a path. `path` is the path that matched, in the client's spelling. With [`PathRewrite::Prefix`] the
    /// rest after the prefix keeps that spelling, and a path that `matched_prefix` does not cover is not changed.
    #[must_use]
    pub fn apply(&self, path: &str, matched_prefix: Option<&str>) -> String {
        let replacement = match self {
            Self::Full(full) => return rooted(full),
            Self::Regex(rewrite) => return rooted(&rewrite.apply(path)),
            Self::Prefix(replacement) => replacement,
        };
        let prefix = matched_prefix.unwrap_or("/");
        let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
        if !prefix_matches(prefix, &normalize_path(path)) {
            return path.to_owned();
        }
        // The spelling of the segments may differ from the prefix, but not their number.
        let path = resolve_segments(path);
        let depth = prefix.matches('/').count();
        let rest = path
            .match_indices('/')
            .nth(depth)
            .map_or("", |(at, _)| &path[at..]);
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

    /// The table of the Gateway API, HTTPPathModifier `replacePrefixMatch`, with more cases.
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
    fn what_the_prefix_does_not_cover_keeps_its_spelling() {
        let cases = [
            ("/f%6Fo/a%3Fb%3b%7e", "/foo", "/xyz/a%3Fb%3b%7e"),
            ("/k%c3%a4se/k\u{e4}se", "/k%C3%A4se", "/xyz/k\u{e4}se"),
            ("/x/..//foo/./a:b", "/foo", "/xyz/a:b"),
            ("/foo/a/%2E%2e/..", "/foo", "/foo/a/%2E%2e/.."),
            ("/foo%2Fbar", "/foo", "/foo%2Fbar"),
            ("*", "/", "*"),
        ];
        for (path, prefix, expected) in cases {
            let rewrite = PathRewrite::Prefix("/xyz".to_owned());
            assert_eq!(rewrite.apply(path, Some(prefix)), expected, "{path}");
        }
    }

    #[test]
    fn a_full_path_replaces_all() {
        let rewrite = PathRewrite::Full("/new".to_owned());
        assert_eq!(rewrite.apply("/old/path", Some("/old")), "/new");
        assert_eq!(PathRewrite::Full(String::new()).apply("/old", None), "/");
    }
}
