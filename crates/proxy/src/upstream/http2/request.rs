//! One request on an HTTP/2 connection, until the head of its response.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

use bytes::Bytes;
use h2::SendStream;
use h2::client::{ResponseFuture, SendRequest};
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body::Body as _;
use tokio::sync::oneshot;

use crate::exchange::Exchange;
use crate::task;
use crate::transfer::{DuplexStream, SendGate, StreamBody, StreamSender, send_body};
use crate::upstream::incoming::IncomingBody;
use crate::upstream::request_body::RequestBody;

/// The head of a response, and what the stream carries from then on.
pub(in crate::upstream) struct StreamResponse {
    pub(in crate::upstream) response: Response<IncomingBody>,
    /// The stream itself, if the upstream agreed to a CONNECT.
    pub(in crate::upstream) duplex: Option<DuplexStream>,
}

/// Why a request brought no response.
pub(in crate::upstream) enum StreamError {
    /// The connection takes no more requests, and nothing of this one was sent.
    Unsent,
    /// The stream failed, or the connection did.
    Failed(h2::Error),
}

/// Sends a request in HTTP/2 form, and waits for the head of the response. Dropping the future resets the stream.
///
/// # Errors
/// Why there is no response.
pub(super) async fn send(
    mut sender: SendRequest<Bytes>,
    request: Request<RequestBody>,
    gate: Rc<SendGate>,
) -> Result<StreamResponse, StreamError> {
    if poll_fn(|cx| sender.poll_ready(cx)).await.is_err() {
        return Err(StreamError::Unsent);
    }
    let (mut parts, body) = request.into_parts();
    let exchange = body.exchange().cloned();
    let is_connect = parts.method == Method::CONNECT;
    state_length(&mut parts.headers, &parts.method, &body);
    let is_end = !is_connect && body.is_end_stream();
    let sent = sender.send_request(Request::from_parts(parts, ()), is_end);
    let (response, stream) = sent.map_err(StreamError::Failed)?;
    // It may have to wait until the upstream allows one more stream.
    let opened = poll_fn(|cx| sender.poll_ready(cx)).await;
    opened.map_err(StreamError::Failed)?;
    drop(sender);
    if is_connect {
        return agreed(response, stream, gate)
            .await
            .map_err(StreamError::Failed);
    }
    let answered = if is_end {
        None
    } else {
        send_beside(body, stream, gate).await
    };
    let response = head(response, exchange.as_ref()).await;
    let response = response.map_err(StreamError::Failed)?;
    if let Some(answered) = answered {
        // The rest of the body is sent on. If it has been sent, nobody waits for this.
        let _ = answered.send(());
    }
    Ok(StreamResponse {
        response: received(response),
        duplex: None,
    })
}

/// Says the length of a body if it is known and not said, unless there is none and the method has no use for one.
fn state_length(headers: &mut HeaderMap, method: &Method, body: &RequestBody) {
    let bodiless = [Method::GET, Method::HEAD, Method::DELETE, Method::CONNECT];
    if let Some(length) = body.size_hint().exact()
        && (length > 0 || !bodiless.contains(method))
    {
        headers
            .entry(CONTENT_LENGTH)
            .or_insert_with(|| length.into());
    }
}

/// Sends a body beside the wait for the response; in a task of its own, unless all of it can be sent at once. The task ends
/// when the sender that is returned is dropped, and goes on if it is used.
async fn send_beside(
    body: RequestBody,
    stream: SendStream<Bytes>,
    gate: Rc<SendGate>,
) -> Option<oneshot::Sender<()>> {
    let mut sending = Box::pin(send_body(body, stream, gate));
    if poll_fn(|cx| Poll::Ready(sending.as_mut().poll(cx).is_ready())).await {
        return None;
    }
    let (answered, word) = oneshot::channel();
    task::spawn(async move {
        let word = tokio::select! {
            biased;
            _ = &mut sending => return,
            word = word => word,
        };
        if word.is_ok() {
            // Its faults are reported by the stream.
            let _ = sending.await;
        }
    });
    Some(answered)
}

/// Waits for the head of the response, and passes on the interim ones before it.
async fn head(
    mut response: ResponseFuture,
    exchange: Option<&Rc<Exchange>>,
) -> Result<Response<h2::RecvStream>, h2::Error> {
    poll_fn(|cx| {
        while let Poll::Ready(Some(Ok(interim))) = response.poll_informational(cx) {
            if let Some(exchange) = exchange {
                let (parts, ()) = interim.into_parts();
                exchange.inform(parts.status, parts.headers);
            }
        }
        Pin::new(&mut response).poll(cx)
    })
    .await
}

/// Waits for the answer to a CONNECT, which leaves the stream to another protocol if it is 200.
async fn agreed(
    response: ResponseFuture,
    stream: SendStream<Bytes>,
    gate: Rc<SendGate>,
) -> Result<StreamResponse, h2::Error> {
    let response = head(response, None).await?;
    if response.status() != StatusCode::OK {
        return Ok(StreamResponse {
            response: received(response),
            duplex: None,
        });
    }
    let (parts, receiver) = response.into_parts();
    Ok(StreamResponse {
        response: Response::from_parts(parts, IncomingBody::Empty),
        duplex: Some(DuplexStream::new(StreamSender::new(stream), receiver, gate)),
    })
}

fn received(response: Response<h2::RecvStream>) -> Response<IncomingBody> {
    let (parts, stream) = response.into_parts();
    let body = StreamBody::new(stream, &parts.headers);
    Response::from_parts(parts, IncomingBody::Http2(body))
}
