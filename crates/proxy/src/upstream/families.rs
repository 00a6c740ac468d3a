//! Which address family works from here. It saves a host without IPv6 (or IPv4) the wait for that family at every new
//! destination.

use std::time::{Duration, Instant};

use crate::dns::family::AddressFamily;

/// How long a family goes second after it lost once; doubles with each further loss in a row.
const FIRST_PENALTY: Duration = Duration::from_secs(10);
/// The longest time that a family goes second.
const LONGEST_PENALTY: Duration = Duration::from_secs(10 * 60);

/// The record of both families, over all destinations.
#[derive(Debug, Default)]
pub(crate) struct FamilyHistory {
    v4: FamilyRecord,
    v6: FamilyRecord,
}

#[derive(Debug, Default)]
struct FamilyRecord {
    lost_in_a_row: u32,
    second_until: Option<Instant>,
}

impl FamilyHistory {
    /// The family to try first, where `first` is the default.
    pub(crate) fn leading(&self, first: AddressFamily, now: Instant) -> AddressFamily {
        if self.record(first).is_second(now) && !self.record(first.other()).is_second(now) {
            first.other()
        } else {
            first
        }
    }

    /// Records a connection to an address of this family. `lost` is whether addresses of the other family failed or
    /// were overtaken in the same race.
    pub(crate) fn won(&mut self, winner: AddressFamily, lost: bool, now: Instant) {
        *self.record_mut(winner) = FamilyRecord::default();
        if lost {
            let loser = self.record_mut(winner.other());
            loser.lost_in_a_row = loser.lost_in_a_row.saturating_add(1);
            let doublings = (loser.lost_in_a_row - 1).min(10);
            let penalty = (FIRST_PENALTY * (1 << doublings)).min(LONGEST_PENALTY);
            loser.second_until = Some(now + penalty);
        }
    }

    fn record(&self, family: AddressFamily) -> &FamilyRecord {
        match family {
            AddressFamily::V4 => &self.v4,
            AddressFamily::V6 => &self.v6,
        }
    }

    fn record_mut(&mut self, family: AddressFamily) -> &mut FamilyRecord {
        match family {
            AddressFamily::V4 => &mut self.v4,
            AddressFamily::V6 => &mut self.v6,
        }
    }
}

impl FamilyRecord {
    fn is_second(&self, now: Instant) -> bool {
        self.second_until.is_some_and(|until| now < until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn a_family_that_lost_goes_second_for_longer_each_time() {
        let mut families = FamilyHistory::default();
        let mut now = clock::now();
        assert_eq!(families.leading(AddressFamily::V6, now), AddressFamily::V6);
        for seconds in [10, 20, 40, 80, 160, 320, 600, 600] {
            families.won(AddressFamily::V4, true, now);
            now += Duration::from_secs(seconds) - Duration::from_millis(1);
            assert_eq!(
                families.leading(AddressFamily::V6, now),
                AddressFamily::V4,
                "{seconds}"
            );
            now += Duration::from_millis(1);
            assert_eq!(
                families.leading(AddressFamily::V6, now),
                AddressFamily::V6,
                "{seconds}"
            );
        }
    }

    #[test]
    fn a_win_forgives_and_without_a_race_nobody_loses() {
        let mut families = FamilyHistory::default();
        let now = clock::now();
        families.won(AddressFamily::V4, false, now);
        assert_eq!(families.leading(AddressFamily::V6, now), AddressFamily::V6);
        families.won(AddressFamily::V4, true, now);
        families.won(AddressFamily::V6, false, now);
        assert_eq!(families.leading(AddressFamily::V6, now), AddressFamily::V6);
        // IPv6 alone works: what would begin with IPv4 does not.
        families.won(AddressFamily::V6, true, now);
        assert_eq!(families.leading(AddressFamily::V4, now), AddressFamily::V6);
        assert_eq!(families.leading(AddressFamily::V6, now), AddressFamily::V6);
    }
}
