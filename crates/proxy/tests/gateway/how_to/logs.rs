//! Access logs.

use serde_json::json;

use super::SampleApp;

#[test]
fn each_request_is_a_line_of_json() {
    let app = SampleApp::start(&["apiVersion: gateway.kgateway.dev/v1alpha1
kind: HTTPListenerPolicy
metadata:
  name: access-logs
  namespace: kgateway-system
spec:
  targetRefs:
  - group: gateway.networking.k8s.io
    kind: Gateway
    name: http
  accessLog:
  - fileSink:
      path: /dev/stdout
      jsonFormat:
          start_time: \"%START_TIME%\"
          method: \"%REQ(X-ENVOY-ORIGINAL-METHOD?:METHOD)%\"
          path: \"%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%\"
          protocol: \"%PROTOCOL%\"
          response_code: \"%RESPONSE_CODE%\"
          response_flags: \"%RESPONSE_FLAGS%\"
          bytes_received: \"%BYTES_RECEIVED%\"
          bytes_sent: \"%BYTES_SENT%\"
          total_duration: \"%DURATION%\"
          resp_backend_service_time: \"%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%\"
          req_x_forwarded_for: \"%REQ(X-FORWARDED-FOR)%\"
          user_agent: \"%REQ(USER-AGENT)%\"
          request_id: \"%REQ(X-REQUEST-ID)%\"
          authority: \"%REQ(:AUTHORITY)%\"
          backendHost: \"%UPSTREAM_HOST%\"
          backendCluster: \"%UPSTREAM_CLUSTER%\"
"]);
    let response = app.get("/status/200", "user-agent: curl/7.77.0\r\n");
    assert_eq!(response.status, 200);
    let line = &app.gateway.wait_for_records(1)[0];
    for (name, expected) in [
        ("authority", json!("www.example.com:8080")),
        ("bytes_received", json!(0)),
        ("bytes_sent", json!(response.body.len())),
        ("method", json!("GET")),
        ("path", json!("/status/200")),
        ("protocol", json!("HTTP/1.1")),
        ("response_code", json!(200)),
        ("response_flags", json!("-")),
        ("backendHost", json!(app.app.addr().to_string())),
        ("user_agent", json!("curl/7.77.0")),
        // Nothing makes up an id for a request unless `generateRequestId` says so.
        ("request_id", json!(null)),
    ] {
        assert_eq!(line[name], expected, "{name} {line}");
    }
    let start = line["start_time"].as_str().unwrap();
    assert!(
        start.ends_with('Z') && start.len() == "2024-08-19T20:57:57.511Z".len(),
        "{start}"
    );
    assert!(line["total_duration"].is_u64(), "{line}");
    let waited = line["resp_backend_service_time"].as_str().unwrap();
    assert!(waited.parse::<u32>().is_ok(), "{line}");
    assert!(
        line["backendCluster"].as_str().unwrap().contains("httpbin"),
        "{line}"
    );
}
