//! The server's sockets: datagrams and connections in, replies out.

use std::net::{TcpListener as StdListener, UdpSocket as StdSocket};
use std::sync::Arc;

use hickory_proto::op::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::OwnedWriteHalf;
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::runtime::Handle;
use tokio::sync::Mutex;

use super::State;
use super::log::{Protocol, Query};
use super::{encode, zone};
use crate::board::Board;

type Shared = Arc<Board<State>>;

pub(super) async fn both(udp: StdSocket, tcp: StdListener, shared: Shared, tasks: Handle) {
    let udp = UdpSocket::from_std(udp).expect("a UDP socket of the runtime");
    let tcp = TcpListener::from_std(tcp).expect("a TCP listener of the runtime");
    tokio::join!(
        datagrams(Arc::new(udp), Arc::clone(&shared), tasks.clone()),
        connections(tcp, shared, tasks),
    );
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
            if let Some(reply) = answer(&query, Protocol::Udp, &shared).await {
                // A client that went away is no business of ours.
                let _ = socket.send_to(&reply, peer).await;
            }
        });
    }
}

async fn connections(listener: TcpListener, shared: Shared, tasks: Handle) {
    while let Ok((stream, _)) = listener.accept().await {
        tasks.spawn(connection(stream, Arc::clone(&shared), tasks.clone()));
    }
}

/// Each query of a connection is a task, so that a withheld answer holds up no other.
async fn connection(stream: TcpStream, shared: Shared, tasks: Handle) {
    let (mut read, write) = stream.into_split();
    let write = Arc::new(Mutex::new(write));
    while let Ok(length) = read.read_u16().await {
        let mut query = vec![0; usize::from(length)];
        if read.read_exact(&mut query).await.is_err() {
            return;
        }
        let (write, shared) = (Arc::clone(&write), Arc::clone(&shared));
        tasks.spawn(async move {
            if let Some(reply) = answer(&query, Protocol::Tcp, &shared).await {
                send(&write, &reply).await;
            }
        });
    }
}

async fn send(write: &Mutex<OwnedWriteHalf>, reply: &[u8]) {
    let length = u16::try_from(reply.len()).expect("an answer under 64 KiB");
    let framed = [&length.to_be_bytes(), reply].concat();
    // A client that went away is no business of ours.
    let _ = write.lock().await.write_all(&framed).await;
}

/// Records a query and answers it when its manner allows; what is no query gets no answer.
async fn answer(query: &[u8], protocol: Protocol, shared: &Board<State>) -> Option<Vec<u8>> {
    let query = Message::from_vec(query).ok()?;
    let question = query.queries.first()?;
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

    let reply = encode::reply(&query, &answer, soa_minimum)?;
    let oversize = reply.len() > usize::from(query.max_payload());
    if protocol == Protocol::Udp && (truncate || oversize) {
        return Some(encode::truncated(&query));
    }
    Some(reply)
}
