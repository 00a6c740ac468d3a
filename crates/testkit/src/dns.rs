//! A scripted DNS server on loopback, over UDP and TCP on one port, and over TLS and HTTPS on others
//! if told so.
//!
//! What a name answers can be changed at any time. Names compare without regard to case, and
//! answers keep the case of the question. A name nothing was said about does not exist. Where a
//! call takes [`Asked`], a bare name means every record type and `(name, RecordType::AAAA)` one.

mod answer;
mod encode;
mod encrypted;
mod https;
mod log;
mod record;
mod script;
mod serve;
mod zone;

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

pub use answer::{Answer, Hostile, POISON_V4, POISON_V6};
pub use hickory_proto::op::ResponseCode;
pub use hickory_proto::rr::RecordType;
pub use log::{Protocol, Query};
pub use record::HttpsRecord;
pub use script::Hold;
pub use zone::Asked;

use crate::background::Background;
use crate::board::{Board, unblocked};
use encrypted::Encrypted;
use serve::{Connections, Sockets};
use zone::Zone;

const TRIES: usize = 100;

/// The server; dropping it stops it.
#[derive(Debug)]
pub struct DnsServer {
    addr: SocketAddr,
    encrypted: Option<Encrypted>,
    connections: Arc<Connections>,
    board: Arc<Board<State>>,
    _background: Background,
}

/// What the server's thread and the test share.
#[derive(Debug, Default)]
pub(crate) struct State {
    zone: Zone,
    queries: Vec<Query>,
}

impl DnsServer {
    /// Starts a server with an empty zone on a free port of 127.0.0.1.
    ///
    /// # Panics
    /// If no port is free for both UDP and TCP.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(None)
    }

    fn start_with(encrypted: Option<(Encrypted, encrypted::Listeners)>) -> Self {
        let (udp, tcp, addr) = (0..TRIES)
            .find_map(|_| bind_both())
            .expect("a port that is free for UDP and TCP");
        let board = Arc::new(Board::new(State::default()));
        let connections = Arc::new(Connections::default());
        let (encrypted, listeners) = encrypted.unzip();
        let sockets = Sockets {
            udp,
            tcp,
            encrypted: listeners,
        };
        let (zone, open) = (Arc::clone(&board), Arc::clone(&connections));
        let background = Background::start("dns", |tasks| serve::all(sockets, zone, open, tasks));
        Self {
            addr,
            encrypted,
            connections,
            board,
            _background: background,
        }
    }

    /// Where it answers.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// How many queries came for a name, of every type or of one.
    #[must_use]
    pub fn queries_for(&self, asked: impl Into<Asked>) -> usize {
        let asked = asked.into();
        self.board.read(|state| log::count(&state.queries, &asked))
    }

    /// How many A queries came for a name: the number of lookups, where each asks both families.
    #[must_use]
    pub fn lookups_for(&self, name: &str) -> usize {
        self.queries_for((name, RecordType::A))
    }

    /// Every query so far, in the order of arrival.
    #[must_use]
    pub fn queries(&self) -> Vec<Query> {
        self.board.read(|state| state.queries.clone())
    }

    /// Forgets the queries so far.
    pub fn clear_queries(&self) {
        self.board.update(|state| state.queries.clear());
    }

    /// Blocks until at least `count` queries came for a name since the last clearing.
    ///
    /// # Panics
    /// If they do not come within the deadline.
    pub fn wait_for_queries(&self, asked: impl Into<Asked>, count: usize) {
        wait_for(&self.board, &asked.into(), count);
    }

    /// As [`Self::wait_for_queries`], without blocking the caller's runtime.
    ///
    /// # Panics
    /// If they do not come within the deadline.
    pub async fn until_queries(&self, asked: impl Into<Asked>, count: usize) {
        let asked = asked.into();
        let board = Arc::clone(&self.board);
        unblocked(move || wait_for(&board, &asked, count)).await;
    }
}

/// Answers. The last word on a name, or on one type of a name, replaces the former ones; a word on
/// one type ends what was said of all types, and types nothing was said about have no data.
impl DnsServer {
    /// Answers a name as told.
    pub fn answer(&self, asked: impl Into<Asked>, answer: Answer) {
        self.sequence(asked, [answer]);
    }

    /// Gives each next query of a type the next answer; the last one repeats.
    ///
    /// # Panics
    /// If there is no answer.
    pub fn sequence(&self, asked: impl Into<Asked>, answers: impl IntoIterator<Item = Answer>) {
        let answers: Vec<Answer> = answers.into_iter().collect();
        assert!(!answers.is_empty(), "a sequence needs an answer");
        let asked = asked.into();
        self.board.update(|state| state.zone.script(asked, answers));
    }

    /// IPv4 addresses, parsed from text.
    pub fn a<'a>(&self, name: &str, addresses: impl IntoIterator<Item = &'a str>, ttl: u32) {
        self.answer((name, RecordType::A), Answer::a(addresses, ttl));
    }

    /// IPv6 addresses, parsed from text.
    pub fn aaaa<'a>(&self, name: &str, addresses: impl IntoIterator<Item = &'a str>, ttl: u32) {
        self.answer((name, RecordType::AAAA), Answer::aaaa(addresses, ttl));
    }

    /// An alias alone: who wants addresses asks for the target next.
    pub fn cname(&self, name: &str, target: &str, ttl: u32) {
        self.answer(name, Answer::cname(target, ttl));
    }

    /// A chain of aliases with the addresses of the last, all in one answer.
    pub fn cname_chain<'a>(
        &self,
        names: &[&str],
        addresses: impl IntoIterator<Item = &'a str>,
        ttl: u32,
    ) {
        let (first, rest) = names.split_first().expect("a chain starts with a name");
        self.answer(*first, Answer::chain(rest, addresses, ttl));
    }

    /// Two names that are aliases of each other.
    pub fn cname_loop(&self, one: &str, other: &str, ttl: u32) {
        self.cname(one, other, ttl);
        self.cname(other, one, ttl);
    }

    /// As many addresses as told, from 198.18.0.0/15 and 2001:db8::/32; over UDP they are truncated.
    pub fn many(&self, name: &str, count: u16, ttl: u32) {
        let v4 = (0..u32::from(count)).map(|n| Ipv4Addr::from_bits(0xc612_0000 + n).into());
        let v6 =
            (0..u128::from(count)).map(|n| Ipv6Addr::from_bits((0x2001_0db8 << 96) + n).into());
        self.answer(name, Answer::addresses(v4.chain(v6), ttl));
    }

    /// The name does not exist.
    pub fn nxdomain(&self, asked: impl Into<Asked>) {
        self.answer(asked, Answer::Code(ResponseCode::NXDomain));
    }

    /// The name exists and has no records.
    pub fn nodata(&self, asked: impl Into<Asked>) {
        self.answer(asked, Answer::Code(ResponseCode::NoError));
    }

    /// The server fails.
    pub fn servfail(&self, asked: impl Into<Asked>) {
        self.answer(asked, Answer::Code(ResponseCode::ServFail));
    }

    /// The server refuses.
    pub fn refuse(&self, asked: impl Into<Asked>) {
        self.answer(asked, Answer::Code(ResponseCode::Refused));
    }

    /// HTTPS records (RFC 9460).
    pub fn services(&self, name: &str, records: impl IntoIterator<Item = HttpsRecord>, ttl: u32) {
        self.answer((name, RecordType::HTTPS), Answer::services(records, ttl));
    }

    /// Never answers.
    pub fn drop_queries(&self, asked: impl Into<Asked>) {
        self.answer(asked, Answer::Silence);
    }

    /// Answers with a lie or with junk.
    pub fn hostile(&self, asked: impl Into<Asked>, how: Hostile) {
        self.answer(asked, Answer::Hostile(how));
    }
}

/// Manners: how an answer is given, whichever it is.
impl DnsServer {
    /// Answers so much later; `Duration::ZERO` ends it.
    pub fn delay(&self, asked: impl Into<Asked>, delay: Duration) {
        let asked = asked.into();
        self.board
            .update(|state| state.zone.manner(asked).delay = delay);
    }

    /// Withholds answers until the hold is released; what is answered is settled when asked.
    pub fn hold(&self, asked: impl Into<Asked>) -> Hold {
        let (hold, released) = Hold::new();
        let asked = asked.into();
        self.board
            .update(|state| state.zone.manner(asked).hold = Some(released));
        hold
    }

    /// Answers UDP with the truncation bit alone, and TCP in full.
    pub fn truncate_udp(&self, asked: impl Into<Asked>) {
        let asked = asked.into();
        self.board
            .update(|state| state.zone.manner(asked).truncate = true);
    }

    /// The SOA minimum of negative answers, which is how long they may be kept; 60 s at first.
    pub fn soa_minimum(&self, secs: u32) {
        self.board
            .update(|state| state.zone.soa_minimum = Some(secs));
    }

    /// Leaves the SOA out of negative answers.
    pub fn without_soa(&self) {
        self.board.update(|state| state.zone.soa_minimum = None);
    }
}

/// Connections, over TCP, TLS and HTTPS together.
impl DnsServer {
    /// How many were accepted so far.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.accepted()
    }

    /// Closes those that are open, whatever is under way on them.
    pub fn close_connections(&self) {
        self.connections.close();
    }
}

fn wait_for(board: &Board<State>, asked: &Asked, count: usize) {
    board.wait(
        |state| log::count(&state.queries, asked) >= count,
        |state| log::missing(&state.queries, asked, count),
    );
}

fn bind_both() -> Option<(UdpSocket, TcpListener, SocketAddr)> {
    let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).ok()?;
    let addr = udp.local_addr().ok()?;
    let tcp = TcpListener::bind(addr).ok()?;
    udp.set_nonblocking(true).ok()?;
    tcp.set_nonblocking(true).ok()?;
    Some((udp, tcp, addr))
}
