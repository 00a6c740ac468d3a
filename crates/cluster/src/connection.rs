//! Whether the API server is there. A watch cannot tell: it is as silent when the server is away as when nothing changes.

use std::future::pending;
use std::time::Duration;

use http::Request;
use kube::{Client, Error};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

/// The time between two probes.
const PERIOD: Duration = Duration::from_secs(5);
/// How long a probe may take.
const LIMIT: Duration = Duration::from_secs(3);

/// Whether the API server answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectionState {
    /// It is not known yet.
    Unknown,
    /// The server answers.
    Connected,
    /// The server does not answer, and why.
    Away(String),
}

/// Asks the server from time to time, and tells the state when it changes.
pub(crate) async fn probe(client: Client, states: watch::Sender<ConnectionState>) {
    loop {
        let state = ask(&client).await;
        states.send_if_modified(|known| {
            if *known == state {
                return false;
            }
            match (&state, &*known) {
                (ConnectionState::Away(why), ConnectionState::Away(_)) => {
                    tracing::debug!("the API server is still away: {why}");
                }
                (ConnectionState::Away(why), _) => {
                    tracing::warn!("the API server is away, the last configuration stays: {why}");
                }
                (_, ConnectionState::Away(_)) => tracing::info!("the API server is back"),
                (_, _) => {}
            }
            *known = state;
            true
        });
        sleep(PERIOD).await;
    }
}

/// Completes when the server has been away and answers again. The connection of a watch may have been lost meanwhile without
/// a word, so that a new one is needed.
pub(crate) async fn returned(mut connection: watch::Receiver<ConnectionState>) {
    let is_away = |state: &ConnectionState| matches!(state, ConnectionState::Away(_));
    let has_been_away = connection.wait_for(is_away).await.is_ok();
    let is_there = |state: &ConnectionState| *state == ConnectionState::Connected;
    if !has_been_away || connection.wait_for(is_there).await.is_err() {
        // Nobody asks the server any more.
        pending::<()>().await;
    }
}

async fn ask(client: &Client) -> ConnectionState {
    let Ok(request) = Request::get("/readyz").body(Vec::new()) else {
        return ConnectionState::Unknown;
    };
    match timeout(LIMIT, client.request_text(request)).await {
        Ok(answer) => judge(answer.err()),
        Err(_) => ConnectionState::Away(format!("no answer within {LIMIT:?}")),
    }
}

/// A server that refuses to say whether it is ready is there; one that says that it is not will not answer others.
fn judge(error: Option<Error>) -> ConnectionState {
    match error {
        None => ConnectionState::Connected,
        Some(Error::Api(status)) if status.code < 500 => ConnectionState::Connected,
        Some(error) => ConnectionState::Away(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    #[test]
    fn a_server_that_refuses_is_there() {
        let status = |code| {
            Some(Error::Api(
                Status::failure("no", "No").with_code(code).boxed(),
            ))
        };
        for (error, is_there) in [
            (None, true),
            (status(401), true),
            (status(403), true),
            (status(404), true),
            (status(500), false),
            (status(503), false),
            (Some(Error::LinesCodecMaxLineLengthExceeded), false),
        ] {
            let state = judge(error);
            assert_eq!(state == ConnectionState::Connected, is_there, "{state:?}");
        }
    }
}
