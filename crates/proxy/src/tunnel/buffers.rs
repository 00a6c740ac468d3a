//! What octets of tunnels pass through: shared by all tunnels of a worker, so that one that is quiet holds nothing.

use std::cell::{RefCell, RefMut};

#[cfg(target_os = "linux")]
use super::pipe::Pipe;

/// Octets that are read at once, and the most that is kept of one direction.
pub(super) const BUFFER: usize = 64 * 1024;
/// Pipes that are kept for the next who needs one.
#[cfg(target_os = "linux")]
const PIPES: usize = 32;

/// The buffer of a worker's tunnels, and their pipes.
pub(crate) struct Scratch {
    buffer: RefCell<Box<[u8]>>,
    #[cfg(target_os = "linux")]
    pipes: RefCell<Vec<Pipe>>,
}

impl Scratch {
    pub(super) fn buffer(&self) -> RefMut<'_, Box<[u8]>> {
        self.buffer.borrow_mut()
    }
}

#[cfg(target_os = "linux")]
impl Scratch {
    /// An empty pipe. `None` if this process may not open one more.
    pub(super) fn pipe(&self) -> Option<Pipe> {
        let kept = self.pipes.borrow_mut().pop();
        kept.or_else(|| Pipe::new().ok())
    }

    /// Gives back a pipe. One that is not empty is closed, and with it what is in there.
    pub(super) fn give_back(&self, pipe: Pipe) {
        let mut pipes = self.pipes.borrow_mut();
        if pipe.is_empty() && pipes.len() < PIPES {
            pipes.push(pipe);
        }
    }

    /// Closes what is kept: there are no descriptors left.
    pub(crate) fn make_room(&self) {
        self.pipes.borrow_mut().clear();
    }
}

#[cfg(not(target_os = "linux"))]
impl Scratch {
    /// There is nothing to close.
    pub(crate) fn make_room(&self) {
        let Self { buffer: _ } = self;
    }
}

impl Default for Scratch {
    fn default() -> Self {
        Self {
            buffer: RefCell::new(vec![0; BUFFER].into()),
            #[cfg(target_os = "linux")]
            pipes: RefCell::default(),
        }
    }
}
