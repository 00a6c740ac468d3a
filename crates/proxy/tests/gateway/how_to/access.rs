//! Who may ask at all: addresses of clients, and pages of other origins.

use egret_testkit::Response;
use egret_testkit::gateway::listener_policy;

use super::{SampleApp, on_route};

/// The answer to a client that the load balancer says is at this address.
fn from(app: &SampleApp, client: &str) -> Response {
    app.send(format!(
        "PROXY TCP4 {client} 198.51.100.1 1000 8080\r\nGET /status/200 HTTP/1.1\r\nhost: www.example.com\r\n\r\n"
    ))
}

fn with_acl(acl: &str) -> SampleApp {
    let behind = listener_policy("proxy-protocol", "{proxyProtocol: {}}");
    let policy = on_route("acl-allowlist", &format!("acl:\n{acl}"));
    SampleApp::start(&[&behind, &policy])
}

#[test]
fn only_a_range_of_clients_is_served() {
    let app = with_acl(
        "    defaultAction: deny
    rules:
    - cidrs:
      - 10.0.0.0/8
      action: allow",
    );
    assert_eq!(from(&app, "192.0.2.1").status, 403);
    assert_eq!(from(&app, "10.1.2.3").status, 200);
}

#[test]
fn a_response_names_the_rule_that_denied_the_client() {
    let app = with_acl(
        "    defaultAction: allow
    denyResponse:
      blockedByHeaderName: X-Blocked-By
    rules:
    - name: block-rfc1918
      cidrs:
      - 10.0.0.0/8
      - 172.16.0.0/12
      - 192.168.0.0/16
      action: deny",
    );
    assert_eq!(from(&app, "192.0.2.1").status, 200);
    for client in ["10.0.0.1", "172.31.0.1", "192.168.1.1"] {
        let denied = from(&app, client);
        assert_eq!(denied.status, 403, "{client}");
        assert_eq!(denied.header("x-blocked-by"), Some("block-rfc1918"));
    }
}

#[test]
fn the_most_specific_range_decides() {
    let app = with_acl(
        "    defaultAction: allow
    rules:
    - name: block-internal-range
      cidrs:
      - 10.0.0.0/8
      action: deny
    - name: allow-trusted-subnet
      cidrs:
      - 10.1.0.0/16
      action: allow
    - name: block-rogue-host
      cidrs:
      - 10.1.2.3
      action: deny",
    );
    for (client, expected) in [
        ("10.1.2.3", 403),
        ("10.1.2.4", 200),
        ("10.2.0.1", 403),
        ("8.8.8.8", 200),
    ] {
        assert_eq!(from(&app, client).status, expected, "{client}");
    }
    // Without the header of the load balancer there is no answer at all.
    let mut stranger = app.gateway.connect();
    stranger.send_request("GET /status/200 HTTP/1.1\r\nhost: www.example.com\r\n\r\n");
    assert!(stranger.is_closed());
}

#[test]
fn a_denial_has_a_status_and_fields_of_its_own() {
    let app = with_acl(
        "    defaultAction: deny
    denyResponse:
      statusCode: 451
      headers:
      - name: X-Blocked-Reason
        value: geo-policy
    rules:
    - cidrs:
      - 203.0.113.0/24
      action: allow",
    );
    let denied = from(&app, "192.0.2.1");
    assert_eq!(denied.status, 451);
    assert_eq!(denied.header("x-blocked-reason"), Some("geo-policy"));
    assert_eq!(from(&app, "203.0.113.9").status, 200);
}

#[test]
fn a_page_of_another_origin_sends_nothing() {
    let app = SampleApp::start(&[&on_route(
        "csrf",
        "csrf:
    percentageEnabled: 100
    additionalOrigins:
    - exact: allowThisOne.example.com
      ignoreCase: false",
    )]);
    let post = |fields: &str| {
        let fields = format!("content-length: 0\r\n{fields}");
        app.ask("POST /post", "www.example.com:8080", &fields)
    };
    let refused = post("");
    assert_eq!((refused.status, refused.text()), (403, "Invalid origin"));
    assert_eq!(post("origin: allowThisOne.example.com\r\n").status, 200);
    assert_eq!(post("origin: allowthisone.example.com\r\n").status, 403);
}

/// The route of the guide with a filter.
fn cors_route(filter: &str) -> String {
    format!(
        "apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata:
  name: httpbin-cors
  namespace: httpbin
spec:
  parentRefs:
    - name: http
      namespace: kgateway-system
  hostnames:
    - cors.example
  rules:
    - filters:
{filter}
      backendRefs:
        - name: httpbin
          port: 8000
"
    )
}

#[test]
fn a_preflight_request_is_told_what_pages_may_do() {
    let filter = cors_route(
        "        - type: CORS
          cors:
            allowCredentials: true
            allowHeaders:
              - Origin
            allowMethods:
              - GET
              - POST
              - OPTIONS
            allowOrigins:
              - \"https://example.com\"
            exposeHeaders:
            - Origin
            - X-HTTPRoute-Header
            maxAge: 86400",
    );
    let extension = cors_route(
        "        - type: ExtensionRef
          extensionRef:
            group: gateway.kgateway.dev
            kind: TrafficPolicy
            name: httpbin-cors",
    );
    let policy = "apiVersion: gateway.kgateway.dev/v1alpha1
kind: TrafficPolicy
metadata:
  name: httpbin-cors
  namespace: httpbin
spec:
  cors:
    allowCredentials: true
    allowHeaders:
      - \"Origin\"
      - \"Authorization\"
      - \"Content-Type\"
    allowMethods:
      - \"GET\"
      - \"POST\"
      - \"OPTIONS\"
    allowOrigins:
      - \"https://example.com\"
    exposeHeaders:
    - \"Origin\"
    - \"X-TrafficPolicy-Header\"
    maxAge: 86400
";
    for (objects, headers, exposed) in [
        (vec![&*filter], "Origin", "Origin, X-HTTPRoute-Header"),
        (
            vec![&*extension, policy],
            "Origin, Authorization, Content-Type",
            "Origin, X-TrafficPolicy-Header",
        ),
    ] {
        let app = SampleApp::start(&objects);
        let ask = |origin: &str| {
            let fields = format!(
                "origin: {origin}\r\naccess-control-request-method: POST\r\naccess-control-request-headers: Origin\r\n"
            );
            app.ask("OPTIONS /headers", "cors.example:8080", &fields)
        };
        let told = ask("https://example.com");
        assert_eq!((told.status, told.text()), (200, ""));
        for (name, value) in [
            ("allow-origin", "https://example.com"),
            ("allow-credentials", "true"),
            ("allow-methods", "GET, POST, OPTIONS"),
            ("allow-headers", headers),
            ("max-age", "86400"),
            ("expose-headers", exposed),
        ] {
            let name = format!("access-control-{name}");
            assert_eq!(told.header(&name), Some(value), "{name}");
        }
        let foreign = ask("https://notallowed.com");
        assert_eq!(foreign.status, 200);
        let max_age = foreign.header("access-control-max-age");
        assert_ne!(max_age, Some("86400"), "{foreign:?}");
    }
}
