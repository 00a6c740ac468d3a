//! A pipe of the kernel: octets that go from one socket to another through it are not copied into this process (splice(2)).

use std::io;
use std::os::fd::OwnedFd;

use nix::fcntl::{FcntlArg, OFlag, SpliceFFlags, fcntl, splice};
use nix::unistd::pipe2;
use tokio::io::Interest;
use tokio::net::TcpStream;

/// Octets that one holds, if the system allows as many.
const CAPACITY: i32 = 256 * 1024;
/// Octets that are moved at once at most.
const PIECE: usize = 1024 * 1024;

/// The pipe, and how much is in there.
#[derive(Debug)]
pub(super) struct Pipe {
    reads: OwnedFd,
    writes: OwnedFd,
    held: usize,
}

impl Pipe {
    /// An empty one.
    ///
    /// # Errors
    /// If this process may open no more.
    pub(super) fn new() -> io::Result<Self> {
        let (reads, writes) = pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)?;
        // A smaller one works as well.
        let _ = fcntl(&writes, FcntlArg::F_SETPIPE_SZ(CAPACITY));
        Ok(Self {
            reads,
            writes,
            held: 0,
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.held == 0
    }

    /// Takes what the socket has; the pipe has to be empty, or a full one would look like a socket without anything.
    ///
    /// # Errors
    /// `WouldBlock` if there is nothing, and those of the socket.
    pub(super) fn fill(&mut self, from: &TcpStream) -> io::Result<usize> {
        debug_assert!(
            self.is_empty(),
            "a full pipe cannot be told from an empty socket"
        );
        let count = from.try_io(Interest::READABLE, || {
            let flags = SpliceFFlags::SPLICE_F_MOVE | SpliceFFlags::SPLICE_F_NONBLOCK;
            Ok(splice(from, None, &self.writes, None, PIECE, flags)?)
        })?;
        self.held = count;
        Ok(count)
    }

    /// Gives the socket as much as it takes.
    ///
    /// # Errors
    /// `WouldBlock` if it takes nothing, and those of the socket.
    pub(super) fn drain(&mut self, to: &TcpStream) -> io::Result<usize> {
        let count = to.try_io(Interest::WRITABLE, || {
            let flags = SpliceFFlags::SPLICE_F_MOVE | SpliceFFlags::SPLICE_F_NONBLOCK;
            Ok(splice(&self.reads, None, to, None, self.held, flags)?)
        })?;
        self.held -= count;
        Ok(count)
    }
}
