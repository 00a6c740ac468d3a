//! The gate through which the first bytes of a client pass into the tunnel of a CONNECT.
//!
//! A ClientHello is only looked at. It waits in the gate while a policy that is enforced requires its server name to be the
//! host of the CONNECT; without such a policy, and for every other protocol, each byte is forwarded as it comes.

use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::hello_scan::{HelloScan, ScanResult, TunnelHello};
use super::sni_watch::SniWatch;
use crate::clock;

/// How long a ClientHello may wait for its rest.
const HELLO_TIMEOUT: Duration = Duration::from_secs(10);

/// The fatal alert `access_denied` (RFC 8446 6), for a client whose ClientHello is refused.
pub(super) const ACCESS_DENIED: [u8; 7] = [21, 3, 3, 0, 2, 2, 49];

/// The gate of one tunnel, until its ClientHello was read.
pub(crate) struct SniGate {
    scan: HelloScan,
    watch: Rc<SniWatch>,
    /// The bytes of the scan that were forwarded.
    forwarded: usize,
    /// Until when bytes wait here.
    held_until: Option<Instant>,
}

/// What becomes of bytes at the gate.
pub(super) enum GateStep {
    /// They are forwarded.
    Forward,
    /// These are forwarded, which begin with bytes that waited.
    ForwardHeld(Bytes),
    /// They wait.
    Hold,
    /// The tunnel ends; none of them is forwarded.
    Refuse,
}

impl SniGate {
    pub(crate) fn new(watch: Rc<SniWatch>) -> Self {
        Self {
            scan: HelloScan::default(),
            watch,
            forwarded: 0,
            held_until: None,
        }
    }

    /// Lets bytes pass, or not. No bytes are the end of what the client sends.
    fn pass(&mut self, bytes: &[u8]) -> (GateStep, IsDone) {
        let result = if bytes.is_empty() {
            self.at_end()
        } else {
            self.scan.read(bytes)
        };
        match result {
            ScanResult::Partial if self.watch.holds() => {
                let until = clock::now() + HELLO_TIMEOUT;
                self.held_until.get_or_insert(until);
                (GateStep::Hold, IsDone(false))
            }
            ScanResult::Partial | ScanResult::Unclear => (self.release(), IsDone(false)),
            ScanResult::Found(hello) => {
                let step = if self.watch.found(hello) {
                    self.release()
                } else {
                    GateStep::Refuse
                };
                (step, IsDone(true))
            }
        }
    }

    /// What the bytes are if no more of them come.
    fn at_end(&self) -> ScanResult {
        let waits = self.held_until.is_some();
        ScanResult::Found(waits.then(TunnelHello::unreadable))
    }

    /// Forwards what has not been forwarded yet.
    fn release(&mut self) -> GateStep {
        let all = self.scan.bytes();
        let waited = self.held_until.take().is_some();
        let step = if waited {
            GateStep::ForwardHeld(Bytes::copy_from_slice(&all[self.forwarded..]))
        } else {
            GateStep::Forward
        };
        self.forwarded = all.len();
        step
    }
}

/// Whether a gate has done its work.
struct IsDone(bool);

/// The gate of the upward direction of a tunnel, as long as there is one.
#[derive(Default)]
pub(super) struct UpwardGate(Option<Box<SniGate>>);

impl UpwardGate {
    pub(super) fn new(gate: Option<SniGate>) -> Self {
        Self(gate.map(Box::new))
    }

    /// Whether bytes have to pass the gate.
    pub(super) fn is_closed(&self) -> bool {
        self.0.is_some()
    }

    /// Lets bytes pass, or not. No bytes are the end of what the client sends.
    pub(super) fn pass(&mut self, bytes: &[u8]) -> GateStep {
        let Some(gate) = &mut self.0 else {
            return GateStep::Forward;
        };
        let (step, IsDone(is_done)) = gate.pass(bytes);
        if is_done {
            self.0 = None;
        }
        step
    }

    /// Until when bytes wait; `None` if none do.
    pub(super) fn held_until(&self) -> Option<Instant> {
        self.0.as_ref()?.held_until
    }

    /// Ends the wait for the rest of a ClientHello, which then counts as one that cannot be read.
    pub(super) fn give_up(&mut self) -> GateStep {
        self.pass(&[])
    }
}

#[cfg(test)]
mod tests;
