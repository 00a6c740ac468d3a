//! The connection of a scripted TCP server, as a script uses it.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use socket2::SockRef;

use super::RawShared;

const HEAD_END: &[u8] = b"\r\n\r\n";

/// An accepted connection. It closes when the script returns.
#[derive(Debug)]
pub struct RawConnection {
    stream: Arc<TcpStream>,
    shared: Arc<RawShared>,
    index: usize,
    /// Bytes that were read from the socket, and not yet by the script.
    unread: Vec<u8>,
}

impl RawConnection {
    pub(super) fn new(stream: Arc<TcpStream>, shared: Arc<RawShared>, index: usize) -> Self {
        Self {
            stream,
            shared,
            index,
            unread: Vec::new(),
        }
    }

    /// The index of the connection, counted from 0 in order of acceptance.
    #[must_use]
    pub fn index(&self) -> usize {
        self.index
    }

    /// Reads up to and including the next empty line. `None` if the client closes the connection first.
    pub fn read_head(&mut self) -> Option<Vec<u8>> {
        loop {
            let end = self.unread.windows(4).position(|window| window == HEAD_END);
            if let Some(at) = end {
                return Some(self.take(at + HEAD_END.len()));
            }
            self.fill()?;
        }
    }

    /// Reads exactly `length` bytes. `None` if the client closes the connection first.
    pub fn read_exactly(&mut self, length: usize) -> Option<Vec<u8>> {
        while self.unread.len() < length {
            self.fill()?;
        }
        Some(self.take(length))
    }

    /// Reads until the client closes the connection, without a deadline.
    pub fn read_to_end(&mut self) -> Vec<u8> {
        while self.fill().is_some() {}
        self.take(self.unread.len())
    }

    /// Sends bytes. If the client has closed the connection, they are lost.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = (&*self.stream).write_all(bytes.as_ref());
    }

    /// Closes the sending direction, then reads until the client closes too, so that no sent bytes are lost.
    pub fn close(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Write);
        self.read_to_end();
    }

    /// Makes the connection end with a TCP reset when the script returns.
    pub fn reset(&mut self) {
        SockRef::from(&*self.stream)
            .set_linger(Some(Duration::ZERO))
            .expect("a socket that can be reset");
    }

    fn take(&mut self, length: usize) -> Vec<u8> {
        let rest = self.unread.split_off(length);
        std::mem::replace(&mut self.unread, rest)
    }

    /// Reads and records the bytes that have arrived. `None` if the client closed the connection or the server stopped.
    fn fill(&mut self) -> Option<()> {
        let mut buffer = [0; 16 * 1024];
        let length = (&*self.stream).read(&mut buffer).ok().filter(|&n| n > 0)?;
        let bytes = &buffer[..length];
        self.unread.extend_from_slice(bytes);
        self.shared
            .received
            .update(|received| received[self.index].extend_from_slice(bytes));
        Some(())
    }
}
