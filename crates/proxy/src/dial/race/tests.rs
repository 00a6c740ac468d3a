//! Tests of how attempts follow each other, in simulated time.

use std::cell::RefCell;

use super::*;

type DialScript<'a> = &'a [(u64, Result<(), io::ErrorKind>)];

/// Runs a race of scripted attempts, each given as (milliseconds, outcome). The attempts from index `late.1` on join
/// the race after `late.0` milliseconds. Returns the outcome of the race, when it ended, and when each attempt started,
/// in the order of their start.
async fn raced_with(
    script: DialScript<'_>,
    late: Option<(u64, usize)>,
) -> (RaceOutcome<(), usize>, u64, Vec<(usize, u64)>) {
    let begin = clock::now();
    let millis = || u64::try_from((clock::now() - begin).as_millis()).unwrap();
    let starts = RefCell::new(Vec::new());
    let count = script.len();
    let first = late.map_or(count, |(_, from)| from);
    let late = late.map(|(after, from)| -> LateAddresses<'_, usize> {
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(after)).await;
            // All addresses of the name, as DNS tells them: the known ones are among them.
            (0..count).cycle().skip(from).take(count).collect()
        })
    });
    let until = begin + Duration::from_millis(NEVER / 2);
    let raced = race((0..first).collect(), late, until, |index| {
        starts.borrow_mut().push((index, millis()));
        let (delay, outcome) = script[index];
        async move {
            tokio::time::sleep(Duration::from_millis(delay)).await;
            outcome.map_err(io::Error::from)
        }
    })
    .await;
    (raced, millis(), starts.into_inner())
}

async fn raced(script: DialScript<'_>) -> (RaceOutcome<(), usize>, u64, Vec<u64>) {
    let (raced, ended, starts) = raced_with(script, None).await;
    let starts = starts.into_iter().map(|(_, at)| at).collect();
    (raced, ended, starts)
}

async fn run(
    script: &[(u64, Result<(), io::ErrorKind>)],
) -> (Result<usize, ConnectFailure>, u64, Vec<u64>) {
    let (raced, ended, starts) = raced(script).await;
    (raced.result.map(|((), winner)| winner), ended, starts)
}

const REFUSED: Result<(), io::ErrorKind> = Err(io::ErrorKind::ConnectionRefused);
const NEVER: u64 = 3_600_000;

#[tokio::test(start_paused = true)]
async fn a_live_first_address_wins_alone() {
    assert_eq!(
        run(&[(20, Ok(())), (0, Ok(()))]).await,
        (Ok(0), 20, vec![0])
    );
}

#[tokio::test(start_paused = true)]
async fn a_first_address_that_swallows_packets_costs_one_stagger() {
    assert_eq!(
        run(&[(NEVER, Ok(())), (20, Ok(()))]).await,
        (Ok(1), 270, vec![0, 250])
    );
}

#[tokio::test(start_paused = true)]
async fn a_first_address_that_refuses_costs_nothing_more() {
    assert_eq!(
        run(&[(10, REFUSED), (20, Ok(()))]).await,
        (Ok(1), 30, vec![0, 10])
    );
}

#[tokio::test(start_paused = true)]
async fn a_slow_first_address_may_still_win() {
    assert_eq!(
        run(&[(300, Ok(())), (100, Ok(()))]).await,
        (Ok(0), 300, vec![0, 250])
    );
}

#[tokio::test(start_paused = true)]
async fn after_a_failure_the_next_stagger_starts_anew() {
    let script = [(100, REFUSED), (NEVER, Ok(())), (50, Ok(()))];
    assert_eq!(run(&script).await, (Ok(2), 400, vec![0, 100, 350]));
}

#[tokio::test(start_paused = true)]
async fn all_failed_tells_the_most_telling_failure() {
    let script = [
        (10, Err(io::ErrorKind::NetworkUnreachable)),
        (10, REFUSED),
        (10, Err(io::ErrorKind::TimedOut)),
    ];
    assert_eq!(run(&script).await.0, Err(ConnectFailure::Refused));
    let script = [
        (10, Err(io::ErrorKind::TimedOut)),
        (10, Err(io::ErrorKind::HostUnreachable)),
    ];
    assert_eq!(run(&script).await.0, Err(ConnectFailure::Timeout));
}

#[tokio::test(start_paused = true)]
async fn every_attempt_is_told() {
    let script = [
        (NEVER, Ok(())),
        (10, REFUSED),
        (300, Ok(())),
        (NEVER, Ok(())),
        (NEVER, Ok(())),
    ];
    let (raced, ended, starts) = raced(&script).await;
    assert_eq!(
        (raced.result.map(|((), winner)| winner), ended),
        (Ok(2), 560)
    );
    assert_eq!(starts, [0, 250, 260, 510]);
    let attempts = [
        (1, AttemptOutcome::Failed(ConnectFailure::Refused)),
        (2, AttemptOutcome::Connected),
        (0, AttemptOutcome::Overtaken),
        (3, AttemptOutcome::Abandoned),
    ];
    assert_eq!(raced.attempts, attempts);
    assert_eq!(
        attempts.map(|(_, one)| one.counts_against_address()),
        [true, false, true, false]
    );
}

/// The winner or the failure, when the race ended, and when each attempt started.
async fn run_late(
    script: DialScript<'_>,
    late: (u64, usize),
) -> (Result<usize, ConnectFailure>, u64, Vec<(usize, u64)>) {
    let (raced, ended, starts) = raced_with(script, Some(late)).await;
    (raced.result.map(|((), winner)| winner), ended, starts)
}

#[tokio::test(start_paused = true)]
async fn late_addresses_join_and_go_before_those_that_wait() {
    let script = [(NEVER, Ok(())), (NEVER, Ok(())), (20, Ok(()))];
    assert_eq!(
        run_late(&script, (100, 2)).await,
        (Ok(2), 270, vec![(0, 0), (2, 250)])
    );
}

#[tokio::test(start_paused = true)]
async fn late_addresses_start_at_once_when_nothing_else_can_win() {
    // All attempts are refused before the late addresses come.
    let refused = [(10, REFUSED), (20, Ok(()))];
    assert_eq!(
        run_late(&refused, (100, 1)).await,
        (Ok(1), 120, vec![(0, 0), (1, 100)])
    );
    // The first attempt is silent for longer than its head start.
    let silent = [(NEVER, Ok(())), (20, Ok(()))];
    assert_eq!(
        run_late(&silent, (400, 1)).await,
        (Ok(1), 420, vec![(0, 0), (1, 400)])
    );
    // No address was permitted at first.
    assert_eq!(
        run_late(&[(20, Ok(()))], (40, 0)).await,
        (Ok(0), 60, vec![(0, 40)])
    );
}

#[tokio::test(start_paused = true)]
async fn a_race_is_not_held_up_by_addresses_that_do_not_come() {
    let script = [(20, Ok(())), (0, Ok(()))];
    assert_eq!(
        run_late(&script, (NEVER, 1)).await,
        (Ok(0), 20, vec![(0, 0)])
    );
    // Late addresses that are known already are not tried again.
    let known = [(50, REFUSED)];
    assert_eq!(
        run_late(&known, (10, 1)).await,
        (Err(ConnectFailure::Refused), 50, vec![(0, 0)])
    );
}

/// Which failure is reported, and whether it counts against the address.
#[test]
fn what_this_process_lacks_is_told_first_and_held_against_nobody() {
    for (errno, expected) in [
        (Errno::EMFILE, ConnectFailure::NoDescriptors),
        (Errno::ENFILE, ConnectFailure::NoDescriptors),
        (Errno::ENETUNREACH, ConnectFailure::Unreachable),
        (Errno::ECONNREFUSED, ConnectFailure::Refused),
    ] {
        let failure = classify(&errno.into());
        assert_eq!(failure, expected, "{errno}");
        let lacking = failure == ConnectFailure::NoDescriptors;
        let reported = worse(ConnectFailure::Refused, failure);
        assert_eq!(
            reported == ConnectFailure::NoDescriptors,
            lacking,
            "{errno}"
        );
        assert_eq!(
            AttemptOutcome::Failed(failure).counts_against_address(),
            !lacking,
            "{errno}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_race_ends_when_its_time_is_over() {
    let (raced, ended, _) = raced(&[(NEVER, Ok(())), (10, REFUSED)]).await;
    assert_eq!(raced.result.unwrap_err(), ConnectFailure::Refused);
    assert_eq!(ended, NEVER / 2);
    let tried = [
        (1, AttemptOutcome::Failed(ConnectFailure::Refused)),
        (0, AttemptOutcome::Overtaken),
    ];
    assert_eq!(raced.attempts, tried);
}
