//! Search domains: lists the names that are queried for one name.

use egret_config::name::DnsName;

/// The names to query in turn, each after the one before was found to have no addresses. A name without a dot is
/// queried in each search domain before it is queried as it is; any other name is queried as it is first. Names that
/// would be too long are left out.
pub(super) fn candidates<'a>(
    name: &'a DnsName,
    search: &'a [DnsName],
) -> impl Iterator<Item = DnsName> + Send + 'a {
    let own = name.clone();
    let (first, last) = if name.as_str().contains('.') {
        (Some(own), None)
    } else {
        (None, Some(own))
    };
    let expanded = search
        .iter()
        .filter_map(move |domain| format!("{name}.{domain}").parse().ok());
    first.into_iter().chain(expanded).chain(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_without_a_dot_is_taken_as_it_is_last() {
        let long = [
            "a".repeat(63),
            "b".repeat(63),
            "c".repeat(63),
            "d".repeat(59),
        ]
        .join(".");
        assert_eq!(long.len(), 251);
        for (name, search, expected) in [
            ("a", &[][..], &["a"][..]),
            ("a.test", &[], &["a.test"]),
            ("a", &["x.test", "y"], &["a.x.test", "a.y", "a"]),
            ("a.b", &["x.test", "y"], &["a.b", "a.b.x.test", "a.b.y"]),
            // A name may have 253 bytes, not 254.
            (
                &long,
                &["x", "yy", "z"],
                &[&long, &format!("{long}.x"), &format!("{long}.z")],
            ),
        ] {
            let search: Vec<DnsName> = search.iter().map(|text| text.parse().unwrap()).collect();
            let name = name.parse().unwrap();
            let names: Vec<_> = candidates(&name, &search).collect();
            let names: Vec<_> = names.iter().map(DnsName::as_str).collect();
            assert_eq!(names, expected);
        }
    }
}
