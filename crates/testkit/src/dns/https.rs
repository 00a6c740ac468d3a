//! DNS over HTTPS on HTTP/2, with one query in each POST (RFC 8484, section 4.1).

use std::sync::Arc;

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{RecvStream, server};
use http::header::CONTENT_TYPE;
use http::{Method, Request, Response, StatusCode};
use tokio::io::{AsyncRead, AsyncWrite};

use super::serve::{QueryContext, QueryReply, answer};

const DNS_MESSAGE: &str = "application/dns-message";
const PATH: &str = "/dns-query";

/// Serves a connection until the client closes it. Each request has a task, so that a withheld answer delays no other.
pub(super) async fn requests<S>(stream: S, context: QueryContext)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let Ok(mut connection) = server::handshake(stream).await else {
        return;
    };
    let context = Arc::new(context);
    while let Some(Ok((request, respond))) = connection.accept().await {
        let task = request_task(request, respond, Arc::clone(&context));
        context.tasks.spawn(task);
    }
}

async fn request_task(
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    context: Arc<QueryContext>,
) {
    if let Some(status) = wrong(&request) {
        let _ = respond.send_response(response(status), true);
        return;
    }
    let Some(query) = read(request.into_body()).await else {
        return;
    };
    match answer(&query, context.protocol, &context.shared).await {
        QueryReply::Message(reply) => {
            // The client may have disconnected.
            if let Ok(mut body) = respond.send_response(response(StatusCode::OK), false) {
                let _ = body.send_data(reply.into(), true);
            }
        }
        // Dropping the stream would reset it, which is an answer.
        QueryReply::Silence => std::future::pending().await,
        QueryReply::Hangup => context.hangup.notify_one(),
    }
}

/// The error status of a request that is not a DNS query.
fn wrong(request: &Request<RecvStream>) -> Option<StatusCode> {
    let kind = request.headers().get(CONTENT_TYPE);
    if request.uri().path() != PATH {
        Some(StatusCode::NOT_FOUND)
    } else if request.method() != Method::POST {
        Some(StatusCode::METHOD_NOT_ALLOWED)
    } else if kind.is_none_or(|kind| kind != DNS_MESSAGE) {
        Some(StatusCode::UNSUPPORTED_MEDIA_TYPE)
    } else {
        None
    }
}

fn response(status: StatusCode) -> Response<()> {
    Response::builder()
        .status(status)
        .header(CONTENT_TYPE, DNS_MESSAGE)
        .body(())
        .expect("a response")
}

async fn read(mut body: RecvStream) -> Option<Vec<u8>> {
    let mut query = Vec::new();
    while let Some(data) = body.data().await {
        query.extend_from_slice(&data.ok()?);
    }
    Some(query)
}
