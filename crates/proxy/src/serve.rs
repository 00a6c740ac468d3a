//! One connection from a client, and the HTTP on it.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use egret_config::snapshot::{
    Alpn, BindAddress, ClientValidation, ConnectionLimits, Listener, Protocol, Scheme,
};
use hyper::upgrade::OnUpgrade;
use tokio::io::AsyncRead;
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::accept::begin::HelloFacts;
use crate::clock;
use crate::stream::ClientStream;
use crate::stream::ReplayStream;
use crate::task;
use crate::tunnel::{ClientSide, Ready, Tunnel};
use crate::worker::Worker;
use http2::StreamWatch;
use preface::Begun;
pub(crate) use preface::Http;
use watch::Watch;

mod http1;
pub(crate) mod http2;
mod preface;
mod watch;

/// Where a connection comes from, as far as is known before anything of it is served.
pub(crate) struct Origin {
    pub(crate) client: SocketAddr,
    /// The socket it came in by.
    pub(crate) bind: BindAddress,
    /// What its client said before TLS, if it speaks that.
    pub(crate) hello: Option<HelloFacts>,
    /// What the handshake settled, if TLS ends here.
    pub(crate) tls: Option<Secured>,
    /// Of the socket.
    pub(crate) limits: ConnectionLimits,
}

/// What is settled for all requests of a connection over TLS.
#[derive(Clone)]
pub(crate) struct Secured {
    /// The listener whose certificate the client saw. It may be of a former configuration.
    pub(crate) listener: Arc<Listener>,
    /// The protocol that was agreed on; `None` is that none was offered.
    pub(crate) alpn: Option<Alpn>,
}

impl Secured {
    /// Whether it is this listener whose certificate the client saw, be it of a later configuration.
    pub(crate) fn is_for(&self, listener: &Listener) -> bool {
        self.listener.gateway == listener.gateway && self.listener.name == listener.name
    }

    /// Whether it is, and the client was asked for the certificate that it asks for now.
    pub(crate) fn is_good_for(&self, listener: &Listener) -> bool {
        fn asked(listener: &Listener) -> Option<&ClientValidation> {
            match &listener.protocol {
                Protocol::Https(settings) => settings.clients.as_ref(),
                Protocol::Http | Protocol::Passthrough => None,
            }
        }
        std::ptr::eq(&*self.listener, listener)
            || (self.is_for(listener) && asked(&self.listener) == asked(listener))
    }
}

/// A connection from a client.
pub(crate) struct Connection {
    pub(crate) worker: Rc<Worker>,
    pub(crate) client: SocketAddr,
    /// The socket it came in by.
    pub(crate) bind: BindAddress,
    pub(crate) hello: Option<HelloFacts>,
    pub(crate) tls: Option<Secured>,
    /// As they were when it came; a change holds for those that come.
    limits: ConnectionLimits,
    /// Requests so far.
    requests: Cell<u32>,
    /// Whether it takes no more, however few there were.
    worn: Cell<bool>,
    watch: Watch,
    /// What a connection of HTTP/1.1 becomes when the answer to its last request has been sent.
    then: Cell<Option<Box<Tunnel>>>,
    /// The stream of HTTP/2 that has just begun, on its way to the task that runs it.
    opened: Cell<Option<Rc<StreamWatch>>>,
    /// The one that has just become a tunnel, on its way to the task that writes for it.
    tunnelled: Cell<Option<Rc<StreamWatch>>>,
    /// Rung when a connection of HTTP/2 takes no more requests.
    retired: Notify,
}

impl Connection {
    /// One that begins now.
    pub(crate) fn new(origin: Origin, http: Http, worker: Rc<Worker>) -> Rc<Self> {
        let Origin {
            client,
            bind,
            hello,
            tls,
            limits,
        } = origin;
        Rc::new(Self {
            worker,
            client,
            bind,
            hello,
            tls,
            limits,
            requests: Cell::default(),
            worn: Cell::default(),
            watch: Watch::new(http, clock::now()),
            then: Cell::default(),
            opened: Cell::default(),
            tunnelled: Cell::default(),
            retired: Notify::new(),
        })
    }

    /// Whether it carries many requests at once.
    pub(crate) fn is_http2(&self) -> bool {
        self.watch.is_http2()
    }

    /// How it is reached.
    pub(crate) fn scheme(&self) -> Scheme {
        match self.tls {
            Some(_) => Scheme::Https,
            None => Scheme::Http,
        }
    }

    /// The limits that hold for it.
    pub(crate) fn limits(&self) -> &ConnectionLimits {
        &self.limits
    }

    /// A request's head has been read.
    pub(crate) fn begins(&self) {
        self.watch.begins();
        self.requests.set(self.requests.get().saturating_add(1));
    }

    /// Whether it takes no more requests, be it because it has had as many as it may have.
    pub(crate) fn is_worn(&self) -> bool {
        let most = self.limits.max_requests;
        self.worn.get() || most.is_some_and(|most| self.requests.get() >= most)
    }

    /// The request that is being answered is its last.
    pub(crate) fn wear_out(&self) {
        self.worn.set(true);
    }

    /// Takes no more requests, where that is not said by a field of a response.
    pub(crate) fn retire(&self) {
        self.retired.notify_one();
    }

    /// How long nothing of an exchange may move.
    pub(crate) fn silence(&self) -> Duration {
        self.limits.silence()
    }

    /// An exchange is over.
    pub(crate) fn ended(&self, now: Instant) {
        self.watch.ended(now);
    }

    /// The one exchange of HTTP/1.1 must be over by then.
    pub(crate) fn must_end(&self, deadline: Instant) {
        self.watch.must_end(deadline);
    }

    /// Once the answer to this request has been sent, the connection carries a tunnel, or the stream `upgrade` of it
    /// does.
    pub(crate) fn then(&self, tunnel: Tunnel, upgrade: Option<OnUpgrade>) {
        let tunnel = Box::new(tunnel);
        let Some(upgrade) = upgrade else {
            return self.then.set(Some(tunnel));
        };
        let worker = Rc::clone(&self.worker);
        task::spawn(async move {
            let Ok(stream) = upgrade.await else {
                return tunnel.abandon();
            };
            let ready = Ready {
                tunnel,
                client: ClientSide::of_stream(stream),
                early: bytes::Bytes::new(),
                worker,
            };
            ready.run().await;
        });
    }

    /// Whether the client took nothing for too long.
    pub(crate) fn is_stalled(&self) -> bool {
        self.watch.is_stalled()
    }
}

/// Serves the connection to its end, or until it becomes a tunnel.
pub(crate) async fn connection(
    mut stream: ClientStream,
    origin: Origin,
    worker: Rc<Worker>,
) -> Option<Ready> {
    let agreed = origin.tls.as_ref().and_then(|tls| tls.alpn);
    let http = match (&mut stream, agreed) {
        (ClientStream::Plain(stream), _) => begun(stream, &worker).await?.http(),
        (ClientStream::Tls(stream), Some(Alpn::H2)) => {
            match begun(stream.as_mut(), &worker).await? {
                // Go's net/http agrees to HTTP/2 with a proxy, and then speaks the other to it.
                Begun::Connect => Http::One,
                Begun::Http1 | Begun::Http2 => Http::Two,
            }
        }
        // Without a word about it HTTP/1.1 is spoken (RFC 9113 3.2).
        (ClientStream::Tls(_), Some(Alpn::Http11) | None) => Http::One,
    };
    let connection = Connection::new(origin, http, worker);
    match http {
        Http::One => http1::serve(stream, &connection).await,
        Http::Two => {
            http2::serve(stream, &connection).await;
            None
        }
    }
}

/// What a client has begun with. `None` if it leaves before that is clear.
async fn begun<S>(stream: &mut ReplayStream<S>, worker: &Worker) -> Option<Begun>
where
    S: AsyncRead + Unpin,
{
    let read = tokio::select! {
        biased;
        read = timeout(watch::HEAD_TIMEOUT, preface::read(stream)) => read,
        () = worker.shared.draining() => return None,
    };
    let (begun, read) = read.ok()?.ok()?;
    if read.is_empty() {
        return None;
    }
    stream.unread(read);
    Some(begun)
}
