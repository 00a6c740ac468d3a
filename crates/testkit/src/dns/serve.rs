//! The sockets of the DNS server: receives queries in datagrams and on connections, and sends replies.

use std::net::{TcpListener as StdListener, UdpSocket as StdSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hickory_proto::op::Message;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::runtime::Handle;
use tokio::sync::{Mutex, Notify};
use tokio_rustls::TlsAcceptor;

use super::encrypted::EncryptedListeners;
use super::log::{Protocol, RecordedQuery};
use super::{Answer, DnsState, encode, https, zone};
use crate::watched::WatchedValue;

type SharedState = Arc<WatchedValue<DnsState>>;

/// The sockets of a DNS server.
pub(super) struct DnsSockets {
    pub(super) udp: StdSocket,
    pub(super) tcp: StdListener,
    pub(super) encrypted: Option<EncryptedListeners>,
}

/// Counts the connections of a server, and closes them on demand.
#[derive(Debug, Default)]
pub(super) struct ConnectionTracker {
    accepted: AtomicUsize,
    closing: Notify,
}

/// How a query is answered.
pub(super) enum QueryReply {
    Message(Vec<u8>),
    Silence,
    Hangup,
}

/// The connection of a query, and what answering the query needs.
pub(super) struct QueryContext {
    pub(super) protocol: Protocol,
    pub(super) shared: SharedState,
    pub(super) tasks: Handle,
    /// Notified by a query whose answer is to close the connection.
    pub(super) hangup: Arc<Notify>,
}

impl ConnectionTracker {
    pub(super) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::Relaxed)
    }

    pub(super) fn close(&self) {
        self.closing.notify_waiters();
    }
}

pub(super) async fn all(
    sockets: DnsSockets,
    shared: SharedState,
    connections: Arc<ConnectionTracker>,
    tasks: Handle,
) {
    let udp = UdpSocket::from_std(sockets.udp).expect("a UDP socket of the runtime");
    let accept_on = |listener, protocol, acceptor| {
        let listener = TcpListener::from_std(listener).expect("a TCP listener of the runtime");
        let (shared, connections) = (Arc::clone(&shared), Arc::clone(&connections));
        let context = move |tasks: &Handle| QueryContext {
            protocol,
            shared: Arc::clone(&shared),
            tasks: tasks.clone(),
            hangup: Arc::default(),
        };
        tasks.spawn(accept(
            listener,
            acceptor,
            connections,
            context,
            tasks.clone(),
        ));
    };
    accept_on(sockets.tcp, Protocol::Tcp, None);
    if let Some(EncryptedListeners { tls, https }) = sockets.encrypted {
        accept_on(tls.0, Protocol::Tls, Some(tls.1));
        accept_on(https.0, Protocol::Https, Some(https.1));
    }
    datagrams(Arc::new(udp), shared, tasks).await;
}

async fn datagrams(socket: Arc<UdpSocket>, shared: SharedState, tasks: Handle) {
    let mut buffer = [0; 4096];
    loop {
        let Ok((length, peer)) = socket.recv_from(&mut buffer).await else {
            continue;
        };
        let query = buffer[..length].to_vec();
        let (socket, shared) = (Arc::clone(&socket), Arc::clone(&shared));
        tasks.spawn(async move {
            if let QueryReply::Message(reply) = answer(&query, Protocol::Udp, &shared).await {
                // The client may have disconnected.
                let _ = socket.send_to(&reply, peer).await;
            }
        });
    }
}

async fn accept(
    listener: TcpListener,
    acceptor: Option<TlsAcceptor>,
    connections: Arc<ConnectionTracker>,
    context: impl Fn(&Handle) -> QueryContext,
    tasks: Handle,
) {
    while let Ok((stream, _)) = listener.accept().await {
        connections.accepted.fetch_add(1, Ordering::Relaxed);
        let (acceptor, connections) = (acceptor.clone(), Arc::clone(&connections));
        let context = context(&tasks);
        let hangup = Arc::clone(&context.hangup);
        tasks.spawn(async move {
            tokio::select! {
                () = connection(stream, acceptor, context) => {}
                () = hangup.notified() => {}
                () = connections.closing.notified() => {}
            }
        });
    }
}

async fn connection(stream: TcpStream, acceptor: Option<TlsAcceptor>, context: QueryContext) {
    let Some(acceptor) = acceptor else {
        return messages(stream, context).await;
    };
    // A client that does not trust the certificate closes the connection.
    let Ok(stream) = acceptor.accept(stream).await else {
        return;
    };
    match context.protocol {
        Protocol::Https => https::requests(stream, context).await,
        _ => messages(stream, context).await,
    }
}

/// Serves DNS messages with a length prefix. Each query has a task, so that a withheld answer delays no other.
async fn messages<S>(stream: S, context: QueryContext)
where
    S: AsyncRead + AsyncWrite + Send + 'static,
{
    let (mut read, write) = tokio::io::split(stream);
    // Unfinished tasks must not keep the connection open.
    let write = Arc::new(Mutex::new(write));
    while let Ok(length) = read.read_u16().await {
        let mut query = vec![0; usize::from(length)];
        if read.read_exact(&mut query).await.is_err() {
            return;
        }
        let write = Arc::downgrade(&write);
        let (protocol, shared) = (context.protocol, Arc::clone(&context.shared));
        let hangup = Arc::clone(&context.hangup);
        context.tasks.spawn(async move {
            let reply = answer(&query, protocol, &shared).await;
            match (reply, write.upgrade()) {
                (QueryReply::Message(reply), Some(write)) => send(&write, &reply).await,
                (QueryReply::Hangup, _) => hangup.notify_one(),
                _ => {}
            }
        });
    }
}

async fn send(write: &Mutex<impl AsyncWrite + Unpin>, reply: &[u8]) {
    let length = u16::try_from(reply.len()).expect("an answer under 64 KiB");
    let framed = [&length.to_be_bytes(), reply].concat();
    // The client may have disconnected.
    let mut write = write.lock().await;
    let _ = write.write_all(&framed).await;
    let _ = write.flush().await;
}

pub(super) async fn answer(
    query: &[u8],
    protocol: Protocol,
    shared: &WatchedValue<DnsState>,
) -> QueryReply {
    let Ok(query) = Message::from_vec(query) else {
        return QueryReply::Silence;
    };
    let Some(question) = query.queries.first() else {
        return QueryReply::Silence;
    };
    let name = zone::canonical(&question.name().to_ascii());
    let record_type = question.query_type();
    let (answer, options, soa_minimum) = shared.update(|state| {
        let answer = state.zone.answer(&name, record_type);
        let options = state.zone.options_for(&name, record_type);
        state.queries.push(RecordedQuery {
            name,
            record_type,
            protocol,
        });
        (answer, options, state.zone.soa_minimum)
    });
    let truncate = options.truncate;
    options.wait().await;

    if answer == Answer::Hangup {
        return QueryReply::Hangup;
    }
    let Some(reply) = encode::reply(&query, &answer, soa_minimum) else {
        return QueryReply::Silence;
    };
    let hostile = matches!(answer, Answer::Hostile(_));
    let oversize = !hostile && reply.len() > usize::from(query.max_payload());
    if protocol == Protocol::Udp && (truncate || oversize) {
        return QueryReply::Message(encode::truncated(&query));
    }
    QueryReply::Message(reply)
}
