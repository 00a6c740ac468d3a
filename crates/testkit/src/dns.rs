//! A scripted DNS server on loopback, over UDP and TCP on one port, and optionally over TLS and HTTPS on two others.
//!
//! The answers of a name can be changed at any time. Names are compared without regard to case, and answers repeat the
//! case of the question. A name without a script does not exist (NXDOMAIN). Where a method takes a [`QueryMatch`], a
//! bare name means every record type, and `(name, RecordType::AAAA)` means one.

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
pub use log::{Protocol, RecordedQuery};
pub use record::HttpsRecord;
pub use script::AnswerHold;
pub use zone::QueryMatch;

use crate::server_thread::ServerThread;
use crate::watched::{WatchedValue, unblocked};
use encrypted::EncryptedEndpoints;
use serve::{ConnectionTracker, DnsSockets};
use zone::ScriptedZone;

const TRIES: usize = 100;

/// The DNS server. Dropping it stops it.
#[derive(Debug)]
pub struct DnsServer {
    addr: SocketAddr,
    encrypted: Option<EncryptedEndpoints>,
    connections: Arc<ConnectionTracker>,
    watched: Arc<WatchedValue<DnsState>>,
    _background: ServerThread,
}

/// The state that the thread of the server and the test share.
#[derive(Debug, Default)]
pub(crate) struct DnsState {
    zone: ScriptedZone,
    queries: Vec<RecordedQuery>,
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

    /// Starts a server where the name `a.example` has the address 127.0.0.1.
    ///
    /// # Panics
    /// If no port is free for both UDP and TCP.
    #[must_use]
    pub fn with_a_example() -> Self {
        let dns = Self::start();
        dns.a("a.example", ["127.0.0.1"], 60);
        dns
    }

    fn start_with(encrypted: Option<(EncryptedEndpoints, encrypted::EncryptedListeners)>) -> Self {
        let (udp, tcp, addr) = (0..TRIES)
            .find_map(|_| bind_both())
            .expect("a port that is free for UDP and TCP");
        let watched = Arc::new(WatchedValue::new(DnsState::default()));
        let connections = Arc::new(ConnectionTracker::default());
        let (encrypted, listeners) = encrypted.unzip();
        let sockets = DnsSockets {
            udp,
            tcp,
            encrypted: listeners,
        };
        let (zone, open) = (Arc::clone(&watched), Arc::clone(&connections));
        let background = ServerThread::start("dns", |tasks| serve::all(sockets, zone, open, tasks));
        Self {
            addr,
            encrypted,
            connections,
            watched,
            _background: background,
        }
    }

    /// The address of the server for UDP and TCP.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// How many queries matching `asked` have arrived.
    #[must_use]
    pub fn queries_for(&self, asked: impl Into<QueryMatch>) -> usize {
        let asked = asked.into();
        self.watched
            .read(|state| log::count(&state.queries, &asked))
    }

    /// How many A queries for `name` have arrived: the number of lookups, if each lookup asks for both families.
    #[must_use]
    pub fn lookups_for(&self, name: &str) -> usize {
        self.queries_for((name, RecordType::A))
    }

    /// All queries so far, in order of arrival.
    #[must_use]
    pub fn queries(&self) -> Vec<RecordedQuery> {
        self.watched.read(|state| state.queries.clone())
    }

    /// Clears the record of queries.
    pub fn clear_queries(&self) {
        self.watched.update(|state| state.queries.clear());
    }

    /// Blocks until at least `count` queries matching `asked` have arrived since the last clearing.
    ///
    /// # Panics
    /// If they do not arrive within the deadline.
    pub fn wait_for_queries(&self, asked: impl Into<QueryMatch>, count: usize) {
        wait_for(&self.watched, &asked.into(), count);
    }

    /// As [`Self::wait_for_queries`], without blocking the caller's runtime.
    ///
    /// # Panics
    /// If they do not arrive within the deadline.
    pub async fn until_queries(&self, asked: impl Into<QueryMatch>, count: usize) {
        let asked = asked.into();
        let watched = Arc::clone(&self.watched);
        unblocked(move || wait_for(&watched, &asked, count)).await;
    }
}

/// Scripting answers. A new script for a name, or for one type of a name, replaces the previous one. A script for one
/// type removes the script for all types, and types without a script have no data.
impl DnsServer {
    /// Gives `answer` to every matching query.
    pub fn answer(&self, asked: impl Into<QueryMatch>, answer: Answer) {
        self.sequence(asked, [answer]);
    }

    /// Gives successive queries of a type successive answers. The last answer repeats.
    ///
    /// # Panics
    /// If `answers` is empty.
    pub fn sequence(
        &self,
        asked: impl Into<QueryMatch>,
        answers: impl IntoIterator<Item = Answer>,
    ) {
        let answers: Vec<Answer> = answers.into_iter().collect();
        assert!(!answers.is_empty(), "a sequence needs an answer");
        let asked = asked.into();
        self.watched
            .update(|state| state.zone.script(asked, answers));
    }

    /// Answers A queries with these IPv4 addresses, parsed from text.
    pub fn a<'a>(&self, name: &str, addresses: impl IntoIterator<Item = &'a str>, ttl: u32) {
        self.answer((name, RecordType::A), Answer::a(addresses, ttl));
    }

    /// Answers AAAA queries with these IPv6 addresses, parsed from text.
    pub fn aaaa<'a>(&self, name: &str, addresses: impl IntoIterator<Item = &'a str>, ttl: u32) {
        self.answer((name, RecordType::AAAA), Answer::aaaa(addresses, ttl));
    }

    /// Answers with a CNAME alone, so that a resolver has to query the target next.
    pub fn cname(&self, name: &str, target: &str, ttl: u32) {
        self.answer(name, Answer::cname(target, ttl));
    }

    /// Answers with a chain of CNAMEs and the addresses of the last name, all in one message.
    pub fn cname_chain<'a>(
        &self,
        names: &[&str],
        addresses: impl IntoIterator<Item = &'a str>,
        ttl: u32,
    ) {
        let (first, rest) = names.split_first().expect("a chain starts with a name");
        self.answer(*first, Answer::chain(rest, addresses, ttl));
    }

    /// Makes two names CNAMEs of each other.
    pub fn cname_loop(&self, one: &str, other: &str, ttl: u32) {
        self.cname(one, other, ttl);
        self.cname(other, one, ttl);
    }

    /// Answers with `count` addresses from 198.18.0.0/15 or 2001:db8::/32. Large answers are truncated over UDP.
    pub fn many(&self, name: &str, count: u16, ttl: u32) {
        let v4 = (0..u32::from(count)).map(|n| Ipv4Addr::from_bits(0xc612_0000 + n).into());
        let v6 =
            (0..u128::from(count)).map(|n| Ipv6Addr::from_bits((0x2001_0db8 << 96) + n).into());
        self.answer(name, Answer::addresses(v4.chain(v6), ttl));
    }

    /// Answers NXDOMAIN: the name does not exist.
    pub fn nxdomain(&self, asked: impl Into<QueryMatch>) {
        self.answer(asked, Answer::Code(ResponseCode::NXDomain));
    }

    /// Answers NODATA: the name exists and has no records.
    pub fn nodata(&self, asked: impl Into<QueryMatch>) {
        self.answer(asked, Answer::Code(ResponseCode::NoError));
    }

    /// Answers SERVFAIL.
    pub fn servfail(&self, asked: impl Into<QueryMatch>) {
        self.answer(asked, Answer::Code(ResponseCode::ServFail));
    }

    /// Answers REFUSED.
    pub fn refuse(&self, asked: impl Into<QueryMatch>) {
        self.answer(asked, Answer::Code(ResponseCode::Refused));
    }

    /// Answers HTTPS queries with these records (RFC 9460).
    pub fn services(&self, name: &str, records: impl IntoIterator<Item = HttpsRecord>, ttl: u32) {
        self.answer((name, RecordType::HTTPS), Answer::services(records, ttl));
    }

    /// Drops matching queries without an answer.
    pub fn drop_queries(&self, asked: impl Into<QueryMatch>) {
        self.answer(asked, Answer::Silence);
    }

    /// Answers with a forged or malformed message.
    pub fn hostile(&self, asked: impl Into<QueryMatch>, how: Hostile) {
        self.answer(asked, Answer::Hostile(how));
    }
}

/// Options of delivery, which apply to every answer.
impl DnsServer {
    /// Delays answers by `delay`. `Duration::ZERO` removes the delay.
    pub fn delay(&self, asked: impl Into<QueryMatch>, delay: Duration) {
        let asked = asked.into();
        self.watched
            .update(|state| state.zone.options_mut(asked).delay = delay);
    }

    /// Withholds answers until the hold is released. The content of an answer is fixed when its query arrives.
    pub fn hold(&self, asked: impl Into<QueryMatch>) -> AnswerHold {
        let (hold, released) = AnswerHold::new();
        let asked = asked.into();
        self.watched
            .update(|state| state.zone.options_mut(asked).hold = Some(released));
        hold
    }

    /// Answers over UDP with only the truncation bit, and over TCP in full.
    pub fn truncate_udp(&self, asked: impl Into<QueryMatch>) {
        let asked = asked.into();
        self.watched
            .update(|state| state.zone.options_mut(asked).truncate = true);
    }

    /// Sets the SOA minimum of negative answers, which limits how long they may be cached. The default is 60 s.
    pub fn soa_minimum(&self, secs: u32) {
        self.watched
            .update(|state| state.zone.soa_minimum = Some(secs));
    }

    /// Omits the SOA record from negative answers.
    pub fn without_soa(&self) {
        self.watched.update(|state| state.zone.soa_minimum = None);
    }
}

/// Connections over TCP, TLS and HTTPS, counted together.
impl DnsServer {
    /// How many connections have been accepted so far.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.accepted()
    }

    /// Closes all open connections, even with queries in progress.
    pub fn close_connections(&self) {
        self.connections.close();
    }
}

fn wait_for(watched: &WatchedValue<DnsState>, asked: &QueryMatch, count: usize) {
    watched.wait(
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
