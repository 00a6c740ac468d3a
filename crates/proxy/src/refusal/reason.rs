//! The reasons of refusals, as named in the access log and the metrics.

use crate::meter::label_values;

label_values! {
    /// Why a request or a connection was refused. The set is finer than the error types of `Proxy-Status` (RFC 9209 2.3).
    pub(crate) enum Reason {
        /// The request's head cannot be parsed.
        MalformedHead = "malformed_head",
        /// The request's head has too many bytes or fields.
        HeadTooLarge = "head_too_large",
        /// The PROXY protocol header is missing or malformed.
        ProxyHeader = "proxy_header",
        /// The connection does not begin with TLS.
        NotTls = "not_tls",
        /// The ClientHello is malformed.
        MalformedHello = "malformed_hello",
        /// The client sent no SNI, and the listener needs one.
        NoServerName = "no_server_name",
        /// The TLS handshake or the PROXY header did not arrive in time.
        HandshakeTimeout = "handshake_timeout",
        /// The connection begins with another protocol than HTTP.
        NotHttp = "not_http",
        /// The listener has reached its limit of connections.
        TooManyConnections = "too_many_connections",
        /// Requests have waited too long for their turn for a while.
        Overload = "overload",
        /// The TLS handshake with the client failed.
        ClientTls = "client_tls",
        /// The client violated the HTTP/2 protocol.
        ClientHttp2 = "client_http2",
        /// The request names no valid host.
        MalformedTarget = "malformed_target",
        /// The framing of the request is ambiguous.
        MalformedFraming = "malformed_framing",
        /// A tunnel was asked for where none is served.
        NoTunnel = "no_tunnel",
        /// No listener serves the host.
        NoListener = "no_listener",
        /// The connection was made for another listener (421).
        Misdirected = "misdirected",
        /// No route rule matches.
        NoRoute = "no_route",
        /// The configuration of the matched rule is invalid.
        Misconfigured = "misconfigured",
        /// The client did not authenticate.
        Unauthenticated = "unauthenticated",
        /// Too many passwords wait to be compared.
        AuthenticationOverload = "authentication_overload",
        /// `acl` of a TrafficPolicy denies the client's address.
        Acl = "acl",
        /// A limit of requests is reached.
        RateLimit = "rate_limit",
        /// The service of `rateLimit.global` of a TrafficPolicy gave no answer.
        RateLimitUnavailable = "rate_limit_unavailable",
        /// `rbac` of a TrafficPolicy does not let the request through.
        Rbac = "rbac",
        /// `csrf` of a TrafficPolicy does not let a page of this origin send the request.
        Csrf = "csrf",
        /// `faultInjection` of a TrafficPolicy fails the request.
        Fault = "fault",
        /// The request's body is larger than `buffer` of a TrafficPolicy allows.
        BodyTooLarge = "body_too_large",
        /// The templates of `transformation` of a TrafficPolicy make nothing of a message.
        Transformation = "transformation",
        /// `jwtAuth` of a TrafficPolicy denies the request: its token is missing or not valid.
        Jwt = "jwt",
        /// The keys of `jwtAuth` of a TrafficPolicy could not be fetched.
        JwksUnavailable = "jwks_unavailable",
        /// The service that `extAuth` of a TrafficPolicy asks refuses the request.
        ExtAuth = "ext_auth",
        /// The service of `extAuth` of a TrafficPolicy gave no answer.
        ExtAuthUnavailable = "ext_auth_unavailable",
        /// The service of `extProc` of a TrafficPolicy answers the request itself.
        ExtProc = "ext_proc",
        /// The service of `extProc` of a TrafficPolicy gave no answer.
        ExtProcUnavailable = "ext_proc_unavailable",
        /// An EgressPolicy denies the destination by its name.
        EgressPolicy = "egress_policy",
        /// Every address of the destination is denied.
        AddressDenied = "address_denied",
        /// No DNS server answered in time.
        DnsTimeout = "dns_timeout",
        /// The name cannot be resolved.
        DnsError = "dns_error",
        /// Too many names are being resolved.
        DnsOverload = "dns_overload",
        /// The Service has no endpoint that can serve.
        NoEndpoints = "no_endpoints",
        /// A circuit breaker of the destination is open.
        CircuitBreaker = "circuit_breaker",
        /// The upstream refused the connection.
        ConnectRefused = "connect_refused",
        /// The upstream broke off the connection while it was being made.
        ConnectTerminated = "connect_terminated",
        /// There is no route to the upstream.
        ConnectUnreachable = "connect_unreachable",
        /// Connecting to the upstream timed out.
        ConnectTimeout = "connect_timeout",
        /// The proxy that leads to the upstream made no connection.
        ProxyRefused = "proxy_refused",
        /// The process has no descriptors left.
        NoDescriptors = "no_descriptors",
        /// The TLS handshake with the upstream failed.
        TlsFailed = "tls_failed",
        /// The upstream's certificate is not valid.
        TlsCertificate = "tls_certificate",
        /// The upstream closed the connection before it answered.
        UpstreamClosed = "upstream_closed",
        /// The upstream's response is not valid HTTP.
        UpstreamProtocol = "upstream_protocol",
        /// The upstream did not answer in time.
        ResponseTimeout = "response_timeout",
        /// The client broke off the request body, or did not send it in time.
        RequestBody = "request_body",
        /// The request has been through this process before.
        Loop = "loop",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dial::failure::ConnectFailure;
    use crate::dial::race::AttemptOutcome;
    use crate::meter::assert_is_label;

    #[test]
    fn every_label_has_a_counter_of_its_own() {
        assert_is_label::<Reason>();
        assert_is_label::<ConnectFailure>();
        assert_is_label::<AttemptOutcome>();
    }
}
