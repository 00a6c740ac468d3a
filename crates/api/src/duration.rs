//! Durations in the format of the Gateway API (GEP-2257): `1h30m`, `500ms`, `0s`.

use std::time::Duration;

/// The error for a text that is not a duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a duration: one to four of <1 to 5 digits><h, m, s or ms>, as in 1h30m or 500ms")]
pub struct DurationError;

/// Parses a duration.
///
/// # Errors
/// If the text does not match `^([0-9]{1,5}(h|m|s|ms)){1,4}$`.
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    let mut rest = text;
    let mut total = Duration::ZERO;
    for _ in 0..4 {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        if !(1..=5).contains(&digits) {
            return Err(DurationError);
        }
        let (number, after) = rest.split_at(digits);
        let number: u64 = number.parse().map_err(|_| DurationError)?;
        let (unit, after) = [("ms", 1), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)]
            .into_iter()
            .find_map(|(suffix, millis)| Some((millis, after.strip_prefix(suffix)?)))
            .ok_or(DurationError)?;
        total += Duration::from_millis(number * unit);
        rest = after;
        if rest.is_empty() {
            return Ok(total);
        }
    }
    Err(DurationError)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert, prop_assert_eq, proptest};

    use super::*;

    #[test]
    fn table() {
        let cases = [
            ("0s", Some(0)),
            ("5m", Some(300_000)),
            ("1h30m", Some(5_400_000)),
            ("500ms", Some(500)),
            ("1h1m1s1ms", Some(3_661_001)),
            ("1s1h", Some(3_601_000)),
            ("99999h", Some(359_996_400_000)),
            ("", None),
            ("1", None),
            ("0", None),
            ("s", None),
            ("-1s", None),
            ("+1s", None),
            ("1.5s", None),
            ("1d", None),
            ("1us", None),
            ("100000s", None),
            ("1s1s1s1s1s", None),
            ("1s ", None),
            (" 1s", None),
            ("1S", None),
            ("\u{661}s", None),
        ];
        for (text, millis) in cases {
            assert_eq!(
                parse(text).ok(),
                millis.map(Duration::from_millis),
                "{text:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn takes_what_the_pattern_takes(text in "[0-9hms]{0,12}") {
            let pattern = regex::Regex::new("^([0-9]{1,5}(h|m|s|ms)){1,4}$").unwrap();
            prop_assert_eq!(parse(&text).is_ok(), pattern.is_match(&text));
        }

        #[test]
        fn parts_add_up(h in 0_u64..99_999, m in 0_u64..99_999, s in 0_u64..99_999, ms in 0_u64..99_999) {
            let parsed = parse(&format!("{h}h{m}m{s}s{ms}ms"));
            prop_assert!(parsed.is_ok());
            prop_assert_eq!(parsed, Ok(Duration::from_millis(((h * 60 + m) * 60 + s) * 1000 + ms)));
        }
    }
}
