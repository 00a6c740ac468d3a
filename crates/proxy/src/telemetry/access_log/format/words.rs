//! How an exchange ended, in Envoy's words: response flags and the details of the response code.

use egret_config::access_log::{ResponseFlag, ResponseFlags};
use egret_config::snapshot::RuleAction;
use http::Method;

use crate::meter::LabelValue as _;
use crate::record::{ExchangeEnd, ExchangeForm, Record, RetryEnd, TunnelEnd};
use crate::refusal::Reason;

/// The response flags of an exchange.
pub(in super::super) fn flags(record: &Record<'_>) -> ResponseFlags {
    if record.form == ExchangeForm::Tls {
        return tls_flags(record.end);
    }
    let ended = match record.end {
        None => None,
        Some(ExchangeEnd::Refused(reason)) => refused(reason),
        Some(ExchangeEnd::ClientClosed) => Some(ResponseFlag::DownstreamConnectionTermination),
        Some(ExchangeEnd::ClientStalled) => Some(ResponseFlag::StreamIdleTimeout),
        Some(ExchangeEnd::UpstreamBrokeOff) => Some(ResponseFlag::UpstreamProtocolError),
        Some(ExchangeEnd::ResponseBodyTimeout) => Some(ResponseFlag::UpstreamRequestTimeout),
        Some(ExchangeEnd::Drained) => None,
        Some(ExchangeEnd::Tunnel(end)) => match end {
            TunnelEnd::ClientClosed if is_http2(record) => None,
            TunnelEnd::ClientClosed => Some(ResponseFlag::DownstreamConnectionTermination),
            TunnelEnd::UpstreamClosed if !is_connect(record) => {
                Some(ResponseFlag::UpstreamConnectionTermination)
            }
            TunnelEnd::Idle => Some(ResponseFlag::StreamIdleTimeout),
            TunnelEnd::UpstreamClosed
            | TunnelEnd::PolicyChanged
            | TunnelEnd::SniMismatch
            | TunnelEnd::Drained => None,
        },
    };
    let retried = record.facts.upstream.last_retry.map(|end| match end {
        RetryEnd::Exhausted => ResponseFlag::UpstreamRetryLimitExceeded,
        RetryEnd::Limited => ResponseFlag::UpstreamOverflow,
    });
    match (retried, ended) {
        (Some(retried), Some(ended)) => ResponseFlags::two(retried, ended),
        (Some(one), None) | (None, Some(one)) => ResponseFlags::one(one),
        (None, None) => ResponseFlags::NONE,
    }
}

/// Those of a TLS connection that is routed by its server name. One that was open has none, whoever closed it.
const fn tls_flags(end: Option<ExchangeEnd>) -> ResponseFlags {
    let Some(ExchangeEnd::Refused(reason)) = end else {
        return ResponseFlags::NONE;
    };
    match reason {
        Reason::ConnectRefused
        | Reason::ConnectTerminated
        | Reason::ConnectUnreachable
        | Reason::ConnectTimeout
        | Reason::ProxyRefused
        | Reason::TlsFailed
        | Reason::TlsCertificate => ResponseFlags::two(
            ResponseFlag::UpstreamConnectionFailure,
            ResponseFlag::UpstreamRetryLimitExceeded,
        ),
        Reason::DnsError
        | Reason::DnsTimeout
        | Reason::DnsOverload
        | Reason::NoEndpoints
        | Reason::NoServerName
        | Reason::NotTls => ResponseFlags::one(ResponseFlag::NoHealthyUpstream),
        Reason::CircuitBreaker | Reason::NoDescriptors => {
            ResponseFlags::one(ResponseFlag::UpstreamOverflow)
        }
        Reason::NoRoute | Reason::NoListener => ResponseFlags::one(ResponseFlag::NoRouteFound),
        _ => ResponseFlags::NONE,
    }
}

/// The flag of a refusal.
const fn refused(reason: Reason) -> Option<ResponseFlag> {
    Some(match reason {
        Reason::MalformedHead
        | Reason::HeadTooLarge
        | Reason::MalformedFraming
        | Reason::ClientHttp2 => ResponseFlag::DownstreamProtocolError,
        Reason::Overload => ResponseFlag::OverloadManagerTerminated,
        Reason::NoListener | Reason::NoRoute => ResponseFlag::NoRouteFound,
        Reason::Misconfigured => ResponseFlag::NoClusterFound,
        Reason::RateLimit => ResponseFlag::RateLimited,
        Reason::RateLimitUnavailable => ResponseFlag::RateLimitServiceError,
        Reason::ExtAuth | Reason::ExtAuthUnavailable => ResponseFlag::UnauthorizedExternalService,
        Reason::Fault => ResponseFlag::FaultInjected,
        Reason::DnsTimeout | Reason::DnsError => ResponseFlag::DnsResolutionFailed,
        Reason::NoEndpoints => ResponseFlag::NoHealthyUpstream,
        Reason::CircuitBreaker | Reason::NoDescriptors => ResponseFlag::UpstreamOverflow,
        Reason::ConnectRefused
        | Reason::ConnectTerminated
        | Reason::ConnectUnreachable
        | Reason::ConnectTimeout
        | Reason::ProxyRefused
        | Reason::TlsFailed
        | Reason::TlsCertificate => ResponseFlag::UpstreamConnectionFailure,
        Reason::UpstreamClosed => ResponseFlag::UpstreamConnectionTermination,
        Reason::UpstreamProtocol => ResponseFlag::UpstreamProtocolError,
        Reason::ResponseTimeout => ResponseFlag::UpstreamRequestTimeout,
        Reason::RequestBody => ResponseFlag::DownstreamConnectionTermination,
        _ => return None,
    })
}

/// The details of the response code.
pub(in super::super) fn details<'a>(record: &Record<'a>) -> Option<&'a str> {
    if record.form == ExchangeForm::Tls {
        return None;
    }
    match record.end {
        Some(ExchangeEnd::Refused(reason)) => {
            Some(record.facts.code_details.unwrap_or_else(|| reason.as_str()))
        }
        Some(ExchangeEnd::ClientClosed) => Some("downstream_remote_disconnect"),
        Some(ExchangeEnd::ClientStalled) => Some("stream_idle_timeout"),
        Some(ExchangeEnd::UpstreamBrokeOff) => {
            Some("upstream_reset_after_response_started{protocol_error}")
        }
        Some(ExchangeEnd::ResponseBodyTimeout) => Some("response_timeout"),
        Some(ExchangeEnd::Tunnel(TunnelEnd::ClientClosed)) if !is_http2(record) => {
            Some("downstream_remote_disconnect")
        }
        Some(ExchangeEnd::Tunnel(TunnelEnd::UpstreamClosed)) if !is_connect(record) => {
            Some("upstream_reset_after_response_started{connection_termination}")
        }
        Some(ExchangeEnd::Tunnel(TunnelEnd::ClientClosed | TunnelEnd::UpstreamClosed)) => {
            Some("via_upstream")
        }
        Some(ExchangeEnd::Tunnel(TunnelEnd::Idle)) => Some("stream_idle_timeout"),
        Some(end @ (ExchangeEnd::Drained | ExchangeEnd::Tunnel(_))) => Some(end.as_str()),
        None if record.facts.upstream.has_answered => Some("via_upstream"),
        None => match &record.rule?.action {
            RuleAction::Redirect(_) | RuleAction::Respond(_) => Some("direct_response"),
            // The gateway answers a request of such a rule itself only if a browser asks for permission.
            RuleAction::Forward(_) | RuleAction::Refuse(_) => Some("cors_response"),
        },
    }
}

fn is_connect(record: &Record<'_>) -> bool {
    record.method == Some(&Method::CONNECT)
}

fn is_http2(record: &Record<'_>) -> bool {
    record.protocol == "HTTP/2"
}
