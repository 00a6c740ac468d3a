//! A gateway in the process of the test, on free loopback ports.

mod config;

use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use egret_config::compile::{CompileOptions, compile};
use egret_config::load::{ConfigFile, load};
use egret_config::metrics_push::MetricsCollector;
use egret_proxy::tls::RootCertificates;
use egret_proxy::{Bind, MetricsPush, Proxy, ProxyOptions, QueueLimits};
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};

pub use config::{
    LOOPBACK, QUICKSTART, backend_config, documents, egress_policy, listener_policy,
    quickstart_config, quickstart_gateway, resolver_policy, tls_secret, traffic_policy,
};

use crate::ca::Ca;
use crate::client::{self, Client, Response};
use crate::wait::{PATIENCE, wait_until};

/// A running gateway. Dropping it stops it.
pub struct Gateway {
    proxy: Option<Proxy>,
    runtime: Runtime,
    log: AccessLog,
    generation: u64,
}

/// An access log in memory.
#[derive(Clone, Default)]
struct AccessLog(Arc<(Mutex<Vec<u8>>, Condvar)>);

impl Gateway {
    /// Starts a gateway that serves `yaml`, with one worker.
    ///
    /// # Panics
    /// If the configuration has errors, or the gateway cannot be started.
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
        Self::start_with(yaml, |options| options.workers = workers)
    }

    /// Starts a gateway with several workers, and with a limit of connections for each listener.
    ///
    /// # Panics
    /// As [`Gateway::start`].
    #[must_use]
    pub fn start_limited(yaml: &str, workers: usize, max_connections: usize) -> Self {
        Self::start_with(yaml, |options| {
            options.workers = workers;
            options.max_connections = Some(max_connections);
        })
    }

    /// Starts a gateway with one worker, which refuses requests once its queue is longer than this for a while.
    ///
    /// # Panics
    /// As [`Gateway::start`].
    #[must_use]
    pub fn start_with_queue_limits(yaml: &str, limits: QueueLimits) -> Self {
        Self::start_with(yaml, |options| options.queue_limits = Some(limits))
    }

    /// Starts a gateway with one worker, which trusts these CAs in place of those of the system.
    ///
    /// # Panics
    /// As [`Gateway::start`].
    #[must_use]
    pub fn start_trusting<'a>(yaml: &str, cas: impl IntoIterator<Item = &'a Ca>) -> Self {
        let roots = RootCertificates::of(cas.into_iter().map(Ca::certificate));
        Self::start_with(yaml, |options| options.roots = Some(roots))
    }

    /// Starts a gateway with one worker, which pushes its metrics to a collector at this interval.
    ///
    /// # Panics
    /// As [`Gateway::start`], and if the endpoint is not a collector's.
    #[must_use]
    pub fn start_pushing(yaml: &str, endpoint: &str, interval: Duration) -> Self {
        let push = push(endpoint, None, interval);
        Self::start_with(yaml, |options| options.metrics_push = Some(push))
    }

    /// Likewise; the file has the header fields that the collector is told.
    ///
    /// # Panics
    /// As [`Gateway::start_pushing`].
    #[must_use]
    pub fn start_pushing_with_headers(
        yaml: &str,
        endpoint: &str,
        headers: &Path,
        interval: Duration,
    ) -> Self {
        let push = push(endpoint, Some(headers.to_owned()), interval);
        Self::start_with(yaml, |options| options.metrics_push = Some(push))
    }

    fn start_with(yaml: &str, change: impl FnOnce(&mut ProxyOptions)) -> Self {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime for the gateway");
        let log = AccessLog::default();
        let loopback = IpAddr::from(Ipv4Addr::LOCALHOST);
        let mut options = ProxyOptions {
            bind: Bind::AnyPortOf(loopback),
            admin: Some(SocketAddr::new(loopback, 0)),
            access_log: Box::new(log.clone()),
            // The hosts file of the machine must not influence a test.
            hosts_file: None,
            roots: Some(RootCertificates::of([])),
            ..ProxyOptions::default()
        };
        change(&mut options);
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

    /// Replaces the configuration by `yaml`.
    ///
    /// # Panics
    /// If the configuration has errors, or a listener cannot be bound.
    pub fn apply(&mut self, yaml: &str) {
        let name = "test.yaml";
        let loaded = load([ConfigFile { name, text: yaml }]);
        assert!(loaded.errors.is_empty(), "{:#?}", loaded.errors);
        let compiled = compile(&loaded.resources, &CompileOptions::default());
        let proxy = self.proxy.as_mut().expect("a gateway that runs");
        let unbound = self.runtime.block_on(proxy.apply(compiled));
        proxy.serves(&loaded.resources);
        assert!(unbound.is_empty(), "{unbound:?}");
        self.generation = proxy.generation();
    }

    /// Reports to the gateway that a newer configuration was rejected as a whole.
    pub fn reject(&self, error: &str) {
        self.proxy().reject(vec![error.to_owned()]);
    }

    fn proxy(&self) -> &Proxy {
        self.proxy.as_ref().expect("a gateway that runs")
    }

    /// The address of the only listener.
    ///
    /// # Panics
    /// If there is no listener, or more than one.
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

    /// The address of the listener that has this port in the configuration.
    ///
    /// # Panics
    /// If there is no such listener.
    #[must_use]
    pub fn address_of(&self, port: u16) -> SocketAddr {
        let mut addresses = self.proxy().addresses().iter();
        let found = addresses.find(|(bind, _)| bind.port.get() == port);
        *found
            .unwrap_or_else(|| panic!("no listener on port {port}"))
            .1
    }

    /// The address of the admin server.
    ///
    /// # Panics
    /// Never: a gateway for tests always has an admin server.
    #[must_use]
    pub fn admin(&self) -> SocketAddr {
        self.proxy().admin_address().expect("an admin server")
    }

    /// Connects to the only listener.
    #[must_use]
    pub fn connect(&self) -> Client {
        Client::connect(self.address())
    }

    /// Sends a GET for `host` on a new connection, and reads the response.
    #[must_use]
    pub fn get(&self, host: &str, target: &str) -> Response {
        client::get(self.address(), target, host)
    }

    /// Sends a GET to the admin server, and reads the response.
    #[must_use]
    pub fn ask(&self, path: &str) -> Response {
        client::get(self.admin(), path, &self.admin().to_string())
    }

    /// The exported value of a metric, such as `egret_refusals_total{reason="no_route"}`: the sum over all series that have
    /// these labels, whichever others they have; 0 if there are none.
    ///
    /// # Panics
    /// If the value is not a number.
    #[must_use]
    pub fn metric(&self, name: &str) -> f64 {
        let exported = self.ask("/metrics");
        let (wanted, labels) = series(name);
        let lines = exported
            .text()
            .lines()
            .filter(|line| !line.starts_with('#'));
        let values = lines.filter_map(|line| {
            let (name, value) = line.rsplit_once(' ')?;
            let (found, has) = series(name);
            let is_wanted = found == wanted && labels.iter().all(|label| has.contains(label));
            is_wanted.then(|| value.parse::<f64>().expect("a number"))
        });
        // The sum of no floats is minus zero.
        values.fold(0.0, |sum, value| sum + value)
    }

    /// Waits until a metric has the value `wanted`.
    ///
    /// # Panics
    /// If it does not within the deadline.
    pub fn wait_for_metric(&self, name: &str, wanted: f64) {
        wait_until(&format!("{name} {wanted}"), || {
            (self.metric(name) - wanted).abs() < f64::EPSILON
        });
    }

    /// Waits for at least `count` access log records, and returns all records so far.
    ///
    /// # Panics
    /// If they are not written within the deadline.
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

    /// Drains and stops the gateway as on SIGTERM. Returns how many connections were closed at the time limit.
    ///
    /// # Panics
    /// If the gateway has been stopped before.
    pub fn drain(&mut self, limit: Duration) -> usize {
        let proxy = self.proxy.take().expect("a gateway that runs");
        self.runtime.block_on(proxy.drain(limit))
    }

    /// Starts to drain the gateway in the background. The returned task ends when the gateway has stopped.
    ///
    /// # Panics
    /// If the gateway has been stopped before.
    pub fn begin_drain(&mut self, limit: Duration) -> tokio::task::JoinHandle<usize> {
        let proxy = self.proxy.take().expect("a gateway that runs");
        self.runtime.handle().spawn(proxy.drain(limit))
    }

    /// Runs a future on the gateway's runtime to completion.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }
}

/// The name and the labels of a series. Values of labels that tests look for have no commas.
fn series(text: &str) -> (&str, Vec<&str>) {
    match text.split_once('{') {
        Some((name, labels)) => (name, labels.trim_end_matches('}').split(',').collect()),
        None => (text, Vec::new()),
    }
}

impl Write for AccessLog {
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

fn push(endpoint: &str, headers_file: Option<PathBuf>, interval: Duration) -> MetricsPush {
    MetricsPush {
        to: MetricsCollector::new("the collector", endpoint).expect("an endpoint"),
        headers_file,
        interval,
    }
}
