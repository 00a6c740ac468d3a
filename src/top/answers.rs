//! What the admin address answers, as far as it is shown.

use std::collections::BTreeMap;

use serde::Deserialize;

/// A time of day, in milliseconds of Unix time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Time(pub(super) i64);

/// The state of the whole, and the last hour.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Overview {
    pub(super) version: String,
    pub(super) started: Time,
    pub(super) now: Time,
    pub(super) generation: Generation,
    pub(super) readiness: Readiness,
    pub(super) totals: Totals,
    /// The oldest first; the last is the running one.
    pub(super) minutes: Vec<Minute>,
}

/// The configuration that is served.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Generation {
    pub(super) number: u64,
    pub(super) state: String,
    pub(super) message: String,
}

/// Whether all is served, and what is in trouble.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Readiness {
    pub(super) ready: bool,
    pub(super) troubles: Vec<String>,
}

/// What was counted since the start, and what is open.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(super) struct Totals {
    #[serde(flatten)]
    pub(super) sums: Sums,
    pub(super) connections: i64,
    pub(super) tunnels: i64,
}

/// What was counted in some time.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(super) struct Sums {
    pub(super) requests: u64,
    pub(super) refused: u64,
    pub(super) failed: u64,
    pub(super) bytes_sent: u64,
    pub(super) bytes_received: u64,
}

/// What was counted in one minute.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Minute {
    #[serde(flatten)]
    pub(super) sums: Sums,
    pub(super) phases: Phases,
    pub(super) dns: Dns,
}

/// The durations of the phases of requests.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(super) struct Phases {
    pub(super) dns: Phase,
    pub(super) connect: Phase,
    pub(super) tls: Phase,
    pub(super) first_byte: Phase,
    pub(super) total: Phase,
}

/// How often a phase was passed through, and for how long.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(super) struct Phase {
    pub(super) count: u64,
    #[serde(flatten)]
    pub(super) latency: Latency,
}

/// Durations in milliseconds.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(super) struct Latency {
    pub(super) mean: f64,
    pub(super) p50: f64,
    pub(super) p99: f64,
}

/// What was asked of DNS servers.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(super) struct Dns {
    pub(super) queries: u64,
    pub(super) failures: u64,
}

/// Who is talked to.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Destination {
    pub(super) host: String,
    pub(super) requests: u64,
    pub(super) errors: u64,
    pub(super) refused: u64,
    pub(super) reasons: BTreeMap<String, u64>,
    pub(super) bytes_sent: u64,
    pub(super) bytes_received: u64,
    pub(super) latency: Latency,
    #[serde(default)]
    pub(super) last: Option<Time>,
    /// Requests by the minute, the oldest first.
    pub(super) minutes: Vec<u32>,
    /// Told of one destination only.
    #[serde(default)]
    pub(super) addresses: Vec<Address>,
    #[serde(default)]
    pub(super) dns: Option<CachedName>,
}

/// An address of a destination.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Address {
    pub(super) address: String,
    pub(super) state: String,
    pub(super) failures: u32,
    pub(super) connections: u32,
    #[serde(default)]
    pub(super) last_error: Option<String>,
}

/// What is remembered of a name.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CachedName {
    pub(super) state: String,
    pub(super) ttl_seconds: f64,
    #[serde(default)]
    pub(super) error: Option<String>,
}

/// What was refused, or failed.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Refusal {
    pub(super) host: String,
    pub(super) policy: String,
    pub(super) rule: String,
    pub(super) reason: String,
    pub(super) message: String,
    pub(super) method: String,
    pub(super) count: u64,
    pub(super) last: Time,
    /// YAML; empty where nothing can simply be allowed.
    pub(super) remedy: String,
}

/// An open connection of a client.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Connection {
    pub(super) client: String,
    pub(super) listener: String,
    pub(super) protocol: String,
    pub(super) since: Time,
    pub(super) requests: u32,
    pub(super) host: String,
}

/// An open tunnel.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Tunnel {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) client: String,
    pub(super) form: String,
    pub(super) since: Time,
    pub(super) bytes_sent: u64,
    pub(super) bytes_received: u64,
}

impl TryFrom<String> for Time {
    type Error = jiff::Error;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let time: jiff::Timestamp = text.parse()?;
        Ok(Self(time.as_millisecond()))
    }
}

impl Refusal {
    /// Whether both are lines about the same thing, at different times.
    pub(super) fn is_again(&self, other: &Self) -> bool {
        let key = |of: &Self| {
            (
                of.host.clone(),
                of.policy.clone(),
                of.rule.clone(),
                of.reason.clone(),
            )
        };
        key(self) == key(other)
    }
}
