//! How far this process has got with stopping.

use tokio::sync::watch;

/// The stages of stopping, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum DrainStage {
    /// It is not stopping.
    Serving,
    /// It says that it is not ready, and serves as before.
    Announced,
    /// No new work begins; what is in progress may finish.
    Draining,
    /// What has not finished is broken off.
    CutOff,
}

/// Says to every thread how far this process has got with stopping. There is no way back.
#[derive(Debug)]
pub(crate) struct DrainSignal(watch::Sender<DrainStage>);

impl Default for DrainSignal {
    fn default() -> Self {
        Self(watch::Sender::new(DrainStage::Serving))
    }
}

impl DrainSignal {
    /// Announces that the process will stop.
    pub(crate) fn announce(&self) {
        self.reach(DrainStage::Announced);
    }

    /// Begins to stop.
    pub(crate) fn drain(&self) {
        self.reach(DrainStage::Draining);
    }

    /// Breaks off what has not finished.
    pub(crate) fn cut_off(&self) {
        self.reach(DrainStage::CutOff);
    }

    /// Whether the process will stop, or is stopping.
    pub(crate) fn is_announced(&self) -> bool {
        *self.0.borrow() >= DrainStage::Announced
    }

    /// Whether the process is stopping.
    pub(crate) fn is_draining(&self) -> bool {
        *self.0.borrow() >= DrainStage::Draining
    }

    /// Whether what has not finished is being broken off.
    pub(crate) fn is_cut_off(&self) -> bool {
        *self.0.borrow() >= DrainStage::CutOff
    }

    /// Ends when the process is to stop; at once if it is stopping already.
    pub(crate) async fn draining(&self) {
        let draining = |stage: &DrainStage| *stage >= DrainStage::Draining;
        // The sender is ours, so there is no other end.
        let _ = self.0.subscribe().wait_for(draining).await;
    }

    fn reach(&self, stage: DrainStage) {
        self.0.send_if_modified(|now| {
            let is_new = *now < stage;
            *now = stage.max(*now);
            is_new
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_come_in_order_and_stay() {
        let signal = DrainSignal::default();
        let stages = || {
            [
                signal.is_announced(),
                signal.is_draining(),
                signal.is_cut_off(),
            ]
        };
        assert_eq!(stages(), [false, false, false]);
        signal.announce();
        assert_eq!(stages(), [true, false, false]);
        signal.cut_off();
        signal.drain();
        assert_eq!(stages(), [true, true, true]);
    }
}
