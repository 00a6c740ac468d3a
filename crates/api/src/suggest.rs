//! What somebody who wrote an unknown word may have meant.

/// The largest number of edits between a word and the one that was meant.
const MAX_EDITS: usize = 2;

/// No word is longer; the comparison takes the product of the lengths.
const MAX_LENGTH: usize = 256;

/// The known word that is nearest to this one: within two edits, of which a word of few letters allows fewer. Upper
/// and lower case are the same.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let near = known.into_iter().filter_map(|candidate| {
        let edits = edits(word, candidate)?;
        Some((edits, candidate))
    });
    near.min().map(|(_, candidate)| candidate)
}

/// Writes `; did you mean X?`, or nothing if no known word is near.
pub fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(word, known).map_or_else(String::new, |known| format!("; did you mean {known}?"))
}

/// The number of edits from one word to another: characters inserted, removed or replaced, and neighbours swapped.
/// `None` if there are more than a mistyped word has.
pub fn edits(a: &str, b: &str) -> Option<usize> {
    let letters = |text: &str| -> Vec<char> { text.to_lowercase().chars().collect() };
    let (a, b) = (letters(a), letters(b));
    let allowed = (a.len().max(b.len()) / 3).min(MAX_EDITS);
    if a.len().abs_diff(b.len()) > allowed || a.len().max(b.len()) > MAX_LENGTH {
        return None;
    }
    // Rows of the matrix of optimal string alignment: the one before the last, the last, and the one that is filled.
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let replaced = last[j] + usize::from(x != y);
            let mut least = replaced.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                least = least.min(before[j - 1] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().filter(|edits| *edits <= allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_are_counted() {
        for (a, b, expected) in [
            ("Gateway", "Gateway", Some(0)),
            ("HttpRoute", "HTTPRoute", Some(0)),
            ("TraficPolicy", "TrafficPolicy", Some(1)),
            ("htpp", "http", Some(1)),
            ("Gatewya", "Gateway", Some(1)),
            ("Gatewa", "Gateways", Some(2)),
            ("gatways", "Gateway", Some(2)),
            ("RoutePolicy", "RetryPolicy", None),
            ("a", "b", None),
            ("gw", "gx", None),
            ("dfp", "dpf", Some(1)),
            ("gw", "ab", None),
            ("get", "put", None),
            ("", "", Some(0)),
            ("", "ab", None),
        ] {
            assert_eq!(edits(a, b), expected, "{a} {b}");
            assert_eq!(edits(b, a), expected, "{b} {a}");
        }
        assert_eq!(edits(&"a".repeat(300), &"a".repeat(300)), None);
    }

    #[test]
    fn the_nearest_word_is_suggested() {
        let known = ["hostname", "hostnames", "rules"];
        assert_eq!(nearest("hostnmes", known), Some("hostnames"));
        assert_eq!(nearest("rule", known), Some("rules"));
        assert_eq!(nearest("parents", known), None);
        assert_eq!(did_you_mean("rule", known), "; did you mean rules?");
        assert_eq!(did_you_mean("parents", known), "");
    }
}
