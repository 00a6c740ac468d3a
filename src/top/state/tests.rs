//! Keys and answers, without a terminal or a gateway.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use serde_json::{Value, json};

use super::*;

pub(in crate::top) fn overview() -> Value {
    let minute = |requests: u64, failures: u64| {
        let phase = json!({"count": requests, "mean": 1.5, "p50": 1.25, "p99": 20.0});
        json!({
            "at": "2026-11-29T12:00:00.000Z",
            "requests": requests, "refused": 2, "failed": 1, "bytes_sent": 1000, "bytes_received": 200_000,
            "phases": {"dns": phase, "connect": phase, "tls": phase, "first_byte": phase, "total": phase},
            "dns": {"queries": 10, "failures": failures},
        })
    };
    json!({
        "version": "0.1.0",
        "started": "2026-11-29T08:55:00.000Z",
        "now": "2026-11-29T12:00:30.000Z",
        "workers": 2,
        "generation": {"number": 4, "state": "current", "message": ""},
        "readiness": {"ready": true, "troubles": []},
        "totals": {
            "requests": 12_345, "refused": 40, "failed": 3, "bytes_sent": 5_000_000, "bytes_received": 9_000_000_000_u64,
            "connections": 12, "tunnels": 1,
        },
        "minutes": [minute(10, 0), minute(700, 0), minute(30, 1)],
    })
}

pub(in crate::top) fn destinations() -> Value {
    let destination = |host: &str, requests: u64, errors: u64| {
        json!({
            "host": host, "requests": requests, "errors": errors, "refused": errors, "reasons": {"egress_policy": errors},
            "bytes_sent": 2048, "bytes_received": 1_048_576, "latency": {"mean": 4.2, "p50": 3.0, "p99": 1350.0},
            "first": "2026-11-29T09:00:00.000Z", "last": "2026-11-29T12:00:00.000Z", "minutes": [0, 5, 3],
        })
    };
    json!([
        destination("api.example.com", 12_000, 0),
        destination("files.example.org", 300, 7),
        {
            "host": "other", "requests": 1, "errors": 0, "refused": 0, "reasons": {},
            "bytes_sent": 0, "bytes_received": 0, "latency": {"mean": 0.0, "p50": 0.0, "p99": 0.0}, "minutes": [],
        },
    ])
}

pub(in crate::top) fn refusals() -> Value {
    json!([
        {
            "host": "files.example.org", "policy": "EgressPolicy edge/names", "rule": "", "reason": "egress_policy",
            "message": "denied by EgressPolicy edge/names", "method": "GET", "count": 7,
            "first": "2026-11-29T11:00:00.000Z", "last": "2026-11-29T12:00:00.000Z",
            "remedy": "kind: EgressPolicy\nspec:\n  rules:\n  - hosts: [files.example.org]\n",
        },
        {
            "host": "slow.example", "policy": "", "rule": "", "reason": "dns_timeout", "message": "no answer", "method": "GET",
            "count": 1, "first": "2026-11-29T11:00:00.000Z", "last": "2026-11-29T11:00:00.000Z", "remedy": "",
        },
    ])
}

/// A state that knows what the gateway would answer.
pub(in crate::top) fn known(view: TopView) -> TopState {
    let mut state = TopState::new(([127, 0, 0, 1], 19000).into(), view);
    answer(&mut state);
    state
}

/// Answers what is asked.
pub(in crate::top) fn answer(state: &mut TopState) {
    let connection = json!({
        "client": "10.0.0.7:50000", "listener": "edge/out/http", "protocol": "h2", "since": "2026-11-29T11:00:30.000Z",
        "requests": 30, "host": "api.example.com",
    });
    let tunnel = json!({
        "host": "git.example.net", "port": 443, "client": "10.0.0.8:50001", "form": "connect", "route": "edge/all/rest",
        "since": "2026-11-29T11:59:00.000Z", "bytes_sent": 512, "bytes_received": 1_310_720,
    });
    let answers = state.questions().into_iter().map(|question| {
        let answer = match &question {
            Question::Overview => overview(),
            Question::Destinations { .. } => destinations(),
            Question::Destination(_) => {
                let mut told = destinations()[1].clone();
                told["addresses"] = json!([
                    {"address": "192.0.2.7:443", "state": "healthy", "failures": 0, "connections": 2},
                    {"address": "[2001:db8::7]:443", "state": "failing", "failures": 3, "connections": 0,
                     "last_error": "connection refused"},
                ]);
                told["dns"] = json!({
                    "name": "files.example.org", "state": "fresh", "resolving": false, "addresses": [],
                    "ageSeconds": 1.0, "ttlSeconds": 42.5, "idleSeconds": 0.0, "hits": 7,
                });
                json!([told])
            }
            Question::Refusals { .. } => refusals(),
            Question::Connections { .. } => json!([connection]),
            Question::Tunnels { .. } => json!([tunnel]),
        };
        (question, Bytes::from(answer.to_string()))
    });
    let answers = answers.collect();
    state.take(answers).unwrap();
}

pub(in crate::top) fn press(state: &mut TopState, code: KeyCode) -> Step {
    state.press(KeyEvent::new(code, KeyModifiers::NONE))
}

fn hosts(state: &TopState) -> Vec<&str> {
    state.destinations().map(|told| &*told.host).collect()
}

#[test]
fn views_are_chosen_by_their_number_and_in_their_order() {
    let mut state = known(TopView::Overview);
    for (digit, view) in ('1'..='5').zip(VIEWS) {
        assert_eq!(press(&mut state, KeyCode::Char(digit)), Step::Ask);
        assert_eq!(state.view, view);
    }
    press(&mut state, KeyCode::Tab);
    assert_eq!(
        state.view,
        TopView::Overview,
        "after the last comes the first"
    );
    press(&mut state, KeyCode::BackTab);
    assert_eq!(state.view, TopView::Tunnels);
    assert_eq!(
        state.questions(),
        [Question::Overview, Question::Tunnels { limit: 500 }]
    );
}

#[test]
fn what_ends_it() {
    let mut state = known(TopView::Destinations);
    assert_eq!(press(&mut state, KeyCode::Char('q')), Step::Quit);
    let control = |char| KeyEvent::new(KeyCode::Char(char), KeyModifiers::CONTROL);
    assert_eq!(state.press(control('c')), Step::Quit);
    assert_eq!(state.press(control('q')), Step::Draw);
    press(&mut state, KeyCode::Char('/'));
    assert_eq!(
        press(&mut state, KeyCode::Char('q')),
        Step::Ask,
        "it is typed"
    );
    assert_eq!(state.press(control('c')), Step::Quit);
}

#[test]
fn a_search_is_typed_and_asks_for_all() {
    let mut state = known(TopView::Destinations);
    assert_eq!(
        hosts(&state),
        ["api.example.com", "files.example.org", "other"]
    );
    press(&mut state, KeyCode::End);
    assert_eq!(state.selected, 2);
    press(&mut state, KeyCode::Char('/'));
    for char in "FILEX".chars() {
        press(&mut state, KeyCode::Char(char));
    }
    assert_eq!(hosts(&state), [""; 0]);
    assert_eq!(state.listed(), 0);
    press(&mut state, KeyCode::Backspace);
    assert_eq!(hosts(&state), ["files.example.org"]);
    assert_eq!(state.selected, 0);
    let asked = state.questions();
    let sort = SortKey::Requests;
    assert_eq!(
        asked[1],
        Question::Destinations {
            sort,
            limit: 10_000
        }
    );
    press(&mut state, KeyCode::Enter);
    assert!(!state.is_searching, "it is kept");
    assert_eq!(hosts(&state), ["files.example.org"]);
    press(&mut state, KeyCode::Esc);
    assert_eq!(hosts(&state).len(), 3);
}

#[test]
fn destinations_are_sorted_by_the_gateway() {
    let mut state = known(TopView::Destinations);
    let mut words = Vec::new();
    for _ in 0..4 {
        assert_eq!(press(&mut state, KeyCode::Char('s')), Step::Ask);
        words.push(state.questions()[1].path());
    }
    let path = |sort| format!("/destinations?sort={sort}&limit=500");
    assert_eq!(words, ["errors", "bytes", "latency", "requests"].map(path));
}

#[test]
fn a_row_is_opened_and_renewed() {
    let mut state = known(TopView::Destinations);
    press(&mut state, KeyCode::Down);
    assert_eq!(press(&mut state, KeyCode::Enter), Step::Ask);
    assert_eq!(
        state.questions()[1].path(),
        "/destinations?host=files.example.org"
    );
    answer(&mut state);
    let Some(Detail::Destination(shown)) = &state.detail else {
        panic!("{:?}", state.detail);
    };
    assert_eq!(shown.addresses.len(), 2);
    press(&mut state, KeyCode::Esc);
    assert!(state.detail.is_none());
    press(&mut state, KeyCode::Char('3'));
    answer(&mut state);
    press(&mut state, KeyCode::Enter);
    let Some(Detail::Refusal(shown)) = &state.detail else {
        panic!("{:?}", state.detail);
    };
    assert_eq!(shown.count, 7);
    let mut later = refusals();
    later[0]["count"] = json!(8);
    let question = state.questions()[1].clone();
    state
        .take(vec![(question, Bytes::from(later.to_string()))])
        .unwrap();
    let Some(Detail::Refusal(shown)) = &state.detail else {
        panic!("{:?}", state.detail);
    };
    assert_eq!(shown.count, 8);
}

#[test]
fn a_literal_is_asked_for_as_a_uri_can_hold_it() {
    let path = Question::Destination("[2001:db8::1]".to_owned()).path();
    assert_eq!(path, "/destinations?host=%5B2001:db8::1%5D");
}

#[test]
fn the_choice_stays_within_the_list() {
    let mut state = known(TopView::Destinations);
    for (code, expected) in [
        (KeyCode::Up, 0),
        (KeyCode::Char('j'), 1),
        (KeyCode::PageDown, 2),
        (KeyCode::Down, 2),
        (KeyCode::Char('k'), 1),
        (KeyCode::Home, 0),
        (KeyCode::Char('G'), 2),
    ] {
        press(&mut state, code);
        assert_eq!(state.selected, expected, "{code:?}");
    }
    let question = state.questions()[1].clone();
    state
        .take(vec![(question, Bytes::from_static(b"[]"))])
        .unwrap();
    assert_eq!(state.selected, 0);
}

#[test]
fn what_was_known_stays_while_nobody_answers() {
    let mut state = known(TopView::Overview);
    state.answered(Err("127.0.0.1:19000: no answer within 5s"));
    assert!(state.stale.is_some());
    assert_eq!(state.overview.totals.sums.requests, 12_345);
    let other = vec![(Question::Overview, Bytes::from_static(b"<html>"))];
    state.answered(Ok::<_, String>(other));
    let why = state.stale.as_deref().unwrap_or_default();
    assert!(
        why.contains("/overview: this is no answer of Egret"),
        "{why}"
    );
    state.answered(Ok::<_, String>(Vec::new()));
    assert_eq!(state.stale, None);
}

#[test]
fn a_pause_asks_for_nothing_and_its_end_at_once() {
    let mut state = known(TopView::Overview);
    assert_eq!(press(&mut state, KeyCode::Char('p')), Step::Draw);
    assert!(state.is_paused);
    assert_eq!(press(&mut state, KeyCode::Char(' ')), Step::Ask);
    assert!(!state.is_paused);
}
