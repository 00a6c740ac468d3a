use egret_config::resources::Kind;

use super::*;

fn words(listener: &str, policy: &str, rule: &str) -> OwnedLabels {
    OwnedLabels {
        listener: (!listener.is_empty()).then(|| listener.into()),
        policy: (!policy.is_empty()).then(|| ObjectRef::new(Kind::EgressPolicy, "apps", policy)),
        rule: (!rule.is_empty()).then(|| rule.into()),
        route: None,
        backend: None,
    }
}

fn labels(words: &OwnedLabels) -> DecisionLabels<'_> {
    DecisionLabels {
        listener: words.listener.as_ref(),
        policy: words.policy.as_ref(),
        rule: words.rule.as_ref(),
        backend: words.backend.as_ref(),
        route: None,
    }
}

/// What was counted, as `status listener policy rule count`.
fn counted(shared: &CountersByDecision<u16>) -> Vec<String> {
    let mut sums = BTreeMap::new();
    shared.add_to(&mut sums);
    let line = |((status, labels), count): (&(u16, SeriesLabels), &u64)| {
        let SeriesLabels {
            listener,
            policy,
            rule,
            ..
        } = labels;
        format!("{status} {listener} {policy} {rule} {count}")
    };
    sums.iter().map(line).collect()
}

#[test]
fn responses_are_counted_by_what_the_words_say_and_not_by_where_they_are() {
    let shared = Arc::new(CountersByDecision::default());
    let counters = ResponseCounters::new(Arc::clone(&shared));
    // The second has the same words at other addresses, as after a change of the configuration.
    for _ in 0..2 {
        let partners = words("ns/gw/http", "list", "partners");
        let rest = words("ns/gw/http", "list", "");
        for _ in 0..3 {
            counters.increment(200, labels(&partners));
            counters.increment(404, labels(&partners));
            counters.increment(200, labels(&rest));
        }
    }
    counters.increment(503, DecisionLabels::default());
    assert_eq!(
        counted(&shared),
        [
            "200 ns/gw/http apps/list  6",
            "200 ns/gw/http apps/list partners 6",
            "404 ns/gw/http apps/list partners 6",
            "503    1",
        ]
    );
}

/// A slot that two counters want changes hands, and nothing is counted for the wrong one.
#[test]
fn more_words_than_slots_are_all_counted() {
    let shared = Arc::new(CountersByDecision::default());
    let counters = ResponseCounters::new(Arc::clone(&shared));
    let all: Vec<_> = (0..5 * SLOTS)
        .map(|rule| words("l", "p", &format!("r{rule}")))
        .collect();
    for _ in 0..3 {
        for words in &all {
            counters.increment(200, labels(words));
        }
    }
    let counted = counted(&shared);
    assert_eq!(counted.len(), all.len());
    assert!(counted.iter().all(|line| line.ends_with(" 3")));
}

#[test]
fn there_is_an_end_of_series() {
    let shared = CountersByDecision::default();
    for rule in 0..MAX_SERIES + 10 {
        shared.increment(200, labels(&words("l", "p", &rule.to_string())));
    }
    let counted = counted(&shared);
    assert_eq!(counted.len(), MAX_SERIES + 1);
    assert_eq!(counted[0], "200    10");
}
