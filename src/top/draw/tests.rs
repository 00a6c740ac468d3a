//! Frames as they are seen.

use std::fs;
use std::path::Path;

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::KeyCode;

use super::*;
use crate::top::state::tests::{answer, known, press};

fn frame(state: &TopState, (width, height): (u16, u16), palette: Palette) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    let drawn = terminal.draw(|frame| {
        let drawing = Drawing {
            state,
            palette,
            is_live: true,
        };
        drawing.draw(frame.area(), frame.buffer_mut());
    });
    drawn.unwrap().buffer.clone()
}

fn seen(state: &TopState) -> String {
    crate::top::text(&frame(state, (80, 24), Palette::PLAIN))
}

/// Compares what is seen with the frame of this name, or writes that anew where `EGRET_WRITE` is set.
fn assert_seen(name: &str, state: &TopState) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/top/draw/frames");
    let file = folder.join(format!("{name}.txt"));
    if std::env::var_os("EGRET_WRITE").is_some() {
        fs::create_dir_all(&folder).unwrap();
        fs::write(&file, seen(state)).unwrap();
    }
    assert_eq!(
        seen(state),
        fs::read_to_string(&file).unwrap_or_default(),
        "{name}"
    );
}

#[test]
fn the_overview_fits_a_terminal() {
    let state = known(TopView::Overview);
    assert_seen("overview", &state);
}

#[test]
fn destinations_are_a_list_and_one_in_full() {
    let mut state = known(TopView::Destinations);
    assert_seen("destinations", &state);
    press(&mut state, KeyCode::Down);
    press(&mut state, KeyCode::Enter);
    answer(&mut state);
    assert_seen("destination", &state);
}

#[test]
fn the_last_minutes_are_drawn_where_there_is_room() {
    let state = known(TopView::Destinations);
    let text = |width| crate::top::text(&frame(&state, (width, 10), Palette::PLAIN));
    assert!(text(110).contains("\u{2588}\u{2585}"), "{}", text(110));
    assert!(!text(109).contains('\u{2588}'));
}

#[test]
fn refusals_name_what_decides_and_what_would_help() {
    let mut state = known(TopView::Refusals);
    assert_seen("refusals", &state);
    press(&mut state, KeyCode::Enter);
    assert_seen("refusal", &state);
    press(&mut state, KeyCode::Esc);
    press(&mut state, KeyCode::Down);
    press(&mut state, KeyCode::Enter);
    assert!(seen(&state).contains("There is nothing to copy"));
}

#[test]
fn connections_and_tunnels_are_lists() {
    let mut state = known(TopView::Connections);
    assert_seen("connections", &state);
    press(&mut state, KeyCode::Char('5'));
    answer(&mut state);
    press(&mut state, KeyCode::Char('/'));
    press(&mut state, KeyCode::Char('g'));
    assert_seen("tunnels", &state);
}

#[test]
fn what_is_wrong_is_said_first() {
    let mut state = known(TopView::Overview);
    state.overview.readiness.ready = false;
    state.overview.readiness.troubles = vec!["not ready: the port 8080 is in use".to_owned()];
    "held".clone_into(&mut state.overview.generation.state);
    "egress.yaml:3: Gateway edge/out: spec: unknown field"
        .clone_into(&mut state.overview.generation.message);
    state.stale = Some("127.0.0.1:19000: no answer within 5s".to_owned());
    state.is_paused = true;
    assert_seen("troubles", &state);
}

#[test]
fn no_size_is_too_small() {
    for view in VIEWS {
        let mut state = known(view);
        state.stale = Some("nobody answers".to_owned());
        for is_open in [false, true] {
            for size in [
                (0, 0),
                (1, 1),
                (3, 2),
                (20, 4),
                (80, 5),
                (200, 60),
                (500, 3),
            ] {
                frame(&state, size, Palette::PLAIN);
            }
            if is_open {
                press(&mut state, KeyCode::Enter);
            }
        }
    }
}

#[test]
fn a_chosen_row_is_in_sight() {
    let mut state = known(TopView::Destinations);
    press(&mut state, KeyCode::End);
    let buffer = frame(&state, (80, 6), Palette::PLAIN);
    let text = crate::top::text(&buffer);
    assert!(text.contains("\nother"), "{text}");
    assert!(!text.contains("api.example.com"), "{text}");
}

#[test]
fn colors_are_used_where_they_are_wanted() {
    let state = known(TopView::Overview);
    let colored = |palette| {
        let buffer = frame(&state, (80, 24), palette);
        buffer.content.iter().any(|cell| cell.fg != Color::Reset)
    };
    assert!(colored(Palette { has_colors: true }));
    assert!(!colored(Palette::PLAIN));
}
