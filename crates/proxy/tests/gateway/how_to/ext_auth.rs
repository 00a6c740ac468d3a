//! External authorization by a service that lets requests with `x-ext-authz: allow` through.

use bytes::Bytes;
use egret_testkit::gateway::traffic_policy;
use egret_testkit::grpc::{self, GrpcAnswer};
use egret_testkit::protobuf::{Written, texts};
use egret_testkit::{Response, Upstream};

use super::{SampleApp, children_decide, endpoints, on_route};

const REFUSED: &str =
    "denied by ext_authz for not found header `x-ext-authz: allow` in the request";

/// The Service of the guide; over gRPC its port says so.
fn service(app_protocol: &str) -> String {
    format!(
        "apiVersion: v1
kind: Service
metadata:
  namespace: kgateway-system
  name: ext-authz
  labels:
    app: ext-authz
spec:
  ports:
  - name: http
    port: 4444
    targetPort: 9000
    protocol: TCP
{app_protocol}  selector:
    app: ext-authz
"
    )
}

fn extension(ext_auth: &str) -> String {
    format!(
        "apiVersion: gateway.kgateway.dev/v1alpha1
kind: GatewayExtension
metadata:
  namespace: kgateway-system
  name: basic-ext-auth
  labels:
    app: ext-authz
spec:
  type: ExtAuth
  extAuth:
{ext_auth}"
    )
}

fn policy() -> String {
    traffic_policy(
        "gateway-ext-auth-policy",
        "extAuth:
    extensionRef:
      name: basic-ext-auth",
    )
}

/// What the guide shows of each request, and that a route is exempt if its Gateway lets it.
fn assert_decided(mut app: SampleApp, objects: &[&str]) {
    let refused = |response: &Response| {
        assert_eq!((response.status, response.text()), (403, REFUSED));
        assert_eq!(response.header("x-ext-authz-check-result"), Some("denied"));
    };
    refused(&app.get("/headers", ""));
    assert_eq!(app.get("/headers", "x-ext-authz: allow\r\n").status, 200);
    let route = on_route("route-ext-auth-policy", "extAuth:\n    disable: {}");
    let with_route = [objects, &[&*route]].concat();
    app.apply(&with_route);
    refused(&app.get("/headers", ""));
    let trusted = children_decide(&app.app, &with_route);
    app.gateway.apply(&trusted);
    assert_eq!(app.get("/headers", "").status, 200);
}

#[test]
fn a_service_decides_over_grpc() {
    let option = |key: &str, value: &str| {
        let field = Written::default().text(1, key).text(2, value);
        Written::default().message(1, &field)
    };
    let service_at = grpc::start(move |message| {
        let keys = texts(message, &[1, 4, 2, 3, 1]);
        let values = texts(message, &[1, 4, 2, 3, 2]);
        let code = |code| Written::default().number(1, code);
        let result = |value| option("x-ext-authz-check-result", value);
        let is_allowed = keys
            .iter()
            .zip(&values)
            .any(|(key, value)| (key.as_str(), value.as_str()) == ("x-ext-authz", "allow"));
        GrpcAnswer::Message(if is_allowed {
            let ok = Written::default().message(2, &result("allowed"));
            Written::default().message(1, &code(0)).message(3, &ok)
        } else {
            let denied = Written::default()
                .message(1, &code(403))
                .message(2, &result("denied"))
                .text(3, REFUSED);
            Written::default().message(1, &code(7)).message(2, &denied)
        })
    });
    let service = service("    appProtocol: kubernetes.io/h2c\n");
    let at = endpoints("kgateway-system", "ext-authz", service_at.addr());
    let extension = extension(
        "    grpcService:
      backendRef:
        name: ext-authz
        port: 4444
",
    );
    let policy = policy();
    let objects = [&*service, &at, &extension, &policy];
    let app = SampleApp::start(&objects);
    assert_eq!(app.get("/headers", "x-ext-authz: allow\r\n").status, 200);
    let seen = app.served();
    assert_eq!(seen.header("x-ext-authz-check-result"), Some("allowed"));
    assert_decided(app, &objects);
}

#[test]
fn a_service_decides_over_http() {
    let service_at = Upstream::start().answering(|question| {
        let is_allowed = question.header("x-ext-authz") == Some("allow");
        let (status, result, body) = if is_allowed {
            (200, "allowed", "")
        } else {
            (403, "denied", REFUSED)
        };
        let response = http::Response::builder()
            .status(status)
            .header("x-ext-authz-check-result", result);
        response.body(Bytes::from(body)).ok()
    });
    let service = service("");
    let at = endpoints("kgateway-system", "ext-authz", service_at.addr());
    let extension = extension(
        "    headersToForward:
      - x-ext-authz
    httpService:
      backendRef:
        name: ext-authz
        port: 4444
",
    );
    let policy = policy();
    let objects = [&*service, &at, &extension, &policy];
    assert_decided(SampleApp::start(&objects), &objects);
}
