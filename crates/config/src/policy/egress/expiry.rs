//! The time from which a rule or an exception does not hold any more.

use std::fmt;
use std::sync::Arc;

use ipnet::IpNet;
use jiff::Timestamp;
use serde::{Serialize, Serializer};

use crate::certificate::utc;

/// A time from which something does not hold any more, in seconds of Unix time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Expiry(i64);

/// An exception to the built-in deny list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AddressException {
    /// The addresses.
    pub net: IpNet,
    /// The time from which it does not hold any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<Expiry>,
    /// Why it is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Arc<str>>,
}

impl Expiry {
    /// Parses a time as RFC 3339 writes it.
    ///
    /// # Errors
    /// What to write instead.
    pub fn parse(text: &str) -> Result<Self, String> {
        let message = "not a time (RFC 3339), such as 2026-12-31T00:00:00Z";
        // A time of RFC 9557 has a zone in brackets behind it.
        let time = Some(text).filter(|text| !text.contains('['));
        let time = time.and_then(|text| text.parse::<Timestamp>().ok());
        time.map(|time| Self(time.as_second()))
            .ok_or_else(|| message.to_owned())
    }

    /// Whether the time has come, at this time in seconds of Unix time.
    #[must_use]
    pub const fn has_come(self, now: i64) -> bool {
        now >= self.0
    }

    /// Whether the time comes in this many seconds or less, at this time.
    pub(crate) const fn is_near(self, now: i64, seconds: i64) -> bool {
        now >= self.0.saturating_sub(seconds)
    }

    /// Whether the time has come since an earlier one.
    #[must_use]
    pub const fn has_come_since(self, earlier: i64, now: i64) -> bool {
        self.has_come(now) && !self.has_come(earlier)
    }
}

impl AddressException {
    /// Whether the exception holds for an address, at this time.
    pub(super) fn holds(&self, address: &std::net::IpAddr, now: i64) -> bool {
        self.net.contains(address) && !self.expires.is_some_and(|expires| expires.has_come(now))
    }
}

impl From<IpNet> for AddressException {
    fn from(net: IpNet) -> Self {
        Self {
            net,
            expires: None,
            reason: None,
        }
    }
}

impl fmt::Display for Expiry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&utc(self.0))
    }
}

impl Serialize for Expiry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_rfc_3339() {
        for (text, expected) in [
            ("2026-12-31T00:00:00Z", "2026-12-31T00:00:00Z"),
            ("2026-12-31T01:30:00+01:30", "2026-12-31T00:00:00Z"),
            ("2026-12-31T00:00:00.75Z", "2026-12-31T00:00:00Z"),
        ] {
            assert_eq!(Expiry::parse(text).unwrap().to_string(), expected);
        }
        for text in [
            "2026-12-31",
            "2026-12-31T00:00:00",
            "2026-13-01T00:00:00Z",
            "soon",
            "",
            "2026-12-31T00:00:00Z[UTC]",
        ] {
            assert!(Expiry::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_time_has_come_from_that_second_on() {
        let expiry = Expiry(1000);
        let come = [999, 1000, 1001].map(|now| expiry.has_come(now));
        assert_eq!(come, [false, true, true]);
        assert!(expiry.has_come_since(999, 1000) && !expiry.has_come_since(1000, 1001));
        assert!(expiry.is_near(990, 10) && !expiry.is_near(989, 10));
    }
}
