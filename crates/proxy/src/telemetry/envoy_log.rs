//! The messages of Envoy's access log service, with the fields that are used (`envoy.service.accesslog.v3`,
//! `envoy.data.accesslog.v3`).

use std::collections::BTreeMap;

use egret_config::access_log::ServiceLog;
use prost::Message;

use super::access_log::hostname;
use crate::policy::envoy::auth::Address;

/// The method that takes entries.
pub(crate) const STREAM_ACCESS_LOGS: &str =
    "/envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs";

/// `StreamAccessLogsMessage`
#[derive(Clone, PartialEq, Message)]
pub(crate) struct LogMessage {
    #[prost(message, optional, tag = "1")]
    pub(crate) identifier: Option<Identifier>,
    #[prost(message, optional, tag = "2")]
    pub(crate) http_logs: Option<Entries>,
    #[prost(message, optional, tag = "3")]
    pub(crate) tcp_logs: Option<Entries>,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct Identifier {
    #[prost(message, optional, tag = "1")]
    pub(crate) node: Option<Node>,
    #[prost(string, tag = "2")]
    pub(crate) log_name: String,
}

/// `envoy.config.core.v3.Node`
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct Node {
    #[prost(string, tag = "1")]
    pub(crate) id: String,
    #[prost(string, tag = "2")]
    pub(crate) cluster: String,
}

/// `HTTPAccessLogEntries` and `TCPAccessLogEntries`, whose entries are encoded.
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct Entries {
    #[prost(bytes = "vec", repeated, tag = "1")]
    pub(crate) entries: Vec<Vec<u8>>,
}

/// `HTTPAccessLogEntry`
#[derive(Clone, PartialEq, Message)]
pub(crate) struct HttpEntry {
    #[prost(message, optional, tag = "1")]
    pub(crate) common: Option<Common>,
    /// 1 is HTTP/1.0, 2 is HTTP/1.1, 3 is HTTP/2.
    #[prost(int32, tag = "2")]
    pub(crate) protocol: i32,
    #[prost(message, optional, tag = "3")]
    pub(crate) request: Option<RequestProperties>,
    #[prost(message, optional, tag = "4")]
    pub(crate) response: Option<ResponseProperties>,
}

/// `TCPAccessLogEntry`
#[derive(Clone, PartialEq, Message)]
pub(crate) struct TcpEntry {
    #[prost(message, optional, tag = "1")]
    pub(crate) common: Option<Common>,
    #[prost(message, optional, tag = "2")]
    pub(crate) connection: Option<ConnectionProperties>,
}

#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub(crate) struct ConnectionProperties {
    #[prost(uint64, tag = "1")]
    pub(crate) received_bytes: u64,
    #[prost(uint64, tag = "2")]
    pub(crate) sent_bytes: u64,
}

/// `AccessLogCommon`
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Common {
    #[prost(message, optional, tag = "2")]
    pub(crate) downstream_remote_address: Option<Address>,
    #[prost(message, optional, tag = "3")]
    pub(crate) downstream_local_address: Option<Address>,
    #[prost(message, optional, tag = "4")]
    pub(crate) tls: Option<Tls>,
    #[prost(message, optional, tag = "5")]
    pub(crate) start_time: Option<TimeSpan>,
    #[prost(message, optional, tag = "6")]
    pub(crate) time_to_last_rx_byte: Option<TimeSpan>,
    #[prost(message, optional, tag = "9")]
    pub(crate) time_to_first_upstream_rx_byte: Option<TimeSpan>,
    #[prost(message, optional, tag = "12")]
    pub(crate) time_to_last_downstream_tx_byte: Option<TimeSpan>,
    #[prost(message, optional, tag = "13")]
    pub(crate) upstream_remote_address: Option<Address>,
    #[prost(message, optional, tag = "14")]
    pub(crate) upstream_local_address: Option<Address>,
    #[prost(string, tag = "15")]
    pub(crate) upstream_cluster: String,
    /// `ResponseFlags`, which is one field for each flag, encoded.
    #[prost(bytes = "vec", optional, tag = "16")]
    pub(crate) response_flags: Option<Vec<u8>>,
    #[prost(string, tag = "18")]
    pub(crate) upstream_transport_failure_reason: String,
    #[prost(string, tag = "19")]
    pub(crate) route_name: String,
    #[prost(message, optional, tag = "20")]
    pub(crate) downstream_direct_remote_address: Option<Address>,
    /// What Egret tells and Envoy has no field for.
    #[prost(btree_map = "string, string", tag = "22")]
    pub(crate) custom_tags: BTreeMap<String, String>,
    #[prost(message, optional, tag = "23")]
    pub(crate) duration: Option<TimeSpan>,
    #[prost(uint32, tag = "24")]
    pub(crate) upstream_request_attempt_count: u32,
    #[prost(string, tag = "26")]
    pub(crate) stream_id: String,
    /// 3 is the end of an exchange of HTTP, 1 is the end of a connection of TCP.
    #[prost(int32, tag = "33")]
    pub(crate) access_log_type: i32,
}

/// `google.protobuf.Timestamp` and `google.protobuf.Duration`
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub(crate) struct TimeSpan {
    #[prost(int64, tag = "1")]
    pub(crate) seconds: i64,
    #[prost(int32, tag = "2")]
    pub(crate) nanos: i32,
}

/// `TLSProperties`
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct Tls {
    /// 3 is TLS 1.2, 4 is TLS 1.3.
    #[prost(int32, tag = "1")]
    pub(crate) version: i32,
    #[prost(string, tag = "3")]
    pub(crate) sni: String,
}

/// `HTTPRequestProperties`
#[derive(Clone, PartialEq, Message)]
pub(crate) struct RequestProperties {
    #[prost(int32, tag = "1")]
    pub(crate) method: i32,
    #[prost(string, tag = "2")]
    pub(crate) scheme: String,
    #[prost(string, tag = "3")]
    pub(crate) authority: String,
    #[prost(string, tag = "5")]
    pub(crate) path: String,
    #[prost(string, tag = "6")]
    pub(crate) user_agent: String,
    #[prost(string, tag = "7")]
    pub(crate) referer: String,
    #[prost(string, tag = "8")]
    pub(crate) forwarded_for: String,
    #[prost(string, tag = "9")]
    pub(crate) request_id: String,
    #[prost(uint64, tag = "11")]
    pub(crate) headers_bytes: u64,
    #[prost(uint64, tag = "12")]
    pub(crate) body_bytes: u64,
    #[prost(btree_map = "string, string", tag = "13")]
    pub(crate) headers: BTreeMap<String, String>,
}

/// `HTTPResponseProperties`
#[derive(Clone, PartialEq, Message)]
pub(crate) struct ResponseProperties {
    #[prost(message, optional, tag = "1")]
    pub(crate) code: Option<Code>,
    #[prost(uint64, tag = "2")]
    pub(crate) headers_bytes: u64,
    #[prost(uint64, tag = "3")]
    pub(crate) body_bytes: u64,
    #[prost(btree_map = "string, string", tag = "4")]
    pub(crate) headers: BTreeMap<String, String>,
    #[prost(btree_map = "string, string", tag = "5")]
    pub(crate) trailers: BTreeMap<String, String>,
    #[prost(string, tag = "6")]
    pub(crate) code_details: String,
}

/// `google.protobuf.UInt32Value`
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub(crate) struct Code {
    #[prost(uint32, tag = "1")]
    pub(crate) value: u32,
}

/// A message with these entries, each encoded.
pub(crate) fn message(log: &ServiceLog, entries: Vec<Vec<u8>>, is_tcp: bool) -> LogMessage {
    let node = Node {
        id: hostname().unwrap_or_default().to_owned(),
        cluster: "egret".to_owned(),
    };
    let entries = Some(Entries { entries });
    let (http_logs, tcp_logs) = if is_tcp {
        (None, entries)
    } else {
        (entries, None)
    };
    LogMessage {
        identifier: Some(Identifier {
            node: Some(node),
            log_name: log.name.clone(),
        }),
        http_logs,
        tcp_logs,
    }
}
