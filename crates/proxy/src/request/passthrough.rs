//! TLS passthrough: routes a connection by the server name in its ClientHello, and connects to the destination.
//!
//! Rules, policies, limits and address checks treat the connection like a CONNECT to that name, without a response.

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
use crate::plan::PlannedRoute;
use crate::refusal::Refusal;
use crate::stream::ClientStream;
use crate::tunnel::{ClientSide, ReadyTunnel, Tunnel, TunnelKind, TunnelPermit, TunnelRequest};
use crate::upstream::{DirectConnection, Upstreams};

/// A connection whose ClientHello has been read.
pub(crate) struct PassthroughConnection {
    pub(crate) stream: TcpStream,
    /// The bytes that were read, from the first byte of the ClientHello.
    pub(crate) read: Bytes,
    /// The server name in the ClientHello.
    pub(crate) name: DnsName,
    /// The legacy version in the ClientHello, for alerts.
    pub(crate) version: u16,
    /// The listener that the name selects.
    pub(crate) listener: Arc<Listener>,
    /// The configuration that the connection is served by.
    pub(crate) snapshot: WorkerSnapshot,
}

/// Connects to the destination that the server name leads to. `None` if that is refused or fails, which the client gets as
/// a TLS alert, or if the client closes the connection.
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
    let passthrough = PassthroughRequest {
        listener: &listener,
        snapshot: &snapshot,
        connection: &connection,
        exchange: &exchange,
        upstreams: &context.upstreams,
    };
    let opened = tokio::select! {
        opened = passthrough.connect(name) => opened,
        () = client_gone(&stream) => {
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

/// A TLS passthrough connection, and the configuration that it is served by.
struct PassthroughRequest<'a> {
    listener: &'a Arc<Listener>,
    snapshot: &'a WorkerSnapshot,
    connection: &'a ClientConnection,
    exchange: &'a Rc<Exchange>,
    upstreams: &'a Rc<Upstreams>,
}

impl PassthroughRequest<'_> {
    /// Decides about the connection and opens the tunnel.
    async fn connect(&self, name: DnsName) -> Result<Tunnel, Refusal> {
        let exchange = self.exchange;
        let target = Target::of_passthrough(name);
        let request = connect_parts();
        let route = decide::route(self.listener, &target, &request, "")?;
        // No client can authenticate here. The compiler refuses rules that require it, and `admit` would refuse the rest.
        let admitted = decide::admit(&route, &target, &request, self.connection, exchange)?;
        let backends = match &route.rule.action {
            RuleAction::Forward(backends) => backends,
            RuleAction::Refuse(why) => return Err(Refusal::Misconfigured(why.clone())),
            RuleAction::Redirect(_) | RuleAction::Respond(_) => {
                return Err(Refusal::NoTunnel("a direct response is no tunnel"));
            }
        };
        let planned = PlannedRoute::from(&route);
        let plan = decide::plan(backends, &planned, &target, &request, self.upstreams)?;
        let mut cleared = decide::clear(admitted, plan, exchange)?;
        let timeouts = route.rule.timeouts;
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
            snapshot: Rc::clone(self.snapshot),
        })
    }
}

/// The request that rules and policies see: a CONNECT, of which they know only the host.
fn connect_parts() -> Parts {
    let (mut head, ()) = Request::new(()).into_parts();
    head.method = Method::CONNECT;
    head
}

/// Completes if the client closes the connection before the tunnel is open. After it has sent more bytes that can no longer
/// be detected, and the future stays pending.
async fn client_gone(stream: &TcpStream) {
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
