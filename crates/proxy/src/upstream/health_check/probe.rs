//! One health check of one address, over a connection of its own.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use egret_config::snapshot::{BackendSettings, HealthCheck, HealthProbe, HttpVersion};
use http::header::{HOST, HeaderValue, USER_AGENT};
use http::{HeaderMap, Method, Request, StatusCode, Version};
use http_body_util::Empty;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout_at;

use super::table::CheckOutcome;
use crate::clock;
use crate::dial::egress::Permitted;
use crate::dial::race;
use crate::dial::tls::{Secured, secure};
use crate::message::grpc::health::{CHECK, HealthCheckRequest, HealthCheckResponse, ServingStatus};
use crate::message::grpc::unary;
use crate::message::target::Target;
use crate::plan::destination::DestinationKey;
use crate::proxy_protocol;
use crate::task;
use crate::tls::TlsClients;
use crate::upstream::stream::UpstreamStream;
use crate::upstream::warm::connect_options;

/// What checks say in `User-Agent`.
const AGENT: HeaderValue = HeaderValue::from_static("egret-health-check");
/// The most bytes that are read of an answer.
const MAX_ANSWER: usize = 64 * 1024;

/// What is needed to check an address.
#[derive(Clone)]
pub(super) struct HealthProber {
    pub(super) address: Permitted<SocketAddr>,
    pub(super) destination: DestinationKey,
    pub(super) settings: Arc<BackendSettings>,
    pub(super) check: Arc<HealthCheck>,
}

/// There is no answer.
struct Unanswered;

/// A connection that takes an HTTP request.
enum HttpStream {
    Http1(UpstreamStream),
    Http2(UpstreamStream),
}

impl HealthProber {
    /// Checks the address.
    pub(super) async fn run(&self, clients: &TlsClients) -> CheckOutcome {
        let until = clock::now() + self.check.timeout;
        let asked = timeout_at(until.into(), self.ask(clients, until)).await;
        match asked {
            Ok(Ok(true)) => CheckOutcome::Good,
            Ok(Ok(false)) => CheckOutcome::Wrong,
            Ok(Err(Unanswered)) | Err(_) => CheckOutcome::Unanswered,
        }
    }

    /// Whether the address says that it can serve.
    async fn ask(&self, clients: &TlsClients, until: Instant) -> Result<bool, Unanswered> {
        match &self.check.probe {
            HealthProbe::Http { host, path, method } => {
                let stream = self.connect_http(self.destination.version, clients, until);
                let request = self.request(host.as_deref(), path, method)?;
                let status = match stream.await? {
                    HttpStream::Http1(stream) => status_http1(stream, request).await?,
                    HttpStream::Http2(stream) => {
                        let (head, _, _) = call_http2(stream, request.map(|_| Bytes::new()))
                            .await
                            .ok_or(Unanswered)?;
                        head.status
                    }
                };
                Ok(status == StatusCode::OK)
            }
            HealthProbe::Grpc { authority, service } => {
                let stream = self
                    .connect_http(HttpVersion::Http2, clients, until)
                    .await?;
                let (HttpStream::Http1(stream) | HttpStream::Http2(stream)) = stream;
                self.ask_grpc(stream, authority.as_deref(), service).await
            }
            HealthProbe::Tcp { send, receive } => {
                let stream = self.connect(clients, until).await?;
                exchanged(stream, send, receive).await
            }
        }
    }

    /// Connects, without TLS.
    async fn connect_socket(&self, until: Instant) -> Result<TcpStream, Unanswered> {
        let options = connect_options(&self.settings);
        let raced = race::connect([self.address].into(), None, options, until).await;
        let (mut stream, _) = raced.result.map_err(|_| Unanswered)?;
        if let Some(version) = self.settings.proxy_protocol {
            let header = proxy_protocol::write(version, None);
            stream.write_all(&header).await.map_err(|_| Unanswered)?;
        }
        Ok(stream)
    }

    /// Connects, over TLS if the backend is reached over it.
    async fn connect(
        &self,
        clients: &TlsClients,
        until: Instant,
    ) -> Result<UpstreamStream, Unanswered> {
        let expected = self.destination.expected_by_tunnel(clients);
        let stream = self.connect_socket(until).await?;
        match expected.map_err(|_| Unanswered)? {
            None => Ok(UpstreamStream::Plain(stream)),
            Some(expected) => {
                let secured = secure(stream, expected, until).await;
                let Secured { stream, .. } = secured.map_err(|_| Unanswered)?;
                Ok(UpstreamStream::Tls(Box::new(stream)))
            }
        }
    }

    /// Connects for HTTP of this version.
    async fn connect_http(
        &self,
        version: HttpVersion,
        clients: &TlsClients,
        until: Instant,
    ) -> Result<HttpStream, Unanswered> {
        let destination = DestinationKey {
            version,
            ..self.destination.clone()
        };
        let expected = destination.expected(clients).map_err(|_| Unanswered)?;
        let stream = self.connect_socket(until).await?;
        let (stream, is_http2) = match expected {
            None => {
                let is_http2 = version == HttpVersion::Http2;
                (UpstreamStream::Plain(stream), is_http2)
            }
            Some(expected) => {
                let secured = secure(stream, expected, until).await;
                let Secured { stream, http2, .. } = secured.map_err(|_| Unanswered)?;
                (UpstreamStream::Tls(Box::new(stream)), http2)
            }
        };
        Ok(match is_http2 {
            true => HttpStream::Http2(stream),
            false => HttpStream::Http1(stream),
        })
    }

    /// The host of the backend, with its port if it is not the default one.
    fn host(&self) -> HeaderValue {
        let DestinationKey {
            scheme, host, port, ..
        } = &self.destination;
        Target::host_header(host, *port, *scheme)
    }

    fn request(
        &self,
        host: Option<&str>,
        path: &str,
        method: &Method,
    ) -> Result<Request<Empty<Bytes>>, Unanswered> {
        let host = match host {
            Some(host) => HeaderValue::from_str(host).map_err(|_| Unanswered)?,
            None => self.host(),
        };
        let request = Request::builder().method(method.clone()).uri(path);
        let request = request.header(HOST, host).header(USER_AGENT, AGENT);
        request.body(Empty::new()).map_err(|_| Unanswered)
    }

    /// Asks the health service of gRPC.
    async fn ask_grpc(
        &self,
        stream: UpstreamStream,
        authority: Option<&str>,
        service: &str,
    ) -> Result<bool, Unanswered> {
        let host = self.host();
        let authority = authority.or_else(|| host.to_str().ok()).unwrap_or_default();
        let message = HealthCheckRequest {
            service: service.to_owned(),
        };
        let request = unary::request(authority, CHECK, &message, self.check.timeout);
        let mut request = request.map_err(|_| Unanswered)?;
        request.headers_mut().insert(USER_AGENT, AGENT);
        let answered = call_http2(stream, request).await;
        let (head, body, trailers) = answered.ok_or(Unanswered)?;
        let answer = unary::answer::<HealthCheckResponse>(&head, &body, &trailers);
        Ok(answer.is_ok_and(|answer| answer.status() == ServingStatus::Serving))
    }
}

/// The status of the response to a request over HTTP/1.1.
async fn status_http1(
    stream: UpstreamStream,
    request: Request<Empty<Bytes>>,
) -> Result<StatusCode, Unanswered> {
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(|_| Unanswered)?;
    // It ends when the sender is gone.
    task::spawn(async move {
        let _ = connection.await;
    });
    let response = sender.send_request(request).await;
    Ok(response.map_err(|_| Unanswered)?.status())
}

/// The whole response to a request over HTTP/2.
async fn call_http2(
    stream: UpstreamStream,
    request: Request<Bytes>,
) -> Option<(http::response::Parts, Bytes, HeaderMap)> {
    let (sender, connection) = h2::client::handshake(stream).await.ok()?;
    // It ends when the streams and the sender are gone.
    task::spawn(Box::pin(async move {
        let _ = connection.await;
    }));
    let mut sender = sender.ready().await.ok()?;
    let (mut parts, body) = request.into_parts();
    parts.version = Version::HTTP_2;
    if parts.uri.authority().is_none() {
        let host = parts.headers.remove(HOST)?;
        let path = parts.uri.path_and_query()?.as_str();
        parts.uri = format!("http://{}{path}", host.to_str().ok()?)
            .parse()
            .ok()?;
    }
    let is_end = body.is_empty();
    let (response, mut stream) = sender
        .send_request(Request::from_parts(parts, ()), is_end)
        .ok()?;
    if !is_end {
        stream.send_data(body, true).ok()?;
    }
    let (head, mut body) = response.await.ok()?.into_parts();
    let mut data = BytesMut::new();
    while let Some(piece) = body.data().await {
        let piece = piece.ok()?;
        let _ = body.flow_control().release_capacity(piece.len());
        data.extend_from_slice(&piece);
        if data.len() > MAX_ANSWER {
            return None;
        }
    }
    let trailers = poll_fn(|cx| body.poll_trailers(cx)).await.ok()?;
    Some((head, data.freeze(), trailers.unwrap_or_default()))
}

/// Whether the answer to these bytes has those, one after the other.
async fn exchanged(
    mut stream: UpstreamStream,
    send: &[u8],
    receive: &[Vec<u8>],
) -> Result<bool, Unanswered> {
    if !send.is_empty() {
        stream.write_all(send).await.map_err(|_| Unanswered)?;
        stream.flush().await.map_err(|_| Unanswered)?;
    }
    let mut read = Vec::new();
    while !has_all(&read, receive) {
        if read.len() > MAX_ANSWER {
            return Ok(false);
        }
        let count = stream.read_buf(&mut read).await.map_err(|_| Unanswered)?;
        if count == 0 {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether bytes have all parts, one after the other.
fn has_all(bytes: &[u8], parts: &[Vec<u8>]) -> bool {
    let mut rest = bytes;
    parts.iter().all(|part| {
        let found = rest
            .windows(part.len())
            .position(|window| window == part.as_slice());
        found
            .inspect(|at| rest = &rest[at + part.len()..])
            .is_some()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_come_one_after_the_other() {
        let parts = |parts: &[&str]| -> Vec<Vec<u8>> {
            parts.iter().map(|part| part.as_bytes().to_vec()).collect()
        };
        for (expected, wanted) in [
            (true, parts(&[])),
            (true, parts(&["PONG"])),
            (true, parts(&["+", "ON", "G"])),
            (false, parts(&["ON", "P"])),
            (false, parts(&["PONGS"])),
            (false, parts(&["N", "N"])),
        ] {
            assert_eq!(has_all(b"+PONG", &wanted), expected, "{wanted:?}");
        }
    }
}
