//! `%START_TIME(FORMAT)%` and its like: a time in the words of `strftime`, in UTC.

use std::cell::Cell;
use std::io::Write as _;

use jiff::Timestamp;
use jiff::civil::{DateTime, ISOWeekDate, Weekday};
use jiff::tz::TimeZone;

use super::json::is_plain;

/// Which time is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeSource {
    /// The head of the request had been read.
    Start,
    /// Likewise, with the offset of the zone, which is that of UTC.
    StartLocal,
    /// The line is written.
    Emit,
    /// Likewise, with the offset of the zone.
    EmitLocal,
    /// The client's certificate begins to be valid.
    PeerCertificateStart,
    /// It ceases to be valid.
    PeerCertificateEnd,
}

/// How a time is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeFormat(TimeForm);

#[derive(Clone, Debug, PartialEq, Eq)]
enum TimeForm {
    /// What is written by default, in one piece.
    Rfc3339,
    Pieces(Vec<TimePiece>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum TimePiece {
    Literal(String),
    /// Seconds since 1970.
    UnixSeconds,
    /// The first digits of the fraction of the second, this many of nine.
    Fraction(usize),
    /// The second with this many digits of its fraction.
    Seconds(usize),
    /// Another specifier of one letter.
    Specifier(char),
}

/// The specifiers that `strftime` knows.
const SPECIFIERS: &str = "aAbBhcCdDeFgGHIjklmMnpPrRStTuUVwWxXyYzZ";

/// What `%START_TIME%` prints.
const RFC_3339: &str = "%Y-%m-%dT%H:%M:%E3SZ";
/// What `%START_TIME_LOCAL%` prints.
const WITH_OFFSET: &str = "%Y-%m-%dT%H:%M:%E3S%z";

impl TimeFormat {
    pub(super) fn read(format: Option<&str>, is_local: bool) -> Self {
        let default = if is_local { WITH_OFFSET } else { RFC_3339 };
        let mut rest = format.unwrap_or(default);
        if rest == RFC_3339 {
            return Self(TimeForm::Rfc3339);
        }
        let mut pieces = Vec::new();
        let mut literal = String::new();
        while let Some(found) = rest.find('%') {
            literal.push_str(&rest[..found]);
            rest = &rest[found..];
            let (piece, length) = match specifier(&rest[1..]) {
                Some((piece, length)) => (Some(piece), length + 1),
                // Not a specifier: it is written as it is.
                None => (None, rest.chars().take(2).map(char::len_utf8).sum()),
            };
            match piece {
                Some(piece) => {
                    if !literal.is_empty() {
                        pieces.push(TimePiece::Literal(std::mem::take(&mut literal)));
                    }
                    pieces.push(piece);
                }
                None if rest.starts_with("%%") => literal.push('%'),
                None => literal.push_str(&rest[..length]),
            }
            rest = &rest[length..];
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            pieces.push(TimePiece::Literal(literal));
        }
        Self(TimeForm::Pieces(pieces))
    }

    /// Writes a time.
    pub fn write(&self, at: Timestamp, out: &mut Vec<u8>) {
        let pieces = match &self.0 {
            TimeForm::Rfc3339 => return push_time(at, out),
            TimeForm::Pieces(pieces) => pieces,
        };
        let civil = TimeZone::UTC.to_datetime(at);
        for piece in pieces {
            match piece {
                TimePiece::Literal(text) => out.extend_from_slice(text.as_bytes()),
                TimePiece::UnixSeconds => {
                    // Writing to a vector does not fail.
                    let _ = write!(out, "{}", at.as_second());
                }
                TimePiece::Fraction(digits) => push_fraction(civil, *digits, out),
                TimePiece::Seconds(digits) => {
                    push_digits::<2>(small(civil.second()), out);
                    out.push(b'.');
                    push_fraction(civil, *digits, out);
                }
                TimePiece::Specifier(letter) if number(*letter, civil, out).is_some() => {}
                TimePiece::Specifier(letter) => {
                    let _ = conversion(*letter, civil, out);
                }
            }
        }
    }

    /// Whether what it writes has no character that JSON escapes.
    pub(super) fn is_plain(&self) -> bool {
        let TimeForm::Pieces(pieces) = &self.0 else {
            return true;
        };
        pieces.iter().all(|piece| match piece {
            TimePiece::Literal(text) => is_plain(text.as_bytes()),
            TimePiece::Specifier(letter) => !matches!(letter, 'n' | 't'),
            TimePiece::UnixSeconds | TimePiece::Fraction(_) | TimePiece::Seconds(_) => true,
        })
    }
}

/// Writes a time in UTC with milliseconds (RFC 3339).
#[inline]
pub fn push_time(at: Timestamp, out: &mut Vec<u8>) {
    let (Ok(seconds @ 0..END_OF_9999), Ok(nanoseconds)) = (
        u64::try_from(at.as_second()),
        u32::try_from(at.subsec_nanosecond()),
    ) else {
        // Writing to a vector does not fail.
        let _ = write!(out, "{at:.3}");
        return;
    };
    thread_local! {
        /// The second that was written last, which many lines have, and its text with zeros for milliseconds.
        static LAST: Cell<(u64, [u8; 24])> = const { Cell::new((0, *b"1970-01-01T00:00:00.000Z")) };
    }
    let (mut last, mut text) = LAST.get();
    if last != seconds {
        (last, text) = (seconds, text_of(seconds));
        LAST.set((last, text));
    }
    let milliseconds = nanoseconds / 1_000_000;
    text[20] += (milliseconds / 100) as u8;
    text[21..23].copy_from_slice(&two_digits(milliseconds % 100));
    out.extend_from_slice(&text);
}

/// The text of a second of Unix time, with zeros for milliseconds.
fn text_of(seconds: u64) -> [u8; 24] {
    // Both fit.
    let (days, of_day) = ((seconds / 86_400) as u32, (seconds % 86_400) as u32);
    let (year, month, day) = date(days);
    let [y0, y1] = two_digits(year / 100);
    let [y2, y3] = two_digits(year % 100);
    let [mo0, mo1] = two_digits(month);
    let [d0, d1] = two_digits(day);
    let [h0, h1] = two_digits(of_day / 3600);
    let [mi0, mi1] = two_digits(of_day / 60 % 60);
    let [s0, s1] = two_digits(of_day % 60);
    [
        y0, y1, y2, y3, b'-', mo0, mo1, b'-', d0, d1, b'T', h0, h1, b':', mi0, mi1, b':', s0, s1,
        b'.', b'0', b'0', b'0', b'Z',
    ]
}

/// The first second of Unix time whose year has five digits.
const END_OF_9999: u64 = 253_402_300_800;

/// The year, month and day of a day since the beginning of Unix time. The years of the calculation begin in March, so that the
/// day that not every year has is their last (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
const fn date(days: u32) -> (u32, u32, u32) {
    const DAYS_OF_400_YEARS: u32 = 146_097;
    // Since the first of March of the year 0.
    let days = days + 719_468;
    let of_era = days % DAYS_OF_400_YEARS;
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + days / DAYS_OF_400_YEARS * 400;
    (if month <= 2 { year + 1 } else { year }, month, day)
}

/// The digits of a number below 100.
fn two_digits(value: u32) -> [u8; 2] {
    static DIGITS: [[u8; 2]; 100] = {
        let mut digits = [[0; 2]; 100];
        let mut value = 0;
        while value < 100 {
            // One digit fits.
            digits[value] = [b'0' + (value / 10) as u8, b'0' + (value % 10) as u8];
            value += 1;
        }
        digits
    };
    DIGITS[(value % 100) as usize]
}

/// The last `N` decimal digits of a number.
pub fn push_digits<const N: usize>(mut value: u32, out: &mut Vec<u8>) {
    let mut digits = [b'0'; N];
    for digit in digits.iter_mut().rev() {
        // One digit fits.
        *digit += (value % 10) as u8;
        value /= 10;
    }
    out.extend_from_slice(&digits);
}

/// The specifier after a `%`, and its length.
fn specifier(text: &str) -> Option<(TimePiece, usize)> {
    let first = text.chars().next()?;
    let digit = |letter: char| letter.to_digit(10).filter(|digit| (1..=9).contains(digit));
    let digits = |letter: char| digit(letter).map(|digit| digit as usize);
    match first {
        's' => Some((TimePiece::UnixSeconds, 1)),
        'f' => Some((TimePiece::Fraction(9), 1)),
        '1'..='9' if text[1..].starts_with('f') => Some((TimePiece::Fraction(digits(first)?), 2)),
        'E' => {
            let mut rest = text[1..].chars();
            let count = digits(rest.next()?)?;
            match rest.next()? {
                'S' => Some((TimePiece::Seconds(count), 3)),
                'f' => Some((TimePiece::Fraction(count), 3)),
                _ => None,
            }
        }
        letter if SPECIFIERS.contains(letter) => Some((TimePiece::Specifier(letter), 1)),
        _ => None,
    }
}

/// The first digits of the fraction of the second, of which there are nine.
fn push_fraction(civil: DateTime, digits: usize, out: &mut Vec<u8>) {
    let nanoseconds = u32::try_from(civil.subsec_nanosecond()).unwrap_or_default();
    let begin = out.len();
    push_digits::<9>(nanoseconds, out);
    out.truncate(begin + digits);
}

/// Writes what is a number of a fixed length in nearly every format, without the formatting of the standard library, which
/// takes a hundred instructions for each; `None` for what is not.
fn number(letter: char, civil: DateTime, out: &mut Vec<u8>) -> Option<()> {
    let value = match letter {
        'Y' => {
            let year = u32::try_from(civil.year()).ok();
            push_digits::<4>(year.filter(|year| (1000..=9999).contains(year))?, out);
            return Some(());
        }
        'm' => civil.month(),
        'd' => civil.day(),
        'H' => civil.hour(),
        'M' => civil.minute(),
        'S' => civil.second(),
        _ => return None,
    };
    push_digits::<2>(small(value), out);
    Some(())
}

/// A part of a time of day or of a date, which is not negative.
fn small(part: i8) -> u32 {
    u32::from(part.unsigned_abs())
}

/// Writes what [`number`] does not.
fn conversion(letter: char, civil: DateTime, out: &mut Vec<u8>) -> std::io::Result<()> {
    let (year, month, day) = (civil.year(), civil.month(), civil.day());
    let (hour, minute, second) = (civil.hour(), civil.minute(), civil.second());
    let hour12 = match hour % 12 {
        0 => 12,
        hour => hour,
    };
    let weekday = civil.weekday();
    let of_year = civil.day_of_year();
    let (month_name, day_name) = (month_name(month), day_name(weekday));
    match letter {
        'a' => write!(out, "{}", &day_name[..3]),
        'A' => write!(out, "{day_name}"),
        'b' | 'h' => write!(out, "{}", &month_name[..3]),
        'B' => write!(out, "{month_name}"),
        'c' => write!(
            out,
            "{} {} {day:2} {hour:02}:{minute:02}:{second:02} {year}",
            &day_name[..3],
            &month_name[..3]
        ),
        'C' => write!(out, "{:02}", year / 100),
        'D' | 'x' => write!(out, "{month:02}/{day:02}/{:02}", year % 100),
        'e' => write!(out, "{day:2}"),
        'F' => write!(out, "{year:04}-{month:02}-{day:02}"),
        'g' => write!(out, "{:02}", ISOWeekDate::from(civil.date()).year() % 100),
        'G' => write!(out, "{}", ISOWeekDate::from(civil.date()).year()),
        'I' => write!(out, "{hour12:02}"),
        'j' => write!(out, "{of_year:03}"),
        'k' => write!(out, "{hour:2}"),
        'l' => write!(out, "{hour12:2}"),
        'n' => out.write_all(b"\n"),
        'p' => write!(out, "{}", if hour < 12 { "AM" } else { "PM" }),
        'P' => write!(out, "{}", if hour < 12 { "am" } else { "pm" }),
        'r' => {
            let half = if hour < 12 { "AM" } else { "PM" };
            write!(out, "{hour12:02}:{minute:02}:{second:02} {half}")
        }
        'R' => write!(out, "{hour:02}:{minute:02}"),
        't' => out.write_all(b"\t"),
        'T' | 'X' => write!(out, "{hour:02}:{minute:02}:{second:02}"),
        'u' => write!(out, "{}", weekday.to_monday_one_offset()),
        'U' => write!(
            out,
            "{:02}",
            (of_year + 6 - i16::from(weekday.to_sunday_zero_offset())) / 7
        ),
        'V' => write!(out, "{:02}", ISOWeekDate::from(civil.date()).week()),
        'w' => write!(out, "{}", weekday.to_sunday_zero_offset()),
        'W' => write!(
            out,
            "{:02}",
            (of_year + 6 - i16::from(weekday.to_monday_zero_offset())) / 7
        ),
        'y' => write!(out, "{:02}", year % 100),
        'Y' => write!(out, "{year}"),
        'z' => out.write_all(b"+0000"),
        'Z' => out.write_all(b"UTC"),
        _ => Ok(()),
    }
}

fn month_name(month: i8) -> &'static str {
    const NAMES: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    let index = usize::try_from(month - 1).unwrap_or_default();
    NAMES.get(index).copied().unwrap_or("January")
}

const fn day_name(day: Weekday) -> &'static str {
    match day {
        Weekday::Monday => "Monday",
        Weekday::Tuesday => "Tuesday",
        Weekday::Wednesday => "Wednesday",
        Weekday::Thursday => "Thursday",
        Weekday::Friday => "Friday",
        Weekday::Saturday => "Saturday",
        Weekday::Sunday => "Sunday",
    }
}
