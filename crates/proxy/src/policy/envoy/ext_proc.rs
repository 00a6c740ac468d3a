//! `envoy.service.ext_proc.v3`: the external processing service.

use std::collections::BTreeMap;

use prost::{Enumeration, Message, Oneof};

use super::HeaderField;
use super::auth::{HeaderOption, HttpStatus};
use super::structure::Struct;

/// The method that is called.
pub(crate) const PROCESS: &str = "/envoy.service.ext_proc.v3.ExternalProcessor/Process";

/// `ProcessingRequest`
#[derive(Clone, PartialEq, Message)]
pub(crate) struct ProcessingRequest {
    #[prost(oneof = "Question", tags = "2, 3, 4, 5, 6, 7")]
    pub(crate) request: Option<Question>,
    #[prost(message, optional, tag = "8")]
    pub(crate) metadata_context: Option<Metadata>,
    #[prost(btree_map = "string, message", tag = "9")]
    pub(crate) attributes: BTreeMap<String, Struct>,
    #[prost(message, optional, tag = "11")]
    pub(crate) protocol_config: Option<ProtocolConfiguration>,
}

/// `ProcessingRequest.request`
#[derive(Clone, PartialEq, Eq, Oneof)]
pub(crate) enum Question {
    #[prost(message, tag = "2")]
    RequestHeaders(HttpHeaders),
    #[prost(message, tag = "3")]
    ResponseHeaders(HttpHeaders),
    #[prost(message, tag = "4")]
    RequestBody(HttpBody),
    #[prost(message, tag = "5")]
    ResponseBody(HttpBody),
    #[prost(message, tag = "6")]
    RequestTrailers(HttpTrailers),
    #[prost(message, tag = "7")]
    ResponseTrailers(HttpTrailers),
}

/// `ProtocolConfiguration`
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub(crate) struct ProtocolConfiguration {
    #[prost(enumeration = "BodySendMode", tag = "1")]
    pub(crate) request_body_mode: i32,
    #[prost(enumeration = "BodySendMode", tag = "2")]
    pub(crate) response_body_mode: i32,
}

/// `envoy.config.core.v3.Metadata`, without types.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Metadata {
    #[prost(btree_map = "string, message", tag = "1")]
    pub(crate) filter_metadata: BTreeMap<String, Struct>,
}

/// `HttpHeaders`
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct HttpHeaders {
    #[prost(message, optional, tag = "1")]
    pub(crate) headers: Option<HeaderFields>,
    #[prost(bool, tag = "3")]
    pub(crate) end_of_stream: bool,
}

/// `HttpBody`
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct HttpBody {
    #[prost(bytes = "bytes", tag = "1")]
    pub(crate) body: bytes::Bytes,
    #[prost(bool, tag = "2")]
    pub(crate) end_of_stream: bool,
}

/// `HttpTrailers`
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct HttpTrailers {
    #[prost(message, optional, tag = "1")]
    pub(crate) trailers: Option<HeaderFields>,
}

/// `envoy.config.core.v3.HeaderMap`
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct HeaderFields {
    #[prost(message, repeated, tag = "1")]
    pub(crate) headers: Vec<HeaderField>,
}

/// `ProcessingResponse`
#[derive(Clone, PartialEq, Message)]
pub(crate) struct ProcessingResponse {
    #[prost(oneof = "Reply", tags = "1, 2, 3, 4, 5, 6, 7")]
    pub(crate) response: Option<Reply>,
    #[prost(message, optional, tag = "9")]
    pub(crate) mode_override: Option<ModeOverride>,
    #[prost(message, optional, tag = "10")]
    pub(crate) override_message_timeout: Option<SomeTime>,
}

/// `ProcessingResponse.response`
#[derive(Clone, PartialEq, Oneof)]
pub(crate) enum Reply {
    #[prost(message, tag = "1")]
    RequestHeaders(CommonReply),
    #[prost(message, tag = "2")]
    ResponseHeaders(CommonReply),
    #[prost(message, tag = "3")]
    RequestBody(CommonReply),
    #[prost(message, tag = "4")]
    ResponseBody(CommonReply),
    #[prost(message, tag = "5")]
    RequestTrailers(TrailersReply),
    #[prost(message, tag = "6")]
    ResponseTrailers(TrailersReply),
    #[prost(message, tag = "7")]
    Immediate(ImmediateResponse),
}

/// `HeadersResponse` and `BodyResponse`
#[derive(Clone, PartialEq, Message)]
pub(crate) struct CommonReply {
    #[prost(message, optional, tag = "1")]
    pub(crate) response: Option<CommonResponse>,
}

/// `CommonResponse`
#[derive(Clone, PartialEq, Message)]
pub(crate) struct CommonResponse {
    #[prost(enumeration = "ReplyStatus", tag = "1")]
    pub(crate) status: i32,
    #[prost(message, optional, tag = "2")]
    pub(crate) header_mutation: Option<HeaderMutation>,
    #[prost(message, optional, tag = "3")]
    pub(crate) body_mutation: Option<BodyMutation>,
}

/// `CommonResponse.ResponseStatus`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enumeration)]
#[repr(i32)]
pub(crate) enum ReplyStatus {
    Continue = 0,
    ContinueAndReplace = 1,
}

/// `TrailersResponse`
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct TrailersReply {
    #[prost(message, optional, tag = "1")]
    pub(crate) header_mutation: Option<HeaderMutation>,
}

/// `HeaderMutation`
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct HeaderMutation {
    #[prost(message, repeated, tag = "1")]
    pub(crate) set_headers: Vec<HeaderOption>,
    #[prost(string, repeated, tag = "2")]
    pub(crate) remove_headers: Vec<String>,
}

/// `BodyMutation`
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct BodyMutation {
    #[prost(oneof = "NewBody", tags = "1, 2, 3")]
    pub(crate) mutation: Option<NewBody>,
}

/// `BodyMutation.mutation`
#[derive(Clone, PartialEq, Eq, Oneof)]
pub(crate) enum NewBody {
    #[prost(bytes = "bytes", tag = "1")]
    Body(bytes::Bytes),
    #[prost(bool, tag = "2")]
    Clear(bool),
    /// `StreamedBodyResponse`, which only answers a mode that is not supported.
    #[prost(bytes = "bytes", tag = "3")]
    Streamed(bytes::Bytes),
}

/// `ImmediateResponse`
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct ImmediateResponse {
    #[prost(message, optional, tag = "1")]
    pub(crate) status: Option<HttpStatus>,
    #[prost(message, optional, tag = "2")]
    pub(crate) headers: Option<HeaderMutation>,
    #[prost(bytes = "bytes", tag = "3")]
    pub(crate) body: bytes::Bytes,
    #[prost(message, optional, tag = "4")]
    pub(crate) grpc_status: Option<GrpcStatus>,
    #[prost(string, tag = "5")]
    pub(crate) details: String,
}

/// `GrpcStatus`
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub(crate) struct GrpcStatus {
    #[prost(uint32, tag = "1")]
    pub(crate) status: u32,
}

/// `google.protobuf.Duration`
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub(crate) struct SomeTime {
    #[prost(int64, tag = "1")]
    pub(crate) seconds: i64,
    #[prost(int32, tag = "2")]
    pub(crate) nanos: i32,
}

/// `envoy.extensions.filters.http.ext_proc.v3.ProcessingMode`
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub(crate) struct ModeOverride {
    #[prost(enumeration = "HeaderSendMode", tag = "1")]
    pub(crate) request_header_mode: i32,
    #[prost(enumeration = "HeaderSendMode", tag = "2")]
    pub(crate) response_header_mode: i32,
    #[prost(enumeration = "BodySendMode", tag = "3")]
    pub(crate) request_body_mode: i32,
    #[prost(enumeration = "BodySendMode", tag = "4")]
    pub(crate) response_body_mode: i32,
    #[prost(enumeration = "HeaderSendMode", tag = "5")]
    pub(crate) request_trailer_mode: i32,
    #[prost(enumeration = "HeaderSendMode", tag = "6")]
    pub(crate) response_trailer_mode: i32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Enumeration)]
#[repr(i32)]
pub(crate) enum HeaderSendMode {
    Default = 0,
    Send = 1,
    Skip = 2,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Enumeration)]
#[repr(i32)]
pub(crate) enum BodySendMode {
    None = 0,
    Streamed = 1,
    Buffered = 2,
    BufferedPartial = 3,
    FullDuplexStreamed = 4,
    Grpc = 5,
}
