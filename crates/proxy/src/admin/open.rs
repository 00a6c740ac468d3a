//! `GET /connections` and `GET /tunnels`: what is open now, as the workers tell it.

use std::time::Duration;

use serde::Serialize;
use tokio::sync::mpsc::Sender;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use super::destinations::TimeJson;
use super::list_query::{ListQuery, QueryError};
use super::{AdminResponse, json};
use crate::client::{ConnectionProtocol, OpenConnection, OpenQuery};
use crate::clock;
use crate::meter::LabelValue as _;
use crate::tunnel::{OpenTunnelFacts, TunnelKind};
use crate::worker::WorkerCommand;

/// How long workers may take to answer; what the others say is not shown.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

#[derive(Serialize)]
struct ConnectionJson {
    client: String,
    listener: String,
    protocol: &'static str,
    since: TimeJson,
    requests: u32,
    host: String,
}

#[derive(Serialize)]
struct TunnelJson {
    host: String,
    port: u16,
    client: String,
    form: &'static str,
    route: String,
    since: TimeJson,
    bytes_sent: u64,
    bytes_received: u64,
}

/// Lists the open connections of clients, the oldest first.
pub(super) async fn connections(
    workers: &[Sender<WorkerCommand>],
    query: Option<&str>,
) -> AdminResponse {
    let query = match read(query) {
        Ok(query) => query,
        Err(error) => return error.into(),
    };
    let ask = |to| WorkerCommand::ListConnections(query.clone(), to);
    let mut open = ask_all(workers, ask).await;
    open.sort_by_key(|told| std::cmp::Reverse(told.age));
    open.truncate(query.limit);
    let listed = open.into_iter().map(ConnectionJson::from);
    json(serde_json::to_vec(&listed.collect::<Vec<_>>()))
}

/// Lists the open tunnels, the oldest first.
pub(super) async fn tunnels(
    workers: &[Sender<WorkerCommand>],
    query: Option<&str>,
) -> AdminResponse {
    let query = match read(query) {
        Ok(query) => query,
        Err(error) => return error.into(),
    };
    let ask = |to| WorkerCommand::ListTunnels(query.clone(), to);
    let mut open = ask_all(workers, ask).await;
    open.sort_by_key(|told| std::cmp::Reverse(told.age));
    open.truncate(query.limit);
    let listed = open.into_iter().map(TunnelJson::from);
    json(serde_json::to_vec(&listed.collect::<Vec<_>>()))
}

fn read(query: Option<&str>) -> Result<OpenQuery, QueryError> {
    let ListQuery { host, limit, .. } = ListQuery::unsorted(query)?;
    Ok(OpenQuery { host, limit })
}

/// Asks all workers at once, and gathers what those say that answer in time.
async fn ask_all<T>(
    workers: &[Sender<WorkerCommand>],
    ask: impl Fn(oneshot::Sender<Vec<T>>) -> WorkerCommand,
) -> Vec<T> {
    let until = Instant::from_std(clock::now() + ANSWER_TIMEOUT);
    let mut answers = Vec::with_capacity(workers.len());
    for worker in workers {
        let (asker, answer) = oneshot::channel();
        let _ = timeout_at(until, worker.send(ask(asker))).await;
        answers.push(answer);
    }
    let mut all = Vec::new();
    for answer in answers {
        if let Ok(Ok(told)) = timeout_at(until, answer).await {
            all.extend(told);
        }
    }
    all
}

impl From<OpenConnection> for ConnectionJson {
    fn from(told: OpenConnection) -> Self {
        Self {
            client: told.client.to_string(),
            listener: told.listener.as_deref().unwrap_or_default().to_owned(),
            protocol: match told.protocol {
                ConnectionProtocol::Http1 => "http/1.1",
                ConnectionProtocol::Http2 => "h2",
                ConnectionProtocol::Tls => "tls",
            },
            since: TimeJson::before(told.age),
            requests: told.requests,
            host: told.host.map(|host| host.to_string()).unwrap_or_default(),
        }
    }
}

impl From<OpenTunnelFacts> for TunnelJson {
    fn from(told: OpenTunnelFacts) -> Self {
        Self {
            host: told.host.to_string(),
            port: told.port.get(),
            client: told.client.to_string(),
            form: match told.kind {
                TunnelKind::Passthrough | TunnelKind::Terminate => "tls",
                kind => kind.as_str(),
            },
            route: told.route,
            since: TimeJson::before(told.age),
            bytes_sent: told.bytes.up,
            bytes_received: told.bytes.down,
        }
    }
}
