//! What waits to be told to services that collect telemetry: a box for each, of one worker. Who sends it is elsewhere.
//!
//! A service that does not keep up loses entries, which are counted; requests are never delayed.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use egret_config::access_log::{OpenTelemetryLog, ServiceLog};
use egret_config::policy::service::{Collector, ServiceId};
use egret_config::snapshot::Tracing;
use tokio::sync::Notify;
use tokio::time::timeout;

/// Longest time that an entry waits before it is sent.
const FLUSH_INTERVAL: Duration = Duration::from_secs(1);
/// Bytes at which a box is emptied before that.
const FULL: usize = 16 * 1024;
/// Most bytes that are sent at once.
const MAX_PARCEL: usize = 256 * 1024;
/// Most bytes that wait in all boxes of the process, or are on their way.
const MAX_WAITING: usize = 7 * 1024 * 1024;

/// Where entries go, and what they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum OutboxAddress {
    /// Log records of OTLP.
    OpenTelemetry(Arc<OpenTelemetryLog>),
    /// Spans of OTLP.
    Traces(Arc<Tracing>),
    /// Metrics of OTLP.
    Metrics(Arc<Collector>),
    /// Entries of Envoy's access log service about HTTP.
    HttpLog(Arc<ServiceLog>),
    /// Such entries about TLS that is passed through.
    TcpLog(Arc<ServiceLog>),
}

/// The boxes of one worker.
pub(crate) struct Outbox {
    /// Those that somebody empties, or is going to.
    boxes: RefCell<Vec<Rc<Mailbox>>>,
    /// Notified when there is a new one.
    begun: Notify,
    /// Notified when one is given up.
    left: Notify,
    /// Whether nothing waits any more.
    hurries: Cell<bool>,
    totals: Arc<OutboxTotals>,
}

/// What waits for one service.
pub(crate) struct Mailbox {
    pub(crate) to: OutboxAddress,
    entries: RefCell<VecDeque<Vec<u8>>>,
    bytes: Cell<usize>,
    is_attended: Cell<bool>,
    full: Notify,
}

/// How much was taken out of a box.
#[derive(Clone, Copy)]
pub(crate) struct ParcelSize {
    entries: u64,
    bytes: usize,
}

/// What the boxes of all workers have in common.
#[derive(Debug, Default)]
pub(crate) struct OutboxTotals {
    waiting: AtomicUsize,
    otlp_dropped: AtomicU64,
    als_dropped: AtomicU64,
    troubles: Mutex<BTreeMap<ServiceId, String>>,
}

impl OutboxAddress {
    /// The service.
    pub(crate) fn collector(&self) -> &Collector {
        match self {
            Self::OpenTelemetry(log) => &log.collector,
            Self::Traces(tracing) => &tracing.collector,
            Self::Metrics(collector) => collector,
            Self::HttpLog(log) | Self::TcpLog(log) => &log.collector,
        }
    }
}

impl ParcelSize {
    pub(crate) fn of(entries: &[Vec<u8>]) -> Self {
        Self {
            entries: entries.len() as u64,
            bytes: entries.iter().map(Vec::len).sum(),
        }
    }
}

impl Outbox {
    pub(crate) fn new(totals: Arc<OutboxTotals>) -> Self {
        Self {
            boxes: RefCell::default(),
            begun: Notify::new(),
            left: Notify::new(),
            hurries: Cell::default(),
            totals,
        }
    }

    /// Adds an entry, as it is written on the wire.
    pub(crate) fn post(&self, to: &OutboxAddress, entry: Vec<u8>) {
        if !self.totals.reserve(entry.len()) {
            let why = "it does not keep up with what it is told";
            return self.totals.lost(to, 1, why);
        }
        let mut boxes = self.boxes.borrow_mut();
        // Two that are the same value are equal without a look.
        let known = boxes.iter().find(|mailbox| mailbox.to == *to);
        let mailbox = known.cloned().unwrap_or_else(|| {
            let mailbox = Rc::new(Mailbox::new(to.clone()));
            boxes.push(Rc::clone(&mailbox));
            self.begun.notify_one();
            mailbox
        });
        mailbox.push(entry, self.hurries.get());
    }

    /// Adds entries in place of those that still wait, which are lost: they say what was before. They are sent at once.
    pub(crate) fn replace(&self, to: &OutboxAddress, entries: Vec<Vec<u8>>) {
        let of_service = || self.boxes.borrow().iter().find(|it| it.to == *to).cloned();
        if let Some(mailbox) = of_service() {
            let late = mailbox.take_all();
            if !late.is_empty() {
                let why = "it does not keep up with what it is told";
                self.settle(to, ParcelSize::of(&late), Some(why));
            }
        }
        for entry in entries {
            self.post(to, entry);
        }
        if let Some(mailbox) = of_service() {
            mailbox.full.notify_one();
        }
    }

    /// Waits for a box that nobody empties yet, for the caller to do so until it [leaves](Self::leave) it.
    pub(crate) async fn begun(&self) -> Rc<Mailbox> {
        loop {
            let unattended = self
                .boxes
                .borrow()
                .iter()
                .find(|mailbox| !mailbox.is_attended.replace(true))
                .cloned();
            match unattended {
                Some(mailbox) => return mailbox,
                None => self.begun.notified().await,
            }
        }
    }

    /// Waits until it is time to empty a box.
    pub(crate) async fn is_due(&self, mailbox: &Mailbox) {
        if !self.hurries.get() {
            // Either is a reason.
            let _ = timeout(FLUSH_INTERVAL, mailbox.full.notified()).await;
        }
    }

    /// Gives a box up, if it is empty.
    pub(crate) fn leave(&self, mailbox: &Rc<Mailbox>) -> bool {
        let is_empty = mailbox.entries.borrow().is_empty();
        if is_empty {
            let mut boxes = self.boxes.borrow_mut();
            boxes.retain(|other| !Rc::ptr_eq(other, mailbox));
            self.left.notify_one();
        }
        is_empty
    }

    /// What was taken out of a box has arrived, or is lost for this reason.
    pub(crate) fn settle(&self, to: &OutboxAddress, size: ParcelSize, error: Option<&str>) {
        self.totals.waiting.fetch_sub(size.bytes, Relaxed);
        match error {
            Some(why) => self.totals.lost(to, size.entries, why),
            None => self.totals.arrived(to),
        }
    }

    /// Waits until everything is sent, without waiting for more.
    pub(crate) async fn finish(&self) {
        self.hurries.set(true);
        for mailbox in self.boxes.borrow().iter() {
            mailbox.full.notify_one();
        }
        while !self.boxes.borrow().is_empty() {
            self.left.notified().await;
        }
    }
}

impl Mailbox {
    fn new(to: OutboxAddress) -> Self {
        Self {
            to,
            entries: RefCell::default(),
            bytes: Cell::default(),
            is_attended: Cell::default(),
            full: Notify::new(),
        }
    }

    fn push(&self, entry: Vec<u8>, hurries: bool) {
        let bytes = self.bytes.get() + entry.len();
        self.bytes.set(bytes);
        self.entries.borrow_mut().push_back(entry);
        if bytes >= FULL || hurries {
            self.full.notify_one();
        }
    }

    /// Takes everything.
    fn take_all(&self) -> Vec<Vec<u8>> {
        self.bytes.set(0);
        self.entries.take().into()
    }

    /// Takes the oldest entries, as many as are sent at once.
    pub(crate) fn take(&self) -> Vec<Vec<u8>> {
        let mut entries = self.entries.borrow_mut();
        let mut size = 0;
        let count = entries.iter().take_while(|entry| {
            let is_first = size == 0;
            size += entry.len();
            is_first || size <= MAX_PARCEL
        });
        let count = count.count();
        let taken: Vec<_> = entries.drain(..count).collect();
        let left = self.bytes.get() - ParcelSize::of(&taken).bytes;
        self.bytes.set(left);
        if left >= FULL {
            self.full.notify_one();
        }
        taken
    }
}

impl OutboxTotals {
    fn reserve(&self, size: usize) -> bool {
        let fits = self.waiting.fetch_add(size, Relaxed) + size <= MAX_WAITING;
        if !fits {
            self.waiting.fetch_sub(size, Relaxed);
        }
        fits
    }

    fn lost(&self, to: &OutboxAddress, count: u64, why: &str) {
        let dropped = match to {
            OutboxAddress::OpenTelemetry(_)
            | OutboxAddress::Traces(_)
            | OutboxAddress::Metrics(_) => &self.otlp_dropped,
            OutboxAddress::HttpLog(_) | OutboxAddress::TcpLog(_) => &self.als_dropped,
        };
        dropped.fetch_add(count, Relaxed);
        let service = &to.collector().service.id;
        let mut troubles = self.troubles();
        if troubles.get(service).is_none_or(|known| known != why) {
            if !troubles.contains_key(service) {
                tracing::warn!("{service}: entries are lost: {why}");
            }
            troubles.insert(service.clone(), why.to_owned());
        }
    }

    fn arrived(&self, to: &OutboxAddress) {
        let service = &to.collector().service.id;
        if self.troubles().remove(service).is_some() {
            tracing::info!("{service}: entries arrive again");
        }
    }

    /// Forgets the troubles with services that are not asked for any more.
    pub(crate) fn keep_only(&self, is_wanted: impl Fn(&ServiceId) -> bool) {
        self.troubles().retain(|service, _| is_wanted(service));
    }

    /// Entries that were lost on their way to collectors of OpenTelemetry.
    pub(crate) fn otlp_dropped(&self) -> u64 {
        self.otlp_dropped.load(Relaxed)
    }

    /// Entries that were lost on their way to access log services.
    pub(crate) fn als_dropped(&self) -> u64 {
        self.als_dropped.load(Relaxed)
    }

    /// The services that lose entries now, and why.
    pub(crate) fn told_troubles(&self) -> Vec<String> {
        let troubles = self.troubles();
        let lines = troubles
            .iter()
            .map(|(service, why)| format!("{service}: {why}"));
        lines.collect()
    }

    fn troubles(&self) -> MutexGuard<'_, BTreeMap<ServiceId, String>> {
        self.troubles.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
pub(crate) mod tests;
