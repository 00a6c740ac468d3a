//! Compiles `tcpKeepalive` of a policy to [`TcpKeepalive`].

use std::time::Duration;

use egret_api::kgateway::TcpKeepaliveSpec;

use super::log::FieldFault;
use super::value::SpecFields;
use crate::snapshot::TcpKeepalive;

/// The limits that Linux sets for keepalive probes, and that Envoy passes on: whole seconds below 2^15, and fewer than
/// 2^7 probes. With other values, no connection could be opened.
const MAX_KEEPALIVE_TIME: Duration = Duration::from_secs(32_767);
const MAX_PROBES: u32 = 127;

/// Compiles `tcpKeepalive`; `at` is the path of the struct that contains it.
pub(super) fn keepalive(
    spec: &TcpKeepaliveSpec,
    at: &str,
    faults: &mut Vec<FieldFault>,
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
        if time > MAX_KEEPALIVE_TIME {
            fields.fault(name, format!("at most {MAX_KEEPALIVE_TIME:?} is allowed"));
        }
        Some(time)
    };
    TcpKeepalive {
        time: time("keepAliveTime", keep_alive_time.as_deref()),
        interval: time("keepAliveInterval", keep_alive_interval.as_deref()),
        probes: fields.number("keepAliveProbes", *keep_alive_probes, &(1..=MAX_PROBES)),
    }
}
