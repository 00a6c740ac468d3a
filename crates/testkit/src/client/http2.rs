//! An HTTP/2 client for tests, with control over streams, windows and resets.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, Method, Request};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::response::{HeaderFields, Response};
use super::tls::TlsClient;
use crate::watched::DEADLINE;

/// One HTTP/2 connection.
pub struct Http2Client {
    runtime: Runtime,
    sender: SendRequest<Bytes>,
    over: tokio::task::JoinHandle<Result<(), h2::Error>>,
}

/// One HTTP/2 stream: a request and its response.
pub struct Http2Stream<'a> {
    client: &'a Http2Client,
    response: Option<ResponseFuture>,
    sends: SendStream<Bytes>,
    receives: Option<RecvStream>,
}

impl Http2Client {
    /// Connects in clear with prior knowledge (RFC 9113, section 3.3).
    ///
    /// # Panics
    /// If the connection cannot be established.
    #[must_use]
    pub fn connect(addr: SocketAddr) -> Self {
        Self::with_windows(addr, None)
    }

    /// Connects in clear with an initial stream window of `window` bytes.
    ///
    /// # Panics
    /// If the connection cannot be established.
    #[must_use]
    pub fn with_windows(addr: SocketAddr, window: Option<u32>) -> Self {
        let runtime = runtime();
        let begun = runtime.block_on(async {
            let mut builder = h2::client::Builder::new();
            if let Some(window) = window {
                builder.initial_window_size(window);
            }
            builder.enable_push(false);
            let stream = socket(addr).await?;
            let begun = builder.handshake(stream).await.map_err(io::Error::other)?;
            Ok::<_, io::Error>(begun)
        });
        let (sender, connection) = begun.expect("a connection of HTTP/2");
        let over = runtime.spawn(connection);
        Self {
            runtime,
            sender,
            over,
        }
    }

    /// Connects over TLS, and requires ALPN to select `h2`.
    ///
    /// # Panics
    /// If the connection cannot be established, or the server does not select `h2`.
    #[must_use]
    pub fn connect_tls(addr: SocketAddr, tls: &TlsClient) -> Self {
        let runtime = runtime();
        let (config, name) = tls.parts();
        let begun = runtime.block_on(async {
            let stream = socket(addr).await?;
            let stream = TlsConnector::from(config).connect(name, stream).await?;
            let agreed = stream.get_ref().1.alpn_protocol();
            assert_eq!(agreed, Some(&b"h2"[..]), "the protocol agreed on");
            let begun = h2::client::handshake(stream).await;
            begun.map_err(io::Error::other)
        });
        let (sender, connection) = begun.expect("a connection of HTTP/2 over TLS");
        let over = runtime.spawn(connection);
        Self {
            runtime,
            sender,
            over,
        }
    }

    fn wait<F: Future>(&self, what: &str, future: F) -> F::Output {
        let waited = self
            .runtime
            .block_on(async { timeout(DEADLINE, future).await });
        waited.unwrap_or_else(|_| panic!("{what} did not come"))
    }

    /// Sends a GET, and waits for the response.
    ///
    /// # Panics
    /// If no response comes.
    pub fn get(&self, uri: &str) -> Response {
        let request = Request::get(uri).body(()).expect("a request");
        self.request(request, b"").expect("a response")
    }

    /// Sends a request with its body, and waits for the response.
    ///
    /// # Errors
    /// If the stream is reset or the connection fails.
    pub fn request(&self, request: Request<()>, body: &[u8]) -> Result<Response, h2::Error> {
        let mut stream = self.try_open(request, body.is_empty())?;
        if !body.is_empty() {
            // The server may already have answered and closed the stream.
            let _ = stream.send(body, true);
        }
        stream.response()
    }

    /// Sends the head of a request. `end` says whether the head ends the request.
    ///
    /// # Panics
    /// If the connection is closed.
    pub fn open(&self, request: Request<()>, end: bool) -> Http2Stream<'_> {
        self.try_open(request, end).expect("a stream")
    }

    /// Sends the head of a request. `end` says whether the head ends the request.
    ///
    /// # Errors
    /// If the connection is closed, or accepts no more requests.
    pub fn try_open(&self, request: Request<()>, end: bool) -> Result<Http2Stream<'_>, h2::Error> {
        let sender = self.sender.clone();
        let mut sender = self.wait("room for a stream", sender.ready())?;
        let (response, sends) = {
            let _entered = self.runtime.enter();
            sender.send_request(request, end)?
        };
        Ok(Http2Stream {
            client: self,
            response: Some(response),
            sends,
            receives: None,
        })
    }

    /// Sends a CONNECT.
    ///
    /// # Panics
    /// If the connection is closed.
    pub fn open_tunnel(&self, authority: &str) -> Http2Stream<'_> {
        let request = Request::builder().method(Method::CONNECT).uri(authority);
        self.open(request.body(()).expect("a CONNECT"), false)
    }

    /// Sends an extended CONNECT (RFC 8441) with these header fields.
    ///
    /// # Panics
    /// If the connection is closed, or the server does not enable extended CONNECT.
    pub fn open_extended(
        &self,
        uri: &str,
        protocol: &str,
        fields: &[(&str, &str)],
    ) -> Http2Stream<'_> {
        self.wait("leave to send an extended CONNECT", async {
            while !self.sender.is_extended_connect_protocol_enabled() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        });
        let mut request = Request::builder().method(Method::CONNECT).uri(uri);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let mut request = request.body(()).expect("an extended CONNECT");
        let protocol: h2::ext::Protocol = protocol.into();
        request.extensions_mut().insert(protocol);
        self.open(request, false)
    }

    /// How many concurrent streams the server allows, as far as its SETTINGS have arrived.
    #[must_use]
    pub fn max_streams(&self) -> usize {
        self.sender.current_max_send_streams()
    }

    /// Waits for the end of the connection, and returns the error code that the server sent.
    ///
    /// # Panics
    /// If the connection does not end.
    pub fn until_closed(mut self) -> Option<Reason> {
        let over = self.runtime.block_on(async {
            timeout(DEADLINE, &mut self.over)
                .await
                .expect("the end of the connection")
        });
        let outcome = over.expect("a connection that does not panic");
        outcome.err().and_then(|error| error.reason())
    }
}

impl Http2Stream<'_> {
    /// Queues data, which is sent as the windows allow.
    ///
    /// # Errors
    /// If the stream is closed.
    pub fn send(&mut self, data: &[u8], end: bool) -> Result<(), h2::Error> {
        self.sends.send_data(Bytes::copy_from_slice(data), end)
    }

    /// Requests capacity for `wanted` bytes, and returns how many the server grants first.
    ///
    /// # Panics
    /// If the server grants none.
    pub fn window(&mut self, wanted: usize) -> usize {
        let Self { client, sends, .. } = self;
        sends.reserve_capacity(wanted);
        let granted = client.wait(
            "a window",
            std::future::poll_fn(|cx| sends.poll_capacity(cx)),
        );
        granted.expect("a stream that is open").expect("a window")
    }

    /// Ends the request with trailers.
    ///
    /// # Errors
    /// If the stream is closed.
    pub fn send_trailers(&mut self, trailers: HeaderMap) -> Result<(), h2::Error> {
        self.sends.send_trailers(trailers)
    }

    /// Resets the stream.
    pub fn reset(&mut self, reason: Reason) {
        self.sends.send_reset(reason);
    }

    /// Waits for the head of the response.
    ///
    /// # Errors
    /// If the stream is reset first.
    ///
    /// # Panics
    /// If the head has been read before.
    pub fn head(&mut self) -> Result<Response, h2::Error> {
        let response = self.response.take().expect("a head that was not read");
        let response = self.client.wait("the head of a response", response)?;
        let (parts, body) = response.into_parts();
        self.receives = Some(body);
        Ok(Response {
            version: "HTTP/2".to_owned(),
            status: parts.status.as_u16(),
            headers: fields(&parts.headers),
            ..Response::default()
        })
    }

    /// Waits for an interim response (RFC 9110, section 15.2). `None` if the final one comes first.
    ///
    /// # Errors
    /// If the stream is reset first.
    ///
    /// # Panics
    /// If the head has been read before.
    pub fn interim(&mut self) -> Result<Option<Response>, h2::Error> {
        let response = self.response.as_mut().expect("a head that was not read");
        let interim = std::future::poll_fn(|cx| response.poll_informational(cx));
        let interim = self.client.wait("a response", interim).transpose()?;
        Ok(interim.map(|interim| Response {
            version: "HTTP/2".to_owned(),
            status: interim.status().as_u16(),
            headers: fields(interim.headers()),
            ..Response::default()
        }))
    }

    /// Waits for the whole response.
    ///
    /// # Errors
    /// If the stream is reset before its end.
    pub fn response(&mut self) -> Result<Response, h2::Error> {
        let mut response = self.head()?;
        while let Some(data) = self.read_some()? {
            response.body.extend_from_slice(&data);
        }
        let receives = self.receives.as_mut().expect("a head that was read");
        let trailers = self.client.wait("trailers", receives.trailers())?;
        response.trailers = trailers.as_ref().map(fields).unwrap_or_default();
        Ok(response)
    }

    /// Waits for at least one byte of data. `None` is the end of the body.
    ///
    /// # Errors
    /// If the stream is reset.
    ///
    /// # Panics
    /// If the head has not been read.
    pub fn read_some(&mut self) -> Result<Option<Bytes>, h2::Error> {
        let receives = self.receives.as_mut().expect("a head that was read");
        loop {
            let data = self.client.wait("data", receives.data()).transpose()?;
            let Some(data) = data else { return Ok(None) };
            receives.flow_control().release_capacity(data.len())?;
            if !data.is_empty() {
                return Ok(Some(data));
            }
        }
    }

    /// Waits for exactly `length` bytes.
    ///
    /// # Panics
    /// If fewer bytes arrive, or more.
    pub fn read_exactly(&mut self, length: usize) -> Vec<u8> {
        let mut all = Vec::new();
        while all.len() < length {
            let data = self.read_some().expect("data");
            all.extend_from_slice(&data.expect("more data"));
        }
        assert_eq!(all.len(), length);
        all
    }
}

fn runtime() -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime for a client")
}

#[expect(
    clippy::disallowed_methods,
    reason = "the test is the client, not the gateway"
)]
async fn socket(addr: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(addr).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn fields(headers: &HeaderMap) -> HeaderFields {
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let fields = headers
        .iter()
        .map(|(name, value)| (name.to_string(), text(value)));
    HeaderFields(fields.collect())
}
