//! `hashPolicies` of a load balancer: what requests have in common that are to go to the same host.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;
use serde::{Serialize, Serializer};

/// One of the things that requests to the same host have in common.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HashPolicy {
    /// What it is.
    pub key: HashKey,
    /// Whether the later ones are not looked at if the request has it.
    pub terminal: bool,
}

/// What a request is recognised by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum HashKey {
    /// The values of a header.
    Header(#[serde(serialize_with = "as_str")] HeaderName),
    /// The value of a cookie.
    Cookie(HashCookie),
    /// The address of the client.
    SourceIp,
}

/// A cookie that requests are recognised by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HashCookie {
    /// The name.
    pub name: Arc<str>,
    /// How long a cookie is valid that a client without one is given; zero is as long as the client runs. `None` gives it
    /// none.
    pub ttl: Option<Duration>,
    /// What follows the name and value of a cookie that is given to a client, apart from `Max-Age`.
    pub attributes: Arc<str>,
}

/// `slowStart` of a load balancer: a new address gets its share of the requests bit by bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct SlowStart {
    /// How long an address counts as new.
    pub window: Duration,
    /// How fast the share grows, in thousandths: 1000 is evenly over the window, more is faster at the beginning.
    pub aggression: u32,
    /// The share that an address begins with, in percent.
    pub min_weight: u8,
}

impl SlowStart {
    /// The share of an address that is known for this long, in thousandths of that of an old one. At least one.
    #[must_use]
    pub fn share(&self, age: Duration) -> u16 {
        if age >= self.window {
            return 1000;
        }
        let part = age.as_secs_f64() / self.window.as_secs_f64();
        let grown = part.powf(1000.0 / f64::from(self.aggression.max(1)));
        let least = u16::from(self.min_weight) * 10;
        let grown = Duration::from_secs(1).mul_f64(grown.clamp(0.0, 1.0));
        let grown = u16::try_from(grown.as_millis()).unwrap_or(1000);
        grown.max(least).clamp(1, 1000)
    }
}

fn as_str<S: Serializer>(name: &HeaderName, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_of_a_new_address_grows_over_the_window() {
        let slow = |aggression, min_weight| SlowStart {
            window: Duration::from_secs(20),
            aggression,
            min_weight,
        };
        let shares = |slow: SlowStart| {
            [0, 5, 10, 19, 20, 90].map(|age| slow.share(Duration::from_secs(age)))
        };
        assert_eq!(shares(slow(1000, 10)), [100, 250, 500, 950, 1000, 1000]);
        assert_eq!(shares(slow(2000, 10)), [100, 500, 707, 974, 1000, 1000]);
        assert_eq!(shares(slow(500, 0)), [1, 62, 250, 902, 1000, 1000]);
    }
}
