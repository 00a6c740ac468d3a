//! `extAuth`: what a service is asked, what it may answer, and what clients of gRPC are told.

use bytes::Bytes;
use egret_testkit::Upstream;
use egret_testkit::grpc::{self, GrpcAnswer};
use egret_testkit::protobuf::Written;

use super::{ask, call, with};
use crate::with_policy::WithPolicy;

/// A service that is asked as `protocol` says.
fn setup(service: &Upstream, protocol: &str) -> WithPolicy {
    let port = service.port();
    let extension = format!(
        "apiVersion: gateway.kgateway.dev/v1alpha1
kind: Backend
metadata: {{name: door, namespace: kgateway-system}}
spec: {{static: {{hosts: [{{host: 127.0.0.1, port: {port}}}]}}}}
---
apiVersion: gateway.kgateway.dev/v1alpha1
kind: GatewayExtension
metadata: {{name: door, namespace: kgateway-system}}
spec:
  type: ExtAuth
  extAuth:
    {protocol}: {{requestTimeout: 60s, backendRef: {{group: gateway.kgateway.dev, kind: Backend, name: door}}}}
"
    );
    let policy = "extAuth: {extensionRef: {name: door}}";
    with(policy, &[&extension], Upstream::start())
}

/// A service over HTTP that answers with the status that the query says, and with fields of its own.
fn by_query() -> Upstream {
    Upstream::start().answering(|question| {
        let status = question
            .target
            .split_once('?')
            .map_or("200", |(_, status)| status);
        let response = http::Response::builder()
            .status(status)
            .header("content-type", "text/html")
            .header("set-cookie", "a=b")
            .header("location", "/login");
        response.body(Bytes::from("said so")).ok()
    })
}

#[test]
fn of_an_answer_over_http_the_status_decides() {
    let service = by_query();
    let setup = setup(&service, "httpService");
    for (status, expected) in [(200, 200), (201, 201), (302, 302), (401, 401), (429, 429)] {
        let response = ask(&setup, &format!("GET /?{status}"), "");
        assert_eq!(response.status, expected);
        let is_refused = status != 200;
        assert_eq!(response.text() == "said so", is_refused, "{status}");
        // All its fields are told, for none are listed.
        for (name, value) in [
            ("set-cookie", "a=b"),
            ("location", "/login"),
            ("content-type", "text/html"),
        ] {
            let told = response.header(name) == Some(value);
            assert_eq!(told, is_refused, "{status} {name}");
        }
    }
    for status in [500, 503] {
        let response = ask(&setup, &format!("GET /?{status}"), "");
        assert_eq!(response.status, 403, "{status}");
        assert_eq!(response.header("set-cookie"), None);
    }
}

#[test]
fn a_question_over_http_has_the_host_and_the_credentials_of_the_client() {
    let service = by_query();
    let setup = setup(&service, "httpService");
    let fields =
        "authorization: Bearer x\r\nx-a: 1\r\ncookie: c=d\r\ncontent-length: 4\r\n\r\nbody";
    let head = format!("POST /p?200 HTTP/1.1\r\nhost: {}\r\n{fields}", setup.host);
    assert_eq!(setup.gateway.connect().request(head).status, 200);
    let question = &service.requests()[0];
    assert_eq!(
        (question.method.as_str(), &*question.target),
        ("POST", "/p?200")
    );
    assert_eq!(question.header("host"), Some(&*setup.host));
    assert_eq!(question.header("authorization"), Some("Bearer x"));
    assert_eq!(question.body, b"");
    for name in [
        "x-a",
        "cookie",
        "x-envoy-internal",
        "x-envoy-expected-rq-timeout-ms",
    ] {
        assert_eq!(question.header(name), None, "{name}");
    }
    assert_eq!(setup.upstream.requests()[0].body, b"body");
}

#[test]
fn a_call_of_grpc_is_refused_with_the_status_that_the_answer_means() {
    for (status, expected) in [(403, "7"), (401, "16")] {
        let service = grpc::start(move |_| {
            let code = |code| Written::default().number(1, code);
            let denied = Written::default()
                .message(1, &code(status))
                .text(3, "not you");
            GrpcAnswer::Message(Written::default().message(1, &code(7)).message(2, &denied))
        });
        let setup = setup(&service, "grpcService");
        let told = call(&setup, &[]);
        let expected = (200, Some(expected.to_owned()), Some("not you".to_owned()));
        assert_eq!(told, expected, "{status}");
    }
}
