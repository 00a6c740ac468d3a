//! The admin server: probes, metrics, the report and the configuration, over HTTP on an address of its own.

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use egret_config::name::{Authority, Host};
use http::header::{ALLOW, CONTENT_TYPE, HOST, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::runtime::Handle;

use crate::context::SharedContext;
use crate::metrics::{MetricWriter, WorkerCollector};
use crate::status::ConfigStatus;

mod dns;

/// A running admin server, which ends with its runtime.
pub(crate) struct AdminServer {
    address: SocketAddr,
}

/// What the handlers of the admin server read.
struct AdminState {
    shared: Arc<SharedContext>,
    status: Arc<ConfigStatus>,
    registry: Registry,
    /// Whether the server listens on a loopback address, and so refuses requests with a foreign `Host`.
    loopback: bool,
}

type AdminResponse = Response<Full<Bytes>>;

const INDEX: &str = "\
/healthz      200 while the process lives
/readyz       200 while requests are served, 503 before and while stopping
/metrics      OpenMetrics
/report       what became of every object, and why
/config       what is served
/dns          names that are remembered (POST /dns/flush, /dns/refresh, ?host= for one)
";

impl AdminServer {
    pub(crate) fn start(
        address: SocketAddr,
        shared: &Arc<SharedContext>,
        status: &Arc<ConfigStatus>,
        control: &Handle,
    ) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind(address).map_err(|error| {
            io::Error::new(
                error.kind(),
                format!("the admin address {address}: {error}"),
            )
        })?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let mut registry = Registry::with_prefix("egret");
        registry.register_collector(Box::new(WorkerCollector(shared.metrics.clone())));
        registry.register_collector(Box::new(ProcessCollector {
            shared: Arc::clone(shared),
            status: Arc::clone(status),
        }));
        let loopback = address.ip().is_loopback();
        let state = AdminState {
            shared: Arc::clone(shared),
            status: Arc::clone(status),
            registry,
            loopback,
        };
        let _guard = control.enter();
        let listener = TcpListener::from_std(listener)?;
        control.spawn(serve(listener, Arc::new(state), control.clone()));
        Ok(Self { address })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

async fn serve(listener: TcpListener, state: Arc<AdminState>, control: Handle) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            continue;
        };
        let state = Arc::clone(&state);
        control.spawn(async move {
            let service = service_fn(|request| {
                let response = state.respond(&request);
                async { Ok::<_, Infallible>(response) }
            });
            let mut builder = http1::Builder::new();
            // An error is the client's and needs no report.
            let _ = builder
                .timer(TokioTimer::new())
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

impl AdminState {
    fn respond<B>(&self, request: &Request<B>) -> AdminResponse {
        if self.loopback && !has_local_host(request) {
            return text(
                StatusCode::FORBIDDEN,
                "this address is for local use; ask for it by its address\n",
            );
        }
        let path = request.uri().path();
        match (request.method(), path) {
            (&Method::GET | &Method::HEAD, "/") => text(StatusCode::OK, INDEX),
            (&Method::GET | &Method::HEAD, "/healthz") => text(StatusCode::OK, "ok\n"),
            (&Method::GET | &Method::HEAD, "/readyz") => self.ready(),
            (&Method::GET | &Method::HEAD, "/metrics") => self.metrics(),
            (&Method::GET | &Method::HEAD, "/report") => json(self.status.report()),
            (&Method::GET | &Method::HEAD, "/config") => json(serde_json::to_vec_pretty(
                &*self.shared.snapshot.load_full(),
            )),
            (&Method::GET | &Method::HEAD, "/dns") => {
                json(dns::list(&self.shared.upstreams.resolvers))
            }
            (&Method::POST, "/dns/flush") => {
                dns::flush(&self.shared.upstreams.resolvers, request.uri().query())
            }
            (&Method::POST, "/dns/refresh") => {
                dns::refresh(&self.shared.upstreams.resolvers, request.uri().query())
            }
            (_, "/dns/flush" | "/dns/refresh") => not_allowed("POST"),
            (_, "/" | "/healthz" | "/readyz" | "/metrics" | "/report" | "/config" | "/dns") => {
                not_allowed("GET, HEAD")
            }
            _ => text(StatusCode::NOT_FOUND, INDEX),
        }
    }

    fn ready(&self) -> AdminResponse {
        let reason = if self.shared.drain.is_draining() {
            Some("stopping".to_owned())
        } else {
            self.status.not_ready()
        };
        match reason {
            None => text(StatusCode::OK, "ready\n"),
            Some(reason) => text(
                StatusCode::SERVICE_UNAVAILABLE,
                format!("not ready: {reason}\n"),
            ),
        }
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

/// Whether the `Host` of a request is a loopback address or `localhost`. A web page can make a browser send requests to a
/// loopback address under the page's own name (DNS rebinding).
fn has_local_host<B>(request: &Request<B>) -> bool {
    let Some(host) = request.headers().get(HOST) else {
        return true;
    };
    match Authority::parse(host.as_bytes()).map(|authority| authority.host) {
        Ok(Host::Ip(ip)) => IpAddr::is_loopback(&ip.to_canonical()),
        Ok(Host::Name(name)) => name.is_localhost(),
        Err(_) => false,
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

/// Collects the metrics of the process that belong to no worker.
struct ProcessCollector {
    shared: Arc<SharedContext>,
    status: Arc<ConfigStatus>,
}

impl fmt::Debug for ProcessCollector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProcessCollector")
    }
}

impl Collector for ProcessCollector {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut to = MetricWriter(encoder);
        let generation = i64::try_from(self.status.generation()).unwrap_or(i64::MAX);
        to.gauge(
            "config_generation",
            "Configurations applied since the start",
            generation,
        )?;
        to.counter(
            "config_rejections",
            "Configurations refused as a whole",
            self.status.rejections(),
        )?;
        let current = i64::from(self.status.is_current());
        to.gauge(
            "config_current",
            "Whether what is configured is what is served",
            current,
        )?;
        let problems = i64::try_from(self.status.problems()).unwrap_or(i64::MAX);
        let help = "Objects and fields of the configuration that are not served as written";
        to.gauge("config_problems", help, problems)?;
        let dropped = self.shared.access_log.dropped();
        to.counter(
            "access_log_dropped",
            "Lines lost because the log's reader did not keep up",
            dropped,
        )?;
        dns::metrics(&mut to, &self.shared.upstreams.resolvers)?;
        dns::store_metrics(&mut to, &self.shared.upstreams.resolvers)
    }
}
