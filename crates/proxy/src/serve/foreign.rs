//! The refusal of clients that speak another protocol than HTTP.

use crate::client::ConnectionOrigin;
use crate::context::WorkerContext;
use crate::downstream::{early_refusal, farewell};
use crate::refusal::{ForeignProtocol, Refusal};
use crate::stream::ReplayStream;

/// Counts and logs the connection, and tells the client in its own protocol where that is possible.
pub(super) async fn refuse(
    stream: &mut ReplayStream,
    protocol: ForeignProtocol,
    origin: &ConnectionOrigin,
    context: &WorkerContext,
) {
    let refusal = Refusal::NotHttp(protocol);
    early_refusal::record(origin, &refusal, context);
    farewell::send(stream, &answer(protocol, &refusal)).await;
}

/// What the client is told. Who expects TLS takes any answer for a failure, and a person may read this one.
fn answer(protocol: ForeignProtocol, refusal: &Refusal) -> Vec<u8> {
    match protocol {
        ForeignProtocol::Tls => refusal.encoded(),
        // "Request rejected or failed", with a port and an address that nobody reads.
        ForeignProtocol::Socks4 => vec![0, 0x5b, 0, 0, 0, 0, 0, 0],
        // "No acceptable methods" (RFC 1928 3).
        ForeignProtocol::Socks5 => vec![5, 0xff],
    }
}
