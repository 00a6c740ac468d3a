//! What a request for another protocol gets.

use bytes::Bytes;

use super::connection_permit::ConnectionPermit;
use super::stream::UpstreamStream;

/// A connection that no longer carries HTTP, or never did; or one stream of a connection.
pub(crate) struct UpgradedStream {
    pub(crate) stream: UpstreamStream,
    /// Bytes that were read beyond the response.
    pub(crate) read: Bytes,
    /// `None` for a stream, whose connection holds its own permit.
    pub(crate) permit: Option<ConnectionPermit>,
}
