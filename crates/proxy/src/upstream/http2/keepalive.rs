//! PING frames on HTTP/2 connections in use, which find out whether the upstream is still there (RFC 9113 6.7).

use std::cell::Cell;
use std::rc::Rc;

use egret_config::snapshot::Http2Keepalive;
use h2::{Ping, PingPong};
use tokio::time::{sleep_until, timeout};

use super::socket::ConnectionEvents;

/// Completes when the upstream has not answered a PING in time. One is sent when nothing has been read for the interval, on a
/// connection that has streams.
pub(super) async fn unanswered(
    mut pings: PingPong,
    keepalive: Http2Keepalive,
    events: Rc<ConnectionEvents>,
    streams: Rc<Cell<u32>>,
) {
    loop {
        let read = events.last_read.get();
        sleep_until((read + keepalive.interval).into()).await;
        if events.last_read.get() != read {
            continue;
        }
        if streams.get() == 0 {
            // What was read before the next stream begins says nothing of then.
            events.was_read();
            continue;
        }
        match timeout(keepalive.timeout, pings.ping(Ping::opaque())).await {
            Ok(Ok(_)) => events.was_read(),
            // The connection has ended by itself.
            Ok(Err(_)) => std::future::pending().await,
            Err(_) => return,
        }
    }
}
