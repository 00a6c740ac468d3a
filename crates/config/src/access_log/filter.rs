//! Which exchanges a sink writes.

use http::HeaderName;
use serde::{Serialize, Serializer};

use super::flag::ResponseFlag;
use crate::expression::Expression;
use crate::pattern::RegexPattern;

/// Which exchanges a sink writes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum LogFilter {
    /// All of them.
    All,
    /// None of them.
    None,
    /// Those that are not requests which a listener answered as health checks.
    NotHealthCheck,
    /// Those whose spans are told to a collector.
    Sampled,
    /// Those whose response has such a status; it is 0 without a response.
    StatusCode(NumberComparison),
    /// Those that took so many milliseconds.
    Duration(NumberComparison),
    /// Those whose request has such a header field.
    Header(HeaderCondition),
    /// Those with such a status of gRPC, which that of HTTP stands for where there is none.
    GrpcStatus(GrpcStatusSet),
    /// Those with one of these flags.
    Flags(Vec<ResponseFlag>),
    /// Those for which the expression is true.
    Expression(Expression),
    /// A share of them.
    Share(LogShare),
    /// Those that all of the filters let through.
    Every(Vec<Self>),
    /// Those that one of the filters lets through.
    Either(Vec<Self>),
}

/// A comparison with a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct NumberComparison {
    /// How it is compared.
    pub operator: ComparisonOperator,
    /// The number.
    pub value: u32,
}

/// How a number is compared with another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum ComparisonOperator {
    /// It is the same.
    Equal,
    /// It is the same or greater.
    AtLeast,
    /// It is the same or less.
    AtMost,
}

/// A condition of a header field, of whose lines one has to meet it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HeaderCondition {
    /// The name of the field.
    #[serde(serialize_with = "as_text")]
    pub name: HeaderName,
    /// What its value is.
    pub value: HeaderTest,
}

/// What the value of a header field is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum HeaderTest {
    /// This, byte for byte.
    Exact(String),
    /// What the expression matches from end to end.
    Regex(RegexPattern),
}

/// Some of the statuses of gRPC, or all others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GrpcStatusSet {
    /// The statuses.
    pub statuses: Vec<u8>,
    /// Whether they are those that are not meant.
    pub exclude: bool,
}

/// A share of exchanges.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct LogShare {
    /// The numerator.
    pub numerator: u32,
    /// The denominator, which is not 0.
    pub denominator: u32,
}

/// The statuses of gRPC, by number.
pub const GRPC_STATUSES: [&str; 17] = [
    "OK",
    "CANCELED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

impl NumberComparison {
    /// Whether the comparison holds for a number.
    #[must_use]
    pub fn holds(self, number: u64) -> bool {
        let value = u64::from(self.value);
        match self.operator {
            ComparisonOperator::Equal => number == value,
            ComparisonOperator::AtLeast => number >= value,
            ComparisonOperator::AtMost => number <= value,
        }
    }
}

impl HeaderTest {
    /// Whether a value is as asked.
    #[must_use]
    pub fn holds(&self, value: &[u8]) -> bool {
        match self {
            Self::Exact(exact) => exact.as_bytes() == value,
            Self::Regex(pattern) => str::from_utf8(value).is_ok_and(|text| pattern.is_match(text)),
        }
    }
}

impl GrpcStatusSet {
    /// Whether a status is meant.
    #[must_use]
    pub fn contains(&self, status: i64) -> bool {
        let is_listed = self
            .statuses
            .iter()
            .any(|listed| i64::from(*listed) == status);
        is_listed != self.exclude
    }
}

impl LogShare {
    /// Whether an exchange is in the share; `ticket_below` gives a random number below the bound that it is asked for with.
    pub fn includes(self, ticket_below: impl FnOnce(u32) -> u32) -> bool {
        self.numerator >= self.denominator || ticket_below(self.denominator) < self.numerator
    }
}

fn as_text<S: Serializer>(name: &HeaderName, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_compared() {
        use ComparisonOperator::{AtLeast, AtMost, Equal};
        for (operator, number, expected) in [
            (Equal, 400, true),
            (Equal, 401, false),
            (AtLeast, 400, true),
            (AtLeast, 399, false),
            (AtMost, 400, true),
            (AtMost, 0, true),
            (AtMost, 401, false),
        ] {
            let value = 400;
            let comparison = NumberComparison { operator, value };
            assert_eq!(comparison.holds(number), expected, "{operator:?} {number}");
        }
    }

    #[test]
    fn statuses_are_listed_or_excluded() {
        let set = |exclude| GrpcStatusSet {
            statuses: vec![0, 14],
            exclude,
        };
        assert!(set(false).contains(14) && !set(false).contains(2));
        assert!(!set(true).contains(14) && set(true).contains(2));
        assert_eq!(GRPC_STATUSES[14], "UNAVAILABLE");
    }

    #[test]
    fn a_share_takes_as_many_as_it_says() {
        let share = |numerator| LogShare {
            numerator,
            denominator: 100,
        };
        assert!(!share(0).includes(|_| 0));
        assert!(share(100).includes(|_| panic!("no ticket is needed")));
        assert!(share(30).includes(|_| 29) && !share(30).includes(|_| 30));
    }

    #[test]
    fn a_header_is_compared_whole() {
        let regex = HeaderTest::Regex(RegexPattern::new("a|b+").unwrap());
        assert!(regex.holds(b"bb") && !regex.holds(b"ab") && !regex.holds(b"\xff"));
        let exact = HeaderTest::Exact("é".to_owned());
        assert!(exact.holds("é".as_bytes()) && !exact.holds(b"e"));
    }
}
