//! Compiles the HTTP settings that ListenerPolicy and HTTPListenerPolicy share.

use std::sync::Arc;
use std::time::Duration;

use egret_api::kgateway::{
    AccessLogSpec, HttpListenerPolicySpec, HttpSettings, ListenerHttp2, LocalRepliesSpec,
    TracingSpec, UpgradeConfig,
};

use super::super::reader::PolicyReader;
use super::super::service::ServiceReader;
use super::edge::{EdgeFields, EdgeLayer};
use super::forwarding::ForwardedFields;
use super::settings::{Http2Layer, ListenerLayer};
use super::{access_log, local_replies, tracing, upgrade};
use crate::compile::log::FieldFault;
use crate::compile::value::{HTTP2_WINDOWS, MAX_NUMBER, SpecFields};
use crate::policy::traffic::PolicySetting;

/// The HTTP fields of either kind.
pub(super) struct HttpFields<'a> {
    access_log: Option<&'a [AccessLogSpec]>,
    idle_timeout: Option<&'a str>,
    stream_idle_timeout: Option<&'a str>,
    max_headers_count: Option<i64>,
    max_request_headers_kb: Option<i64>,
    max_requests_per_connection: Option<i64>,
    http2: Option<&'a ListenerHttp2>,
    upgrade: Option<&'a UpgradeConfig>,
    tracing: Option<&'a TracingSpec>,
    edge: EdgeFields<'a>,
    local_replies: Option<&'a LocalRepliesSpec>,
    unsupported: Vec<&'static str>,
}

macro_rules! http_from {
    ($kind:ident) => {
        impl<'a> From<&'a $kind> for HttpFields<'a> {
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
                    tracing: spec.tracing.as_ref(),
                    edge: EdgeFields {
                        generate_request_id: spec.generate_request_id,
                        preserve_request_id: spec.preserve_external_request_id,
                        health_check: spec.health_check.as_ref(),
                        server_transformation: spec.server_header_transformation.as_deref(),
                        server_name: spec.server_name.as_deref(),
                        strip_host_port_mode: spec.strip_host_port_mode.as_deref(),
                        escaped_slashes: spec.path_with_escaped_slashes_action.as_deref(),
                        default_host: spec.default_host_for_http10.as_deref(),
                        early_headers: spec.early_request_header_modifier.as_ref(),
                        certificate: spec.forward_client_cert_details.as_ref(),
                        forwarded: ForwardedFields {
                            use_remote_address: spec.use_remote_address,
                            num_trusted_hops: spec.xff_num_trusted_hops,
                            trusted_networks: spec.xff_trusted_cidrs.as_deref(),
                            skip_append: spec.skip_xff_append,
                        },
                    },
                    local_replies: spec.local_replies.as_ref(),
                    unsupported: spec.unsupported().collect(),
                }
            }
        }
    };
}

http_from!(HttpSettings);
http_from!(HttpListenerPolicySpec);

impl HttpFields<'_> {
    /// Compiles the fields into the settings of the policy that refers to these services; `at` is the path of the struct.
    pub(super) fn read(
        &self,
        services: &mut ServiceReader<'_>,
        at: &str,
        settings: &mut ListenerLayer,
        faults: &mut Vec<FieldFault>,
    ) {
        settings.access_log = self
            .access_log
            .map(|sinks| access_log::read(sinks, at, services, faults));
        let spec = self.tracing;
        settings.tracing = spec.and_then(|spec| tracing::read(spec, at, services, faults));
        let replies = self.local_replies;
        let reader = PolicyReader {
            policy: services.owner,
            resources: services.resources,
            extensions: &services.policies.extensions,
        };
        let replies = replies.map(|spec| local_replies::read(spec, at, reader, faults));
        let mut fields = SpecFields::new(at, faults);
        fields.unsupported(self.unsupported.iter().copied());
        settings.edge = EdgeLayer::read(&self.edge, replies, &mut fields);
        let kibibytes = fields.number(
            "maxRequestHeadersKb",
            self.max_request_headers_kb,
            &(1..=8192),
        );
        settings.max_head = kibibytes.map(|count: usize| count * 1024);
        settings.max_requests = fields.number(
            "maxRequestsPerConnection",
            self.max_requests_per_connection,
            &(0..=MAX_NUMBER),
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
            settings.upgrades = PolicySetting::Set(services.owner.clone(), upgrades);
        }
    }
}

fn http2(spec: &ListenerHttp2, at: &str, faults: &mut Vec<FieldFault>) -> Http2Layer {
    let ListenerHttp2 {
        allow_connect,
        initial_connection_window_size: connection,
        initial_stream_window_size: stream,
        max_concurrent_streams: streams,
    } = spec;
    let at = format!("{at}.http2ProtocolOptions");
    let mut fields = SpecFields::new(&at, faults);
    Http2Layer {
        max_concurrent_streams: fields.number("maxConcurrentStreams", *streams, &(1..=MAX_NUMBER)),
        initial_stream_window: fields.bytes(
            "initialStreamWindowSize",
            stream.as_ref(),
            &HTTP2_WINDOWS,
        ),
        initial_connection_window: fields.bytes(
            "initialConnectionWindowSize",
            connection.as_ref(),
            &HTTP2_WINDOWS,
        ),
        allow_connect: *allow_connect,
    }
}
