//! The server of probes and metrics of the controller.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use egret_cluster::ConnectionState;
use egret_cluster::controller::ControllerState;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::time::sleep;

/// How long a client may take to send a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// The pause after a connection that could not be accepted, such as for want of descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// Answers `/healthz`, `/readyz` and `/metrics` for ever.
pub(super) async fn serve(listener: TcpListener, state: Arc<ControllerState>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            sleep(PAUSE).await;
            continue;
        };
        let state = state.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let response = answer(request.uri().path(), &state);
            async { Ok::<_, Infallible>(response) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .serve_connection(TokioIo::new(stream), service);
        // A client that goes is no fault of anybody.
        Handle::current().spawn(async { drop(connection.await) });
    }
}

/// What there is to say of a controller that is ready. It is ready without the API server too: nobody else could do more.
fn ready(state: &ControllerState) -> String {
    let leads = match state.is_leader() {
        true => "leads",
        false => "another leads",
    };
    match state.connection() {
        ConnectionState::Away(why) => {
            format!("ready: {leads}; the API server is away, nothing is written: {why}\n")
        }
        ConnectionState::Unknown | ConnectionState::Connected => format!("ready: {leads}\n"),
    }
}

fn answer(path: &str, state: &ControllerState) -> Response<Full<Bytes>> {
    let (status, text) = match path {
        "/healthz" => (StatusCode::OK, "ok\n".to_owned()),
        "/readyz" if !state.is_ready() => {
            let text = "not ready: the configuration has not been read\n";
            (StatusCode::SERVICE_UNAVAILABLE, text.to_owned())
        }
        "/readyz" => (StatusCode::OK, ready(state)),
        "/metrics" => (StatusCode::OK, state.metrics()),
        _ => (StatusCode::NOT_FOUND, "not found\n".to_owned()),
    };
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    let kind = match path {
        "/metrics" => "text/plain; version=0.0.4",
        _ => "text/plain",
    };
    let kind = HeaderValue::from_static(kind);
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}
