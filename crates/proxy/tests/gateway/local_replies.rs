//! The responses that the gateway makes itself, as a listener wants them to be (`localReplies`).

use egret_testkit::client::connect_request;
use egret_testkit::gateway::{documents, egress_policy, listener_policy, quickstart_config};
use egret_testkit::{DnsServer, Gateway, Http2Client, Upstream};
use serde_json::{Value, json};

const DIRECT: &str = "\
apiVersion: gateway.kgateway.dev/v1alpha1
kind: DirectResponse
metadata: {name: hello, namespace: kgateway-system}
spec: {status: 404, body: nothing here}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: hello, namespace: kgateway-system}
spec:
  parentRefs: [{name: http}]
  hostnames: [hello.example]
  rules:
  - matches: [{path: {value: /moved}}]
    filters: [{type: RequestRedirect, requestRedirect: {hostname: b.example}}]
  - filters:
    - {type: ExtensionRef, extensionRef: {group: gateway.kgateway.dev, kind: DirectResponse, name: hello}}
";

const DENIED: &str = "rules: [{name: no, action: Deny, hosts: [denied.example]}]";

fn start(dns: &DnsServer, replies: &Value, log: &Value) -> Gateway {
    let settings = json!({"httpSettings": {"localReplies": replies, "accessLog": log}});
    let policy = listener_policy("replies", &settings.to_string());
    let denied = egress_policy("names", DENIED);
    Gateway::start(&documents(&[
        &quickstart_config(dns.addr()),
        DIRECT,
        &denied,
        &policy,
    ]))
}

fn log() -> Value {
    let format = json!({
        "code": "%RESPONSE_CODE%", "flags": "%RESPONSE_FLAGS%", "details": "%RESPONSE_CODE_DETAILS%",
        "body": "%LOCAL_REPLY_BODY%", "reason": "%EGRET(reason)%",
    });
    json!([{"fileSink": {"path": "/dev/stdout", "jsonFormat": format}}])
}

fn replies() -> Value {
    json!({
        "defaultBodyFormat": {"json": {
            "status": "%RESPONSE_CODE%", "message": "%LOCAL_REPLY_BODY%", "path": "%REQ(:PATH)%", "policy": "%EGRET(policy)%",
        }},
        "mappers": [{
            "filter": {"headerFilter": {"header": {"name": "x-plain", "value": "yes"}}},
            "statusCode": 451,
            "body": "ask legal",
            "bodyFormatOverride": {"text": "%RESPONSE_CODE%: %LOCAL_REPLY_BODY%", "contentType": "text/x-plain"},
            "headers": {"set": [{"name": "x-contact", "value": "legal"}], "add": [{"name": "x-contact", "value": "ops"}]},
        }],
    })
}

#[test]
fn every_answer_of_the_gateway_has_the_format() {
    let (dns, upstream) = (DnsServer::with_a_example(), Upstream::start());
    let gateway = start(&dns, &replies(), &log());
    let refused = gateway.get("denied.example", "/x?y=1");
    assert_eq!(refused.status, 403);
    assert_eq!(refused.header("content-type"), Some("application/json"));
    assert!(refused.header("proxy-status").is_some());
    let told: Value = serde_json::from_str(refused.text()).unwrap();
    let expected = json!({
        "status": 403,
        "message": told["message"],
        "path": "/x?y=1",
        "policy": "kgateway-system/names",
    });
    assert_eq!(told, expected);
    assert!(refused.text().ends_with("}\n"), "{told}");
    let message = told["message"].as_str().unwrap();
    assert!(message.contains("denied.example"), "{message}");
    for (path, status, message) in [("/", 404, "nothing here"), ("/moved", 302, "")] {
        let answer = gateway.get("hello.example", path);
        assert_eq!(answer.status, status);
        let told: Value = serde_json::from_str(answer.text()).unwrap();
        assert_eq!(
            (&told["status"], &told["message"]),
            (&json!(status), &json!(message))
        );
    }
    // What upstreams say is theirs.
    let host = format!("a.example:{}", upstream.port());
    assert_eq!(gateway.get(&host, "/status/404").status, 404);
    let records = gateway.wait_for_records(4);
    assert_eq!(records[0]["code"], 403);
    assert_eq!(records[0]["body"], "", "it is of no log");
}

#[test]
fn a_fixed_response_may_have_a_format_of_its_own() {
    let dns = DnsServer::with_a_example();
    let json = "spec: {status: 404, body: nothing here, bodyFormat: {json: {why: '%LOCAL_REPLY_BODY%', \
                code: '%RESPONSE_CODE%', path: '%REQ(:PATH)%', who: '%REQ(X-WHO)%', host: '%REQ(:AUTHORITY)%', \
                method: '%REQ(:METHOD)%', type: '%RESP(CONTENT-TYPE)%'}}}";
    let told = json!({
        "why": "nothing here",
        "code": 404,
        "path": "/x?y=1",
        "who": "me",
        "host": "hello.example",
        "method": "GET",
        "type": "text/plain",
    });
    let formatted = DIRECT.replace("spec: {status: 404, body: nothing here}", json);
    let config = quickstart_config(dns.addr());
    let mut gateway = Gateway::start(&documents(&[&config, &formatted]));
    let mut client = gateway.connect();
    let answer = client.request("GET /x?y=1 HTTP/1.1\r\nhost: hello.example\r\nx-who: me\r\n\r\n");
    assert_eq!(answer.status, 404);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.json(), told);
    let http2 = Http2Client::connect(gateway.address());
    let request = http::Request::get("http://hello.example/x?y=1").header("x-who", "me");
    let answer = http2.request(request.body(()).unwrap(), b"").unwrap();
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!((answer.status, body), (404, told.clone()));
    // What the listener makes of answers is made of this one.
    let settings = json!({"httpSettings": {"localReplies": {"defaultBodyFormat": {"text": "<%LOCAL_REPLY_BODY%>"}}}});
    let text = "bodyFormat: {text: '%RESPONSE_CODE% %EGRET(route)%', contentType: text/x-own}";
    let formatted = DIRECT.replace("body: nothing here", text);
    let listener = listener_policy("replies", &settings.to_string());
    gateway.apply(&documents(&[&config, &formatted, &listener]));
    let answer = gateway.get("hello.example", "/");
    assert_eq!(answer.text(), "<404 kgateway-system/hello/1>");
    assert_eq!(answer.header("content-type"), Some("text/plain"));
    gateway.apply(&documents(&[&config, &formatted]));
    let answer = gateway.get("hello.example", "/");
    assert_eq!(answer.text(), "404 kgateway-system/hello/1");
    assert_eq!(answer.header("content-type"), Some("text/x-own"));
}

#[test]
fn a_mapper_changes_what_its_filter_takes() {
    let dns = DnsServer::with_a_example();
    let gateway = start(&dns, &replies(), &log());
    let mut client = gateway.connect();
    let answer = client.request("GET / HTTP/1.1\r\nhost: denied.example\r\nx-plain: yes\r\n\r\n");
    assert_eq!(answer.status, 451);
    assert_eq!(answer.text(), "451: ask legal");
    assert_eq!(answer.header("content-type"), Some("text/x-plain"));
    let contacts = answer
        .headers
        .0
        .iter()
        .filter(|(name, _)| name == "x-contact");
    let contacts: Vec<_> = contacts.map(|(_, value)| &**value).collect();
    assert_eq!(contacts, ["legal", "ops"]);
    assert_eq!(answer.reason, "Unavailable For Legal Reasons");
    let record = &gateway.wait_for_records(1)[0];
    assert_eq!(record["code"], 451, "{record}");
    assert_eq!(record["reason"], "egress_policy", "why stays");
    // A request that cannot be routed is for nobody's listener, whose policy it obeys nevertheless.
    let answer = client.request("GET / HTTP/1.1\r\nhost: a..example\r\n\r\n");
    assert_eq!(answer.status, 400);
    assert_eq!(answer.header("content-type"), Some("application/json"));
}

#[test]
fn no_answer_of_the_gateway_is_consent_to_a_tunnel() {
    let dns = DnsServer::with_a_example();
    let mapped = json!({"mappers": [{
        "filter": {"statusCodeFilter": {"op": "GE", "value": 400}},
        "statusCode": 200,
    }]});
    let gateway = start(&dns, &mapped, &log());
    assert_eq!(gateway.get("denied.example", "/").status, 200);
    for authority in ["denied.example:443", "denied.example"] {
        let mut client = gateway.connect();
        client.send_request(connect_request(authority));
        assert_eq!(client.read_head().status, 403, "{authority}");
    }
    let client = Http2Client::connect(gateway.address());
    assert_eq!(
        client
            .open_tunnel("denied.example:443")
            .response()
            .unwrap()
            .status,
        403
    );
    let mut socket = client.open_extended("http://denied.example/", "websocket", &[]);
    assert_eq!(socket.response().unwrap().status, 403);
    let code = |record: &Value| record["code"].clone();
    let codes: Vec<_> = gateway.wait_for_records(5).iter().map(code).collect();
    assert_eq!(codes, [200, 403, 403, 403, 403]);
}

#[test]
fn grpc_clients_are_told_in_their_way() {
    let dns = DnsServer::with_a_example();
    let mapped = json!({"mappers": [{
        "filter": {"statusCodeFilter": {"op": "GE", "value": 400}},
        "statusCode": 429,
        "body": "too much",
    }]});
    let gateway = start(&dns, &mapped, &json!([]));
    let client = Http2Client::connect(gateway.address());
    let call = http::Request::post("http://denied.example/a.B/C")
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    let answer = client.request(call.body(()).unwrap(), b"").unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("grpc-status"), Some("14"));
    assert_eq!(answer.header("grpc-message"), Some("too much"));
}
