//! The settings of one listener, merged from several policies.

use std::sync::Arc;
use std::time::Duration;

use egret_api::kgateway::{AuthorityReference, ListenerSettings, ProxyProtocolSettings};

use super::super::layer::{PolicyLayer, policy_layer};
use super::clients;
use super::edge::EdgeLayer;
use super::tracing_layer::TracingLayer;
use crate::access_log::AccessLog;
use crate::compile::authorities::CaCertificates;
use crate::compile::keepalive::keepalive;
use crate::compile::log::FieldFault;
use crate::compile::value::SpecFields;
use crate::policy::http_upgrade::AllowedUpgrades;
use crate::policy::traffic::PolicySetting;
use crate::snapshot::{
    ClientValidation, ConnectionLimits, FOREVER, Http2Limits, ProxyProtocol, TcpKeepalive,
};

policy_layer! {
    /// The settings of a listener. `None` is not set, and a time of zero is no limit.
    #[derive(Clone, Debug, Default)]
    pub(in crate::compile::policy) struct ListenerLayer {
        pub(in crate::compile::policy) access_log: Option<AccessLog>,
        pub(in crate::compile::policy) proxy_protocol: Option<ProxyProtocol>,
        pub(in crate::compile::policy) upgrades: PolicySetting<AllowedUpgrades>,
        pub(in crate::compile::policy) clients: Option<Arc<ClientValidation>>,
        pub(in crate::compile::policy) edge: EdgeLayer,
        pub(in crate::compile::policy) tracing: Option<Arc<TracingLayer>>,
        pub(super) idle_timeout: Option<Duration>,
        pub(super) stream_idle_timeout: Option<Duration>,
        pub(super) max_header_fields: Option<usize>,
        pub(super) max_head: Option<usize>,
        pub(super) max_requests: Option<u32>,
        handshake_timeout: Option<Duration>,
        tcp_keepalive: Option<TcpKeepalive>,
        pub(super) http2: Http2Layer,
    }
}

policy_layer! {
    /// `http2ProtocolOptions` of a ListenerPolicy.
    #[derive(Clone, Copy, Debug, Default)]
    pub(super) struct Http2Layer {
        pub(super) max_concurrent_streams: Option<u32>,
        pub(super) initial_stream_window: Option<u32>,
        pub(super) initial_connection_window: Option<u32>,
        pub(super) allow_connect: Option<bool>,
    }
}

impl ListenerLayer {
    /// Compiles all fields except `httpSettings`; `authorities` resolves references to CA certificates.
    pub(super) fn read(
        spec: &ListenerSettings,
        at: &str,
        faults: &mut Vec<FieldFault>,
        authorities: impl FnOnce(&[AuthorityReference], &str) -> CaCertificates,
    ) -> Self {
        let ListenerSettings {
            http_settings: _,
            client_certificate_validation,
            proxy_protocol,
            tcp_keepalive,
            transport_socket_connect_timeout: handshake,
            per_connection_buffer_limit_bytes: _,
        } = spec;
        let mut fields = SpecFields::new(at, faults);
        fields.unsupported(spec.unsupported());
        Self {
            handshake_timeout: fields.time(
                "transportSocketConnectTimeout",
                handshake.as_deref(),
                Duration::ZERO,
            ),
            proxy_protocol: proxy_protocol.as_ref().map(required),
            tcp_keepalive: tcp_keepalive
                .as_ref()
                .map(|spec| keepalive(spec, at, faults)),
            clients: client_certificate_validation
                .as_ref()
                .and_then(|spec| clients::read(spec, at, faults, authorities))
                .map(Arc::new),
            ..Self::default()
        }
    }

    pub(in crate::compile::policy) fn limits(&self) -> ConnectionLimits {
        let default = ConnectionLimits::default();
        let bounded = |time: Duration| match time.is_zero() {
            true => FOREVER,
            false => time,
        };
        let stream = self.stream_idle_timeout.or(default.stream_idle_timeout);
        ConnectionLimits {
            idle_timeout: bounded(self.idle_timeout.unwrap_or(default.idle_timeout)),
            stream_idle_timeout: stream.filter(|time| !time.is_zero()),
            max_header_fields: self.max_header_fields.unwrap_or(default.max_header_fields),
            max_head: self.max_head.unwrap_or(default.max_head),
            max_requests: self.max_requests.filter(|most| *most > 0),
            handshake_timeout: bounded(self.handshake_timeout.unwrap_or(default.handshake_timeout)),
            tcp_keepalive: self.tcp_keepalive.or(default.tcp_keepalive),
            http2: self.http2.limits(),
        }
    }
}

impl Http2Layer {
    fn limits(self) -> Http2Limits {
        let default = Http2Limits::default();
        Http2Limits {
            max_concurrent_streams: self
                .max_concurrent_streams
                .unwrap_or(default.max_concurrent_streams),
            initial_stream_window: self
                .initial_stream_window
                .unwrap_or(default.initial_stream_window),
            initial_connection_window: self
                .initial_connection_window
                .unwrap_or(default.initial_connection_window),
            allow_connect: self.allow_connect.unwrap_or(default.allow_connect),
        }
    }
}

fn required(spec: &ProxyProtocolSettings) -> ProxyProtocol {
    let ProxyProtocolSettings {
        allow_requests_without_proxy_protocol,
    } = spec;
    match allow_requests_without_proxy_protocol {
        Some(true) => ProxyProtocol::Optional,
        Some(false) | None => ProxyProtocol::Required,
    }
}
