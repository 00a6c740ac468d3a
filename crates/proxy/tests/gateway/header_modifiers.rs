//! `headerModifiers` of a TrafficPolicy, in every form of request and on every kind of response.

use egret_testkit::client::connect_request;
use egret_testkit::gateway::{
    documents, egress_policy, listener_policy, quickstart_config, traffic_policy,
};
use egret_testkit::upstream::raw::RawServer;
use egret_testkit::{Client, DnsServer, Gateway, Http2Client, Response, Upstream};

const MODIFIERS: &str = "headerModifiers:
    request:
      set: [{name: x-set, value: new}, {name: x-partner-key, secretRef: {name: partner}}]
      add: [{name: x-add, value: two}]
      remove: [x-remove]
    response:
      set: [{name: x-served-by, value: egret}]
      add: [{name: vary, value: origin}]
      remove: [server]";

const PARTNER: &str = "\
apiVersion: v1
kind: Secret
metadata: {name: partner, namespace: kgateway-system}
stringData: {x-partner-key: hush}
";

const FIELDS: &str = "x-set: old\r\nx-set: older\r\nx-add: one\r\nx-remove: gone\r\n\
    connection: x-partner-key, x-set\r\n";

fn config(dns: &DnsServer) -> String {
    let modifiers = traffic_policy("headers", MODIFIERS);
    let denied = egress_policy(
        "denied",
        "rules: [{name: no, action: Deny, hosts: [denied.example]}]",
    );
    documents(&[&quickstart_config(dns.addr()), &modifiers, PARTNER, &denied])
}

fn assert_edited(response: &Response) {
    assert_eq!(
        response.header("x-served-by"),
        Some("egret"),
        "{response:?}"
    );
    assert_eq!(
        response.headers.all("vary").last(),
        Some("origin"),
        "{response:?}"
    );
    assert_eq!(response.header("server"), None, "{response:?}");
}

#[test]
fn requests_and_responses_are_changed() {
    let (dns, upstream) = (DnsServer::with_a_example(), Upstream::start());
    let upstream = upstream.answering(|_| {
        let response = http::Response::builder()
            .header("server", "upstream")
            .header("vary", "accept")
            .header("x-served-by", "upstream");
        response.body(bytes::Bytes::new()).ok()
    });
    let gateway = Gateway::start(&config(&dns));
    let host = format!("a.example:{}", upstream.port());
    let request = format!("GET / HTTP/1.1\r\nhost: {host}\r\n{FIELDS}\r\n");
    let response = gateway.connect().request(request);
    assert_edited(&response);
    let vary: Vec<_> = response.headers.all("vary").collect();
    assert_eq!(vary, ["accept", "origin"]);

    let client = Http2Client::connect(gateway.address());
    assert_edited(&client.get(&format!("http://{host}/")));

    let requests = upstream.requests();
    let all = |at: usize, name: &str| -> Vec<String> {
        let values = requests[at].headers.get_all(name).iter();
        values
            .map(|value| value.to_str().unwrap().to_owned())
            .collect()
    };
    // What the client names in `Connection` takes off nothing that a policy puts on.
    assert_eq!(all(0, "x-set"), ["new"]);
    assert_eq!(all(0, "x-partner-key"), ["hush"]);
    assert_eq!(all(0, "x-add"), ["one", "two"]);
    assert!(all(0, "x-remove").is_empty());
    assert_eq!(all(1, "x-set"), ["new"]);
    assert_eq!(all(1, "x-add"), ["two"]);
}

#[test]
fn the_filters_of_the_route_come_after_it_on_requests_and_before_it_on_responses() {
    let (dns, upstream) = (DnsServer::with_a_example(), Upstream::start());
    let filters = "filters: [
      {type: RequestHeaderModifier, requestHeaderModifier: {
        set: [{name: x-set, value: route}], add: [{name: x-add, value: three}]}},
      {type: ResponseHeaderModifier, responseHeaderModifier: {
        set: [{name: x-served-by, value: route}]}}]
      backendRefs:";
    let plain = config(&dns);
    let filtered = plain.replacen("backendRefs:", filters, 1);
    assert_ne!(filtered, plain);
    let gateway = Gateway::start(&filtered);
    let host = format!("a.example:{}", upstream.port());
    let response = gateway.get(&host, "/");
    assert_edited(&response);
    let request = &upstream.requests()[0];
    assert_eq!(request.headers["x-set"], "route");
    let added: Vec<_> = request.headers.get_all("x-add").iter().collect();
    assert_eq!(added, ["two", "three"]);
}

#[test]
fn refusals_are_changed_too() {
    let dns = DnsServer::with_a_example();
    dns.nxdomain("missing.example");
    let gateway = Gateway::start(&config(&dns));
    for (host, status) in [("denied.example", 403), ("missing.example", 502)] {
        let response = gateway.get(host, "/");
        assert_eq!(response.status, status, "{response:?}");
        assert_edited(&response);
        let status = response.header("proxy-status").unwrap();
        assert!(status.starts_with("egret; error="), "{status}");
    }
    // No rule was found, and so no policy.
    let response = gateway
        .connect()
        .request("GET / HTTP/1.1\r\nhost: a b\r\n\r\n");
    assert_eq!(response.status, 400);
    assert_eq!(response.header("x-served-by"), None);
}

#[test]
fn a_client_that_does_not_authenticate_gets_the_changed_response() {
    let dns = DnsServer::with_a_example();
    let basic = "basicAuth: {users: ['ann:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=']}";
    let auth = traffic_policy("auth", basic);
    let gateway = Gateway::start(&documents(&[&config(&dns), &auth]));
    let response = gateway.get("a.example", "/");
    assert_eq!(response.status, 401);
    assert_edited(&response);
    assert!(response.header("www-authenticate").is_some());
}

#[test]
fn the_answers_that_open_tunnels_are_changed() {
    let dns = DnsServer::with_a_example();
    let server = RawServer::start(|connection| {
        let head = connection.read_head().unwrap();
        let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
        assert!(head.contains("\r\nx-partner-key: hush\r\n"), "{head}");
        connection.send(
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
             server: upstream\r\n\r\n",
        );
    });
    let gateway = Gateway::start(&config(&dns));
    let host = format!("a.example:{}", server.port());
    let mut client = gateway.connect();
    client.send_request(format!(
        "GET / HTTP/1.1\r\nhost: {host}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"
    ));
    let response = client.read_head();
    assert_eq!(response.status, 101);
    assert_edited(&response);

    let mut client: Client = gateway.connect();
    client.send_request(connect_request(&host));
    let response = client.read_head();
    assert_eq!(response.status, 200);
    assert_edited(&response);
}

/// An upstream sends a TRACE back as it got it (RFC 9110 9.3.8).
#[test]
fn a_trace_has_nothing_from_a_secret() {
    let (dns, upstream) = (DnsServer::with_a_example(), Upstream::start());
    let gateway = Gateway::start(&config(&dns));
    for (method, key) in [("GET", Some("hush")), ("TRACE", None)] {
        let host = format!("a.example:{}", upstream.port());
        let head = format!("{method} / HTTP/1.1\r\nhost: {host}\r\n\r\n");
        assert_eq!(gateway.connect().request(head).status, 200, "{method}");
        let requests = upstream.requests();
        let last = requests.last().expect("a request");
        assert_eq!(last.header("x-partner-key"), key, "{method}");
        assert_eq!(last.header("x-set"), Some("new"), "{method}");
    }
}

/// Whoever chooses what a log says may not read Secrets by it.
#[test]
fn no_log_has_anything_from_a_secret() {
    let (dns, upstream) = (DnsServer::with_a_example(), Upstream::start());
    let format = serde_json::json!({
        "key": "%REQ(X-PARTNER-KEY)%",
        "set": "%REQ(X-SET)%",
    });
    let sinks = serde_json::json!([{"fileSink": {"path": "/dev/stdout", "jsonFormat": format}}]);
    let log = listener_policy("log", &format!("{{httpSettings: {{accessLog: {sinks}}}}}"));
    let gateway = Gateway::start(&documents(&[&config(&dns), &log]));
    let host = format!("a.example:{}", upstream.port());
    assert_eq!(gateway.get(&host, "/").status, 200);
    let requests = upstream.requests();
    assert_eq!(requests[0].header("x-partner-key"), Some("hush"));
    let record = &gateway.wait_for_records(1)[0];
    let told = ["key", "set"].map(|name| record[name].as_str());
    assert_eq!(told, [Some("<secret>"), Some("new")], "{record}");
}
