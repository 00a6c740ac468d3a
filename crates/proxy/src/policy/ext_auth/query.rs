//! Query parameters that a service sets.

use http::Uri;
use http::uri::PathAndQuery;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::policy::credentials::sources::remove_parameter;

/// What is encoded: all but what is unreserved (RFC 3986 2.3).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Sets a query parameter, in place of all of its name.
pub(super) fn set_parameter(name: &str, value: &str, uri: &mut Uri) {
    remove_parameter(name, uri);
    let mark = if uri.query().is_none_or(str::is_empty) {
        "?"
    } else {
        "&"
    };
    let whole = uri.path_and_query().map_or("/", PathAndQuery::as_str);
    let whole = whole.trim_end_matches('?');
    let (name, value) = (
        utf8_percent_encode(name, ENCODED),
        utf8_percent_encode(value, ENCODED),
    );
    let changed = PathAndQuery::try_from(format!("{whole}{mark}{name}={value}"));
    let mut parts = uri.clone().into_parts();
    if let Ok(changed) = changed {
        parts.path_and_query = Some(changed);
        if let Ok(changed) = Uri::from_parts(parts) {
            *uri = changed;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_takes_the_place_of_those_of_its_name() {
        for (uri, expected) in [
            ("/a", "/a?n=v%20%26"),
            ("/a?", "/a?n=v%20%26"),
            ("/a?b=c", "/a?b=c&n=v%20%26"),
            ("/a?n=1&b=c&n=2", "/a?b=c&n=v%20%26"),
            ("http://h.test/a?n=1", "http://h.test/a?n=v%20%26"),
        ] {
            let mut changed = uri.parse().unwrap();
            set_parameter("n", "v &", &mut changed);
            assert_eq!(changed, expected, "{uri}");
        }
    }
}
