//! Compiles the HTTP settings that say what becomes of messages whatever their routes are.

use std::sync::Arc;

use egret_api::kgateway::{EarlyHeaderModifier, ForwardClientCertSpec, ListenerHealthCheck};
use http::HeaderValue;

use super::super::layer::{PolicyLayer, policy_layer};
use super::forwarding::{self, CertificateMode, ForwardedFields};
use crate::compile::value::SpecFields;
use crate::name::Host;
use crate::policy::headers::HeaderEdit;
use crate::snapshot::{
    ForwardedFor, ListenerHttp, LocalReplies, RequestIds, ServerHeader, StripPort, Tracing,
};

/// The value of `Server` unless another is configured.
const SERVER_NAME: HeaderValue = HeaderValue::from_static("egret");

/// The fields as they are written, of either kind.
pub(super) struct EdgeFields<'a> {
    pub(super) generate_request_id: Option<bool>,
    pub(super) preserve_request_id: Option<bool>,
    pub(super) health_check: Option<&'a ListenerHealthCheck>,
    pub(super) server_transformation: Option<&'a str>,
    pub(super) server_name: Option<&'a str>,
    pub(super) strip_host_port_mode: Option<&'a str>,
    pub(super) escaped_slashes: Option<&'a str>,
    pub(super) default_host: Option<&'a str>,
    pub(super) early_headers: Option<&'a EarlyHeaderModifier>,
    pub(super) certificate: Option<&'a ForwardClientCertSpec>,
    pub(super) forwarded: ForwardedFields<'a>,
}

policy_layer! {
    /// The settings of a listener; `None` is not set.
    #[derive(Clone, Debug, Default)]
    pub(in crate::compile::policy) struct EdgeLayer {
        generate_request_id: Option<bool>,
        preserve_request_id: Option<bool>,
        health_path: Option<String>,
        server: Option<ServerTransformation>,
        server_name: Option<HeaderValue>,
        strip_port: Option<StripPort>,
        rejects_escaped_slashes: Option<bool>,
        default_host: Option<Host>,
        early_headers: Option<HeaderEdit>,
        certificate: Option<CertificateMode>,
        forwarded: Option<ForwardedFor>,
        local_replies: Option<Arc<LocalReplies>>,
    }
}

/// `serverHeaderTransformation`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ServerTransformation {
    Overwrite,
    AppendIfAbsent,
    PassThrough,
}

impl EdgeLayer {
    /// Reads the fields; `local_replies` is what was read of the one that is a format.
    pub(super) fn read(
        spec: &EdgeFields<'_>,
        local_replies: Option<Arc<LocalReplies>>,
        fields: &mut SpecFields<'_>,
    ) -> Self {
        let server = spec.server_transformation;
        let server = server.and_then(|mode| server_transformation(mode, fields));
        let server_name = spec.server_name.map(HeaderValue::try_from);
        if let Some(Err(_)) = server_name {
            fields.fault("serverName", "not a header value");
        }
        let strip_port = spec.strip_host_port_mode.and_then(|mode| match mode {
            "MatchingPort" => Some(StripPort::Matching),
            "AnyPort" => Some(StripPort::Any),
            _ => {
                fields.fault(
                    "stripHostPortMode",
                    "MatchingPort and AnyPort are supported",
                );
                None
            }
        });
        let rejects_escaped_slashes = spec.escaped_slashes.and_then(|action| match action {
            "RejectRequest" => Some(true),
            "KeepUnchanged" | "ImplementationSpecificDefault" => Some(false),
            _ => {
                let message = "RejectRequest and KeepUnchanged are supported";
                fields.fault("pathWithEscapedSlashesAction", message);
                None
            }
        });
        let default_host = spec.default_host.and_then(|text| {
            let host = text.parse();
            if host.is_err() {
                fields.fault("defaultHostForHttp10", "not a host");
            }
            host.ok()
        });
        let health_path = spec.health_check.map(|ListenerHealthCheck { path }| {
            if !path.starts_with('/') {
                fields.fault("healthCheck.path", "not a path: it begins with a slash");
            }
            path.clone()
        });
        let early_headers = spec.early_headers;
        let certificate = spec.certificate;
        Self {
            early_headers: early_headers.map(|spec| forwarding::early_headers(spec, fields)),
            certificate: certificate.map(|spec| forwarding::certificate(spec, fields)),
            forwarded: spec.forwarded.read(fields),
            local_replies,
            generate_request_id: spec.generate_request_id,
            preserve_request_id: spec.preserve_request_id,
            health_path,
            server,
            server_name: server_name.and_then(Result::ok),
            strip_port,
            rejects_escaped_slashes,
            default_host,
        }
    }

    /// What becomes of the responses that the gateway makes itself.
    pub(super) fn local_replies(&self) -> Option<&LocalReplies> {
        self.local_replies.as_deref()
    }

    /// The settings; `None` if they do nothing.
    pub(in crate::compile::policy) fn http(
        &self,
        tracing: Option<Arc<Tracing>>,
    ) -> Option<ListenerHttp> {
        let server = |keeps| ServerHeader {
            name: self.server_name.clone().unwrap_or(SERVER_NAME),
            keeps,
        };
        let http = ListenerHttp {
            request_ids: match (self.generate_request_id, self.preserve_request_id) {
                (Some(true), Some(true)) => RequestIds::Completed,
                (Some(true), _) => RequestIds::Generated,
                _ => RequestIds::Untouched,
            },
            server: match (self.server, &self.server_name) {
                (Some(ServerTransformation::AppendIfAbsent), _) => Some(server(true)),
                (Some(ServerTransformation::Overwrite), _) | (None, Some(_)) => Some(server(false)),
                (Some(ServerTransformation::PassThrough), _) | (None, None) => None,
            },
            health_path: self.health_path.as_deref().map(Into::into),
            strip_port: self.strip_port,
            rejects_escaped_slashes: self.rejects_escaped_slashes == Some(true),
            default_host: self.default_host.clone(),
            tracing,
            early_headers: self.early_headers.clone(),
            forwarded_for: self.forwarded.clone(),
            certificate: self.certificate.and_then(|mode| mode.0),
            local_replies: self.local_replies.clone(),
        };
        (http != ListenerHttp::default()).then_some(http)
    }
}

fn server_transformation(mode: &str, fields: &mut SpecFields<'_>) -> Option<ServerTransformation> {
    match mode {
        "Overwrite" => Some(ServerTransformation::Overwrite),
        "AppendIfAbsent" => Some(ServerTransformation::AppendIfAbsent),
        "PassThrough" => Some(ServerTransformation::PassThrough),
        _ => {
            let message = "Overwrite, AppendIfAbsent and PassThrough are supported";
            fields.fault("serverHeaderTransformation", message);
            None
        }
    }
}
