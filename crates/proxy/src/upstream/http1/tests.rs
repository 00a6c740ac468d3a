//! What a connection does with requests and responses that do not simply follow each other, over real sockets.

use std::future::poll_fn;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Uri};
use http_body_util::BodyExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::LocalSet;
use tokio::time::timeout;

use super::*;
use crate::transfer::{MessageSender, message_body};
use crate::upstream::outgoing::OutgoingRequest;
use crate::upstream::request_body::RequestBody;

/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(20);

/// A connection, and the upstream's end of it.
struct Pair {
    connection: Box<Http1Connection>,
    upstream: TcpStream,
}

impl Pair {
    fn new() -> Self {
        let (socket, upstream) = Http1Socket::pair(([192, 0, 2, 1], 80).into());
        let upstream = TcpStream::from_std(upstream).unwrap();
        Self {
            connection: socket.begin(None),
            upstream,
        }
    }

    fn send(&self, request: Box<OutgoingRequest>, may_switch: bool) {
        self.connection.wire.send(NextRequest {
            request,
            may_switch,
        });
    }

    /// The answer to the request that was sent.
    async fn answer(&self) -> Result<Http1Answer, FailedRequest> {
        let wire = &self.connection.wire;
        within(poll_fn(|cx| wire.poll_answer(cx))).await
    }

    /// Reads at the upstream until this has come.
    async fn upstream_reads(&mut self, last: &str) -> String {
        let mut read = String::new();
        while !read.ends_with(last) {
            let mut piece = [0; 1000];
            let count = within(self.upstream.read(&mut piece)).await.unwrap();
            assert!(count > 0, "it ended after {read:?}");
            read.push_str(std::str::from_utf8(&piece[..count]).unwrap());
        }
        read
    }

    async fn upstream_writes(&mut self, bytes: &str) {
        self.upstream.write_all(bytes.as_bytes()).await.unwrap();
    }

    /// The answer to a request that the upstream has read, and answers by these bytes.
    async fn exchange(&mut self, response: &str) -> Http1Answer {
        self.send(get(), false);
        self.upstream_reads("\r\n\r\n").await;
        self.upstream_writes(response).await;
        self.answer().await.ok().unwrap()
    }

    /// Whether the connection becomes ready for another request, or is closed.
    async fn becomes_ready(&self) -> bool {
        let wire = &self.connection.wire;
        within(poll_fn(|cx| wire.poll_ready(cx))).await
    }
}

async fn within<F: Future>(future: F) -> F::Output {
    timeout(LONG, future).await.unwrap()
}

fn get() -> Box<OutgoingRequest> {
    let mut request = Request::new(RequestBody::own(Bytes::new()));
    *request.uri_mut() = Uri::from_static("/");
    OutgoingRequest::boxed(request)
}

/// A request whose body is made while it is sent.
fn upload() -> (MessageSender, Box<OutgoingRequest>) {
    let (sender, body) = message_body();
    let mut request = Request::new(RequestBody::of_messages(body));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = Uri::from_static("/");
    (sender, OutgoingRequest::boxed(request))
}

async fn text(answer: Http1Answer) -> String {
    let Some(body) = answer.response.into_body() else {
        return String::new();
    };
    let whole = within(body.collect()).await.unwrap();
    String::from_utf8(whole.to_bytes().to_vec()).unwrap()
}

async fn local(test: impl Future<Output = ()>) {
    LocalSet::new().run_until(test).await;
}

#[tokio::test]
async fn requests_follow_each_other_on_a_connection() {
    local(async {
        let mut pair = Pair::new();
        for (response, body) in [
            ("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ntext", "text"),
            (
                "HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
                "",
            ),
            (
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nmore\r\n0\r\n\r\n",
                "more",
            ),
        ] {
            assert!(pair.becomes_ready().await && !pair.connection.wire.is_over());
            pair.send(get(), false);
            assert_eq!(
                pair.upstream_reads("\r\n\r\n").await,
                "GET / HTTP/1.1\r\n\r\n"
            );
            pair.upstream_writes(response).await;
            let answer = pair.answer().await.ok().unwrap();
            assert_eq!(text(answer).await, body);
        }
        assert!(pair.connection.doze().is_some());
    })
    .await;
}

#[tokio::test]
async fn the_rest_of_a_request_is_sent_after_the_response() {
    local(async {
        let mut pair = Pair::new();
        let (sender, request) = upload();
        pair.send(request, false);
        sender.send(Bytes::from_static(b"one"));
        pair.upstream_reads("3\r\none\r\n").await;
        pair.upstream_writes("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ntext")
            .await;
        let answer = pair.answer().await.ok().unwrap();
        assert_eq!(text(answer).await, "text");
        assert!(!pair.connection.wire.is_ready() && !pair.connection.wire.is_closed());
        sender.send(Bytes::from_static(b"two"));
        drop(sender);
        assert!(pair.becomes_ready().await);
        pair.upstream_reads("3\r\ntwo\r\n0\r\n\r\n").await;
    })
    .await;
}

#[tokio::test]
async fn another_protocol_begins_when_the_request_has_been_sent() {
    local(async {
        let mut pair = Pair::new();
        let (sender, request) = upload();
        pair.send(request, true);
        pair.upstream_reads("\r\n\r\n").await;
        pair.upstream_writes("HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\nhello")
            .await;
        // The head is there, and nothing is known of it yet.
        let early = timeout(Duration::from_millis(50), pair.answer()).await;
        assert!(early.is_err());
        drop(sender);
        let answer = pair.answer().await.ok().unwrap();
        pair.upstream_reads("0\r\n\r\n").await;
        let mut switched = answer.switched.unwrap();
        assert_eq!(switched.read, "hello");
        switched.stream.write_all(b"and back").await.unwrap();
        pair.upstream_reads("and back").await;
        assert!(pair.connection.wire.is_closed());
    })
    .await;
}

#[tokio::test]
async fn who_asked_for_no_other_protocol_gets_none() {
    local(async {
        let mut pair = Pair::new();
        let answer = pair
            .exchange("HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\nhello")
            .await;
        assert_eq!(answer.response.status(), 101);
        assert!(answer.switched.is_none() && pair.connection.wire.is_closed());
    })
    .await;
}

#[tokio::test]
async fn a_request_is_given_back_if_the_connection_ended_or_something_came_before_it() {
    for bytes in ["", "HTTP/1.1 408 Request Timeout\r\n\r\n"] {
        local(async move {
            let mut pair = Pair::new();
            pair.upstream_writes(bytes).await;
            pair.upstream.shutdown().await.unwrap();
            // Until the runtime has been told.
            while !pair.connection.wire.is_over() {
                tokio::task::yield_now().await;
            }
            pair.send(get(), false);
            let failed = pair.answer().await.err().unwrap();
            assert!(failed.unsent.is_some() && pair.connection.wire.is_closed());
            assert!(!pair.becomes_ready().await && pair.connection.doze().is_none());
        })
        .await;
    }
}

#[tokio::test]
async fn what_follows_a_response_or_breaks_it_off_closes_the_connection() {
    for (response, is_whole) in [
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ntext and more",
            true,
        ),
        (
            "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 4\r\n\r\ntext",
            true,
        ),
        ("HTTP/1.1 200 OK\r\n\r\ntext", true),
        ("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\ntext", false),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\ntext\r\nx",
            false,
        ),
    ] {
        local(async move {
            let mut pair = Pair::new();
            let answer = pair.exchange(response).await;
            pair.upstream.shutdown().await.unwrap();
            let body = within(answer.response.into_body().unwrap().collect()).await;
            assert_eq!(body.is_ok(), is_whole, "{response}");
            assert!(body.is_err() || body.unwrap().to_bytes() == "text");
            assert!(pair.connection.wire.is_closed());
            let end = within(pair.upstream.read(&mut [0])).await;
            assert_eq!(end.unwrap(), 0);
        })
        .await;
    }
}

#[tokio::test]
async fn an_answer_is_read_although_the_request_cannot_be_written() {
    local(async {
        let mut pair = Pair::new();
        let (sender, request) = upload();
        pair.send(request, false);
        sender.send(Bytes::from_static(b"one"));
        pair.upstream_reads("3\r\none\r\n").await;
        sender.send(Bytes::from(vec![b'x'; 10 << 20]));
        pair.upstream_writes("HTTP/1.1 413 Content Too Large\r\ncontent-length: 4\r\n\r\nless")
            .await;
        // There is something that it has not read, so that this resets the connection.
        drop(pair.upstream);
        let wire = &pair.connection.wire;
        let answer = within(poll_fn(|cx| wire.poll_answer(cx)))
            .await
            .ok()
            .unwrap();
        assert_eq!(answer.response.status(), 413);
        assert_eq!(text(answer).await, "less");
    })
    .await;
}

#[tokio::test]
async fn a_connection_that_is_dropped_is_closed_and_its_body_with_it() {
    local(async {
        let mut pair = Pair::new();
        let answer = pair
            .exchange("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\ntext")
            .await;
        let mut body = answer.response.into_body().unwrap();
        let first = within(body.frame()).await.unwrap().unwrap();
        assert_eq!(first.into_data().unwrap(), "text");
        drop(pair.connection);
        let end = within(pair.upstream.read(&mut [0])).await;
        assert_eq!(end.unwrap(), 0);
        assert!(within(body.frame()).await.unwrap().is_err());
        assert!(body.frame().await.is_none());
    })
    .await;
}
