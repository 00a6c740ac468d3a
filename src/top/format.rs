//! Numbers, sizes and times as texts, in the words of the admin page.

use super::answers::Time;

/// What stands for a value that there is not.
pub(super) const NONE: &str = "-";

const SECOND: i64 = 1000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// A count, such as `12,345`.
pub(super) fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// What is added each second, such as `0.4/s`.
pub(super) fn rate(value: Option<f64>) -> String {
    match value {
        None => NONE.to_owned(),
        Some(value) if value <= 0.0 => "0/s".to_owned(),
        Some(value) if value < 0.1 => "<0.1/s".to_owned(),
        Some(value) if value < 10_000.0 => format!("{}/s", three(value)),
        Some(value) if value < 1e6 => format!("{}k/s", three(value / 1e3)),
        Some(value) => format!("{}M/s", three(value / 1e6)),
    }
}

/// A size, such as `1.25 MiB`.
#[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
pub(super) fn bytes(value: u64) -> String {
    size(value as f64)
}

/// A size that is added each second.
pub(super) fn byte_rate(value: Option<f64>) -> String {
    value.map_or_else(|| NONE.to_owned(), |value| format!("{}/s", size(value)))
}

fn size(value: f64) -> String {
    const UNITS: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let (mut scaled, mut unit) = (value.max(0.0), 0);
    while scaled >= 999.5 && unit + 1 < UNITS.len() {
        scaled /= 1024.0;
        unit += 1;
    }
    format!("{} {}", three(scaled), UNITS[unit])
}

/// A duration in milliseconds, such as `4.2 ms` or `1.35 s`.
pub(super) fn duration(millis: f64) -> String {
    if millis < 999.5 {
        format!("{} ms", three(millis))
    } else if millis < 59_950.0 {
        format!("{} s", three(millis / 1000.0))
    } else {
        #[expect(clippy::cast_possible_truncation, reason = "it is shown in minutes")]
        let whole = millis as i64;
        span(whole)
    }
}

/// A long duration in milliseconds, in its two largest units: `3 h 5 min`.
pub(super) fn span(millis: i64) -> String {
    let units = |(large, large_name): (i64, &str), (small, small_name): (i64, &str)| {
        let text = format!("{} {large_name}", millis / large);
        match millis % large / small {
            0 => text,
            rest => format!("{text} {rest} {small_name}"),
        }
    };
    match millis.max(0) {
        short if short < MINUTE => format!("{} s", short / SECOND),
        short if short < HOUR => units((MINUTE, "min"), (SECOND, "s")),
        long if long < DAY => units((HOUR, "h"), (MINUTE, "min")),
        _ => units((DAY, "d"), (HOUR, "h")),
    }
}

/// How long ago a time was, by the clock of the gateway.
pub(super) fn ago(time: Time, now: Time) -> String {
    let passed = now.0 - time.0;
    if passed < 2 * SECOND {
        return "now".to_owned();
    }
    let units = [(DAY, "d"), (HOUR, "h"), (MINUTE, "min")];
    let fitting = units.into_iter().find(|(unit, _)| passed >= *unit);
    let (unit, name) = fitting.unwrap_or((SECOND, "s"));
    format!("{} {name} ago", passed / unit)
}

/// A part of a whole in per cent: `0.4 %`.
#[expect(clippy::cast_precision_loss, reason = "two digits are shown")]
pub(super) fn share(part: u64, total: u64) -> String {
    if part == 0 || total == 0 {
        return "0 %".to_owned();
    }
    let percent = 100.0 * part as f64 / total as f64;
    if percent < 0.1 {
        "<0.1 %".to_owned()
    } else if percent < 10.0 {
        format!("{percent:.1} %")
    } else {
        format!("{percent:.0} %")
    }
}

/// A count with its noun: `1 name`, `2 names`.
pub(super) fn counted(value: u64, one: &str, several: &str) -> String {
    format!(
        "{} {}",
        count(value),
        if value == 1 { one } else { several }
    )
}

/// A number with three significant digits, without zeros at the end.
fn three(value: f64) -> String {
    let decimals = match value {
        value if value < 9.995 => 2,
        value if value < 99.95 => 1,
        _ => 0,
    };
    let text = format!("{value:.decimals$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_have_their_thousands() {
        for (value, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(count(value), text);
        }
    }

    #[test]
    fn rates_and_sizes_have_three_digits() {
        for (value, text) in [
            (None, "-"),
            (Some(0.0), "0/s"),
            (Some(0.01), "<0.1/s"),
            (Some(0.4), "0.4/s"),
            (Some(1234.4), "1234/s"),
            (Some(12_345.0), "12.3k/s"),
            (Some(2_500_000.0), "2.5M/s"),
        ] {
            assert_eq!(rate(value), text);
        }
        for (value, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "0.98 KiB"),
            (1_310_720, "1.25 MiB"),
            (u64::MAX, "16384 PiB"),
        ] {
            assert_eq!(bytes(value), text);
        }
    }

    #[test]
    fn durations_have_the_unit_that_fits() {
        for (millis, text) in [
            (0.0, "0 ms"),
            (4.2, "4.2 ms"),
            (999.4, "999 ms"),
            (1350.0, "1.35 s"),
            (61_000.0, "1 min 1 s"),
        ] {
            assert_eq!(duration(millis), text);
        }
        for (millis, text) in [
            (-5, "0 s"),
            (59_999, "59 s"),
            (3 * HOUR + 5 * MINUTE, "3 h 5 min"),
            (2 * DAY, "2 d"),
            (2 * DAY + 3 * HOUR, "2 d 3 h"),
        ] {
            assert_eq!(span(millis), text);
        }
    }

    #[test]
    fn times_are_told_by_the_clock_of_the_gateway() {
        let now = Time(10 * DAY);
        for (passed, text) in [
            (-SECOND, "now"),
            (1999, "now"),
            (2 * SECOND, "2 s ago"),
            (90 * SECOND, "1 min ago"),
            (HOUR, "1 h ago"),
            (3 * DAY, "3 d ago"),
        ] {
            assert_eq!(ago(Time(now.0 - passed), now), text);
        }
    }

    #[test]
    fn shares_of_nothing_are_nothing() {
        for (part, total, text) in [
            (0, 0, "0 %"),
            (1, 2000, "<0.1 %"),
            (1, 150, "0.7 %"),
            (1, 3, "33 %"),
        ] {
            assert_eq!(share(part, total), text);
        }
        assert_eq!(counted(1, "query", "queries"), "1 query");
        assert_eq!(counted(2000, "query", "queries"), "2,000 queries");
    }
}
