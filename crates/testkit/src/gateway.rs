//! A gateway in the test's own process, on free ports of loopback.

use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use egret_config::compile::{Options, compile};
use egret_config::load::{File, load};
use egret_proxy::tls::RootCertificates;
use egret_proxy::{Bind, Proxy, ProxyOptions};
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};

use crate::ca::Ca;
use crate::client::{self, Client, Response};
use crate::wait::{PATIENCE, wait_until};

/// The Gateway, Backend and HTTPRoute of `examples/quickstart`: everything may be asked for.
pub const QUICKSTART: &str = concat!(
    include_str!("../../../examples/quickstart/gateway.yaml"),
    "---\n",
    include_str!("../../../examples/quickstart/backend.yaml"),
    "---\n",
    include_str!("../../../examples/quickstart/httproute.yaml"),
);

/// An EgressPolicy on the quickstart's Gateway that opens IPv4 loopback, where the fakes live.
pub const LOOPBACK: &str = "\
apiVersion: egret.dev/v1alpha1
kind: EgressPolicy
metadata: {name: loopback, namespace: kgateway-system}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: http}]
  addresses: {allow: [127.0.0.0/8, '::1/128']}
";

/// A running gateway.
pub struct Gateway {
    proxy: Option<Proxy>,
    runtime: Runtime,
    log: Log,
    generation: u64,
}

/// The access log, kept in memory.
#[derive(Clone, Default)]
struct Log(Arc<(Mutex<Vec<u8>>, Condvar)>);

/// A ResolverPolicy on the quickstart's Gateway that asks `dns`; `more` are further lines of its spec.
#[must_use]
pub fn resolver(dns: SocketAddr, more: &str) -> String {
    format!(
        "apiVersion: egret.dev/v1alpha1
kind: ResolverPolicy
metadata: {{name: lab, namespace: kgateway-system}}
spec:
  targetRefs: [{{group: gateway.networking.k8s.io, kind: Gateway, name: http}}]
  servers: [{{address: '{dns}'}}]
{more}"
    )
}

/// The quickstart with loopback open and names asked of `dns`.
#[must_use]
pub fn lab(dns: SocketAddr) -> String {
    documents(&[QUICKSTART, LOOPBACK, &resolver(dns, "")])
}

/// The [`lab`] with a BackendConfigPolicy on its Backend; `spec` are lines of it, indented by two.
#[must_use]
pub fn configured(dns: SocketAddr, spec: &str) -> String {
    let policy = format!(
        "apiVersion: gateway.kgateway.dev/v1alpha1
kind: BackendConfigPolicy
metadata: {{name: lab, namespace: httpbin}}
spec:
  targetRefs: [{{group: gateway.kgateway.dev, kind: Backend, name: dfp-backend}}]
  {spec}"
    );
    documents(&[&lab(dns), &policy])
}

/// Joins YAML documents.
#[must_use]
pub fn documents(parts: &[&str]) -> String {
    parts.join("\n---\n")
}

impl Gateway {
    /// Starts a gateway that serves `yaml`, with one worker.
    ///
    /// # Panics
    /// If the text has errors, or anything cannot be started.
    #[must_use]
    pub fn start(yaml: &str) -> Self {
        Self::start_with_workers(yaml, 1)
    }

    /// Starts a gateway with several workers.
    ///
    /// # Panics
    /// As [`Gateway::start`].
    #[must_use]
    pub fn start_with_workers(yaml: &str, workers: usize) -> Self {
        Self::start_with(yaml, workers, RootCertificates::of([]), None)
    }

    /// Starts a gateway with several workers, whose listeners may have so many connections each.
    ///
    /// # Panics
    /// As [`Gateway::start`].
    #[must_use]
    pub fn start_limited(yaml: &str, workers: usize, max_connections: usize) -> Self {
        Self::start_with(
            yaml,
            workers,
            RootCertificates::of([]),
            Some(max_connections),
        )
    }

    /// Starts a gateway with one worker, which trusts these CAs as those of the system.
    ///
    /// # Panics
    /// As [`Gateway::start`].
    #[must_use]
    pub fn start_trusting<'a>(yaml: &str, cas: impl IntoIterator<Item = &'a Ca>) -> Self {
        let roots = RootCertificates::of(cas.into_iter().map(Ca::certificate));
        Self::start_with(yaml, 1, roots, None)
    }

    fn start_with(
        yaml: &str,
        workers: usize,
        roots: RootCertificates,
        max_connections: Option<usize>,
    ) -> Self {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime for the gateway");
        let log = Log::default();
        let loopback = IpAddr::from(Ipv4Addr::LOCALHOST);
        let options = ProxyOptions {
            workers,
            bind: Bind::AnyPortOf(loopback),
            admin: Some(SocketAddr::new(loopback, 0)),
            access_log: Box::new(log.clone()),
            // What the machine has is none of a test's business.
            hosts_file: None,
            roots: Some(roots),
            max_connections,
            ..ProxyOptions::default()
        };
        let proxy = Proxy::start(options, runtime.handle()).expect("a gateway");
        let mut gateway = Self {
            proxy: Some(proxy),
            runtime,
            log,
            generation: 0,
        };
        gateway.apply(yaml);
        gateway
    }

    /// Serves `yaml` from now on.
    ///
    /// # Panics
    /// If the text has errors, or a listener cannot be bound.
    pub fn apply(&mut self, yaml: &str) {
        let name = "test.yaml";
        let loaded = load([File { name, text: yaml }]);
        assert!(loaded.errors.is_empty(), "{:#?}", loaded.errors);
        let compiled = compile(&loaded.resources, &Options::default());
        let proxy = self.proxy.as_mut().expect("a gateway that runs");
        let unbound = self.runtime.block_on(proxy.apply(compiled));
        assert!(unbound.is_empty(), "{unbound:?}");
        self.generation = proxy.generation();
    }

    /// Tells the gateway that a newer configuration was refused as a whole.
    pub fn reject(&self, error: &str) {
        self.proxy().reject(vec![error.to_owned()]);
    }

    fn proxy(&self) -> &Proxy {
        self.proxy.as_ref().expect("a gateway that runs")
    }

    /// Where its only listener is.
    ///
    /// # Panics
    /// If it has none, or several.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        let mut addresses = self.proxy().addresses().values();
        let address = *addresses.next().expect("a listener");
        assert!(
            addresses.next().is_none(),
            "several listeners: use address_of"
        );
        address
    }

    /// Where the listener of this port in the configuration is.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn address_of(&self, port: u16) -> SocketAddr {
        let mut addresses = self.proxy().addresses().iter();
        let found = addresses.find(|(bind, _)| bind.port.get() == port);
        *found
            .unwrap_or_else(|| panic!("no listener on port {port}"))
            .1
    }

    /// Where the admin server is.
    ///
    /// # Panics
    /// Never: it has one.
    #[must_use]
    pub fn admin(&self) -> SocketAddr {
        self.proxy().admin_address().expect("an admin server")
    }

    /// A new connection to its only listener.
    #[must_use]
    pub fn connect(&self) -> Client {
        Client::connect(self.address())
    }

    /// One request for a host, on a connection of its own.
    #[must_use]
    pub fn get(&self, host: &str, target: &str) -> Response {
        client::get(self.address(), target, host)
    }

    /// A GET of the admin server.
    #[must_use]
    pub fn ask(&self, path: &str) -> Response {
        client::get(self.admin(), path, &self.admin().to_string())
    }

    /// The value of a metric as it is exported, such as `egret_refusals_total{reason="no_route"}`; 0 if it is not.
    ///
    /// # Panics
    /// If the value is not a number.
    #[must_use]
    pub fn metric(&self, name: &str) -> f64 {
        let exported = self.ask("/metrics");
        let mut lines = exported.text().lines();
        let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.map_or(0.0, |value| value.parse().expect("a number"))
    }

    /// Waits until a metric has a value.
    ///
    /// # Panics
    /// If it does not get there.
    pub fn wait_for_metric(&self, name: &str, wanted: f64) {
        wait_until(&format!("{name} {wanted}"), || {
            (self.metric(name) - wanted).abs() < f64::EPSILON
        });
    }

    /// The lines of the access log once there are at least `count`.
    ///
    /// # Panics
    /// If they do not come.
    #[must_use]
    pub fn wait_for_records(&self, count: usize) -> Vec<Value> {
        let (log, grown) = &*self.log.0;
        let log = log.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = |log: &Vec<u8>| log.iter().filter(|byte| **byte == b'\n').count();
        let (log, outcome) = grown
            .wait_timeout_while(log, PATIENCE, |log| lines(log) < count)
            .unwrap_or_else(PoisonError::into_inner);
        assert!(
            !outcome.timed_out(),
            "{} of {count} records: {}",
            lines(&log),
            String::from_utf8_lossy(&log)
        );
        log.split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| serde_json::from_slice(line).expect("a line of JSON"))
            .collect()
    }

    /// Stops as on SIGTERM. Gives how many connections were cut off.
    ///
    /// # Panics
    /// If it was stopped before.
    pub fn drain(&mut self, limit: Duration) -> usize {
        let proxy = self.proxy.take().expect("a gateway that runs");
        self.runtime.block_on(proxy.drain(limit))
    }

    /// Begins to stop; what is left of it runs on the gateway's own threads. Gives the way to wait for the end.
    ///
    /// # Panics
    /// If it was stopped before.
    pub fn begin_drain(&mut self, limit: Duration) -> tokio::task::JoinHandle<usize> {
        let proxy = self.proxy.take().expect("a gateway that runs");
        self.runtime.handle().spawn(proxy.drain(limit))
    }

    /// Waits for what runs on the gateway's runtime.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let (log, grown) = &*self.0;
        log.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend_from_slice(bytes);
        grown.notify_all();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
