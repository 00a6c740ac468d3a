//! What the tests of tunnels between streams share.

use std::future::Future;

use tokio::io::{AsyncReadExt, DuplexStream};
use tokio::task::LocalSet;

/// Runs a test as a worker runs its tasks.
pub(super) async fn locally<T>(test: impl Future<Output = T>) -> T {
    LocalSet::new().run_until(test).await
}

/// The next `length` bytes.
pub(super) async fn read(stream: &mut DuplexStream, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).await.expect("enough bytes");
    bytes
}
