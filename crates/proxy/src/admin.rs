//! The admin server: probes, metrics, the report and the configuration, over HTTP on an address of its own.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::mpsc::Sender;

use crate::clock;
use crate::context::SharedContext;
use crate::metrics::{DestinationCollector, ProcessCounters, WorkerCollector, with_exemplars};
use crate::status::ConfigStatus;
use crate::task;
use crate::worker::WorkerCommand;
use access::AccessRules;
use overview::DnsHour;
use process::ProcessCollector;

mod access;
mod ask;
mod certificates;
mod destinations;
mod dns;
mod explain;
mod generations;
mod list_query;
mod open;
mod overview;
mod page;
mod process;
mod readiness;
#[cfg(test)]
mod reference;
mod refusals;
mod values;

pub use access::AdminToken;

/// A running admin server, which ends with its runtime.
pub(crate) struct AdminServer {
    address: SocketAddr,
}

/// What the admin server reads and asks.
pub(crate) struct AdminParts {
    pub(crate) shared: Arc<SharedContext>,
    pub(crate) status: Arc<ConfigStatus>,
    pub(crate) process: Arc<ProcessCounters>,
    pub(crate) workers: Vec<Sender<WorkerCommand>>,
    /// The most destinations that metrics name.
    pub(crate) top_destinations: usize,
}

/// The accept loop of the admin server.
struct AdminAcceptor {
    listener: TcpListener,
    state: Arc<AdminState>,
    control: Handle,
}

/// What the handlers of the admin server read.
struct AdminState {
    parts: Arc<AdminParts>,
    metrics: MetricsExport,
    access: AccessRules,
    started: SystemTime,
    dns_hour: Mutex<DnsHour>,
}

/// The metrics as they are scraped.
pub(crate) struct MetricsExport(Registry);

type AdminResponse = Response<Full<Bytes>>;

/// Pause after an accept that failed: the process may be out of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How often counters that have no time of their own are looked at.
const SAMPLING_INTERVAL: Duration = Duration::from_secs(1);

/// The paths that are read, beside those of the page.
const PATHS: [&str; 14] = [
    "/healthz",
    "/readyz",
    "/metrics",
    "/overview",
    "/report",
    "/config",
    "/explain",
    "/destinations",
    "/refusals",
    "/connections",
    "/tunnels",
    "/generations",
    "/dns",
    "/dns/servers",
];

const INDEX: &str = "\
/             a page that shows all of this
/healthz      200 while the process lives
/readyz       200 while every listener is served, 503 and the reason else
/metrics      OpenMetrics
/overview     the state of the whole, and the last hour by the minute
/report       what became of every object, and why
/config       what is served
/generations  what changed in the configuration
/explain      what would become of a request: ?url=http://host/path, and the other parameters of egret explain
/destinations who is talked to: ?host=NAME, ?sort=requests|errors|bytes|latency, ?limit=N
/refusals     what was refused, why, and what would allow it: ?host=NAME, ?limit=N
/connections  connections of clients that are open: ?host=NAME, ?limit=N
/tunnels      tunnels that are open: ?host=NAME, ?limit=N
/dns          names that are remembered (POST /dns/flush, /dns/refresh, ?host= for one)
/dns/servers  the servers that are queried, and how they answer
";

impl AdminServer {
    /// Starts the server on the control runtime.
    ///
    /// # Errors
    /// If the address cannot be bound, or can be reached from other machines without a token.
    pub(crate) fn start(
        address: SocketAddr,
        token: Option<AdminToken>,
        parts: Arc<AdminParts>,
        control: &Handle,
    ) -> io::Result<Self> {
        let access = AccessRules::new(address, token)
            .map_err(|why| io::Error::new(io::ErrorKind::PermissionDenied, why))?;
        Self::start_with(access, ("--admin", address), parts, control)
    }

    /// Starts a server that answers probes and nothing else.
    ///
    /// # Errors
    /// If the address cannot be bound.
    pub(crate) fn start_for_probes(
        address: SocketAddr,
        parts: Arc<AdminParts>,
        control: &Handle,
    ) -> io::Result<Self> {
        Self::start_with(
            AccessRules::for_probes(),
            ("--probe-address", address),
            parts,
            control,
        )
    }

    fn start_with(
        access: AccessRules,
        (flag, address): (&str, SocketAddr),
        parts: Arc<AdminParts>,
        control: &Handle,
    ) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind(address).map_err(|error| {
            let other = match error.kind() {
                io::ErrorKind::AddrInUse => "; does Egret run already? The flag names another",
                _ => "",
            };
            io::Error::new(error.kind(), format!("{flag} {address}: {error}{other}"))
        })?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let state = Arc::new(AdminState {
            metrics: MetricsExport::new(&parts),
            parts,
            access,
            started: clock::wall(),
            dns_hour: Mutex::default(),
        });
        let _guard = control.enter();
        let sampled = Arc::downgrade(&state);
        let sampling = async move || keep_sampling(sampled.clone()).await;
        control.spawn(task::restarting("sampling the counters of DNS", sampling));
        let server = AdminAcceptor {
            listener: TcpListener::from_std(listener)?,
            state,
            control: control.clone(),
        };
        let server = Arc::new(server);
        let serving = async move || Arc::clone(&server).serve().await;
        control.spawn(task::restarting("the admin server", serving));
        Ok(Self { address })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

/// All that is exported.
fn registry(parts: &AdminParts) -> Registry {
    let mut registry = Registry::with_prefix("egret");
    let workers = &parts.shared.metrics;
    registry.register_collector(Box::new(WorkerCollector(workers.clone())));
    registry.register_collector(Box::new(DestinationCollector {
        workers: workers.clone(),
        most: parts.top_destinations,
    }));
    registry.register_collector(Box::new(ProcessCollector {
        shared: Arc::clone(&parts.shared),
        status: Arc::clone(&parts.status),
        process: Arc::clone(&parts.process),
    }));
    registry
}

impl MetricsExport {
    pub(crate) fn new(parts: &AdminParts) -> Self {
        Self(registry(parts))
    }

    /// All of them, in the OpenMetrics text format.
    pub(crate) fn text(&self, parts: &AdminParts) -> String {
        let mut text = String::new();
        encode(&mut text, &self.0).expect("writing to a String does not fail");
        with_exemplars(text, &parts.shared.metrics)
    }
}

impl AdminAcceptor {
    async fn serve(self: Arc<Self>) {
        loop {
            let Ok((stream, _)) = self.listener.accept().await else {
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            };
            let state = Arc::clone(&self.state);
            self.control.spawn(async move {
                let service =
                    service_fn(async |request| Ok::<_, Infallible>(state.respond(&request).await));
                let mut builder = http1::Builder::new();
                // An error is the client's and needs no report.
                let _ = builder
                    .timer(TokioTimer::new())
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    }
}

/// Looks at counters that have no time of their own, until the server is gone.
async fn keep_sampling(state: Weak<AdminState>) {
    loop {
        tokio::time::sleep(SAMPLING_INTERVAL).await;
        let Some(state) = state.upgrade() else {
            return;
        };
        overview::sample_dns(&state);
    }
}

impl AdminState {
    fn dns_hour(&self) -> MutexGuard<'_, DnsHour> {
        // Counts are whole at every step, so that a poisoned lock is harmless.
        self.dns_hour.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn respond(&self, request: &Request<Incoming>) -> AdminResponse {
        if let Some(refusal) = self.access.refusal(request) {
            return refusal;
        }
        let resolvers = &self.parts.shared.upstreams.resolvers;
        let (path, query) = (request.uri().path(), request.uri().query());
        match (request.method(), path) {
            (&Method::POST, "/dns/flush") => dns::flush(resolvers, query),
            (&Method::POST, "/dns/refresh") => dns::refresh(resolvers, query),
            (_, "/dns/flush" | "/dns/refresh") => not_allowed("POST"),
            (&Method::GET | &Method::HEAD, _) => match self.read(request).await {
                Some(response) => response,
                None => text(StatusCode::NOT_FOUND, INDEX),
            },
            _ if path == "/" || PATHS.contains(&path) => not_allowed("GET, HEAD"),
            _ => text(StatusCode::NOT_FOUND, INDEX),
        }
    }

    /// The response to a request that changes nothing; `None` if nothing is at its path.
    async fn read(&self, request: &Request<Incoming>) -> Option<AdminResponse> {
        let AdminParts { shared, status, .. } = &*self.parts;
        let (path, query) = (request.uri().path(), request.uri().query());
        Some(match path {
            "/healthz" => text(StatusCode::OK, "ok\n"),
            "/readyz" => self.ready(self.access.is_authorized(request)).await,
            "/metrics" => self.metrics(),
            "/report" => json(status.report()),
            "/config" => json(serde_json::to_vec_pretty(&*shared.snapshot.load_full())),
            "/explain" => explain::explain(shared, query),
            "/destinations" => destinations::list(shared, query),
            "/refusals" => refusals::list(&shared.refusals, &status.history().served(), query),
            "/overview" => overview::overview(self).await,
            "/connections" => open::connections(&self.parts.workers, query).await,
            "/tunnels" => open::tunnels(&self.parts.workers, query).await,
            "/generations" => generations::list(status.history()),
            "/dns" => json(dns::list(&shared.upstreams.resolvers)),
            "/dns/servers" => json(dns::servers::list(shared.upstreams.resolvers.stats())),
            _ => return page::file(path),
        })
    }

    /// The response to a readiness probe, with the reason for those who may know it.
    async fn ready(&self, tells_why: bool) -> AdminResponse {
        match self.not_ready().await {
            None => text(StatusCode::OK, self.ready_text(tells_why)),
            Some(reason) if tells_why => text(
                StatusCode::SERVICE_UNAVAILABLE,
                format!("not ready: {reason}\n"),
            ),
            Some(_) => text(StatusCode::SERVICE_UNAVAILABLE, "not ready\n"),
        }
    }

    /// What is said while the process is ready.
    fn ready_text(&self, tells_why: bool) -> String {
        let troubles = self.troubles(tells_why);
        let lines = ["ready".to_owned()].into_iter().chain(troubles);
        lines.map(|line| format!("{line}\n")).collect()
    }

    /// What is lost and what is away, which makes the process no less ready. Which log loses lines is no secret.
    fn troubles(&self, tells_why: bool) -> Vec<String> {
        let away = self.parts.status.source();
        let away = away.error().filter(|_| tells_why);
        let away = away
            .map(|why| format!("the API server is away, the last configuration is served: {why}"));
        let logs = self.parts.shared.logs.troubles().into_iter();
        let logs = logs.map(|trouble| format!("lines are being lost: {trouble}"));
        let services = self.parts.shared.outboxes.told_troubles().into_iter();
        let services = services.map(|trouble| format!("telemetry is being lost: {trouble}"));
        away.into_iter().chain(logs).chain(services).collect()
    }

    async fn not_ready(&self) -> Option<String> {
        let AdminParts {
            shared,
            status,
            workers,
            ..
        } = &*self.parts;
        if shared.drain.is_announced() {
            return Some("stopping".to_owned());
        }
        if let Some(reason) = status.not_ready() {
            return Some(reason);
        }
        readiness::not_accepting(workers, &status.listening()).await
    }

    fn metrics(&self) -> AdminResponse {
        let kind =
            HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
        let mut response = text(StatusCode::OK, self.metrics.text(&self.parts));
        response.headers_mut().insert(CONTENT_TYPE, kind);
        response
    }
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> AdminResponse {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn json(body: serde_json::Result<Vec<u8>>) -> AdminResponse {
    match body {
        Ok(body) => {
            let mut response = text(StatusCode::OK, body);
            response
                .headers_mut()
                .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            response
        }
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
    }
}

fn not_allowed(allowed: &'static str) -> AdminResponse {
    let mut response = text(
        StatusCode::METHOD_NOT_ALLOWED,
        format!("allowed: {allowed}\n"),
    );
    response
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static(allowed));
    response
}
