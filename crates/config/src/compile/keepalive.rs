//! `tcpKeepalive` of a policy to [`TcpKeepalive`].

use std::time::Duration;

use super::log::Fault;
use super::value::SpecFields;
use crate::api::kgateway::TcpKeepalive as TcpKeepaliveSpec;
use crate::snapshot::TcpKeepalive;

/// What Linux takes for the probes of a connection, and Envoy hands on to it: whole seconds below 2^15, and probes below
/// 2^7. With more, or without any, no connection could be opened.
const MOST_KEEPALIVE: Duration = Duration::from_secs(32_767);
const MOST_PROBES: u32 = 127;

/// Reads it; `at` is the path of what it is a field of.
pub(super) fn keepalive(
    spec: &TcpKeepaliveSpec,
    at: &str,
    faults: &mut Vec<Fault>,
) -> TcpKeepalive {
    let TcpKeepaliveSpec {
        keep_alive_probes,
        keep_alive_time,
        keep_alive_interval,
    } = spec;
    let at = format!("{at}.tcpKeepalive");
    let mut fields = SpecFields::new(&at, faults);
    let mut time = |name: &str, text: Option<&str>| {
        let time = fields.time(name, text, Duration::from_secs(1))?;
        if time > MOST_KEEPALIVE {
            fields.fault(name, format!("at most {MOST_KEEPALIVE:?} is allowed"));
        }
        Some(time)
    };
    TcpKeepalive {
        time: time("keepAliveTime", keep_alive_time.as_deref()),
        interval: time("keepAliveInterval", keep_alive_interval.as_deref()),
        probes: fields.number("keepAliveProbes", *keep_alive_probes, &(1..=MOST_PROBES)),
    }
}
