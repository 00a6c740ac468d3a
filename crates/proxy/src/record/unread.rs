//! Heads that the HTTP library refuses itself: there is no request, and so no exchange, but they are counted and logged.

use crate::refusal::Refusal;
use crate::request;
use crate::serve::Connection;
use crate::telemetry::access_log::Line;
use crate::telemetry::clock;

/// Counts and logs what ended a connection, if it is a head that was refused.
pub(crate) fn tell(connection: &Connection, error: &hyper::Error) {
    let refusal = if error.is_parse_too_large() {
        Refusal::HeadTooLarge
    } else if error.is_parse() {
        Refusal::MalformedHead
    } else {
        return;
    };
    let row = refusal.row();
    // Who begins with HTTP/2 would not understand an answer, and gets none.
    let status = (!error.is_parse_version_h2()).then_some(row.status);
    let metrics = &connection.worker.metrics;
    metrics.refusal(row.reason);
    match status {
        Some(status) => metrics.response(status),
        None => metrics.unanswered.increment(),
    }
    let snapshot = connection.worker.snapshot();
    // Whose listener it is for cannot be known.
    let socket = snapshot.sockets.get(&connection.bind);
    if !socket.is_some_and(request::logs) {
        return;
    }
    connection.worker.log(&Line {
        time: super::time(clock::wall()),
        client: connection.client.to_string(),
        status: status.map(|status| status.as_u16()),
        reason: Some(row.reason),
        details: Some(&refusal.details()),
        ..Line::default()
    });
}
