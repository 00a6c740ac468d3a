//! What both kinds can say about HTTP.

use std::sync::Arc;
use std::time::Duration;

use super::settings::{Http2, Settings};
use super::upgrade;
use crate::api::kgateway::{
    HttpListenerPolicySpec, HttpSettings, ListenerHttp2, Unsupported, UpgradeConfig,
};
use crate::compile::log::Fault;
use crate::compile::value::{HTTP2_WINDOWS, MOST, SpecFields};
use crate::policy::traffic::Setting;
use crate::resources::ObjectRef;

/// The fields of both.
pub(super) struct Http<'a> {
    access_log: Option<&'a [Unsupported]>,
    idle_timeout: Option<&'a str>,
    stream_idle_timeout: Option<&'a str>,
    max_headers_count: Option<i64>,
    max_request_headers_kb: Option<i64>,
    max_requests_per_connection: Option<i64>,
    http2: Option<&'a ListenerHttp2>,
    upgrade: Option<&'a UpgradeConfig>,
    unsupported: Vec<&'static str>,
}

macro_rules! http_from {
    ($kind:ident) => {
        impl<'a> From<&'a $kind> for Http<'a> {
            fn from(spec: &'a $kind) -> Self {
                Self {
                    access_log: spec.access_log.as_deref(),
                    idle_timeout: spec.idle_timeout.as_deref(),
                    stream_idle_timeout: spec.stream_idle_timeout.as_deref(),
                    max_headers_count: spec.max_headers_count,
                    max_request_headers_kb: spec.max_request_headers_kb,
                    max_requests_per_connection: spec.max_requests_per_connection,
                    http2: spec.http2_protocol_options.as_ref(),
                    upgrade: spec.upgrade_config.as_ref(),
                    unsupported: spec.unsupported().collect(),
                }
            }
        }
    };
}

http_from!(HttpSettings);
http_from!(HttpListenerPolicySpec);

impl Http<'_> {
    /// Reads them into the settings of a policy; `at` is the path of the struct.
    pub(super) fn read(
        &self,
        policy: &ObjectRef,
        at: &str,
        settings: &mut Settings,
        faults: &mut Vec<Fault>,
    ) {
        settings.access_log_off = access_log(self.access_log, at, faults);
        let mut fields = SpecFields::new(at, faults);
        fields.unsupported(self.unsupported.iter().copied());
        let kibibytes = fields.number(
            "maxRequestHeadersKb",
            self.max_request_headers_kb,
            &(1..=8192),
        );
        settings.max_head = kibibytes.map(|count: usize| count * 1024);
        settings.max_requests = fields.number(
            "maxRequestsPerConnection",
            self.max_requests_per_connection,
            &(0..=MOST),
        );
        settings.idle_timeout = fields.time("idleTimeout", self.idle_timeout, Duration::ZERO);
        settings.stream_idle_timeout = fields.time(
            "streamIdleTimeout",
            self.stream_idle_timeout,
            Duration::ZERO,
        );
        settings.max_header_fields =
            fields.number("maxHeadersCount", self.max_headers_count, &(1..=10_000));
        if let Some(spec) = self.http2 {
            settings.http2 = http2(spec, at, faults);
        }
        if let Some(spec) = self.upgrade {
            let upgrades = Arc::new(upgrade::read(spec, at, faults));
            settings.upgrades = Setting::Set(policy.clone(), upgrades);
        }
    }
}

fn http2(spec: &ListenerHttp2, at: &str, faults: &mut Vec<Fault>) -> Http2 {
    let ListenerHttp2 {
        allow_connect,
        initial_connection_window_size: connection,
        initial_stream_window_size: stream,
        max_concurrent_streams: streams,
    } = spec;
    let at = format!("{at}.http2ProtocolOptions");
    let mut fields = SpecFields::new(&at, faults);
    Http2 {
        max_concurrent_streams: fields.number("maxConcurrentStreams", *streams, &(1..=MOST)),
        initial_stream_window: fields.octets(
            "initialStreamWindowSize",
            stream.as_ref(),
            &HTTP2_WINDOWS,
        ),
        initial_connection_window: fields.octets(
            "initialConnectionWindowSize",
            connection.as_ref(),
            &HTTP2_WINDOWS,
        ),
        allow_connect: *allow_connect,
    }
}

fn access_log(sinks: Option<&[Unsupported]>, field: &str, faults: &mut Vec<Fault>) -> bool {
    let sinks = sinks.map(<[Unsupported]>::len);
    for index in 0..sinks.unwrap_or_default() {
        faults.push(Fault::unsupported(format!("{field}.accessLog[{index}]")));
    }
    sinks == Some(0)
}
