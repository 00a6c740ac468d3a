//! The admin server: probes, metrics, the report and the configuration, over HTTP on an address of its own.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, HeaderValue};
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

use crate::context::SharedContext;
use crate::metrics::{ProcessCounters, WorkerCollector};
use crate::status::ConfigStatus;
use crate::task;
use crate::worker::WorkerCommand;
use access::AccessRules;
use process::ProcessCollector;

mod access;
mod certificates;
mod dns;
mod explain;
mod process;
mod readiness;

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
    registry: Registry,
    access: AccessRules,
}

type AdminResponse = Response<Full<Bytes>>;

/// Pause after an accept that failed: the process may be out of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

const INDEX: &str = "\
/healthz      200 while the process lives
/readyz       200 while every listener is served, 503 and the reason else
/metrics      OpenMetrics
/report       what became of every object, and why
/config       what is served
/explain      what would become of a request: ?url=http://host/path, and the other parameters of egret explain
/dns          names that are remembered (POST /dns/flush, /dns/refresh, ?host= for one)
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
        Self::start_with(access, ("admin", address), parts, control)
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
            ("probe", address),
            parts,
            control,
        )
    }

    fn start_with(
        access: AccessRules,
        (what, address): (&str, SocketAddr),
        parts: Arc<AdminParts>,
        control: &Handle,
    ) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind(address).map_err(|error| {
            io::Error::new(
                error.kind(),
                format!("the {what} address {address}: {error}"),
            )
        })?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let mut registry = Registry::with_prefix("egret");
        let workers = parts.shared.metrics.clone();
        registry.register_collector(Box::new(WorkerCollector(workers)));
        registry.register_collector(Box::new(ProcessCollector {
            shared: Arc::clone(&parts.shared),
            status: Arc::clone(&parts.status),
            process: Arc::clone(&parts.process),
        }));
        let state = Arc::new(AdminState {
            parts,
            registry,
            access,
        });
        let _guard = control.enter();
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

impl AdminState {
    async fn respond(&self, request: &Request<Incoming>) -> AdminResponse {
        if let Some(refusal) = self.access.refusal(request) {
            return refusal;
        }
        let parts = &self.parts;
        let path = request.uri().path();
        match (request.method(), path) {
            (&Method::GET | &Method::HEAD, "/") => text(StatusCode::OK, INDEX),
            (&Method::GET | &Method::HEAD, "/healthz") => text(StatusCode::OK, "ok\n"),
            (&Method::GET | &Method::HEAD, "/readyz") => {
                self.ready(self.access.is_authorized(request)).await
            }
            (&Method::GET | &Method::HEAD, "/metrics") => self.metrics(),
            (&Method::GET | &Method::HEAD, "/report") => json(parts.status.report()),
            (&Method::GET | &Method::HEAD, "/config") => json(serde_json::to_vec_pretty(
                &*parts.shared.snapshot.load_full(),
            )),
            (&Method::GET | &Method::HEAD, "/dns") => {
                json(dns::list(&parts.shared.upstreams.resolvers))
            }
            (&Method::GET | &Method::HEAD, "/explain") => {
                explain::explain(&parts.shared, request.uri().query())
            }
            (&Method::POST, "/dns/flush") => {
                dns::flush(&parts.shared.upstreams.resolvers, request.uri().query())
            }
            (&Method::POST, "/dns/refresh") => {
                dns::refresh(&parts.shared.upstreams.resolvers, request.uri().query())
            }
            (_, "/dns/flush" | "/dns/refresh") => not_allowed("POST"),
            (
                _,
                "/" | "/healthz" | "/readyz" | "/metrics" | "/report" | "/config" | "/explain"
                | "/dns",
            ) => not_allowed("GET, HEAD"),
            _ => text(StatusCode::NOT_FOUND, INDEX),
        }
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

    /// What is said while the process is ready: what is lost and what is away does not make it less so. Which log loses
    /// lines is no secret.
    fn ready_text(&self, tells_why: bool) -> String {
        let mut body = "ready\n".to_owned();
        if let Some(why) = self.parts.status.source().error().filter(|_| tells_why) {
            body =
                format!("ready; the API server is away, the last configuration is served: {why}\n");
        }
        for trouble in self.parts.shared.logs.troubles() {
            body.push_str(&format!("lines are being lost: {trouble}\n"));
        }
        body
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
        let mut body = String::new();
        if encode(&mut body, &self.registry).is_err() {
            return text(
                StatusCode::INTERNAL_SERVER_ERROR,
                "the metrics cannot be written\n",
            );
        }
        let kind =
            HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
        let mut response = text(StatusCode::OK, body);
        response.headers_mut().insert(CONTENT_TYPE, kind);
        response
    }
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> AdminResponse {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
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
