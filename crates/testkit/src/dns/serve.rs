//! The server's sockets: datagrams and connections in, replies out.

use std::net::{TcpListener as StdListener, UdpSocket as StdSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hickory_proto::op::Message;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::runtime::Handle;
use tokio::sync::{Mutex, Notify};
use tokio_rustls::TlsAcceptor;

use super::encrypted::Listeners;
use super::log::{Protocol, Query};
use super::{Answer, State, encode, https, zone};
use crate::board::Board;

type Shared = Arc<Board<State>>;

/// What the server listens on.
pub(super) struct Sockets {
    pub(super) udp: StdSocket,
    pub(super) tcp: StdListener,
    pub(super) encrypted: Option<Listeners>,
}

/// The connections of a server.
#[derive(Debug, Default)]
pub(super) struct Connections {
    accepted: AtomicUsize,
    closing: Notify,
}

/// What a query gets.
pub(super) enum Reply {
    Message(Vec<u8>),
    Silence,
    Hangup,
}

/// A connection that queries come over.
pub(super) struct Context {
    pub(super) protocol: Protocol,
    pub(super) shared: Shared,
    pub(super) tasks: Handle,
    /// Rung by a query that is answered with a hangup.
    pub(super) hangup: Arc<Notify>,
}

impl Connections {
    pub(super) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::Relaxed)
    }

    pub(super) fn close(&self) {
        self.closing.notify_waiters();
    }
}

pub(super) async fn all(
    sockets: Sockets,
    shared: Shared,
    connections: Arc<Connections>,
    tasks: Handle,
) {
    let udp = UdpSocket::from_std(sockets.udp).expect("a UDP socket of the runtime");
    let accept_on = |listener, protocol, acceptor| {
        let listener = TcpListener::from_std(listener).expect("a TCP listener of the runtime");
        let (shared, connections) = (Arc::clone(&shared), Arc::clone(&connections));
        let context = move |tasks: &Handle| Context {
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
    if let Some(Listeners { tls, https }) = sockets.encrypted {
        accept_on(tls.0, Protocol::Tls, Some(tls.1));
        accept_on(https.0, Protocol::Https, Some(https.1));
    }
    datagrams(Arc::new(udp), shared, tasks).await;
}

async fn datagrams(socket: Arc<UdpSocket>, shared: Shared, tasks: Handle) {
    let mut buffer = [0; 4096];
    loop {
        let Ok((length, peer)) = socket.recv_from(&mut buffer).await else {
            continue;
        };
        let query = buffer[..length].to_vec();
        let (socket, shared) = (Arc::clone(&socket), Arc::clone(&shared));
        tasks.spawn(async move {
            if let Reply::Message(reply) = answer(&query, Protocol::Udp, &shared).await {
                // A client that went away is no business of ours.
                let _ = socket.send_to(&reply, peer).await;
            }
        });
    }
}

async fn accept(
    listener: TcpListener,
    acceptor: Option<TlsAcceptor>,
    connections: Arc<Connections>,
    context: impl Fn(&Handle) -> Context,
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

async fn connection(stream: TcpStream, acceptor: Option<TlsAcceptor>, context: Context) {
    let Some(acceptor) = acceptor else {
        return messages(stream, context).await;
    };
    // A client that does not trust us goes away.
    let Ok(stream) = acceptor.accept(stream).await else {
        return;
    };
    match context.protocol {
        Protocol::Https => https::requests(stream, context).await,
        _ => messages(stream, context).await,
    }
}

/// Each query of a connection is a task, so that a withheld answer holds up no other.
async fn messages<S>(stream: S, context: Context)
where
    S: AsyncRead + AsyncWrite + Send + 'static,
{
    let (mut read, write) = tokio::io::split(stream);
    // Tasks that are not done do not keep the connection open.
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
                (Reply::Message(reply), Some(write)) => send(&write, &reply).await,
                (Reply::Hangup, _) => hangup.notify_one(),
                _ => {}
            }
        });
    }
}

async fn send(write: &Mutex<impl AsyncWrite + Unpin>, reply: &[u8]) {
    let length = u16::try_from(reply.len()).expect("an answer under 64 KiB");
    let framed = [&length.to_be_bytes(), reply].concat();
    // A client that went away is no business of ours.
    let mut write = write.lock().await;
    let _ = write.write_all(&framed).await;
    let _ = write.flush().await;
}

/// Records a query and answers it when its manner allows; what is no query gets no answer.
pub(super) async fn answer(query: &[u8], protocol: Protocol, shared: &Board<State>) -> Reply {
    let Ok(query) = Message::from_vec(query) else {
        return Reply::Silence;
    };
    let Some(question) = query.queries.first() else {
        return Reply::Silence;
    };
    let name = zone::canonical(&question.name().to_ascii());
    let record_type = question.query_type();
    let (answer, manner, soa_minimum) = shared.update(|state| {
        let answer = state.zone.answer(&name, record_type);
        let manner = state.zone.manner_of(&name, record_type);
        state.queries.push(Query {
            name,
            record_type,
            protocol,
        });
        (answer, manner, state.zone.soa_minimum)
    });
    let truncate = manner.truncate;
    manner.observe().await;

    if answer == Answer::Hangup {
        return Reply::Hangup;
    }
    let Some(reply) = encode::reply(&query, &answer, soa_minimum) else {
        return Reply::Silence;
    };
    let hostile = matches!(answer, Answer::Hostile(_));
    let oversize = !hostile && reply.len() > usize::from(query.max_payload());
    if protocol == Protocol::Udp && (truncate || oversize) {
        return Reply::Message(encode::truncated(&query));
    }
    Reply::Message(reply)
}
