//! The state of a client's connection: the client's address, what the handshakes before HTTP settled, the number of
//! requests, and the idle timeouts. Serving requests is left to the rooms above.

use std::cell::{Cell, OnceCell, RefCell};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use egret_config::certificate::CertificateFacts;
use egret_config::name::{DnsName, Host};
use egret_config::snapshot::{
    AlpnProtocol, BindAddress, ClientValidation, ConnectionLimits, Listener, Scheme,
};
use tokio::sync::Notify;

use crate::clock;
use crate::message::forwarded::ForwardedFields;
use crate::policy::ClientIdentity;
use crate::proxy_protocol::ClientAddresses;
use crate::record::ClientFacts;
use crate::tls::PresentedCertificate;
use interim::InterimQueue;
use watch::ConnectionWatch;
pub(crate) use watch::HttpConnection;

pub(crate) mod discard;
pub(crate) mod head_stream;
mod interim;
mod metrics;
mod presence;
mod registry;
pub(crate) mod stream_watch;
pub(crate) mod watch;

pub(crate) use metrics::ClientMetrics;
pub(crate) use registry::{ConnectionProtocol, ConnectionRegistry, OpenConnection, OpenQuery};
use registry::{LastRequest, Registration};

/// The origin of a connection: the facts that are known before HTTP is read.
pub(crate) struct ConnectionOrigin {
    /// The client's address, from the PROXY protocol header if there is one.
    pub(crate) client: SocketAddr,
    /// The socket that accepted the connection.
    pub(crate) bind: BindAddress,
    /// The facts of the ClientHello, if the client speaks TLS.
    pub(crate) hello: Option<HelloFacts>,
    /// The result of the TLS handshake, if TLS is terminated here.
    pub(crate) tls: Option<TerminatedTls>,
    /// The limits of the socket, as they were when the connection was accepted.
    pub(crate) limits: ConnectionLimits,
    /// What formats of access logs may tell of the connection.
    pub(crate) facts: ClientFacts,
}

/// The facts of a client's ClientHello that are logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HelloFacts {
    /// The server name (RFC 6066 3).
    pub(crate) sni: Option<DnsName>,
    /// Whether an encrypted ClientHello was offered (RFC 9849).
    pub(crate) ech: bool,
}

/// The result of a TLS handshake with a client, which holds for all requests of the connection.
#[derive(Clone)]
pub(crate) struct TerminatedTls {
    /// The listener whose certificate the client saw. It may be of a former configuration.
    pub(crate) listener: Arc<Listener>,
    /// The protocol that ALPN agreed on; `None` if the client offered none.
    pub(crate) alpn: Option<AlpnProtocol>,
    /// The client's certificate, if the listener validated it.
    pub(crate) certificate: Option<Arc<CertificateFacts>>,
    /// It in full, if upstreams may be told of it.
    pub(crate) presented: Option<Arc<PresentedCertificate>>,
}

impl TerminatedTls {
    /// Whether this is the listener whose certificate the client saw, in this or a later configuration.
    pub(crate) fn is_for_listener(&self, listener: &Listener) -> bool {
        self.listener.is_same(listener)
    }

    /// Whether the client saw the certificate of this listener, and was validated as the listener requires now.
    pub(crate) fn is_valid_for(&self, listener: &Listener) -> bool {
        fn asked(listener: &Listener) -> Option<&ClientValidation> {
            listener.protocol.server_tls()?.clients.as_ref()
        }
        std::ptr::eq(&*self.listener, listener)
            || (self.is_for_listener(listener) && asked(&self.listener) == asked(listener))
    }
}

/// A connection from a client.
pub(crate) struct ClientConnection {
    /// The client's address.
    pub(crate) address: SocketAddr,
    /// The socket that accepted the connection.
    pub(crate) bind: BindAddress,
    /// The facts of the ClientHello, if the client speaks TLS.
    pub(crate) hello: Option<HelloFacts>,
    /// The result of the TLS handshake, if TLS is terminated here.
    pub(crate) tls: Option<TerminatedTls>,
    /// Who the client is, as far as the connection proves it.
    identity: Rc<ClientIdentity>,
    /// What formats of access logs may tell of it.
    pub(crate) facts: ClientFacts,
    /// The limits at the time of the accept; a change applies to later connections.
    limits: ConnectionLimits,
    /// Requests so far.
    requests: Cell<u32>,
    /// Close after the current request, even if `max_requests` is not reached.
    close_after_response: Cell<bool>,
    /// Whether no more of what the client sends is read as HTTP, although it may send more.
    takes_no_more: Cell<bool>,
    /// The idle timeouts of the connection.
    pub(crate) watch: ConnectionWatch,
    /// Interim responses that are yet to be sent over HTTP/1.1.
    pub(crate) interim: InterimQueue,
    /// Notified when an HTTP/2 connection takes no more requests.
    pub(crate) go_away: Notify,
    opened: Instant,
    last: RefCell<LastRequest>,
    registration: OnceCell<Registration>,
}

impl ClientConnection {
    /// The two ends of the connection. A socket for all local addresses does not know which of them was connected to.
    pub(crate) fn addresses(&self) -> ClientAddresses {
        let BindAddress { ip, port } = self.bind;
        let any = match self.address.ip().to_canonical() {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        ClientAddresses {
            source: self.address,
            destination: SocketAddr::new(ip.unwrap_or(any), port.get()),
        }
    }

    /// Creates the state of a connection that begins now.
    pub(crate) fn new(origin: ConnectionOrigin, http: HttpConnection) -> Rc<Self> {
        let ConnectionOrigin {
            client,
            bind,
            hello,
            tls,
            limits,
            facts,
        } = origin;
        let identity = ClientIdentity {
            address: client,
            listener: SocketAddr::new(
                bind.ip.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
                bind.port.get(),
            ),
            scheme: match tls {
                Some(_) => Scheme::Https,
                None => Scheme::Http,
            },
            server_name: hello.as_ref().and_then(|hello| hello.sni.clone()),
            certificate: tls.as_ref().and_then(|tls| tls.certificate.clone()),
            forwarded: ForwardedFields::default(),
        };
        let now = clock::now();
        Rc::new(Self {
            opened: now,
            last: RefCell::default(),
            registration: OnceCell::new(),
            identity: Rc::new(identity),
            address: client,
            bind,
            hello,
            tls,
            facts,
            limits,
            requests: Cell::default(),
            close_after_response: Cell::default(),
            takes_no_more: Cell::default(),
            watch: ConnectionWatch::new(http, now),
            interim: InterimQueue::default(),
            go_away: Notify::new(),
        })
    }

    /// Whether the connection is HTTP/2, which carries many requests at once.
    pub(crate) fn is_http2(&self) -> bool {
        self.watch.is_http2()
    }

    /// Who the client is, as far as the connection proves it.
    pub(crate) fn identity(&self) -> &Rc<ClientIdentity> {
        &self.identity
    }

    /// The scheme by which the client reached the gateway.
    pub(crate) fn scheme(&self) -> Scheme {
        self.identity.scheme
    }

    /// The limits that hold for the connection.
    pub(crate) fn limits(&self) -> &ConnectionLimits {
        &self.limits
    }

    /// Counts a request whose head has been read.
    pub(crate) fn exchange_begins(&self) {
        self.watch.exchange_begins();
        self.requests.set(self.requests.get().saturating_add(1));
    }

    /// The listener that takes the current request.
    pub(crate) fn taken_by(&self, listener: &Arc<str>) {
        let mut last = self.last.borrow_mut();
        let is_known = last
            .listener
            .as_ref()
            .is_some_and(|known| Arc::ptr_eq(known, listener));
        if !is_known {
            last.listener = Some(Arc::clone(listener));
        }
    }

    /// The host that the current request goes to.
    pub(crate) fn heads_for(&self, host: &Host) {
        self.last.borrow_mut().host = Some(host.clone());
    }

    /// The number of requests whose heads have been read.
    fn requests(&self) -> u32 {
        self.requests.get()
    }

    /// Whether the connection closes after the current request: [`Self::close_after_response`] was called, or
    /// `max_requests` is reached.
    pub(crate) fn is_closing(&self) -> bool {
        let most = self.limits.max_requests;
        self.close_after_response.get() || most.is_some_and(|most| self.requests.get() >= most)
    }

    /// Closes the connection once the current request is answered.
    pub(crate) fn close_after_response(&self) {
        self.close_after_response.set(true);
    }

    /// Whether no more of what the client sends is read as HTTP. What it sends nevertheless is discarded before an HTTP/1.1
    /// connection is closed.
    pub(crate) fn takes_no_more(&self) -> bool {
        self.takes_no_more.get()
    }

    /// Records that no more of what the client sends is read as HTTP: the current response is the last one, or a request
    /// body did not come to its end. Streams of HTTP/2 are independent of each other.
    pub(crate) fn take_no_more(&self) {
        self.takes_no_more.set(!self.is_http2());
    }

    /// Tells an HTTP/2 client that the connection takes no more requests (GOAWAY, RFC 9113 6.8).
    pub(crate) fn go_away(&self) {
        self.go_away.notify_one();
    }

    /// The idle timeout of an exchange or a tunnel.
    pub(crate) fn stream_idle_timeout(&self) -> Duration {
        self.limits.stream_idle_limit()
    }

    /// Records that an exchange has ended.
    pub(crate) fn exchange_ended(&self, now: Instant) {
        self.watch.exchange_ended(now);
    }

    /// Whether the connection ended because the client read nothing for the idle timeout.
    pub(crate) fn is_stalled(&self) -> bool {
        self.watch.is_stalled()
    }
}
