//! What listeners do with messages whatever their routes are (`httpSettings` of a ListenerPolicy).

use egret_testkit::gateway::{documents, listener_policy, quickstart_config};
use egret_testkit::{DnsServer, Gateway, Upstream};

struct TestSetup {
    gateway: Gateway,
    upstream: Upstream,
    host: String,
    _dns: DnsServer,
}

impl TestSetup {
    fn new(settings: &str) -> Self {
        let (dns, upstream) = (DnsServer::with_a_example(), Upstream::start());
        let policy = listener_policy("edge", &format!("{{httpSettings: {{{settings}}}}}"));
        let yaml = documents(&[&quickstart_config(dns.addr()), &policy]);
        Self {
            gateway: Gateway::start(&yaml),
            host: format!("a.example:{}", upstream.port()),
            upstream,
            _dns: dns,
        }
    }

    /// What the upstream gets in this field of a request with these fields.
    fn sent(&self, fields: &str, name: &str) -> Option<String> {
        let host = &self.host;
        let mut client = self.gateway.connect();
        let response = client.request(format!("GET / HTTP/1.1\r\nhost: {host}\r\n{fields}\r\n"));
        assert_eq!(response.status, 200, "{response:?}");
        let seen = self.upstream.requests().pop().expect("a request");
        seen.header(name).map(str::to_owned)
    }
}

#[test]
fn requests_get_an_id_of_their_own() {
    let setup = TestSetup::new("generateRequestId: true");
    let of = |fields: &str| setup.sent(fields, "x-request-id").unwrap();
    let (first, second) = (of(""), of("x-request-id: mine\r\n"));
    assert_eq!([first.len(), second.len()], [36, 36]);
    assert_ne!(first, second);
    let keeping = TestSetup::new("generateRequestId: true, preserveExternalRequestId: true");
    let of = |fields: &str| keeping.sent(fields, "x-request-id").unwrap();
    assert_eq!((of("").len(), &*of("x-request-id: mine\r\n")), (36, "mine"));
}

#[test]
fn responses_say_the_server_that_is_wanted() {
    for (settings, of_upstream, of_gateway) in [
        ("serverHeaderTransformation: PassThrough", Some("up"), None),
        (
            "serverHeaderTransformation: Overwrite",
            Some("egret"),
            Some("egret"),
        ),
        (
            "serverHeaderTransformation: AppendIfAbsent, serverName: edge",
            Some("up"),
            Some("edge"),
        ),
    ] {
        let setup = TestSetup::new(settings);
        let response = setup.gateway.get(&setup.host, "/headers?server=up");
        assert_eq!(response.header("server"), of_upstream, "{settings}");
        let refused = setup.gateway.get("missing.example", "/");
        assert_eq!(refused.header("server"), of_gateway, "{settings}");
    }
}

#[test]
fn the_gateway_says_whether_it_is_ready() {
    let setup = TestSetup::new("healthCheck: {path: /alive}");
    assert_eq!(setup.gateway.get("a.example", "/alive").status, 200);
    // What is for somebody else is forwarded.
    let host = setup.host.clone();
    let mut client = setup.gateway.connect();
    let absolute = format!("GET http://{host}/alive HTTP/1.1\r\nhost: {host}\r\n\r\n");
    assert_eq!(client.request(&absolute).status, 200);
    assert_eq!(setup.upstream.requests().len(), 1);
}

#[test]
fn the_port_of_the_listener_is_no_part_of_the_host() {
    let setup = TestSetup::new("stripHostPortMode: AnyPort");
    let response = setup.gateway.get(&setup.host, "/");
    // It goes to port 80, where nobody is.
    assert_ne!(response.status, 200);
    let record = &setup.gateway.wait_for_records(1)[0];
    assert_eq!(record["destination"], "a.example:80");
}

#[test]
fn an_escaped_slash_is_refused() {
    let setup = TestSetup::new("pathWithEscapedSlashesAction: RejectRequest");
    assert_eq!(setup.gateway.get(&setup.host, "/a%2Fb").status, 400);
    assert_eq!(setup.gateway.get(&setup.host, "/a/b").status, 200);
}

#[test]
fn an_old_request_without_a_host_gets_one() {
    let setup = TestSetup::new("defaultHostForHttp10: nobody.example");
    let response = setup.gateway.connect().request("GET / HTTP/1.0\r\n\r\n");
    assert_ne!(response.status, 400, "{response:?}");
    let record = &setup.gateway.wait_for_records(1)[0];
    assert_eq!(record["destination"], "nobody.example:80");
}
