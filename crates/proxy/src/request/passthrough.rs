//! TLS passthrough: where the server name of a ClientHello leads, and the way there.
//!
//! Rules, policies, limits and address checks treat the connection as a CONNECT to that name; only the answer is missing.

use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use egret_config::name::DnsName;
use egret_config::snapshot::{Listener, RuleAction};
use http::request::Parts;
use http::{Method, Request};
use tokio::net::TcpStream;

use super::decide;
use crate::client::{ClientConnection, ConnectionOrigin, HttpConnection};
use crate::configuration::WorkerSnapshot;
use crate::context::WorkerContext;
use crate::downstream::alert;
use crate::exchange::Exchange;
use crate::message::target::Target;
use crate::refusal::Refusal;
use crate::stream::ClientStream;
use crate::tunnel::{ClientSide, ReadyTunnel, Tunnel, TunnelKind, TunnelPermit, TunnelRequest};
use crate::upstream::{DirectConnection, Upstreams};

/// A connection whose ClientHello has been read.
pub(crate) struct PassthroughConnection {
    pub(crate) stream: TcpStream,
    /// What was read of it.
    pub(crate) read: Bytes,
    /// The name that it asks for.
    pub(crate) name: DnsName,
    /// The version that an alert should be of.
    pub(crate) version: u16,
    /// The one that takes the name.
    pub(crate) listener: Arc<Listener>,
    /// What it is judged by.
    pub(crate) snapshot: WorkerSnapshot,
}

/// Connects to where the server name leads. A client that may not go there, or cannot, is told so by a TLS alert.
pub(crate) async fn open(
    incoming: PassthroughConnection,
    origin: ConnectionOrigin,
    context: Rc<WorkerContext>,
) -> Option<ReadyTunnel> {
    let PassthroughConnection {
        stream,
        read,
        name,
        version,
        listener,
        snapshot,
    } = incoming;
    let connection = ClientConnection::new(origin, HttpConnection::Http1);
    let telemetry = Rc::clone(&context.telemetry);
    let exchange = Exchange::begin(Rc::clone(&connection), None, telemetry);
    exchange.is_passthrough(listener.access_log);
    exchange.taken_by(&listener);
    let asked = Passthrough {
        listener: &listener,
        snapshot: &snapshot,
        connection: &connection,
        exchange: &exchange,
        upstreams: &context.upstreams,
    };
    let opened = tokio::select! {
        opened = asked.connect(name) => opened,
        () = gone(&stream) => {
            exchange.body_dropped();
            return None;
        }
    };
    match opened {
        Ok(tunnel) => Some(ReadyTunnel {
            tunnel: Box::new(tunnel),
            client: ClientSide::Whole(ClientStream::Plain(stream.into())),
            early: read,
            tunnels: Rc::clone(&context.tunnels),
        }),
        Err(refusal) => {
            exchange.refused(&refusal);
            drop((exchange, snapshot, listener));
            alert::send(stream, &refusal, Some(version)).await;
            None
        }
    }
}

/// A connection of TLS passthrough, and the configuration that it falls under.
struct Passthrough<'a> {
    listener: &'a Arc<Listener>,
    snapshot: &'a WorkerSnapshot,
    connection: &'a ClientConnection,
    exchange: &'a Rc<Exchange>,
    upstreams: &'a Rc<Upstreams>,
}

impl Passthrough<'_> {
    async fn connect(&self, name: DnsName) -> Result<Tunnel, Refusal> {
        let exchange = self.exchange;
        let target = Target::of_passthrough(name);
        let request = as_request();
        let found = decide::route(self.listener, &target, &request, "")?;
        // No client can authenticate here: the compiler refuses rules that ask for it, and nothing gets by if it did not.
        let admitted = decide::admit(&found, &target, &request, exchange)?;
        let backends = match &found.rule.action {
            RuleAction::Forward(backends) => backends,
            RuleAction::Refuse(why) => return Err(Refusal::Misconfigured(why.clone())),
            RuleAction::Redirect(_) | RuleAction::Respond(_) => {
                return Err(Refusal::NoTunnel("a direct response is no tunnel"));
            }
        };
        let plan = decide::plan(backends, &found, &target, &request, self.upstreams)?;
        let mut cleared = decide::clear(admitted, plan, &request, exchange)?;
        let timeouts = found.rule.timeouts;
        let (progress, trip) = (exchange.progress(), exchange.trip());
        let connected = self
            .upstreams
            .connect(&mut cleared, timeouts, progress, trip);
        let DirectConnection { stream, permit } = connected.await?;
        Ok(Tunnel {
            kind: TunnelKind::Passthrough,
            upstream: stream,
            request: TunnelRequest::new(self.connection, &target, &request, cleared.plan()),
            permit: TunnelPermit::Direct(permit),
            exchange: Rc::clone(exchange),
            judged_by: Rc::clone(self.snapshot),
        })
    }
}

/// What rules and policies see of it: as of a CONNECT, they know the host and nothing else.
fn as_request() -> Parts {
    let (mut head, ()) = Request::new(()).into_parts();
    head.method = Method::CONNECT;
    head
}

/// Ends if the client leaves before it has an answer. One that goes on sending is not watched further.
async fn gone(stream: &TcpStream) {
    let mut next = [0; 1];
    match stream.peek(&mut next).await {
        Ok(0) | Err(_) => {}
        Ok(_) => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use egret_config::name::{Host, Port};

    use super::*;

    #[test]
    fn a_name_is_read_as_a_tunnel_without_a_port() {
        let target = Target::of_passthrough("a.example".parse().unwrap());
        assert_eq!(target.host, Host::Name("a.example".parse().unwrap()));
        assert!(target.is_passthrough() && target.connect);
        let connect = Target {
            port: Some(Port::HTTPS),
            ..target
        };
        assert!(!connect.is_passthrough());
    }
}
