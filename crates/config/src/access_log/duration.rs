//! `%DURATION%` and its like: the time between two points of an exchange.

use super::scan::{FormatFault, RawCommand};

/// The time from one point of an exchange to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeSpan {
    /// Where it begins.
    pub from: TimePoint,
    /// Where it ends.
    pub to: TimePoint,
    /// The unit in which it is told, without a fraction.
    pub unit: DurationUnit,
}

/// A unit of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DurationUnit {
    /// 10⁻³ seconds.
    Milliseconds,
    /// 10⁻⁶ seconds.
    Microseconds,
    /// 10⁻⁹ seconds.
    Nanoseconds,
}

/// A point of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimePoint {
    /// The head of the request had been read.
    RequestBegin,
    /// All of the request had been read.
    RequestEnd,
    /// The name of the upstream was asked for.
    DnsBegin,
    /// It was resolved, or could not be.
    DnsEnd,
    /// A connection to the upstream was begun.
    ConnectBegin,
    /// It was made.
    ConnectEnd,
    /// The TLS handshake with the upstream had ended.
    HandshakeEnd,
    /// The request had a connection to the upstream.
    ConnectionReady,
    /// Sending the request to the upstream began.
    UpstreamRequestBegin,
    /// It had been sent.
    UpstreamRequestEnd,
    /// The head of the upstream's response had been read.
    UpstreamResponseBegin,
    /// All of the upstream's response had been read.
    UpstreamResponseEnd,
    /// Sending the response to the client began.
    ResponseBegin,
    /// It had been sent.
    ResponseEnd,
    /// A point that is never reached here.
    Never,
}

impl TimePoint {
    /// The point of this name. A name that is not known is never reached, as in Envoy, where filters may set points of their
    /// own.
    fn named(name: &str) -> Self {
        match name {
            "DS_RX_BEG" => Self::RequestBegin,
            "DS_RX_END" => Self::RequestEnd,
            "US_CX_BEG" => Self::ConnectBegin,
            "US_CX_END" => Self::ConnectEnd,
            "US_HS_END" => Self::HandshakeEnd,
            "US_TX_BEG" => Self::UpstreamRequestBegin,
            "US_TX_END" => Self::UpstreamRequestEnd,
            "US_RX_BEG" => Self::UpstreamResponseBegin,
            "US_RX_END" => Self::UpstreamResponseEnd,
            "DS_TX_BEG" => Self::ResponseBegin,
            "DS_TX_END" => Self::ResponseEnd,
            "envoy.dynamic_forward_proxy.dns_start_ms" => Self::DnsBegin,
            "envoy.dynamic_forward_proxy.dns_end_ms" => Self::DnsEnd,
            _ => Self::Never,
        }
    }
}

impl TimeSpan {
    /// The span of an operator that is named for it.
    pub(super) fn named(name: &str) -> Option<Self> {
        use TimePoint as At;
        let (from, to) = match name {
            "REQUEST_DURATION" => (At::RequestBegin, At::RequestEnd),
            "REQUEST_TX_DURATION" => (At::RequestBegin, At::UpstreamRequestEnd),
            "RESPONSE_DURATION" => (At::RequestBegin, At::UpstreamResponseBegin),
            "RESPONSE_TX_DURATION" => (At::UpstreamResponseBegin, At::ResponseEnd),
            "UPSTREAM_CONNECTION_POOL_READY_DURATION" => (At::RequestBegin, At::ConnectionReady),
            _ => return None,
        };
        let unit = DurationUnit::Milliseconds;
        Some(Self { from, to, unit })
    }

    /// Reads `FROM:TO` or `FROM:TO:UNIT`.
    pub(super) fn read(raw: &RawCommand<'_>, parameters: &str) -> Result<Self, FormatFault> {
        let parts: Vec<&str> = parameters.split(':').collect();
        let (from, to, unit) = match parts[..] {
            [from, to] => (from, to, "ms"),
            [from, to, unit] => (from, to, unit),
            _ => return Err(raw.fault("write COMMON_DURATION(FROM:TO:ms)")),
        };
        let unit = match unit {
            "ms" => DurationUnit::Milliseconds,
            "us" => DurationUnit::Microseconds,
            "ns" => DurationUnit::Nanoseconds,
            other => {
                return Err(raw.fault(format_args!("invalid precision {other}: ms, us or ns")));
            }
        };
        Ok(Self {
            from: TimePoint::named(from),
            to: TimePoint::named(to),
            unit,
        })
    }
}
