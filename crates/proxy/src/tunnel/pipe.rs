//! A kernel pipe, through which splice(2) moves bytes from one socket to another without copying them to user space.

use std::io;
use std::os::fd::OwnedFd;

use nix::fcntl::{FcntlArg, OFlag, SpliceFFlags, fcntl, splice};
use nix::unistd::pipe2;
use tokio::io::Interest;
use tokio::net::TcpStream;

/// Capacity of a pipe in bytes, if the system allows it.
const CAPACITY: i32 = 256 * 1024;
/// Most bytes that one call of splice(2) moves.
const MAX_SPLICE: usize = 1024 * 1024;

/// A pipe, and the number of bytes in it.
#[derive(Debug)]
pub(super) struct SplicePipe {
    reads: OwnedFd,
    writes: OwnedFd,
    filled: usize,
}

impl SplicePipe {
    /// Opens an empty pipe.
    ///
    /// # Errors
    /// Errors of pipe2(2), such as `EMFILE` when the process has no descriptors left.
    pub(super) fn new() -> io::Result<Self> {
        let (reads, writes) = pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)?;
        // A smaller capacity works as well.
        let _ = fcntl(&writes, FcntlArg::F_SETPIPE_SZ(CAPACITY));
        Ok(Self {
            reads,
            writes,
            filled: 0,
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.filled == 0
    }

    /// Moves bytes from the socket into the pipe and returns their number; zero is the end of the stream. The pipe has to
    /// be empty, because splice(2) reports a full pipe and an empty socket alike.
    ///
    /// # Errors
    /// `WouldBlock` if the socket has nothing to read, and the socket's errors.
    pub(super) fn fill(&mut self, from: &TcpStream) -> io::Result<usize> {
        debug_assert!(
            self.is_empty(),
            "a full pipe cannot be distinguished from an empty socket"
        );
        let count = from.try_io(Interest::READABLE, || {
            let flags = SpliceFFlags::SPLICE_F_MOVE | SpliceFFlags::SPLICE_F_NONBLOCK;
            Ok(splice(from, None, &self.writes, None, MAX_SPLICE, flags)?)
        })?;
        self.filled = count;
        Ok(count)
    }

    /// Moves bytes from the pipe to the socket and returns their number.
    ///
    /// # Errors
    /// `WouldBlock` if the socket's send buffer is full, and the socket's errors.
    pub(super) fn drain(&mut self, to: &TcpStream) -> io::Result<usize> {
        let count = to.try_io(Interest::WRITABLE, || {
            let flags = SpliceFFlags::SPLICE_F_MOVE | SpliceFFlags::SPLICE_F_NONBLOCK;
            Ok(splice(&self.reads, None, to, None, self.filled, flags)?)
        })?;
        self.filled -= count;
        Ok(count)
    }
}
