//! Compiles `http2ProtocolOptions` of a BackendConfigPolicy to [`Http2Settings`].

use egret_api::kgateway::{ConnectionKeepalive, Http2ProtocolOptions};
use egret_api::quantity::Quantity;

use crate::compile::log::FieldFault;
use crate::compile::value::{HTTP2_WINDOWS, MAX_NUMBER, ONE_MILLISECOND, SpecFields};
use crate::snapshot::{Http2Keepalive, Http2Settings};

const AT: &str = "spec.http2ProtocolOptions";

pub(super) fn read(spec: &Http2ProtocolOptions, faults: &mut Vec<FieldFault>) -> Http2Settings {
    let Http2ProtocolOptions {
        initial_stream_window_size: stream,
        initial_connection_window_size: connection,
        max_concurrent_streams: streams,
        connection_keepalive,
        override_stream_error: _,
    } = spec;
    let default = Http2Settings::default();
    let mut fields = SpecFields::new(AT, faults);
    fields.unsupported(spec.unsupported());
    let mut window = |name: &str, quantity: Option<&Quantity>, default: u32| {
        fields
            .bytes(name, quantity, &HTTP2_WINDOWS)
            .unwrap_or(default)
    };
    Http2Settings {
        initial_stream_window: window(
            "initialStreamWindowSize",
            stream.as_ref(),
            default.initial_stream_window,
        ),
        initial_connection_window: window(
            "initialConnectionWindowSize",
            connection.as_ref(),
            default.initial_connection_window,
        ),
        max_concurrent_streams: fields
            .number("maxConcurrentStreams", *streams, &(1..=MAX_NUMBER))
            .unwrap_or(default.max_concurrent_streams),
        keepalive: connection_keepalive
            .as_ref()
            .and_then(|spec| keepalive(spec, faults)),
    }
}

/// Compiles `connectionKeepalive`; `None` without an interval, so that no PING is sent.
fn keepalive(spec: &ConnectionKeepalive, faults: &mut Vec<FieldFault>) -> Option<Http2Keepalive> {
    let ConnectionKeepalive {
        interval,
        timeout,
        connection_idle_interval: _,
    } = spec;
    let at = format!("{AT}.connectionKeepalive");
    let mut fields = SpecFields::new(&at, faults);
    fields.unsupported(spec.unsupported());
    let interval = fields.time("interval", interval.as_deref(), ONE_MILLISECOND);
    let timeout = fields.time("timeout", Some(timeout), ONE_MILLISECOND);
    Some(Http2Keepalive {
        interval: interval?,
        timeout: timeout?,
    })
}
