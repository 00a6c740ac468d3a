//! Keys that a server has, and changes.

use super::*;

/// What the server of the keys does.
#[derive(Clone, Debug)]
enum KeyServer {
    Has(String),
    Fails,
}

struct RemoteSetup {
    gateway: Gateway,
    upstream: Upstream,
    server: Upstream,
    state: Arc<Mutex<KeyServer>>,
    _dns: DnsServer,
}

impl RemoteSetup {
    /// A gateway with the keys of a server that is reached over TLS at a loopback address, which no policy allows.
    fn new(first: KeyServer, more: &str) -> Self {
        let ca = Ca::new();
        let state = Arc::new(Mutex::new(first));
        let shown = Arc::clone(&state);
        let tls = UpstreamTls::of(&ca, ["id.example"]);
        let server = Upstream::start_tls(tls).answering(move |request| {
            assert!(request.target.ends_with("/keys?all"), "{request:?}");
            let mut response = http::Response::new(Bytes::new());
            match &*shown.lock().unwrap() {
                KeyServer::Has(text) => *response.body_mut() = Bytes::from(text.clone()),
                KeyServer::Fails => *response.status_mut() = http::StatusCode::BAD_GATEWAY,
            }
            Some(response)
        });
        let (dns, upstream) = (DnsServer::with_a_example(), Upstream::start());
        let backend = format!(
            "apiVersion: gateway.kgateway.dev/v1alpha1
kind: Backend
metadata: {{name: idp, namespace: kgateway-system}}
spec: {{static: {{hosts: [{{host: 127.0.0.1, port: {}}}]}}}}
",
            server.port()
        );
        let remote = format!(
            "jwks: {{remote: {{url: 'https://id.example/keys?all', {more}
               backendRef: {{group: gateway.kgateway.dev, kind: Backend, name: idp}}}}}}"
        );
        let config = quickstart_config(dns.addr());
        let text = documents(&[&config, &backend, &tokens(&remote, "Strict")]);
        Self {
            gateway: Gateway::start_trusting(&text, [&ca]),
            upstream,
            server,
            state,
            _dns: dns,
        }
    }

    fn server_has<'a>(&self, issuers: impl IntoIterator<Item = &'a TokenIssuer>) {
        *self.state.lock().unwrap() = KeyServer::Has(key_set(issuers));
    }

    fn ask(&self, token: &str) -> Response {
        let host = format!("a.example:{}", self.upstream.port());
        let fields = [("authorization", &*bearer(token))];
        let mut client = self.gateway.connect();
        client.request(head("GET /status/200", &host, &fields))
    }
}

#[test]
fn keys_are_fetched_once_and_again_when_a_token_has_a_new_one() {
    let [one, two] = ["one", "two"].map(TokenIssuer::new);
    let setup = RemoteSetup::new(KeyServer::Has(key_set([&one])), "");
    let by = |issuer: &TokenIssuer| issuer.token(&claims(&json!({})));
    let first = by(&one);
    for _ in 0..3 {
        let response = setup.ask(&first);
        assert_eq!(response.status, 200, "{response:?}");
    }
    assert_eq!(setup.server.requests().len(), 1);
    let seen = &setup.server.requests()[0];
    assert_eq!(seen.header("accept"), Some("application/json"));
    let handshake = &setup.server.handshakes()[0];
    assert_eq!(handshake.sni.as_deref(), Some("id.example"));

    // The server rotates its keys: the first token with the new one is let through, and the old one is not any more.
    setup.server_has([&two]);
    assert_eq!(setup.ask(&by(&two)).status, 200);
    assert_eq!(setup.server.requests().len(), 2);
    assert_eq!(setup.ask(&by(&two)).status, 200);
    let response = setup.ask(&first);
    let text = "Jwks doesn't have key to match kid or alg from Jwt";
    assert_eq!((response.status, response.text()), (401, text));

    // Who sends tokens of keys that nobody has does not have them fetched for each.
    let three = by(&TokenIssuer::new("three"));
    for _ in 0..20 {
        assert_eq!(setup.ask(&three).status, 401);
    }
    assert!(
        setup.server.requests().len() <= 6,
        "{}",
        setup.server.requests().len()
    );
}

#[test]
fn without_keys_nobody_is_let_through_and_the_server_is_asked_again() {
    let one = TokenIssuer::new("one");
    let more = "asyncFetch: {failedRefetchDuration: 1ms},";
    let setup = RemoteSetup::new(KeyServer::Fails, more);
    let token = one.token(&claims(&json!({})));
    let refused = || {
        let response = setup.ask(&token);
        let expected = (401, "Jwks remote fetch is failed");
        assert_eq!((response.status, response.text()), expected);
        let status = response.header("proxy-status").unwrap();
        assert!(status.contains("error=proxy_internal_error"), "{status}");
        assert!(response.header("www-authenticate").is_some());
    };
    refused();
    let record = setup.gateway.wait_for_records(1).pop().unwrap();
    assert_eq!(record["reason"], "jwks_unavailable");
    for lie in ["no keys", "[]", &"x".repeat(2_000_000)] {
        *setup.state.lock().unwrap() = KeyServer::Has(lie.to_owned());
        refused();
    }
    setup.server_has([&one]);
    // The next fetch begins a millisecond after the last one has failed.
    assert!((0..1000).any(|_| setup.ask(&token).status == 200));
    // What was fetched is used on while the server is down.
    *setup.state.lock().unwrap() = KeyServer::Fails;
    assert_eq!(setup.ask(&token).status, 200);
}

/// A server that does not answer holds up nobody but who needs its keys.
#[test]
fn a_server_that_hangs_blocks_no_other_request() {
    let one = TokenIssuer::new("one");
    let setup = RemoteSetup::new(KeyServer::Has(key_set([&one])), "cacheDuration: 1ms,");
    let token = one.token(&claims(&json!({})));
    assert_eq!(setup.ask(&token).status, 200);
    let held = setup.state.lock().unwrap();
    // The next fetch waits for the lock: keys are there, and nobody waits for it.
    assert_eq!(setup.ask(&token).status, 200);
    assert_eq!(setup.ask("a.b.c").status, 401);
    drop(held);
}
