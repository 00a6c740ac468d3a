//! A TCP server that runs a script for each connection, and records every byte that it reads.

mod connection;
mod http2;

use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;

use tokio::net::TcpListener;

pub use connection::RawConnection;
pub use http2::Http2Frame;

use crate::port;
use crate::server_thread::ServerThread;
use crate::watched::{WatchedValue, unblocked};

/// A scripted TCP server. Dropping it closes its connections.
#[derive(Debug)]
pub struct RawServer {
    addr: SocketAddr,
    shared: Arc<RawShared>,
    _background: ServerThread,
}

#[derive(Debug)]
struct RawShared {
    /// The bytes received, by connection in order of acceptance.
    received: WatchedValue<Vec<Vec<u8>>>,
    /// The open sockets, whose shutdown ends scripts that wait for bytes.
    streams: Mutex<Vec<Weak<TcpStream>>>,
}

impl RawServer {
    /// Runs `script` for each connection, on a thread of its own, on a free port of 127.0.0.1.
    ///
    /// The connection closes when the script returns.
    #[must_use]
    pub fn start(script: impl Fn(&mut RawConnection) + Send + Sync + 'static) -> Self {
        Self::start_on_port(port::LOOPBACK, 0, script)
    }

    /// As [`Self::start`], on a given port. [`SharedPort`](crate::SharedPort) reserves free ports.
    ///
    /// # Panics
    /// If the port is in use.
    #[must_use]
    pub fn start_on_port(
        ip: impl Into<IpAddr>,
        port: u16,
        script: impl Fn(&mut RawConnection) + Send + Sync + 'static,
    ) -> Self {
        let listener = port::listen(ip.into(), port);
        let addr = listener.local_addr().expect("a listener has an address");
        let shared = Arc::new(RawShared {
            received: WatchedValue::new(Vec::new()),
            streams: Mutex::default(),
        });
        let theirs = Arc::clone(&shared);
        let background = ServerThread::start("raw server", move |_| async move {
            let listener = TcpListener::from_std(listener).expect("a listener of the runtime");
            let script = Arc::new(script);
            while let Ok((stream, _)) = listener.accept().await {
                let stream = blocking(stream).expect("a socket that blocks");
                run(&script, theirs.accepted(stream));
            }
        });
        Self {
            addr,
            shared,
            _background: background,
        }
    }

    /// Sends every byte back until the client closes the connection.
    #[must_use]
    pub fn echo() -> Self {
        Self::start(|connection| {
            while let Some(byte) = connection.read_exactly(1) {
                connection.send(byte);
            }
        })
    }

    /// Sends `bytes` after the first head of each connection, then reads to the end of the connection.
    #[must_use]
    pub fn answer(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        Self::start(move |connection| {
            if connection.read_head().is_some() {
                connection.send(&bytes);
                connection.read_to_end();
            }
        })
    }

    /// Sends `bytes` after each head of each connection. Bodies of requests are not understood.
    #[must_use]
    pub fn answer_each(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        Self::start(move |connection| {
            while connection.read_head().is_some() {
                connection.send(&bytes);
            }
        })
    }

    /// Sends `bytes` after the first head of each connection, then closes the connection.
    #[must_use]
    pub fn answer_and_close(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        Self::start(move |connection| {
            if connection.read_head().is_some() {
                connection.send(&bytes);
                connection.close();
            }
        })
    }

    /// Resets each connection as soon as it is accepted. The client may see this while it connects.
    #[must_use]
    pub fn reset() -> Self {
        Self::start(RawConnection::reset)
    }

    /// Resets each connection after its first head.
    #[must_use]
    pub fn reset_after_head() -> Self {
        Self::start(|connection| {
            connection.read_head();
            connection.reset();
        })
    }

    /// Reads from each connection, and never sends.
    #[must_use]
    pub fn silent() -> Self {
        Self::start(|connection| drop(connection.read_to_end()))
    }

    /// The address of the server.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The port of the server.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.addr.port()
    }

    /// All bytes that were read from each connection, in order of acceptance.
    #[must_use]
    pub fn received(&self) -> Vec<Vec<u8>> {
        self.shared.received.read(Vec::clone)
    }

    /// How many connections have been accepted so far.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.received.read(Vec::len)
    }

    /// Blocks until any connection has received `needle`.
    ///
    /// # Panics
    /// If none does within the deadline.
    pub fn wait_for_bytes(&self, needle: impl AsRef<[u8]>) {
        self.shared.wait_for_bytes(needle.as_ref());
    }

    /// As [`Self::wait_for_bytes`], without blocking the caller's runtime.
    ///
    /// # Panics
    /// If none does within the deadline.
    pub async fn until_bytes(&self, needle: impl AsRef<[u8]>) {
        let shared = Arc::clone(&self.shared);
        let needle = needle.as_ref().to_vec();
        unblocked(move || shared.wait_for_bytes(&needle)).await;
    }

    /// Blocks until at least `count` connections have been accepted.
    ///
    /// # Panics
    /// If they are not accepted within the deadline.
    pub fn wait_for_connections(&self, count: usize) {
        self.shared.received.wait(
            |received| received.len() >= count,
            |received| format!("{count} connections; there were {}", received.len()),
        );
    }
}

impl Drop for RawServer {
    fn drop(&mut self) {
        let streams = self.shared.streams.lock();
        for stream in streams.unwrap_or_else(PoisonError::into_inner).iter() {
            if let Some(stream) = stream.upgrade() {
                // The socket may be closed already.
                let _ = stream.shutdown(std::net::Shutdown::Both);
            }
        }
    }
}

impl RawShared {
    fn accepted(self: &Arc<Self>, stream: TcpStream) -> RawConnection {
        let stream = Arc::new(stream);
        let streams = self.streams.lock();
        streams
            .unwrap_or_else(PoisonError::into_inner)
            .push(Arc::downgrade(&stream));
        let index = self.received.update(|received| {
            received.push(Vec::new());
            received.len() - 1
        });
        RawConnection::new(stream, Arc::clone(self), index)
    }

    fn wait_for_bytes(&self, needle: &[u8]) {
        let found = |received: &Vec<Vec<u8>>| received.iter().any(|bytes| contains(bytes, needle));
        self.received.wait(found, |received| {
            let texts: Vec<_> = received
                .iter()
                .map(|bytes| bytes.escape_ascii().to_string())
                .collect();
            format!("\"{}\"; received: {texts:#?}", needle.escape_ascii())
        });
    }
}

/// Runs the script on a detached thread, because it may wait for an action of the test.
fn run<S>(script: &Arc<S>, mut connection: RawConnection)
where
    S: Fn(&mut RawConnection) + Send + Sync + 'static,
{
    let script = Arc::clone(script);
    thread::Builder::new()
        .name("raw connection".to_owned())
        .spawn(move || script(&mut connection))
        .expect("a thread for a connection");
}

fn blocking(stream: tokio::net::TcpStream) -> io::Result<TcpStream> {
    let stream = stream.into_std()?;
    stream.set_nonblocking(false)?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn contains(bytes: &[u8], needle: &[u8]) -> bool {
    needle.is_empty() || bytes.windows(needle.len()).any(|window| window == needle)
}
