//! `GET /connections` and `GET /tunnels`: what is open now, as the workers tell it.

use std::cmp::Reverse;
use std::time::Duration;

use serde::Serialize;
use tokio::sync::mpsc::Sender;
use tokio::sync::oneshot;

use super::ask::ask_all;
use super::list_query::{ListQuery, QueryError};
use super::values::TimeJson;
use super::{AdminResponse, json};
use crate::client::{ConnectionProtocol, OpenConnection, OpenQuery};
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
    let age = |told: &OpenConnection| told.age;
    list::<_, ConnectionJson>(workers, query, WorkerCommand::ListConnections, age).await
}

/// Lists the open tunnels, the oldest first.
pub(super) async fn tunnels(
    workers: &[Sender<WorkerCommand>],
    query: Option<&str>,
) -> AdminResponse {
    let age = |told: &OpenTunnelFacts| told.age;
    list::<_, TunnelJson>(workers, query, WorkerCommand::ListTunnels, age).await
}

async fn list<T, J: From<T> + Serialize>(
    workers: &[Sender<WorkerCommand>],
    query: Option<&str>,
    question: impl Fn(OpenQuery, oneshot::Sender<Vec<T>>) -> WorkerCommand,
    age: impl Fn(&T) -> Duration,
) -> AdminResponse {
    let query = match read(query) {
        Ok(query) => query,
        Err(error) => return error.into(),
    };
    let question = |to| question(query.clone(), to);
    let answers = ask_all(workers, ANSWER_TIMEOUT, question).await;
    let mut open: Vec<_> = answers.into_iter().flatten().flatten().collect();
    open.sort_by_key(|told| Reverse(age(told)));
    open.truncate(query.limit);
    let listed = open.into_iter().map(J::from);
    json(serde_json::to_vec(&listed.collect::<Vec<_>>()))
}

fn read(query: Option<&str>) -> Result<OpenQuery, QueryError> {
    let ListQuery { host, limit, .. } = ListQuery::unsorted(query)?;
    Ok(OpenQuery { host, limit })
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
