//! Requests of the gateway's own to real servers on loopback.

use std::sync::Arc;

use egret_config::compile::{CompileOptions, compile};
use egret_config::load::{ConfigFile, load};
use egret_config::snapshot::{RuleAction, Snapshot};
use egret_testkit::Ca;
use egret_testkit::gateway::{LOOPBACK, QUICKSTART, documents, egress_policy, resolver_policy};
use egret_testkit::upstream::unreachable::ClosedPort;
use egret_testkit::upstream::{Upstream, UpstreamTls};
use http_body_util::BodyExt;
use tokio::runtime::Handle;
use tokio::task::LocalSet;

use super::*;
use crate::dial::failure::ConnectFailure;
use crate::dns::ResolverSet;
use crate::dns::fake::FakeDnsClient;
use crate::refusal::CircuitBreakerLimit;
use crate::tls::{RootCertificates, TlsClients};
use crate::upstream::upstreams::SharedUpstreams;

/// Longer than any test takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// The upstreams of one worker, and a service to call.
struct Caller {
    upstreams: Rc<Upstreams>,
    service: WeightedBackend,
}

impl Caller {
    /// A caller of a service with these static hosts and ports, under further objects. Loopback addresses are denied unless
    /// [`LOOPBACK`] is one of these. `service.test` is known to resolve to 127.0.0.1; nothing else resolves.
    fn new(hosts: &[(&str, u16)], more: &[&str]) -> Self {
        let hosts: Vec<_> = hosts
            .iter()
            .map(|(host, port)| format!("{{host: {host}, port: {port}}}"))
            .collect();
        let backend = format!("type: Static\n  static: {{hosts: [{}]}}", hosts.join(", "));
        let dynamic = "type: DynamicForwardProxy\n  dynamicForwardProxy: {}";
        assert!(QUICKSTART.contains(dynamic));
        let names = "hosts: [{hostname: service.test, addresses: [127.0.0.1]}]";
        let mut parts = vec![QUICKSTART.replace(dynamic, &backend)];
        parts.push(resolver_policy(
            ([192, 0, 2, 1], 53).into(),
            &format!("  {names}\n"),
        ));
        parts.extend(more.iter().map(|&part| part.to_owned()));
        let parts: Vec<_> = parts.iter().map(String::as_str).collect();
        let text = &documents(&parts);
        let loaded = load([ConfigFile {
            name: "test.yaml",
            text,
        }]);
        assert!(loaded.errors.is_empty(), "{:#?}", loaded.errors);
        let snapshot = compile(&loaded.resources, &CompileOptions::default()).snapshot;
        let fake = Arc::new(FakeDnsClient::default());
        let resolvers = ResolverSet::new(fake.factory(), None, Handle::current());
        resolvers.apply(&snapshot);
        let shared = SharedUpstreams::new(resolvers, TlsClients::new(RootCertificates::of([])), 16);
        Self {
            upstreams: Upstreams::new(shared, Arc::default()),
            service: service(&snapshot),
        }
    }

    async fn call(
        &self,
        request: http::request::Builder,
        body: &'static str,
        timeout: Duration,
    ) -> Result<Response<UpstreamBody>, Refusal> {
        let request = request.body(Bytes::from_static(body.as_bytes()));
        let request = request.expect("a request");
        let call = self.upstreams.call(&self.service, request, timeout);
        // Boxed, because it is large.
        Box::pin(call).await
    }

    /// Calls a path of the service, and collects the body of its answer.
    async fn get(&self, path: &str) -> Result<Bytes, Refusal> {
        let request = Request::get(format!("http://service.test{path}"));
        let response = self.call(request, "", PATIENCE).await?;
        assert_eq!(response.status(), 200);
        let body = response.into_body().collect().await.expect("a whole body");
        Ok(body.to_bytes())
    }

    /// Waits until the only connection is idle in the pool.
    async fn until_idle(&self) {
        while self.upstreams.metrics.idle_connections.get() == 0 {
            tokio::task::yield_now().await;
        }
    }

    async fn refusal(&self, path: &str, timeout: Duration) -> Refusal {
        let request = Request::get(format!("http://service.test{path}"));
        let outcome = self.call(request, "", timeout).await;
        outcome.err().expect("a refusal")
    }
}

/// The only backend of the configuration.
fn service(snapshot: &Snapshot) -> WeightedBackend {
    let sockets = snapshot.sockets.values();
    let mut rules = sockets
        .flat_map(|socket| &socket.listeners)
        .flat_map(|listener| listener.routes.rules());
    let (_, rule) = rules.next().expect("a rule");
    match &rule.action {
        RuleAction::Forward(backends) => backends.backends[0].clone(),
        other => panic!("{other:?}"),
    }
}

async fn local<F: Future<Output = ()>>(test: F) {
    LocalSet::new().run_until(test).await;
}

#[tokio::test]
async fn requests_arrive_whole_and_share_a_connection() {
    local(async {
        let upstream = Upstream::start();
        let caller = Caller::new(&[("service.test", upstream.port())], &[LOOPBACK]);
        let request = Request::post("http://service.test/check?a=b").header("x-own", "yes");
        let response = caller.call(request, "what is asked", PATIENCE).await;
        let response = response.expect("a response");
        assert_eq!(response.status(), 200);
        response.into_body().collect().await.expect("an echo");
        caller.until_idle().await;
        let body = caller.get("/bytes/100000").await.expect("a response");
        assert_eq!(body.len(), 100_000);

        let requests = upstream.requests();
        let first = &requests[0];
        assert_eq!(first.target, "/check?a=b");
        assert_eq!(first.header("host"), Some("service.test"));
        assert_eq!(first.header("x-own"), Some("yes"));
        assert_eq!(first.body, b"what is asked");
        assert_eq!((requests.len(), upstream.connections()), (2, 1));
    })
    .await;
}

#[tokio::test]
async fn denied_addresses_are_not_connected_to() {
    local(async {
        let upstream = Upstream::start();
        let denial = egress_policy("denial", "addresses: {deny: [127.0.0.0/8]}");
        let caller = Caller::new(&[("service.test", upstream.port())], &[&denial]);
        let refusal = caller.refusal("/", PATIENCE).await;
        assert!(matches!(refusal, Refusal::Address(_)), "{refusal:?}");
        assert_eq!(upstream.connections(), 0);
    })
    .await;
}

/// The configuration names the service, and so the built-in list does not hold.
#[tokio::test]
async fn a_service_may_have_a_local_address() {
    local(async {
        let upstream = Upstream::start();
        let caller = Caller::new(&[("service.test", upstream.port())], &[]);
        let body = caller.get("/bytes/10").await.expect("a response");
        assert_eq!(body.len(), 10);
    })
    .await;
}

#[tokio::test]
async fn an_answer_that_is_too_long_or_too_slow_is_not_waited_for() {
    local(async {
        let upstream = Upstream::start();
        let caller = Caller::new(&[("service.test", upstream.port())], &[]);
        let ask = async |path: &str, limit| {
            let request = Request::get(format!("http://service.test{path}"));
            let request = request.body(Bytes::new()).expect("a request");
            let answer = caller.upstreams.ask(&caller.service, request, limit, 1000);
            Box::pin(answer).await
        };
        let answer = ask("/bytes/1000", PATIENCE).await.expect("an answer");
        assert_eq!(answer.body().data.len(), 1000);
        for path in ["/bytes/1001", "/chunked/10000000"] {
            let error = ask(path, PATIENCE).await.err();
            let is_expected = matches!(error, Some(AnswerError::TooLong(1000)));
            assert!(is_expected, "{error:?}");
        }
        let error = ask("/stall-body/100", Duration::from_millis(50))
            .await
            .err();
        assert!(matches!(
            error,
            Some(AnswerError::Timeout | AnswerError::BrokenOff(_))
        ));
    })
    .await;
}

#[tokio::test]
async fn names_that_do_not_resolve_are_refused() {
    local(async {
        let caller = Caller::new(&[("other.test", 80)], &[LOOPBACK]);
        let refusal = caller.refusal("/", PATIENCE).await;
        assert!(matches!(refusal, Refusal::Dns(_)), "{refusal:?}");
    })
    .await;
}

#[tokio::test]
async fn circuit_breakers_hold_for_own_requests() {
    local(async {
        let upstream = Upstream::start();
        let policy = "apiVersion: gateway.kgateway.dev/v1alpha1
kind: BackendConfigPolicy
metadata: {name: test, namespace: httpbin}
spec:
  targetRefs: [{group: gateway.kgateway.dev, kind: Backend, name: dfp-backend}]
  circuitBreakers: {maxRequests: 1}
";
        let hosts = [("service.test", upstream.port())];
        let caller = Caller::new(&hosts, &[LOOPBACK, policy]);
        let request = Request::get("http://service.test/stall-body/100");
        let unfinished = caller.call(request, "", PATIENCE).await;
        let unfinished = unfinished.expect("a response that does not end");
        let refusal = caller.refusal("/", PATIENCE).await;
        let expected = matches!(refusal, Refusal::Limit(CircuitBreakerLimit::Requests));
        assert!(expected, "{refusal:?}");
        drop(unfinished);
        caller.get("/").await.expect("a response");
    })
    .await;
}

#[tokio::test]
async fn a_service_that_does_not_answer_is_given_up_in_time() {
    local(async {
        let upstream = Upstream::start();
        let caller = Caller::new(&[("service.test", upstream.port())], &[LOOPBACK]);
        // The connection is made in real time, and the answer waited for in simulated time.
        caller.get("/").await.expect("a response");
        caller.until_idle().await;
        tokio::time::pause();
        let begin = clock::now();
        let refusal = caller.refusal("/hang", PATIENCE).await;
        let expected = matches!(refusal, Refusal::ResponseTimeout);
        assert!(expected, "{refusal:?}");
        assert!(clock::now() - begin >= PATIENCE);
    })
    .await;
}

#[tokio::test]
async fn services_are_called_over_tls() {
    local(async {
        let (ca, other) = (Ca::new(), Ca::new());
        let tls = UpstreamTls::of(&ca, ["service.test"]);
        let upstream = Upstream::start_tls(tls);
        let hosts = [("service.test", upstream.port())];
        let caller = Caller::new(&hosts, &[LOOPBACK, &trust(&ca)]);
        let body = caller.get("/bytes/1000").await.expect("a response");
        assert_eq!(body.len(), 1000);
        let sni = upstream.handshakes()[0].sni.clone();
        assert_eq!(sni.as_deref(), Some("service.test"));

        let caller = Caller::new(&hosts, &[LOOPBACK, &trust(&other)]);
        let refusal = caller.refusal("/", PATIENCE).await;
        assert!(matches!(refusal, Refusal::Tls(_)), "{refusal:?}");
        assert_eq!(upstream.requests().len(), 1);
    })
    .await;
}

/// TLS to the service, with certificates of this authority.
fn trust(ca: &Ca) -> String {
    format!(
        "apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata: {{name: backend, namespace: httpbin}}
spec:
  targetRefs: [{{group: gateway.kgateway.dev, kind: Backend, name: dfp-backend}}]
  validation:
    hostname: service.test
    caCertificateRefs: [{{group: '', kind: ConfigMap, name: ca}}]
---
apiVersion: v1
kind: ConfigMap
metadata: {{name: ca, namespace: httpbin}}
data: {{ca.crt: {:?}}}
",
        ca.pem()
    )
}

#[tokio::test]
async fn the_next_host_is_called_if_one_refuses() {
    local(async {
        let (refuses, upstream) = (ClosedPort::start(), Upstream::start());
        let hosts = [
            ("service.test", refuses.addr().port()),
            ("service.test", upstream.port()),
        ];
        let caller = Caller::new(&hosts, &[LOOPBACK]);
        // Whichever host is the first in turn, the second request begins with the other or knows that it is down.
        for _ in 0..2 {
            caller.get("/").await.expect("a response");
        }
        let failures = &caller.upstreams.metrics.connect_failures;
        assert_eq!(failures.counter(ConnectFailure::Refused).get(), 1);
        assert_eq!(upstream.requests().len(), 2);
    })
    .await;
}
