//! The command operators that take no parameters.

/// How a value is written into JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueKind {
    /// As a string.
    Text,
    /// As a string that never has a character which JSON escapes.
    Plain,
    /// As a number.
    Number,
}

/// What is written in place of a value that is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissingValue {
    /// `-`, and `null` in JSON.
    Null,
    /// `-`, in JSON too.
    Dash,
    /// Nothing, and the empty string in JSON.
    Empty,
    /// `0`
    Zero,
}

macro_rules! log_fields {
    ($($field:ident $name:literal $kind:ident $missing:ident $known:ident,)*) => {
        /// An operator that takes no parameters.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[expect(missing_docs, reason = "the operators are Envoy's, whose documentation describes them")]
        pub enum LogField {
            $($field,)*
        }

        impl LogField {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$field,)*];

            /// Its name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$field => $name,)*
                }
            }

            /// How its value is written.
            #[must_use]
            pub const fn kind(self) -> ValueKind {
                match self {
                    $(Self::$field => ValueKind::$kind,)*
                }
            }

            /// What is written if it has no value.
            #[must_use]
            pub const fn missing(self) -> MissingValue {
                match self {
                    $(Self::$field => MissingValue::$missing,)*
                }
            }

            /// Whether it can have a value. The others are about what this gateway does not have or does not measure, and
            /// are always missing.
            #[must_use]
            pub const fn is_known(self) -> bool {
                match self {
                    $(Self::$field => log_fields!(@$known),)*
                }
            }
        }
    };
    (@known) => { true };
    (@never) => { false };
}

log_fields! {
    Protocol "PROTOCOL" Plain Null known,
    UpstreamProtocol "UPSTREAM_PROTOCOL" Plain Null known,
    ResponseCode "RESPONSE_CODE" Number Zero known,
    ResponseCodeDetails "RESPONSE_CODE_DETAILS" Text Null known,
    ConnectionTerminationDetails "CONNECTION_TERMINATION_DETAILS" Text Null never,
    ResponseFlags "RESPONSE_FLAGS" Plain Dash known,
    ResponseFlagsLong "RESPONSE_FLAGS_LONG" Plain Dash known,
    BytesReceived "BYTES_RECEIVED" Number Zero known,
    BytesSent "BYTES_SENT" Number Zero known,
    BytesRetransmitted "BYTES_RETRANSMITTED" Number Zero never,
    PacketsRetransmitted "PACKETS_RETRANSMITTED" Number Zero never,
    RequestHeadersBytes "REQUEST_HEADERS_BYTES" Number Zero known,
    ResponseHeadersBytes "RESPONSE_HEADERS_BYTES" Number Zero known,
    ResponseTrailersBytes "RESPONSE_TRAILERS_BYTES" Number Zero known,
    DownstreamWireBytesSent "DOWNSTREAM_WIRE_BYTES_SENT" Number Zero never,
    DownstreamWireBytesReceived "DOWNSTREAM_WIRE_BYTES_RECEIVED" Number Zero never,
    DownstreamHeaderBytesSent "DOWNSTREAM_HEADER_BYTES_SENT" Number Zero never,
    DownstreamHeaderBytesReceived "DOWNSTREAM_HEADER_BYTES_RECEIVED" Number Zero never,
    UpstreamWireBytesSent "UPSTREAM_WIRE_BYTES_SENT" Number Zero never,
    UpstreamWireBytesReceived "UPSTREAM_WIRE_BYTES_RECEIVED" Number Zero never,
    UpstreamHeaderBytesSent "UPSTREAM_HEADER_BYTES_SENT" Number Zero never,
    UpstreamHeaderBytesReceived "UPSTREAM_HEADER_BYTES_RECEIVED" Number Zero never,
    Duration "DURATION" Number Zero known,
    RoundtripDuration "ROUNDTRIP_DURATION" Number Null never,
    DownstreamHandshakeDuration "DOWNSTREAM_HANDSHAKE_DURATION" Number Null never,
    UpstreamHost "UPSTREAM_HOST" Plain Null known,
    UpstreamHostName "UPSTREAM_HOST_NAME" Text Null known,
    UpstreamHostNameWithoutPort "UPSTREAM_HOST_NAME_WITHOUT_PORT" Text Null known,
    UpstreamHostsAttempted "UPSTREAM_HOSTS_ATTEMPTED" Plain Null known,
    UpstreamHostNamesAttempted "UPSTREAM_HOST_NAMES_ATTEMPTED" Text Null known,
    UpstreamHostNamesAttemptedWithoutPort "UPSTREAM_HOST_NAMES_ATTEMPTED_WITHOUT_PORT" Text Null known,
    UpstreamCluster "UPSTREAM_CLUSTER" Text Null known,
    UpstreamClusterRaw "UPSTREAM_CLUSTER_RAW" Text Null known,
    UpstreamLocalAddress "UPSTREAM_LOCAL_ADDRESS" Plain Null known,
    UpstreamLocalPort "UPSTREAM_LOCAL_PORT" Number Null known,
    UpstreamRemoteAddress "UPSTREAM_REMOTE_ADDRESS" Plain Null known,
    UpstreamRemotePort "UPSTREAM_REMOTE_PORT" Number Null known,
    UpstreamTransportFailureReason "UPSTREAM_TRANSPORT_FAILURE_REASON" Text Null known,
    UpstreamRequestAttemptCount "UPSTREAM_REQUEST_ATTEMPT_COUNT" Number Zero known,
    UpstreamConnectionId "UPSTREAM_CONNECTION_ID" Number Zero never,
    UpstreamTlsVersion "UPSTREAM_TLS_VERSION" Text Null never,
    UpstreamTlsCipher "UPSTREAM_TLS_CIPHER" Text Null never,
    UpstreamTlsSessionId "UPSTREAM_TLS_SESSION_ID" Text Null never,
    UpstreamTlsGroup "UPSTREAM_TLS_GROUP" Text Null never,
    UpstreamPeerSubject "UPSTREAM_PEER_SUBJECT" Text Null never,
    UpstreamPeerIssuer "UPSTREAM_PEER_ISSUER" Text Null never,
    UpstreamPeerDnsSan "UPSTREAM_PEER_DNS_SAN" Text Null never,
    UpstreamPeerUriSan "UPSTREAM_PEER_URI_SAN" Text Null never,
    UpstreamPeerIpSan "UPSTREAM_PEER_IP_SAN" Text Null never,
    UpstreamPeerCert "UPSTREAM_PEER_CERT" Text Null never,
    UpstreamLocalCloseReason "UPSTREAM_LOCAL_CLOSE_REASON" Text Null never,
    UpstreamDetectedCloseType "UPSTREAM_DETECTED_CLOSE_TYPE" Text Null never,
    DownstreamRemoteAddress "DOWNSTREAM_REMOTE_ADDRESS" Plain Null known,
    DownstreamRemotePort "DOWNSTREAM_REMOTE_PORT" Number Null known,
    DownstreamDirectRemoteAddress "DOWNSTREAM_DIRECT_REMOTE_ADDRESS" Plain Null known,
    DownstreamDirectRemotePort "DOWNSTREAM_DIRECT_REMOTE_PORT" Number Null known,
    DownstreamLocalAddress "DOWNSTREAM_LOCAL_ADDRESS" Plain Null known,
    DownstreamLocalPort "DOWNSTREAM_LOCAL_PORT" Number Null known,
    DownstreamDirectLocalAddress "DOWNSTREAM_DIRECT_LOCAL_ADDRESS" Plain Null known,
    DownstreamDirectLocalPort "DOWNSTREAM_DIRECT_LOCAL_PORT" Number Null known,
    DownstreamLocalAddressEndpointId "DOWNSTREAM_LOCAL_ADDRESS_ENDPOINT_ID" Text Empty never,
    DownstreamTransportFailureReason "DOWNSTREAM_TRANSPORT_FAILURE_REASON" Text Null known,
    DownstreamLocalCloseReason "DOWNSTREAM_LOCAL_CLOSE_REASON" Text Null never,
    DownstreamDetectedCloseType "DOWNSTREAM_DETECTED_CLOSE_TYPE" Text Null never,
    DownstreamCxRtt "DOWNSTREAM_CX_RTT" Number Zero never,
    DownstreamTlsVersion "DOWNSTREAM_TLS_VERSION" Text Null known,
    DownstreamTlsCipher "DOWNSTREAM_TLS_CIPHER" Text Null known,
    DownstreamTlsGroup "DOWNSTREAM_TLS_GROUP" Text Null known,
    DownstreamTlsSessionId "DOWNSTREAM_TLS_SESSION_ID" Text Null never,
    DownstreamPeerSubject "DOWNSTREAM_PEER_SUBJECT" Text Null known,
    DownstreamPeerIssuer "DOWNSTREAM_PEER_ISSUER" Text Null never,
    DownstreamPeerSerial "DOWNSTREAM_PEER_SERIAL" Text Null never,
    DownstreamPeerFingerprint256 "DOWNSTREAM_PEER_FINGERPRINT_256" Text Null never,
    DownstreamPeerFingerprint1 "DOWNSTREAM_PEER_FINGERPRINT_1" Text Null never,
    DownstreamPeerUriSan "DOWNSTREAM_PEER_URI_SAN" Text Null known,
    DownstreamPeerDnsSan "DOWNSTREAM_PEER_DNS_SAN" Text Null known,
    DownstreamPeerIpSan "DOWNSTREAM_PEER_IP_SAN" Text Null known,
    DownstreamPeerEmailSan "DOWNSTREAM_PEER_EMAIL_SAN" Text Null known,
    DownstreamPeerCert "DOWNSTREAM_PEER_CERT" Text Null never,
    DownstreamLocalSubject "DOWNSTREAM_LOCAL_SUBJECT" Text Null never,
    DownstreamLocalUriSan "DOWNSTREAM_LOCAL_URI_SAN" Text Null never,
    DownstreamLocalDnsSan "DOWNSTREAM_LOCAL_DNS_SAN" Text Null never,
    DownstreamLocalIpSan "DOWNSTREAM_LOCAL_IP_SAN" Text Null never,
    DownstreamLocalEmailSan "DOWNSTREAM_LOCAL_EMAIL_SAN" Text Null never,
    TlsJa3Fingerprint "TLS_JA3_FINGERPRINT" Text Null never,
    TlsJa4Fingerprint "TLS_JA4_FINGERPRINT" Text Null never,
    RouteName "ROUTE_NAME" Text Null known,
    VirtualClusterName "VIRTUAL_CLUSTER_NAME" Text Null never,
    FilterChainName "FILTER_CHAIN_NAME" Text Null known,
    AccessLogType "ACCESS_LOG_TYPE" Plain Null known,
    ConnectionId "CONNECTION_ID" Number Zero known,
    StreamId "STREAM_ID" Text Null known,
    UniqueId "UNIQUE_ID" Plain Null known,
    TraceId "TRACE_ID" Plain Null known,
    SpanId "SPAN_ID" Plain Null known,
    Hostname "HOSTNAME" Text Null known,
    LocalReplyBody "LOCAL_REPLY_BODY" Text Empty known,
    CustomFlags "CUSTOM_FLAGS" Text Empty never,
}
