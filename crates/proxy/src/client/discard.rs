//! Reading on after an answer: what a client still sends is read and discarded, because closing a connection with unread
//! bytes resets it, and the client may lose the answer (RFC 9112 9.6).

use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use http_body_util::BodyExt as _;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout_at;

use super::ClientConnection;
use crate::clock;
use crate::stream::ClientStream;
use crate::task;
use crate::transfer::ReceivedBody;

/// How long a client may go on sending after it has been answered.
const MAX_DURATION: Duration = Duration::from_secs(10);
/// How long such a client may send nothing.
const MAX_SILENCE: Duration = Duration::from_secs(1);
/// Size of one read in bytes.
const READ_SIZE: usize = 16 * 1024;

/// The deadlines of reading on.
struct DiscardDeadline(Instant);

/// Reads the rest of a request body to its end in a task of its own, so that a client that is still sending reads its
/// answer, and the connection can be used again. If the end does not come in time, the body is dropped: this closes an
/// HTTP/1.1 connection, and resets an HTTP/2 stream.
pub(crate) fn read_on(mut body: ReceivedBody, connection: Rc<ClientConnection>) {
    task::spawn(async move {
        if connection.takes_no_more() {
            return;
        }
        connection.watch.discard_begins();
        let deadline = DiscardDeadline::begin();
        loop {
            match timeout_at(deadline.next(), body.frame()).await {
                Ok(Some(Ok(_))) => {}
                Ok(Some(Err(_)) | None) => break,
                Err(_) => {
                    connection.take_no_more();
                    break;
                }
            }
        }
        drop(body);
        connection.watch.discard_ended(clock::now());
    });
}

/// Reads on what comes from a client whose connection is already closed for writing, until the client closes it too.
pub(crate) async fn until_closed(stream: ClientStream) {
    // What TLS carries is of no interest, so that the records are not decrypted.
    let (mut socket, _) = match stream {
        ClientStream::Plain(plain) => plain.into_parts(),
        ClientStream::Tls(tls) => tls.into_parts().0.into_inner().0.into_parts(),
    };
    // An error or a timeout is an end too.
    let _ = read_to_end(&mut socket).await;
}

async fn read_to_end(socket: &mut TcpStream) -> io::Result<()> {
    let deadline = DiscardDeadline::begin();
    let mut unread = vec![0; READ_SIZE];
    while timeout_at(deadline.next(), socket.read(&mut unread)).await?? > 0 {}
    Ok(())
}

impl DiscardDeadline {
    fn begin() -> Self {
        Self(clock::now() + MAX_DURATION)
    }

    /// The deadline of a read that begins now.
    fn next(&self) -> tokio::time::Instant {
        self.0.min(clock::now() + MAX_SILENCE).into()
    }
}
