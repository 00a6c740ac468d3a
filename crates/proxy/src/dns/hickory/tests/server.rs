//! A DNS server on loopback, on UDP and TCP with one port, for the names that the tests query.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use hickory_proto::op::{Message, OpCode, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, CNAME, SOA};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinSet;

/// How the server behaves beside its answers to names.
#[derive(Clone, Copy, Default)]
pub(super) struct ServerScript {
    /// How many queries get no answer.
    pub(super) drop_first: usize,
    pub(super) edns: EdnsScript,
}

/// What the server does with a query that has EDNS.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum EdnsScript {
    #[default]
    Answer,
    /// It answers FORMERR, without a question and without EDNS.
    Refuse,
    /// It does not answer.
    Ignore,
}

/// The transport of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum QueryTransport {
    Udp,
    Tcp,
}

/// One query that the server received.
#[derive(Clone, Debug)]
pub(super) struct ReceivedQuery {
    pub(super) name: String,
    pub(super) transport: QueryTransport,
    pub(super) edns: bool,
}

/// A running server. It stops when it is dropped.
pub(super) struct TestServer {
    pub(super) address: SocketAddr,
    state: Arc<ServerState>,
    _tasks: JoinSet<()>,
}

struct ServerState {
    script: ServerScript,
    queries: Mutex<Vec<ReceivedQuery>>,
    total: std::sync::atomic::AtomicUsize,
}

impl TestServer {
    pub(super) async fn start(script: ServerScript) -> Self {
        let (tcp, udp) = bind().await;
        let address = tcp.local_addr().unwrap();
        let state = Arc::new(ServerState {
            script,
            queries: Mutex::default(),
            total: Default::default(),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(serve_udp(udp, Arc::clone(&state)));
        tasks.spawn(serve_tcp(tcp, Arc::clone(&state)));
        Self {
            address,
            state,
            _tasks: tasks,
        }
    }

    /// The queries since the last call.
    pub(super) fn take_queries(&self) -> Vec<ReceivedQuery> {
        std::mem::take(&mut *self.state.queries.lock().unwrap())
    }
}

impl ServerState {
    /// The messages that answer a query.
    fn answer(&self, question: &[u8], transport: QueryTransport) -> Vec<Vec<u8>> {
        let question = Message::from_vec(question).unwrap();
        let name = question.queries[0].name().to_ascii().to_lowercase();
        let edns = question.edns.is_some();
        self.queries.lock().unwrap().push(ReceivedQuery {
            name: name.clone(),
            transport,
            edns,
        });
        let before = self
            .total
            .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        if before < self.script.drop_first {
            return Vec::new();
        }
        match self.script.edns {
            EdnsScript::Refuse if edns => {
                let mut response = Message::response(question.metadata.id, OpCode::Query);
                response.metadata.response_code = ResponseCode::FormErr;
                return vec![response.to_vec().unwrap()];
            }
            EdnsScript::Ignore if edns => return Vec::new(),
            _ => {}
        }
        let right = respond(&question, &name, transport);
        let packets = match name.as_str() {
            "wrongid.test." => {
                let mut forged = forge(&question);
                forged.metadata.id = forged.metadata.id.wrapping_add(1);
                vec![forged, right]
            }
            "wrongname.test." => {
                let mut forged = forge(&question);
                forged.queries[0].set_name(name_of("other.test."));
                vec![forged, right]
            }
            "garbage.test." => {
                let mut packet = right.to_vec().unwrap();
                // Only the header is left, which claims records that are missing.
                packet.truncate(12);
                return vec![packet];
            }
            _ => vec![right],
        };
        packets
            .iter()
            .map(|packet| packet.to_vec().unwrap())
            .collect()
    }
}

async fn bind() -> (TcpListener, UdpSocket) {
    loop {
        let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
        if let Ok(udp) = UdpSocket::bind(tcp.local_addr().unwrap()).await {
            return (tcp, udp);
        }
    }
}

async fn serve_udp(socket: UdpSocket, state: Arc<ServerState>) {
    let mut buffer = [0; 4096];
    loop {
        let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
        for packet in state.answer(&buffer[..length], QueryTransport::Udp) {
            socket.send_to(&packet, from).await.unwrap();
        }
    }
}

async fn serve_tcp(listener: TcpListener, state: Arc<ServerState>) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        connections.spawn(serve_connection(stream, Arc::clone(&state)));
    }
}

/// Serves a connection until the client closes it.
async fn serve_connection(mut stream: TcpStream, state: Arc<ServerState>) {
    while let Ok(length) = stream.read_u16().await {
        let mut question = vec![0; length.into()];
        stream.read_exact(&mut question).await.unwrap();
        for packet in state.answer(&question, QueryTransport::Tcp) {
            stream
                .write_u16(packet.len().try_into().unwrap())
                .await
                .unwrap();
            stream.write_all(&packet).await.unwrap();
        }
    }
}

fn name_of(text: &str) -> Name {
    Name::from_ascii(text).unwrap()
}

fn a(owner: &str, ttl: u32, address: &str) -> Record {
    Record::from_rdata(name_of(owner), ttl, RData::A(A(address.parse().unwrap())))
}

fn cname(owner: &str, ttl: u32, target: &str) -> Record {
    Record::from_rdata(name_of(owner), ttl, RData::CNAME(CNAME(name_of(target))))
}

/// A SOA record with a TTL of 300 and a MINIMUM of 10 seconds.
fn soa() -> Record {
    let zone = name_of("test.");
    let soa = SOA::new(zone.clone(), zone.clone(), 1, 60, 60, 60, 10);
    Record::from_rdata(zone, 300, RData::SOA(soa))
}

/// The response of an attacker, with an address of its own.
fn forge(question: &Message) -> Message {
    let mut forged = empty(question);
    let owner = question.queries[0].name().to_ascii();
    forged.add_answer(a(&owner, 60, "192.0.2.66"));
    forged
}

fn empty(question: &Message) -> Message {
    let mut response = Message::response(question.metadata.id, OpCode::Query);
    response.add_query(question.queries[0].clone());
    response
}

fn respond(question: &Message, name: &str, transport: QueryTransport) -> Message {
    let mut response = empty(question);
    let v4 = question.queries[0].query_type() == RecordType::A;
    match name {
        "both.test." if v4 => {
            response.add_answer(a(name, 60, "192.0.2.1"));
            response.add_answer(a(name, 120, "192.0.2.2"));
        }
        "both.test." => {
            let data = RData::AAAA(AAAA("2001:db8::1".parse().unwrap()));
            response.add_answer(Record::from_rdata(name_of(name), 90, data));
        }
        "alias.test." => {
            response.add_answer(cname(name, 300, "step.test."));
            response.add_answer(cname("step.test.", 7, "end.test."));
            response.add_answer(a("end.test.", 60, "192.0.2.9"));
            response.add_answer(a("evil.test.", 60, "192.0.2.66"));
        }
        "far.test." => {
            response.add_answer(cname(name, 11, "both.test."));
        }
        "loop.test." => {
            response.add_answer(cname(name, 60, "pool.test."));
        }
        "pool.test." => {
            response.add_answer(cname(name, 60, "loop.test."));
        }
        "dangling.test." => {
            response.add_answer(cname(name, 60, "gone.test."));
        }
        "long.test." if transport == QueryTransport::Udp => response.metadata.truncation = true,
        "long.test." => {
            response.add_answer(a(name, 60, "192.0.2.1"));
        }
        "gone.test." => {
            response.metadata.response_code = ResponseCode::NXDomain;
            response.add_authority(soa());
        }
        "nosoa.test." => response.metadata.response_code = ResponseCode::NXDomain,
        "servfail.test." => response.metadata.response_code = ResponseCode::ServFail,
        "refused.test." => response.metadata.response_code = ResponseCode::Refused,
        "notimp.test." => response.metadata.response_code = ResponseCode::NotImp,
        "folded.test." => {
            response.queries[0].set_name(name_of("FOLDED.test."));
            response.add_answer(a("FOLDED.test.", 60, "192.0.2.7"));
        }
        "wrongid.test." | "wrongname.test." | "garbage.test." => {
            response.add_answer(a(name, 60, "192.0.2.7"));
        }
        name if name.ends_with(".any.test.") => {
            response.add_answer(a(name, 60, "192.0.2.5"));
        }
        _ => {
            response.add_authority(soa());
        }
    }
    response
}
