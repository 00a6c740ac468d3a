//! The how-to guide of kgateway about external processing: its objects as they are written there, its service, which does what
//! a header says, and the answer that it shows.

use egret_testkit::gateway::{documents, quickstart_config};
use egret_testkit::grpc::stream::{StreamMessage, StreamService, StreamStep};
use egret_testkit::{DnsServer, Gateway, Upstream};
use serde_json::Value;

use super::{answer, asked, fields, kind};

const OBJECTS: &str = "apiVersion: gateway.kgateway.dev/v1alpha1
kind: GatewayExtension
metadata:
  name: ext-proc-extension
  namespace: kgateway-system
spec:
  type: ExtProc
  extProc:
    grpcService:
      backendRef:
        name: ext-proc-grpc
        port: 4444
---
apiVersion: gateway.networking.k8s.io/v1beta1
kind: ReferenceGrant
metadata:
  name: ext-proc
  namespace: kgateway-system
spec:
  from:
  - group: gateway.kgateway.dev
    kind: TrafficPolicy
    namespace: httpbin
  to:
  - group: gateway.kgateway.dev
    kind: GatewayExtension
---
apiVersion: gateway.kgateway.dev/v1alpha1
kind: TrafficPolicy
metadata:
  name: ext-proc
  namespace: httpbin
spec:
  targetRefs:
  - group: gateway.networking.k8s.io
    kind: HTTPRoute
    name: httpbin
  extProc:
    extensionRef:
      name: ext-proc-extension
      namespace: kgateway-system
    processingMode:
      requestHeaderMode: SEND
      responseHeaderMode: SKIP
---
apiVersion: v1
kind: Service
metadata:
  name: ext-proc-grpc
  namespace: kgateway-system
spec:
  ports:
  - port: 4444
    targetPort: 18080
    protocol: TCP
    appProtocol: kubernetes.io/h2c
  selector:
    app: ext-proc-grpc
";

/// Where the Service is.
fn endpoints(service: &StreamService) -> String {
    let (ip, port) = (service.addr().ip(), service.addr().port());
    format!(
        "apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: ext-proc-grpc-1
  namespace: kgateway-system
  labels: {{kubernetes.io/service-name: ext-proc-grpc}}
addressType: IPv4
ports: [{{port: {port}}}]
endpoints: [{{addresses: [{ip}], conditions: {{ready: true}}}}]
"
    )
}

/// Does what the header `instructions` of a request says.
fn instructed(message: StreamMessage<'_>) -> Vec<StreamStep> {
    let instructions = asked(message.bytes, "instructions").unwrap_or_else(|| "{}".to_owned());
    let instructions: Value = serde_json::from_str(&instructions).unwrap();
    let adds = instructions["addHeaders"].as_object();
    let adds = adds.into_iter().flatten();
    let adds: Vec<_> = adds
        .map(|(name, value)| (name.as_str(), value.as_str().unwrap()))
        .collect();
    let removes = instructions["removeHeaders"].as_array();
    let removes = removes.into_iter().flatten();
    let removes: Vec<_> = removes.filter_map(Value::as_str).collect();
    vec![answer(kind(message.bytes), &fields(&adds, &removes))]
}

#[test]
fn the_header_of_a_request_is_changed_as_the_guide_shows() {
    let service = StreamService::start(instructed);
    let (dns, upstream) = (DnsServer::with_a_example(), Upstream::start());
    let config = quickstart_config(dns.addr()).replace("name: dfp-httproute", "name: httpbin");
    let gateway = Gateway::start(&documents(&[&config, OBJECTS, &endpoints(&service)]));
    let response = gateway.connect().request(format!(
        "GET /headers HTTP/1.1\r\nhost: a.example:{}\r\nheader1: value1\r\nheader2: value2\r\ninstructions: {}\r\n\r\n",
        upstream.port(),
        r#"{"addHeaders":{"header3":"value3","header4":"value4"},"removeHeaders":["header2","instructions"]}"#,
    ));
    assert_eq!(response.status, 200);
    let request = &upstream.requests()[0];
    let expected = [
        ("header1", Some("value1")),
        ("header2", None),
        ("header3", Some("value3")),
        ("header4", Some("value4")),
        ("instructions", None),
    ];
    for (name, value) in expected {
        assert_eq!(request.header(name), value, "{name}");
    }
}
