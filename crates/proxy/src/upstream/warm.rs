//! Connections that are opened in the background, and the recording of every attempt to connect.

use std::net::SocketAddr;
use std::rc::Rc;

use egret_config::snapshot::BackendSettings;
use tokio::time::timeout;

use super::connection::UpstreamConnection;
use super::health::ObservedOutcome;
use super::host_pool::HostPool;
use super::open::ConnectionSetup;
use super::upstreams::Upstreams;
use crate::clock;
use crate::dial::egress::Permitted;
use crate::dial::failure::ConnectFailure;
use crate::dial::race::{self, AttemptOutcome, ConnectOptions};
use crate::dns::family::AddressFamily;
use crate::refusal::CircuitBreakerLimit;
use crate::task;

/// Connects in the background to an address that has no connection, while requests use others: no request waits for the
/// connection, or finds that the address is dead.
pub(super) fn warm(
    host_pool: &Rc<HostPool>,
    address: Permitted<SocketAddr>,
    upstreams: &Rc<Upstreams>,
) {
    let settings = host_pool.settings();
    let limits = &host_pool.state.limits;
    if !host_pool.begin_warming(address.get()) {
        return;
    }
    let Some(permit) = limits.enter(CircuitBreakerLimit::Connections, &settings.circuit_breakers)
    else {
        host_pool.end_warming(address.get());
        return;
    };
    let (host_pool, upstreams) = (Rc::clone(host_pool), Rc::clone(upstreams));
    task::spawn(Box::pin(async move {
        let until = clock::now() + settings.connect_timeout;
        let raced = race::connect([address].into(), None, connect_options(&settings), until).await;
        observe(&host_pool, &settings, &raced.attempts, &upstreams);
        let setup = ConnectionSetup {
            host_pool: &host_pool,
            settings: &settings,
            upstreams: &upstreams,
            trip: None,
            until: clock::now() + settings.connect_timeout,
            dialing: None,
        };
        if let Ok((stream, peer)) = raced.result
            && let Ok(expected) = host_pool.state.destination.expected(&upstreams.shared.tls)
            && let Ok(connection) = setup.open(stream, peer.get(), expected, permit).await
        {
            if let UpstreamConnection::Http2(stream) = &connection {
                // Until then the pool does not have the connection, and would open another.
                let _ = timeout(
                    settings.connect_timeout,
                    stream.connection().settings_received(),
                )
                .await;
            }
            host_pool.put_when_ready(connection);
        }
        host_pool.end_warming(address.get());
    }));
}

pub(super) fn connect_options(settings: &BackendSettings) -> ConnectOptions {
    ConnectOptions {
        timeout: settings.connect_timeout,
        keepalive: settings.tcp_keepalive,
    }
}

/// Records and counts the outcome of every attempt to connect.
pub(super) fn observe(
    host_pool: &HostPool,
    settings: &BackendSettings,
    attempts: &[(Permitted<SocketAddr>, AttemptOutcome)],
    upstreams: &Upstreams,
) {
    let now = clock::now();
    let family = |address: Permitted<SocketAddr>| AddressFamily::of(&address.get().ip());
    for (address, attempt) in attempts {
        upstreams.metrics.connect_attempts.increment(*attempt);
        let health = host_pool.health(address.get(), now);
        if attempt.counts_against_address() {
            health.connect_failed(now);
        }
        match attempt {
            AttemptOutcome::Connected => health.connected(),
            AttemptOutcome::Failed(ConnectFailure::NoDescriptors) => upstreams.make_room(),
            AttemptOutcome::Failed(failure) => {
                health.failed_by(*failure);
                let (outcome, metrics) = (ObservedOutcome::LocalFailure, &upstreams.metrics);
                host_pool.state.observe(&health, outcome, settings, metrics);
            }
            AttemptOutcome::Overtaken | AttemptOutcome::Abandoned => {}
        }
    }
    let connected = |(_, attempt): &&(_, AttemptOutcome)| *attempt == AttemptOutcome::Connected;
    if let Some((winner, _)) = attempts.iter().find(connected) {
        let winner = family(*winner);
        let mut others = attempts
            .iter()
            .filter(|(address, _)| family(*address) != winner);
        let lost = others.any(|(_, attempt)| attempt.counts_against_address());
        upstreams.shared.families().won(winner, lost, now);
    }
}
