//! The socket, and the bytes read from it ahead of need.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use super::response::invalid;
use crate::board::DEADLINE;

const HEAD_END: &[u8] = b"\r\n\r\n";
const LINE_END: &[u8] = b"\r\n";

#[derive(Debug)]
pub(super) struct Wire {
    stream: TcpStream,
    /// Received, and not yet read.
    ahead: Vec<u8>,
}

impl Wire {
    #[expect(
        clippy::disallowed_methods,
        reason = "the test is the client, not the gateway"
    )]
    pub(super) fn connect(addr: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&addr, DEADLINE)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        stream.set_write_timeout(Some(DEADLINE))?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            ahead: Vec::new(),
        })
    }

    pub(super) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    pub(super) fn into_stream(self) -> TcpStream {
        let unread = self.ahead.escape_ascii();
        assert!(self.ahead.is_empty(), "nobody read \"{unread}\"");
        self.stream
    }

    pub(super) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    pub(super) fn read_head(&mut self) -> io::Result<Vec<u8>> {
        self.read_past(HEAD_END)
    }

    /// A line without its end.
    pub(super) fn read_line(&mut self) -> io::Result<String> {
        let mut line = self.read_past(LINE_END)?;
        line.truncate(line.len() - LINE_END.len());
        String::from_utf8(line).map_err(|_| invalid("a line that is not UTF-8"))
    }

    pub(super) fn read_exactly(&mut self, length: usize) -> io::Result<Vec<u8>> {
        while self.ahead.len() < length {
            self.fill()?;
        }
        Ok(self.take(length))
    }

    /// Gives `sink` exactly `length` bytes, piece by piece.
    pub(super) fn read_through(
        &mut self,
        length: u64,
        sink: &mut impl FnMut(&[u8]),
    ) -> io::Result<()> {
        let mut left = length;
        while left > 0 {
            if self.ahead.is_empty() {
                self.fill()?;
            }
            let here = self.ahead.len();
            let piece = self.take(usize::try_from(left).map_or(here, |left| left.min(here)));
            left -= piece.len() as u64;
            sink(&piece);
        }
        Ok(())
    }

    /// What there is; nothing at the end.
    pub(super) fn read_some(&mut self) -> io::Result<Vec<u8>> {
        if self.ahead.is_empty() {
            match self.fill() {
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => {}
                other => other?,
            }
        }
        Ok(self.take(self.ahead.len()))
    }

    pub(super) fn read_to_end(&mut self) -> io::Result<Vec<u8>> {
        loop {
            match self.fill() {
                Ok(()) => {}
                Err(error) if is_end(&error) => return Ok(self.take(self.ahead.len())),
                Err(error) => return Err(error),
            }
        }
    }

    pub(super) fn is_closed(&mut self) -> bool {
        self.ahead.is_empty() && self.fill().is_err_and(|error| is_end(&error))
    }

    pub(super) fn is_idle(&self) -> bool {
        self.ahead.is_empty()
            && self
                .peek_now()
                .is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }

    fn peek_now(&self) -> io::Result<usize> {
        self.stream.set_nonblocking(true)?;
        let peeked = self.stream.peek(&mut [0]);
        self.stream.set_nonblocking(false)?;
        peeked
    }

    fn read_past(&mut self, end: &[u8]) -> io::Result<Vec<u8>> {
        let mut searched = 0;
        loop {
            let unsearched = &self.ahead[searched..];
            let found = unsearched
                .windows(end.len())
                .position(|window| window == end);
            if let Some(at) = found {
                return Ok(self.take(searched + at + end.len()));
            }
            searched = self.ahead.len().saturating_sub(end.len() - 1);
            self.fill()?;
        }
    }

    fn take(&mut self, length: usize) -> Vec<u8> {
        let rest = self.ahead.split_off(length);
        std::mem::replace(&mut self.ahead, rest)
    }

    /// Reads at least a byte; the end is an error of its own kind.
    fn fill(&mut self) -> io::Result<()> {
        let mut buffer = [0; 16 * 1024];
        let length = self.stream.read(&mut buffer)?;
        if length == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        self.ahead.extend_from_slice(&buffer[..length]);
        Ok(())
    }
}

fn is_end(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe
    )
}
