//! TLS connections that become tunnels: routes a connection by the server name in its ClientHello, and connects to the
//! destination. TLS is passed through, or it is terminated and what it carries is relayed.
//!
//! Rules, policies, limits and address checks treat the connection like a CONNECT to that name, without a response.

use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use egret_config::name::DnsName;
use egret_config::snapshot::{Listener, ListenerProtocol, RouteRule, WeightedBackends};
use http::request::Parts;
use http::{Method, Request};
use tokio::net::TcpStream;

use super::decide::{self, RuleStep};
use super::limits::{self, Enquiry};
use crate::client::{ClientConnection, ConnectionOrigin, ConnectionProtocol, HttpConnection};
use crate::configuration::WorkerSnapshot;
use crate::context::WorkerContext;
use crate::downstream::{alert, early_refusal, farewell};
use crate::exchange::Exchange;
use crate::message::target::{Target, TargetForm};
use crate::plan::PlannedRoute;
use crate::policy::limit::WorkerLimits;
use crate::policy::{Admission, Clearance, PolicyContext};
use crate::refusal::Refusal;
use crate::stream::ClientStream;
use crate::tunnel::{ClientSide, ReadyTunnel, Tunnel, TunnelKind, TunnelPermit, TunnelRequest};
use crate::upstream::{DirectConnection, Upstreams};

/// A connection of TLS passthrough whose ClientHello has been read.
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

/// Connects a connection of TLS passthrough to the destination that its server name leads to. `None` if that is refused
/// or fails, which the client gets as a TLS alert, or if the client closes the connection.
pub(crate) async fn pass_through(
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
    let target = Target::of_server_name(name, TargetForm::Passthrough);
    let request = TlsRequest::new(listener, snapshot, origin, &context);
    match request.open(target, &stream).await? {
        Ok(tunnel) => Some(ReadyTunnel {
            tunnel: Box::new(tunnel),
            client: ClientSide::Whole(ClientStream::Plain(stream.into())),
            early: read,
            tunnels: Rc::clone(&context.tunnels),
        }),
        Err(refusal) => {
            alert::send(stream, &refusal, Some(version)).await;
            None
        }
    }
}

/// Connects a connection whose TLS was terminated to the destination that its server name leads to. `None` if that is
/// refused or fails, for which the connection is closed, or if the client closes it.
pub(crate) async fn relay_terminated(
    stream: ClientStream,
    origin: ConnectionOrigin,
    context: Rc<WorkerContext>,
) -> Option<ReadyTunnel> {
    let snapshot = context.snapshot();
    let Some((name, listener)) = terminated_by(&snapshot, &origin) else {
        // The configuration has changed during the handshake.
        early_refusal::record(&origin, &Refusal::NoListener, &context);
        return None;
    };
    let target = Target::of_server_name(name, TargetForm::Terminate);
    let request = TlsRequest::new(listener, snapshot, origin, &context);
    if let Ok(tunnel) = request.open(target, stream.socket()).await? {
        return Some(ReadyTunnel {
            tunnel: Box::new(tunnel),
            client: ClientSide::Whole(stream),
            early: Bytes::new(),
            tunnels: Rc::clone(&context.tunnels),
        });
    }
    // After the handshake no alert says more than that the connection is over.
    farewell::send(stream, &[]).await;
    None
}

/// The server name of a connection whose TLS was terminated, and the listener of it. `None` if this configuration would
/// not have made the handshake.
fn terminated_by(
    snapshot: &WorkerSnapshot,
    origin: &ConnectionOrigin,
) -> Option<(DnsName, Arc<Listener>)> {
    let ConnectionOrigin {
        bind, hello, tls, ..
    } = origin;
    let name = hello.as_ref()?.sni.clone()?;
    let socket = snapshot.sockets.get(bind)?;
    let listener = socket.listener_for_sni(Some(&name))?;
    let is_terminated = matches!(listener.protocol, ListenerProtocol::Terminate(_));
    (is_terminated && tls.as_ref()?.is_valid_for(listener)).then(|| (name, Arc::clone(listener)))
}

/// A TLS connection, and the configuration that it is served by.
struct TlsRequest<'a> {
    listener: Arc<Listener>,
    snapshot: WorkerSnapshot,
    connection: Rc<ClientConnection>,
    exchange: Rc<Exchange>,
    upstreams: &'a Rc<Upstreams>,
    limits: &'a WorkerLimits,
}

impl<'a> TlsRequest<'a> {
    fn new(
        listener: Arc<Listener>,
        snapshot: WorkerSnapshot,
        origin: ConnectionOrigin,
        context: &'a WorkerContext,
    ) -> Self {
        let connection = ClientConnection::new(origin, HttpConnection::Http1);
        context
            .open_connections
            .register(&connection, ConnectionProtocol::Tls);
        let telemetry = Rc::clone(&context.telemetry);
        let exchange = Exchange::begin(Rc::clone(&connection), None, telemetry);
        exchange.is_tls(!listener.access_log.is_off());
        exchange.taken_by(&listener);
        Self {
            listener,
            snapshot,
            connection,
            exchange,
            upstreams: &context.upstreams,
            limits: &context.limits,
        }
    }

    /// Opens the tunnel, and records why it is refused if it is. `None` if the client closes the connection before.
    async fn open(self, target: Target, socket: &TcpStream) -> Option<Result<Tunnel, Refusal>> {
        let opened = tokio::select! {
            opened = self.connect(&target) => opened,
            () = client_gone(socket) => {
                self.exchange.body_dropped();
                return None;
            }
        };
        if let Err(refusal) = &opened {
            self.exchange.refused(refusal);
        }
        Some(opened)
    }

    /// Decides about the connection and opens the tunnel.
    async fn connect(&self, target: &Target) -> Result<Tunnel, Refusal> {
        let Self {
            listener,
            snapshot,
            connection,
            exchange,
            upstreams,
            limits,
        } = self;
        let request = connect_parts();
        let route = decide::route(listener, target, &request, "")?;
        // No client can authenticate here. The compiler refuses rules that require it, and `admit` would refuse the rest.
        let context = PolicyContext {
            rule: route.rule,
            target,
            request: &request,
            client: connection.identity(),
            credentials: upstreams.credentials(),
            asked_before: false,
        };
        let admitted = match decide::admit(&route, &context, exchange)? {
            Admission::Admitted(admitted) => admitted,
            Admission::Identified(identified) => return Err(identified.unreadable()),
        };
        let backends = relayed_to(route.rule)?;
        let planned = PlannedRoute {
            client: Some(connection.addresses()),
            ..PlannedRoute::from(&route)
        };
        let plan = decide::plan(backends, &planned, target, &request, upstreams)?;
        let mut cleared = match decide::clear(admitted, plan, &context, limits, exchange)? {
            Clearance::Settled(passage, _) => passage.unread(),
            Clearance::Unsettled(unsettled) => {
                let enquiry = Enquiry {
                    client: connection.identity(),
                    exchange,
                    upstreams,
                    snapshot,
                };
                // Boxed at once, so that it costs other connections nothing.
                let asked = Box::pin(limits::ask(unsettled, target, &request, enquiry));
                asked.await?.passage.unread()
            }
        };
        let timeouts = route.rule.timeouts;
        let (progress, trip) = (exchange.progress(), exchange.trip());
        let connected = upstreams.connect(&mut cleared, timeouts, progress, trip);
        let DirectConnection { stream, permit } = connected.await?;
        Ok(Tunnel {
            kind: match target.form {
                TargetForm::Terminate => TunnelKind::Terminate,
                _ => TunnelKind::Passthrough,
            },
            upstream: stream,
            request: TunnelRequest::new(
                (connection, connection.identity()),
                target,
                &request,
                cleared.plan(),
            ),
            permit: TunnelPermit::Direct(permit),
            exchange: Rc::clone(exchange),
            snapshot: Rc::clone(snapshot),
        })
    }
}

/// Where the rule lets connections go.
///
/// # Errors
/// If the rule is misconfigured, or leads nowhere.
pub(super) fn relayed_to(rule: &RouteRule) -> Result<&WeightedBackends, Refusal> {
    match decide::step(rule, true)? {
        RuleStep::Forward(backends) => Ok(backends),
        RuleStep::Redirect(_) | RuleStep::Respond(_) => {
            Err(Refusal::NoTunnel("a direct response is no tunnel"))
        }
    }
}

/// The request that rules and policies see: a CONNECT, of which they know only the host.
pub(super) fn connect_parts() -> Parts {
    let (mut head, ()) = Request::new(()).into_parts();
    head.method = Method::CONNECT;
    head
}

/// Completes if the client closes the connection before the tunnel is open. After it has sent more bytes that can no longer
/// be detected, and the future stays pending.
async fn client_gone(socket: &TcpStream) {
    let mut next = [0; 1];
    match socket.peek(&mut next).await {
        Ok(0) | Err(_) => {}
        Ok(_) => std::future::pending().await,
    }
}
