//! The two types of time in a certificate (RFC 5280 4.1.2.5).

use super::der::tag;

/// The seconds of Unix time of a `UTCTime` or `GeneralizedTime`, given as its tag and content.
pub(super) fn seconds((kind, text): (u8, &[u8])) -> Option<i64> {
    let (year, rest) = match kind {
        tag::UTC_TIME => {
            let (year, rest) = number(text, 2)?;
            // RFC 5280 4.1.2.5.1
            (if year >= 50 { 1900 + year } else { 2000 + year }, rest)
        }
        tag::GENERALIZED_TIME => number(text, 4)?,
        _ => return None,
    };
    let (month, rest) = number(rest, 2)?;
    let (day, rest) = number(rest, 2)?;
    let (hour, rest) = number(rest, 2)?;
    let (minute, rest) = number(rest, 2)?;
    let (second, rest) = number(rest, 2)?;
    let is_time = (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60
        && rest == b"Z";
    is_time.then(|| days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second)
}

/// The number in the first `digits` digits, and what follows them.
fn number(text: &[u8], digits: usize) -> Option<(i64, &[u8])> {
    let (number, rest) = text.split_at_checked(digits)?;
    let value = number.iter().try_fold(0, |sum, byte| {
        byte.is_ascii_digit()
            .then(|| sum * 10 + i64::from(byte - b'0'))
    })?;
    Some((value, rest))
}

/// The days from 1970-01-01 to a date of the Gregorian calendar. A year is counted from March, so that the leap day is its
/// last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let month = (month + 9) % 12;
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    let before = (153 * month + 2) / 5;
    year * 365 + leap_days + before + day - 1 - 719_468
}

/// A time in seconds of Unix time, as RFC 3339 writes it in UTC.
#[must_use]
pub fn utc(seconds: i64) -> String {
    let (date, time) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // The inverse of `days`, by years of 365.2425 days that begin in March.
    let since = date + 719_468;
    let era = since.div_euclid(146_097);
    let day = since.rem_euclid(146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, carry) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    let year = year + era * 400 + carry;
    let (hour, minute, second) = (time / 3600, time / 60 % 60, time % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}
