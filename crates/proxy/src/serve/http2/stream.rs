//! One stream: from the head of its request to the end of its response.

use std::future::{Future as _, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use bytes::Bytes;
use h2::RecvStream;
use h2::server::SendResponse;
use http::{Method, Request, Response};
use http_body::Body as _;

use super::response;
use crate::body::ResponseBody;
use crate::client::stream_watch::{StreamWatch, watched};
use crate::downstream::{DownstreamConnection, TunnelSlot};
use crate::request;
use crate::task;
use crate::transfer::{DuplexStream, ReceivedBody, SendGate, StreamBody, StreamSender, send_body};
use crate::tunnel::{ClientSide, ReadyTunnel};

/// What a CONNECT needs to become a tunnel.
struct TunnelPromise {
    slot: TunnelSlot,
    receiver: RecvStream,
}

/// Starts the task of a stream whose head has been read.
pub(super) fn begin(
    request: Request<RecvStream>,
    responder: SendResponse<Bytes>,
    connection: &Rc<DownstreamConnection>,
    gate: &Rc<SendGate>,
) {
    let idle_timeout = connection.client.stream_idle_timeout();
    let stream = StreamWatch::new(idle_timeout, responder);
    // Boxed where it is made: whoever takes it, and the runtime each time that its task begins or ends, would copy all of it.
    let (connection, gate) = (Rc::clone(connection), Rc::clone(gate));
    let serving = Box::pin(serve(request, connection, Rc::clone(&stream), gate));
    task::spawn(watched(serving, stream));
}

/// Answers a request. Dropping the future resets the stream.
async fn serve(
    request: Request<RecvStream>,
    connection: Rc<DownstreamConnection>,
    stream: Rc<StreamWatch>,
    gate: Rc<SendGate>,
) {
    let (parts, receiver) = request.into_parts();
    let is_head = parts.method == Method::HEAD;
    let (body, promise) = if parts.method == Method::CONNECT {
        let slot = TunnelSlot::default();
        (ReceivedBody::Empty, Some(TunnelPromise { slot, receiver }))
    } else {
        let body = StreamBody::new(receiver, &parts.headers);
        (ReceivedBody::Http2(body), None)
    };
    let slot = promise.as_ref().map(|promise| Rc::clone(&promise.slot));
    let response = {
        let request = Request::from_parts(parts, body);
        let watch = Some(Rc::clone(&stream));
        let (request, client) = request::begin(request, Rc::clone(&connection), watch, slot);
        let mut handled = pin!(request::handle(request, client));
        poll_fn(|cx| {
            if let Poll::Ready(Ok(response)) = handled.as_mut().poll(cx) {
                return Poll::Ready(Some(response));
            }
            stream.poll_reset(cx).map(|()| None)
        })
        .await
    };
    // Without a response the client has reset the stream.
    let Some(mut response) = response else { return };
    match promise {
        Some(promise) if response.status().is_success() => {
            promise.keep(response, &stream, &connection, gate);
        }
        _ => {
            response::complete(&mut response, is_head);
            send(response, &stream, gate).await;
        }
    }
}

/// Sends a response to its end, or as far as the client takes it.
async fn send(response: Response<ResponseBody>, stream: &StreamWatch, gate: Rc<SendGate>) {
    let (head, body) = response.into_parts();
    let is_end = body.is_end_stream();
    let head = Response::from_parts(head, ());
    if let Ok(sender) = stream.respond(head, is_end)
        && !is_end
    {
        // The body records what becomes of it.
        let _ = send_body(body, sender, gate).await;
    }
}

impl TunnelPromise {
    /// Sends the response to a CONNECT, and runs the tunnel in a task of its own.
    fn keep(
        self,
        response: Response<ResponseBody>,
        stream: &StreamWatch,
        connection: &DownstreamConnection,
        gate: Rc<SendGate>,
    ) {
        let Some(tunnel) = self.slot.take() else {
            return;
        };
        let Ok(sender) = stream.respond(response.map(drop), false) else {
            return tunnel.abandon();
        };
        let sender = StreamSender::new(sender);
        stream.becomes_tunnel(sender.clone());
        let ready = ReadyTunnel {
            tunnel,
            client: ClientSide::Stream(Box::new(DuplexStream::new(sender, self.receiver, gate))),
            early: Bytes::new(),
            tunnels: Rc::clone(&connection.context.tunnels),
        };
        task::spawn(ready.run());
    }
}
