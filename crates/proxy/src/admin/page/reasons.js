/** What the reasons of refusals mean, and what helps where no policy can simply allow the request. */

/** @type {Record<string, [meaning: string, advice: string]>} */
const REASONS = {
  acl: ["The acl of a TrafficPolicy denies the client's address.", "Add the client's address to the acl, if it may send requests."],
  address_denied: [
    "The name resolves to an address that is not public, or that a policy denies.",
    "Name the host and the address in a rule with addresses of an EgressPolicy on the Gateway, if it is meant to be internal.",
  ],
  authentication_overload: [
    "Too many passwords wait to be compared with their bcrypt.",
    "Look for clients that send wrong passwords, or lower the cost of the hashes.",
  ],
  body_too_large: ["The body is larger than a TrafficPolicy reads.", "Raise buffer.maxRequestSize, or send less."],
  circuit_breaker: [
    "The destination has as many connections or requests as it may have.",
    "Find out why it is slow; else raise circuitBreakers of a BackendConfigPolicy.",
  ],
  client_closed: ["The client went away before the response.", "Look at the client: it may give up sooner than the destination answers."],
  client_http2: ["The client broke the HTTP/2 protocol, and its connection was closed.", "Look at the client: it floods, or has a defect."],
  client_stalled: ["The client stopped sending its body, or reading the response.", "Look at the client: it was stopped, or lost its network."],
  client_tls: ["The TLS handshake with the client failed.", "Compare versions, certificate and CAs of the client with the listener's."],
  connect_refused: ["The destination refuses connections on this port.", "Check the port, and whether the destination runs."],
  connect_terminated: ["The destination closed the connection at once.", "Check whether a firewall or its TLS settings close it."],
  connect_timeout: ["No connection could be made in time.", "Check firewalls and routes between the gateway and the destination."],
  connect_unreachable: ["There is no way to the destination's network.", "Check the routes of this machine, for IPv6 too."],
  csrf: ["The request comes from a page of an origin that csrf does not allow.", "Add the origin to csrf.additionalOrigins, if it is yours."],
  dns_error: ["The name does not exist, or no DNS server could answer.", "Check the spelling of the name, then the DNS view for its error."],
  dns_overload: ["Too many names wait for the DNS servers.", "Look at the DNS servers: they are slow, or names are made up."],
  dns_timeout: ["No DNS server answered in time.", "Check whether the DNS servers of the ResolverPolicy can be reached."],
  egress_policy: ["An EgressPolicy does not allow this host, port, method or path.", "Explain the request, and change the rule that decides."],
  ext_auth: ["The service of extAuth refuses the request.", "Ask the service why; the gateway only passes its answer on."],
  ext_auth_unavailable: ["The service of extAuth gave no answer.", "Check the service; failOpen lets requests pass without it."],
  ext_proc: ["The service of extProc answers the request itself.", "Ask the service why; the gateway only passes its answer on."],
  ext_proc_unavailable: ["The service of extProc gave no answer.", "Check the service; failOpen lets requests pass without it."],
  fault: ["faultInjection of a TrafficPolicy made it fail on purpose.", "Take the faultInjection away when the test is over."],
  handshake_timeout: ["The client's PROXY header or TLS handshake took too long.", "Check what speaks to this port: health checks often send nothing."],
  head_too_large: ["The request's head is larger than allowed.", "Send smaller cookies, or raise maxRequestHeadersKb of the ListenerPolicy."],
  jwks_unavailable: ["The keys of jwtAuth could not be fetched.", "Check whether the gateway reaches the issuer's JWKS."],
  jwt: ["The token is missing or not valid.", "Get a new token; the log has what is wrong with this one."],
  loop: ["The request came back to this gateway.", "Check for a proxy setting or a DNS name that leads back here."],
  malformed_framing: ["The request's length is ambiguous.", "Look at the client: it sends contradicting lengths."],
  malformed_head: ["The request's head is not valid HTTP.", "Look at the client, or at what it really speaks."],
  malformed_hello: ["The client did not begin with a valid ClientHello.", "Check whether the client means this port."],
  malformed_target: ["The request names no valid host and port.", "Correct the host in the client; it is not a name, address and port."],
  misconfigured: ["What the route refers to is missing or not valid.", "See the conditions of the route and its backend in the Configuration view."],
  misdirected: ["The TLS connection was made for another listener.", "Nothing to do: clients connect again."],
  no_descriptors: ["The process has no file descriptors left.", "Raise the limit of open files, or lower the limits of connections."],
  no_endpoints: ["No endpoint of the Service is ready.", "Check the pods of the Service."],
  no_listener: ["No listener of this port has this host.", "Add a listener with this hostname, or one without."],
  no_route: ["No route of the listener matches the request.", "Add a rule for this host and path to an HTTPRoute."],
  no_server_name: ["The ClientHello names no server.", "Have the client send SNI; addresses cannot be routed by TLS."],
  no_tunnel: ["The route leads to a backend that no tunnel can go to.", "Route tunnels to a backend of type DynamicForwardProxy."],
  not_http: ["The client does not speak HTTP.", "Check whether the client means this port: it began with TLS or SOCKS."],
  not_tls: ["The client does not speak TLS.", "Use https in the client, or another listener."],
  overload: ["Requests wait too long for their turn.", "Give the gateway more cores or replicas; --max-queue-time says how long is too long."],
  proxy_header: ["The PROXY protocol header is missing or malformed.", "Have the load balancer send it, or turn it off for the listener."],
  rate_limit: ["A rate limit is reached.", "Send less, or raise the limit of the policy."],
  rate_limit_unavailable: ["The service of rateLimit.global gave no answer.", "Check the service; failOpen lets requests pass without it."],
  rbac: ["The rbac of a TrafficPolicy denies the request.", "Explain the request, and change the expression that decides."],
  request_body: ["The client broke off its body.", "Look at the client: it was stopped, or lost its network."],
  response_body_timeout: ["The destination stopped sending its response.", "Look at the destination, or raise timeouts of the route."],
  response_timeout: ["The destination did not respond in time.", "Look at the destination, or raise timeouts of the route."],
  tls_certificate: ["The destination's certificate is not valid.", "Check its certificate, and caCertificateRefs for a CA of your own."],
  tls_failed: ["The TLS handshake with the destination failed.", "Check whether the destination speaks TLS on this port, and which versions."],
  too_many_connections: ["The listener has as many connections as it may.", "Look for clients that keep many; else raise --max-connections."],
  transformation: [
    "The templates of a TrafficPolicy make nothing of the request or its response.",
    "See the details in the log: a body is not JSON, too large, or a template fails.",
  ],
  unauthenticated: ["The client's credentials are missing or wrong.", "Give the client the credentials that the policy asks for."],
  upstream_broke_off: ["The destination broke off its response.", "Look at the destination: it was stopped, or has a defect."],
  upstream_closed: ["The destination closed the connection before the response.", "Look at the destination: it closes connections that it should not."],
  upstream_protocol: ["The destination's response is not valid HTTP.", "Check the protocol of the backend, such as HTTP/2 without TLS."],
};

/**
 * What a reason means; undefined for one that is not known here.
 * @param {string} reason
 */
export function meaningOf(reason) {
  return Object.hasOwn(REASONS, reason) ? REASONS[reason][0] : undefined;
}

/**
 * What helps against a reason; undefined for one that is not known here.
 * @param {string} reason
 */
export function adviceOf(reason) {
  return Object.hasOwn(REASONS, reason) ? REASONS[reason][1] : undefined;
}

/**
 * Whether a request was let through and then failed, on the way or at its end.
 * @param {string} reason
 */
export function isFailure(reason) {
  return /^(client|connect|dns|response|tls|upstream)_|^no_(descriptors|endpoints)$|^request_body$/.test(reason);
}
