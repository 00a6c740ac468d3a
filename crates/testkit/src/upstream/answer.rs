//! Answers one request of a fake HTTP server.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use h2::Reason;
use http::header::{
    CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, TRAILER as TRAILER_FIELD, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Version};
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::{Body, Incoming};
use hyper::ext::Protocol;
use hyper_util::rt::TokioIo;
use tokio::runtime::Handle;

use super::body::{BodyEnd, BoxBody, GeneratedBody, TRAILER};
use super::path::PathAnswer;
use super::request::RecordedRequest;
use super::{UpstreamShared, UpstreamState};

const SERVER: HeaderName = HeaderName::from_static("x-upstream");

/// A request, its connection, and what answering it needs.
pub(super) struct RequestContext {
    pub(super) request: Request<Incoming>,
    pub(super) connection: usize,
    pub(super) nth: usize,
    pub(super) shared: Arc<UpstreamShared>,
    pub(super) tasks: Handle,
}

/// The error that ends a request without an answer.
pub(super) type AnswerError = Box<dyn std::error::Error + Send + Sync>;

/// Answers a request. An error closes the connection, or resets the stream with the error code that it carries.
pub(super) async fn answer(mut exchange: RequestContext) -> Result<Response<BoxBody>, AnswerError> {
    let shared = Arc::clone(&exchange.shared);
    let uri = exchange.request.uri();
    let path = PathAnswer::of(uri.path(), uri.query());
    let index = exchange.record();
    if path.reads_first() {
        exchange.read_body(index).await?;
    }
    let mut response = match exchange.ask_the_test(index) {
        Some(response) => with_trailers(response),
        None => exchange.by_path(path, index).await?,
    };
    shared.watched.read(|state| finish(&mut response, state));
    Ok(response)
}

impl RequestContext {
    /// Records the head of the request, and returns its index among the recorded requests.
    fn record(&self) -> usize {
        let recorded = RecordedRequest::new(&self.request, self.connection, self.nth);
        self.shared.watched.update(|state| {
            state.requests.push(recorded);
            state.requests.len() - 1
        })
    }

    async fn read_body(&mut self, index: usize) -> io::Result<()> {
        let watched = &self.shared.watched;
        let body = self.request.body_mut();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(io::Error::other)?;
            watched.update(|state| {
                let recorded = &mut state.requests[index];
                match frame.into_data() {
                    Ok(data) => recorded.push(&data),
                    Err(frame) => recorded.trailers = frame.into_trailers().unwrap_or_default(),
                }
            });
        }
        watched.update(|state| state.requests[index].complete = true);
        Ok(())
    }

    /// Calls the closure of the test without holding the lock, so that the closure may call the server's methods.
    fn ask_the_test(&self, index: usize) -> Option<Response<Bytes>> {
        let (answerer, recorded) = self.shared.watched.read(|state| {
            let answerer = state.answerer.clone()?;
            Some((answerer, state.requests[index].clone()))
        })?;
        answerer(&recorded)
    }

    async fn by_path(
        self,
        path: PathAnswer,
        index: usize,
    ) -> Result<Response<BoxBody>, AnswerError> {
        Ok(match path {
            PathAnswer::Echo => self.echo(index),
            PathAnswer::Status(code) | PathAnswer::Early(code) => status(code),
            PathAnswer::Headers(fields) => headers(fields),
            PathAnswer::Bytes(n) => body(n, Some(n), BodyEnd::Finish),
            PathAnswer::Chunked(n) => body(n, None, BodyEnd::Finish),
            PathAnswer::Trailers(n) => body(n, None, BodyEnd::Trailers),
            PathAnswer::Partial(n) => body(n / 2, Some(n), BodyEnd::Flush),
            PathAnswer::PartialChunked(n) => body(n / 2, None, BodyEnd::Flush),
            PathAnswer::StallBody(n) => body(n / 2, Some(n), BodyEnd::Stall),
            PathAnswer::Sink => self.sink(index),
            PathAnswer::Duplex => Response::new(boxed(self.request.into_body())),
            PathAnswer::Delay(millis) => {
                tokio::time::sleep(Duration::from_millis(millis)).await;
                self.echo(index)
            }
            PathAnswer::Hold(name) => {
                let released = |state: &UpstreamState| state.released.contains(&name);
                self.shared.watched.reached(released).await;
                self.echo(index)
            }
            PathAnswer::Hang => std::future::pending().await,
            PathAnswer::CloseIfReused if self.nth == 1 => self.echo(index),
            PathAnswer::Close | PathAnswer::CloseIfReused => {
                return Err(io::Error::other("closed as asked").into());
            }
            PathAnswer::Refuse(times) if self.number_of_its_kind(index) <= times => {
                return Err(h2::Error::from(Reason::REFUSED_STREAM).into());
            }
            PathAnswer::Http1 if self.request.version() == Version::HTTP_2 => {
                return Err(h2::Error::from(Reason::HTTP_1_1_REQUIRED).into());
            }
            PathAnswer::Refuse(_) | PathAnswer::Http1 => self.echo(index),
            PathAnswer::Upgrade => self.upgrade(),
        })
    }

    fn echo(&self, index: usize) -> Response<BoxBody> {
        let echo = |state: &UpstreamState| state.requests[index].echo(&state.name);
        let mut response = text(self.shared.watched.read(echo));
        let json = HeaderValue::from_static("application/json");
        response
            .headers_mut()
            .insert(http::header::CONTENT_TYPE, json);
        response
    }

    fn sink(&self, index: usize) -> Response<BoxBody> {
        let length = |state: &UpstreamState| state.requests[index].body_length;
        text(self.shared.watched.read(length).to_string())
    }

    /// How many requests for the same target have arrived, including this one.
    fn number_of_its_kind(&self, index: usize) -> u64 {
        self.shared.watched.read(|state| {
            let so_far = &state.requests[..=index];
            let target = &so_far[index].target;
            so_far.iter().filter(|one| one.target == *target).count() as u64
        })
    }

    /// Upgrades the connection if the client asks for it, and sends back all bytes that follow.
    fn upgrade(self) -> Response<BoxBody> {
        let extended = self.request.extensions().get::<Protocol>().is_some();
        let protocol = self.request.headers().get(UPGRADE).cloned();
        if protocol.is_none() && !extended {
            return status(StatusCode::UPGRADE_REQUIRED);
        }
        let proof = self.request.headers().get(SEC_WEBSOCKET_KEY).map(proof);
        self.tasks.spawn(async {
            if let Ok(upgraded) = hyper::upgrade::on(self.request).await {
                let (mut read, mut write) = tokio::io::split(TokioIo::new(upgraded));
                // The client may have disconnected.
                let _ = tokio::io::copy(&mut read, &mut write).await;
                let _ = tokio::io::AsyncWriteExt::shutdown(&mut write).await;
            }
        });
        let Some(protocol) = protocol.filter(|_| !extended) else {
            return status(StatusCode::OK);
        };
        let mut response = status(StatusCode::SWITCHING_PROTOCOLS);
        if let Some(proof) = proof {
            response.headers_mut().insert(SEC_WEBSOCKET_ACCEPT, proof);
        }
        response.headers_mut().insert(UPGRADE, protocol);
        let upgrade = HeaderValue::from_static("upgrade");
        response.headers_mut().insert(CONNECTION, upgrade);
        response
    }
}

/// The `Sec-WebSocket-Accept` value for a key (RFC 6455, section 4.2.2).
fn proof(key: &HeaderValue) -> HeaderValue {
    const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    let proof = digest(&SHA1_FOR_LEGACY_USE_ONLY, &[key.as_bytes(), GUID].concat());
    HeaderValue::try_from(STANDARD.encode(proof)).expect("base64 is visible ASCII")
}

/// Adds the header fields that every answer has.
fn finish(response: &mut Response<BoxBody>, state: &UpstreamState) {
    if let Ok(name) = HeaderValue::from_str(&state.name) {
        response.headers_mut().insert(SERVER, name);
    }
    if !state.keep_alive && response.status() != StatusCode::SWITCHING_PROTOCOLS {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(CONNECTION, close);
    }
}

fn status(code: StatusCode) -> Response<BoxBody> {
    let mut response = Response::new(boxed(Empty::new()));
    *response.status_mut() = code;
    response
}

fn headers(fields: Vec<(String, String)>) -> Response<BoxBody> {
    let mut response = status(StatusCode::OK);
    for (name, value) in fields {
        let name = HeaderName::try_from(name).expect("a header name in /headers");
        let value = HeaderValue::try_from(value).expect("a header value in /headers");
        response.headers_mut().append(name, value);
    }
    response
}

fn body(bytes: u64, promised: Option<u64>, end: BodyEnd) -> Response<BoxBody> {
    let mut response = Response::new(GeneratedBody::boxed(bytes, promised, end));
    if end == BodyEnd::Trailers {
        response.headers_mut().insert(TRAILER_FIELD, TRAILER.into());
    }
    response
}

fn text(text: String) -> Response<BoxBody> {
    Response::new(full(Bytes::from(text)))
}

/// The answer of a test, with the trailers among its extensions.
fn with_trailers(mut response: Response<Bytes>) -> Response<BoxBody> {
    match response.extensions_mut().remove::<HeaderMap>() {
        None => response.map(full),
        Some(trailers) => response.map(|body| {
            let end = std::future::ready(Some(Ok(trailers)));
            boxed(Full::new(body).with_trailers(end))
        }),
    }
}

fn full(body: Bytes) -> BoxBody {
    boxed(Full::new(body))
}

fn boxed<B>(body: B) -> BoxBody
where
    B: Body<Data = Bytes, Error: std::error::Error + Send + Sync + 'static> + Send + 'static,
{
    body.map_err(io::Error::other).boxed_unsync()
}
