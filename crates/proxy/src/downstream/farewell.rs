//! The last bytes to a client that is refused before there is a request.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

/// How long a client may take to read the last bytes and close the connection.
const LINGER_TIMEOUT: Duration = Duration::from_secs(1);

/// Sends the last bytes, and waits until the client closes the connection: closing it with unread bytes resets it, and the
/// client may lose the last ones.
pub(crate) async fn send(mut stream: impl AsyncRead + AsyncWrite + Unpin, last: &[u8]) {
    let sending = async {
        stream.write_all(last).await?;
        stream.shutdown().await?;
        let mut rest = [0; 512];
        while stream.read(&mut rest).await? > 0 {}
        Ok::<(), io::Error>(())
    };
    // An error or timeout means that the client does not read them.
    let _ = timeout(LINGER_TIMEOUT, sending).await;
}
