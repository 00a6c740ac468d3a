//! The buffer and the pipes that all tunnels of a worker share, so that an idle tunnel holds neither.

use std::cell::{RefCell, RefMut};

#[cfg(target_os = "linux")]
use super::pipe::SplicePipe;

/// Size of the shared buffer in bytes, and so the most bytes that are pending in one direction.
pub(super) const BUFFER: usize = 64 * 1024;
/// Empty pipes that are kept for reuse.
#[cfg(target_os = "linux")]
const MAX_IDLE_PIPES: usize = 32;

/// The read buffer and the idle pipes of one worker's tunnels.
pub(crate) struct TunnelBuffers {
    buffer: RefCell<Box<[u8]>>,
    #[cfg(target_os = "linux")]
    pipes: RefCell<Vec<SplicePipe>>,
}

impl TunnelBuffers {
    pub(super) fn buffer(&self) -> RefMut<'_, Box<[u8]>> {
        self.buffer.borrow_mut()
    }
}

#[cfg(target_os = "linux")]
impl TunnelBuffers {
    /// Takes an idle pipe or opens one. `None` if the process has no descriptors left.
    pub(super) fn pipe(&self) -> Option<SplicePipe> {
        let kept = self.pipes.borrow_mut().pop();
        kept.or_else(|| SplicePipe::new().ok())
    }

    /// Returns a pipe for reuse. A pipe that is not empty is closed, which discards the bytes in it.
    pub(super) fn release_pipe(&self, pipe: SplicePipe) {
        let mut pipes = self.pipes.borrow_mut();
        if pipe.is_empty() && pipes.len() < MAX_IDLE_PIPES {
            pipes.push(pipe);
        }
    }

    /// Closes the idle pipes, because the process has no descriptors left.
    pub(crate) fn close_idle_pipes(&self) {
        self.pipes.borrow_mut().clear();
    }
}

#[cfg(not(target_os = "linux"))]
impl TunnelBuffers {
    /// Does nothing: only Linux has pipes to close.
    pub(crate) fn close_idle_pipes(&self) {
        let Self { buffer: _ } = self;
    }
}

impl Default for TunnelBuffers {
    fn default() -> Self {
        Self {
            buffer: RefCell::new(vec![0; BUFFER].into()),
            #[cfg(target_os = "linux")]
            pipes: RefCell::default(),
        }
    }
}
