//! The connections of a fake API server, and its answers.

use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Collected};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::body::AnswerBody;
use super::query::Query;
use super::{ServerCondition, ServerShared};
use crate::port::listen;

/// Listens while the server is not stopped.
pub(super) async fn run(
    listener: StdListener,
    address: SocketAddr,
    shared: Arc<ServerShared>,
    tasks: Handle,
) {
    let mut turns = shared.turns.subscribe();
    let mut listener = Some(listener);
    loop {
        let socket = listener
            .take()
            .unwrap_or_else(|| listen(address.ip(), address.port()));
        let socket = TcpListener::from_std(socket).expect("a listener of the runtime");
        loop {
            tokio::select! {
                stream = socket.accept() => {
                    if let Ok((stream, _)) = stream {
                        tasks.spawn(connection(stream, shared.clone(), tasks.clone()));
                    }
                }
                stopped = turns.wait_for(|turn| turn.condition == ServerCondition::Stopped) => {
                    if stopped.is_err() {
                        return;
                    }
                    break;
                }
            }
        }
        drop(socket);
        if turns
            .wait_for(|turn| turn.condition != ServerCondition::Stopped)
            .await
            .is_err()
        {
            return;
        }
    }
}

async fn connection(stream: TcpStream, shared: Arc<ServerShared>, tasks: Handle) {
    let mut turns = shared.turns.subscribe();
    let service = service_fn(|request| answer(request, shared.clone(), tasks.clone()));
    let served = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        _ = served => {}
        _ = turns.wait_for(|turn| turn.condition == ServerCondition::Stopped) => {}
    }
}

async fn answer(
    request: Request<Incoming>,
    shared: Arc<ServerShared>,
    tasks: Handle,
) -> Result<Response<AnswerBody>, Infallible> {
    let asked = request.uri().to_string();
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    {
        let mut state = shared.state();
        state.requests.push(asked.clone());
        if method != Method::GET {
            state.writes.push(format!("{method} {path}"));
        }
    }
    let mut turns = shared.turns.subscribe();
    let _ = turns
        .wait_for(|turn| turn.condition == ServerCondition::Running)
        .await;
    if request.uri().path() == "/readyz" {
        return Ok(text(StatusCode::OK, "ok".to_owned()));
    }
    let Some(query) = Query::of(request.uri()) else {
        return Ok(failure(StatusCode::NOT_FOUND, "NotFound"));
    };
    let sent = match method {
        Method::GET => Value::Null,
        _ => sent(request).await,
    };
    let is_listed = |words: &super::Words| words.iter().any(|word| asked.contains(word));
    let write = format!("{method} {path}");
    let mut state = shared.state();
    if is_listed(&state.forbidden) {
        return Ok(failure(StatusCode::FORBIDDEN, "Forbidden"));
    }
    let (code, refused) = &state.refused;
    if method != Method::GET && refused.iter().any(|part| write.contains(part)) {
        return Ok(failure(*code, "Refused"));
    }
    if state.absent.contains(&query.plural) {
        return Ok(failure(StatusCode::NOT_FOUND, "NotFound"));
    }
    if query.object().is_some() || method != Method::GET {
        let outcome = state.of_object(&method, &query, sent);
        let revision = state.revision;
        drop(state);
        shared.turns.send_if_modified(|turn| {
            let is_new = turn.revision != revision;
            turn.revision = revision;
            is_new
        });
        return Ok(match outcome {
            Ok(object) => text(StatusCode::OK, object.to_string()),
            Err((code, reason)) => failure(code, reason),
        });
    }
    if !query.watch {
        return Ok(text(StatusCode::OK, state.list(&query).to_string()));
    }
    drop(state);
    let (events, body) = mpsc::channel(1000);
    tasks.spawn(watch(query, shared, events));
    Ok(Response::new(AnswerBody::Events(body)))
}

/// The body of a request; null if it is none that can be read.
async fn sent(request: Request<Incoming>) -> Value {
    let body = request.into_body().collect().await;
    let body = body.map(Collected::to_bytes).unwrap_or_default();
    serde_json::from_slice(&body).unwrap_or_default()
}

/// Sends the events of a watch as they come about.
async fn watch(query: Query, shared: Arc<ServerShared>, events: mpsc::Sender<Bytes>) {
    let mut turns = shared.turns.subscribe();
    let mut seen = query.revision;
    let own = turns.borrow().watches;
    loop {
        let turn = *turns.borrow_and_update();
        if turn.condition == ServerCondition::Stopped {
            return;
        }
        if turn.condition == ServerCondition::Running {
            let (mut new, oldest, revision) = {
                let state = shared.state();
                let new = state.events_after(seen, &query);
                (new, state.oldest, state.revision)
            };
            if seen < oldest {
                let status = status(StatusCode::GONE, "Expired");
                let _ = events
                    .send(line(&json!({"type": "ERROR", "object": status})))
                    .await;
                return;
            }
            if turn.watches != own {
                return;
            }
            if query.bookmarks && revision > seen {
                let metadata = json!({"resourceVersion": revision.to_string()});
                let object =
                    json!({"kind": "Any", "apiVersion": query.api_version(), "metadata": metadata});
                new.push(json!({"type": "BOOKMARK", "object": object}));
            }
            // From a version that the server has not reached, there is nothing to tell.
            seen = seen.max(revision);
            for event in new {
                if events.send(line(&event)).await.is_err() {
                    return;
                }
            }
        }
        tokio::select! {
            changed = turns.changed() => if changed.is_err() { return },
            () = events.closed() => return,
        }
    }
}

fn line(value: &Value) -> Bytes {
    format!("{value}\n").into()
}

fn text(status: StatusCode, text: String) -> Response<AnswerBody> {
    let mut response = Response::new(AnswerBody::Text(Some(text.into())));
    *response.status_mut() = status;
    response
}

fn failure(code: StatusCode, reason: &str) -> Response<AnswerBody> {
    text(code, status(code, reason).to_string())
}

fn status(code: StatusCode, reason: &str) -> Value {
    json!({
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": format!("{reason}, as the test asked"),
        "reason": reason,
        "code": code.as_u16(),
    })
}
