//! A blocking client socket, in clear or over TLS, with a read buffer.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use tokio_rustls::rustls::{ClientConnection, StreamOwned};

use super::response::invalid;
use crate::watched::DEADLINE;

const HEAD_END: &[u8] = b"\r\n\r\n";
const LINE_END: &[u8] = b"\r\n";

#[derive(Debug)]
pub(super) struct BufferedStream {
    stream: ClientStream,
    /// Bytes that were received and not yet consumed.
    ahead: Vec<u8>,
}

#[derive(Debug)]
enum ClientStream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl ClientStream {
    fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => &stream.sock,
        }
    }
}

impl BufferedStream {
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
            stream: ClientStream::Plain(stream),
            ahead: Vec::new(),
        })
    }

    /// Connects, and completes a TLS handshake.
    pub(super) fn connect_tls(addr: SocketAddr, tls: ClientConnection) -> io::Result<Self> {
        Self::connect(addr)?.secure(tls)
    }

    /// Completes a TLS handshake over the connection so far, which is in clear.
    pub(super) fn secure(self, tls: ClientConnection) -> io::Result<Self> {
        let socket = self.into_stream();
        let ahead = Vec::new();
        let mut stream = StreamOwned::new(tls, socket);
        stream.conn.complete_io(&mut stream.sock)?;
        let stream = ClientStream::Tls(Box::new(stream));
        Ok(Self { stream, ahead })
    }

    pub(super) fn stream(&self) -> &TcpStream {
        self.stream.socket()
    }

    /// The state of the TLS connection. Panics if the stream is in clear.
    pub(super) fn tls(&self) -> &ClientConnection {
        match &self.stream {
            ClientStream::Plain(_) => panic!("there is no TLS"),
            ClientStream::Tls(stream) => &stream.conn,
        }
    }

    pub(super) fn into_stream(self) -> TcpStream {
        let unread = self.ahead.escape_ascii();
        assert!(self.ahead.is_empty(), "nobody read \"{unread}\"");
        match self.stream {
            ClientStream::Plain(stream) => stream,
            ClientStream::Tls(_) => panic!("what is left of TLS is no stream"),
        }
    }

    pub(super) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.stream {
            ClientStream::Plain(stream) => stream.write_all(bytes),
            ClientStream::Tls(stream) => stream.write_all(bytes).and_then(|()| stream.flush()),
        }
    }

    pub(super) fn read_head(&mut self) -> io::Result<Vec<u8>> {
        self.read_past(HEAD_END)
    }

    /// Reads a line, and returns it without its line ending.
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

    /// Passes exactly `length` bytes to `sink`, piece by piece.
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

    /// Reads the bytes that have arrived, waiting for at least one. The result is empty at the end of the stream.
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
        let socket = self.stream.socket();
        socket.set_nonblocking(true)?;
        let peeked = socket.peek(&mut [0]);
        socket.set_nonblocking(false)?;
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

    /// Reads at least one byte into the buffer. The end of the stream is the error `UnexpectedEof`.
    fn fill(&mut self) -> io::Result<()> {
        let mut buffer = [0; 16 * 1024];
        let length = match &mut self.stream {
            ClientStream::Plain(stream) => stream.read(&mut buffer)?,
            ClientStream::Tls(stream) => stream.read(&mut buffer)?,
        };
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
