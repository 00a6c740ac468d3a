//! What a feed does next: the decisions of its list and watch calls, without the calls.

use std::time::Duration;

use crate::backoff::Backoff;

/// The time between two looks at a kind that is not installed, or at an object that may not be read.
const LATER: Duration = Duration::from_secs(10);

/// What was there must be missing, or not be permitted to be read, this often in a row. A server that starts may not know
/// all its kinds and permissions yet.
const MISSING: u32 = 12;

/// What to do next, and after how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NextStep {
    pub(super) step: Step,
    pub(super) after: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// List everything. What is known counts only if it is `trusted`.
    List { trusted: bool },
    /// Ask for the version of the collection, which an older server has a smaller one of.
    Check,
    /// Watch from the version that was seen last.
    Watch,
}

/// Why a call has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FailureCause {
    /// The server does not know the resource (404).
    Absent,
    /// The resource may not be read (403).
    Forbidden,
    /// The version is too old (410).
    Expired,
    /// Anything else: the server is away, or in trouble.
    Trouble,
}

/// What to make of a list that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// There is nothing of this kind.
    Nothing,
    /// What is known stays.
    Stays,
}

/// What may not be read is tried again so often in quick succession: a Role for it may be on its way.
const REFUSED: u32 = 8;

/// The course of one feed.
#[derive(Debug, Default)]
pub(super) struct Course {
    backoff: Backoff,
    /// Whether nothing has come of a watch since the last list.
    is_fresh: bool,
    /// Whether the resource has been listed before.
    was_there: bool,
    missing: u32,
    refused: u32,
}

impl NextStep {
    /// The first step, and every other that need not wait.
    pub(super) fn now(step: Step) -> Self {
        let after = Duration::ZERO;
        Self { step, after }
    }
}

impl Course {
    pub(super) fn listed(&mut self) -> NextStep {
        self.is_fresh = true;
        self.was_there = true;
        self.missing = 0;
        self.refused = 0;
        NextStep::now(Step::Watch)
    }

    pub(super) fn not_listed(
        &mut self,
        cause: FailureCause,
        trusted: bool,
        jitter: f64,
    ) -> (Verdict, NextStep) {
        let step = Step::List { trusted };
        self.missing = match cause {
            FailureCause::Absent | FailureCause::Forbidden => self.missing.saturating_add(1),
            FailureCause::Expired | FailureCause::Trouble => 0,
        };
        let is_settled = match cause {
            FailureCause::Absent | FailureCause::Forbidden => {
                !self.was_there || self.missing >= MISSING
            }
            FailureCause::Expired | FailureCause::Trouble => false,
        };
        let verdict = match is_settled {
            true => Verdict::Nothing,
            false => Verdict::Stays,
        };
        self.refused += u32::from(cause == FailureCause::Forbidden);
        let is_on_its_way = cause == FailureCause::Forbidden && self.refused <= REFUSED;
        let after = match is_settled && !is_on_its_way {
            true => {
                self.backoff.reset();
                LATER
            }
            false => self.backoff.failed(jitter),
        };
        (verdict, NextStep { step, after })
    }

    /// The version of the collection is known; `is_older` if it is smaller than the one that was seen last.
    pub(super) fn checked(&self, is_older: bool) -> NextStep {
        NextStep::now(match is_older {
            true => Step::List { trusted: false },
            false => Step::Watch,
        })
    }

    pub(super) fn not_checked(&mut self, cause: FailureCause, jitter: f64) -> NextStep {
        match cause {
            FailureCause::Absent | FailureCause::Forbidden => {
                NextStep::now(Step::List { trusted: true })
            }
            FailureCause::Expired | FailureCause::Trouble => NextStep {
                step: Step::Check,
                after: self.backoff.failed(jitter),
            },
        }
    }

    /// A watch has ended; `was_alive` if anything came of it, or it lasted.
    pub(super) fn watched(
        &mut self,
        failure: Option<FailureCause>,
        was_alive: bool,
        jitter: f64,
    ) -> NextStep {
        if was_alive {
            self.backoff.reset();
            self.is_fresh = false;
        }
        let at_once = was_alive && failure.is_none();
        match failure {
            // After a restart, a server knows nothing of the versions before. That is no failure of anybody.
            Some(FailureCause::Expired) if !self.is_fresh => {
                NextStep::now(Step::List { trusted: true })
            }
            Some(FailureCause::Expired) => NextStep {
                step: Step::List { trusted: true },
                after: self.backoff.failed(jitter),
            },
            Some(FailureCause::Absent | FailureCause::Forbidden) => {
                NextStep::now(Step::List { trusted: true })
            }
            None | Some(FailureCause::Trouble) => NextStep {
                step: Step::Check,
                after: match at_once {
                    true => Duration::ZERO,
                    false => self.backoff.failed(jitter),
                },
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: Step = Step::List { trusted: true };

    fn after(millis: u64, step: Step) -> NextStep {
        let after = Duration::from_millis(millis);
        NextStep { step, after }
    }

    #[test]
    fn an_expired_version_is_listed_at_once_but_not_in_a_loop() {
        let mut course = Course::default();
        assert_eq!(course.listed(), after(0, Step::Watch));
        assert_eq!(course.watched(None, true, 0.0), after(0, Step::Check));
        let expired = Some(FailureCause::Expired);
        assert_eq!(course.watched(expired, false, 0.0), after(0, LIST));
        course.listed();
        assert_eq!(course.watched(expired, false, 0.0), after(200, LIST));
        course.listed();
        assert_eq!(course.watched(expired, false, 0.0), after(400, LIST));
        course.listed();
        assert_eq!(course.watched(expired, true, 0.0), after(0, LIST));
    }

    #[test]
    fn an_older_server_is_listed_without_trust_in_what_is_known() {
        let mut course = Course::default();
        course.listed();
        let trouble = FailureCause::Trouble;
        assert_eq!(
            course.watched(Some(trouble), true, 0.0),
            after(200, Step::Check)
        );
        assert_eq!(course.not_checked(trouble, 0.0), after(400, Step::Check));
        assert_eq!(course.checked(false), after(0, Step::Watch));
        let untrusted = Step::List { trusted: false };
        assert_eq!(course.checked(true), after(0, untrusted));
        let (verdict, next) = course.not_listed(trouble, false, 0.0);
        assert_eq!((verdict, next), (Verdict::Stays, after(800, untrusted)));
    }

    #[test]
    fn a_kind_that_was_there_is_not_gone_at_the_first_sign() {
        let absent = FailureCause::Absent;
        let mut course = Course::default();
        let (verdict, next) = course.not_listed(absent, true, 0.0);
        assert_eq!((verdict, next), (Verdict::Nothing, after(10_000, LIST)));
        course.listed();
        assert_eq!(course.watched(Some(absent), true, 0.0), after(0, LIST));
        for millis in [
            200, 400, 800, 1600, 2000, 2000, 2000, 2000, 2000, 2000, 2000,
        ] {
            let (verdict, next) = course.not_listed(absent, true, 0.0);
            assert_eq!((verdict, next), (Verdict::Stays, after(millis, LIST)));
        }
        assert_eq!(course.not_listed(absent, true, 0.0).0, Verdict::Nothing);
        // Trouble in between begins the count anew.
        course.listed();
        course.not_listed(FailureCause::Trouble, true, 0.0);
        assert_eq!(course.not_listed(absent, true, 0.0).0, Verdict::Stays);
    }

    /// A server that has just started knows no permissions, for seconds.
    #[test]
    fn what_was_there_is_not_gone_at_the_first_refusal() {
        let forbidden = FailureCause::Forbidden;
        let mut course = Course::default();
        course.listed();
        for _ in 1..MISSING {
            let (verdict, next) = course.not_listed(forbidden, true, 1.0);
            assert_eq!(verdict, Verdict::Stays);
            assert!(next.after <= Duration::from_secs(2));
        }
        let (verdict, next) = course.not_listed(forbidden, true, 1.0);
        assert_eq!((verdict, next), (Verdict::Nothing, after(10_000, LIST)));
        course.listed();
        assert_eq!(course.not_listed(forbidden, true, 1.0).0, Verdict::Stays);
    }

    #[test]
    fn what_may_not_be_read_is_tried_again_soon_and_then_later() {
        let mut course = Course::default();
        for millis in [200, 400, 800, 1600, 2000, 2000, 2000, 2000, 10_000, 10_000] {
            let (verdict, next) = course.not_listed(FailureCause::Forbidden, true, 0.0);
            assert_eq!((verdict, next), (Verdict::Nothing, after(millis, LIST)));
        }
    }

    #[test]
    fn watches_that_end_at_once_are_slowed_down() {
        let mut course = Course::default();
        course.listed();
        for millis in [200, 400, 800, 1600, 2000, 2000] {
            assert_eq!(course.watched(None, false, 0.0), after(millis, Step::Check));
            assert_eq!(course.checked(false), after(0, Step::Watch));
        }
        assert_eq!(course.watched(None, true, 0.0), after(0, Step::Check));
    }
}
