//! The totals of the last seconds, of which the rate of now is made.

use std::collections::VecDeque;

use super::answers::{Overview, Sums, Time};

/// The rate of now is over the samples of these milliseconds.
const NOW: i64 = 10_000;

/// The last totals, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Samples(VecDeque<(Time, Sums)>);

impl Samples {
    pub(super) fn add(&mut self, overview: &Overview) {
        let (at, sums) = (overview.now, overview.totals.sums);
        if let Some((last, of_last)) = self.0.back()
            && (at <= *last || sums.requests < of_last.requests)
        {
            // The gateway was started again, or its clock was set.
            self.0.clear();
        }
        self.0.push_back((at, sums));
        while self.0.len() > 2
            && self
                .0
                .front()
                .is_some_and(|(first, _)| at.0 - first.0 > NOW)
        {
            self.0.pop_front();
        }
    }

    /// What is added each second; `None` before there are two samples.
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    pub(super) fn rate(&self, of: impl Fn(&Sums) -> u64) -> Option<f64> {
        let ((first, before), (last, after)) = (self.0.front()?, self.0.back()?);
        let seconds = (last.0 - first.0) as f64 / 1000.0;
        (seconds > 0.0).then(|| of(after).saturating_sub(of(before)) as f64 / seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(samples: &mut Samples, at: i64, requests: u64) {
        let mut overview = Overview {
            now: Time(at),
            ..Overview::default()
        };
        overview.totals.sums.requests = requests;
        samples.add(&overview);
    }

    #[test]
    fn the_rate_is_over_the_last_ten_seconds() {
        let mut samples = Samples::default();
        let rate = |samples: &Samples| samples.rate(|sums| sums.requests);
        assert_eq!(rate(&samples), None);
        sample(&mut samples, 1000, 100);
        assert_eq!(rate(&samples), None);
        sample(&mut samples, 3000, 120);
        assert_eq!(rate(&samples), Some(10.0));
        for second in 4..20 {
            sample(&mut samples, second * 1000, 120);
        }
        assert_eq!(rate(&samples), Some(0.0), "what came before is forgotten");
        sample(&mut samples, 21_000, 5);
        assert_eq!(rate(&samples), None, "it was started again");
    }
}
