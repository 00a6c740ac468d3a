//! What keys do.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::{Detail, TopState};
use crate::args::TopView;

/// The rows that a page has.
const PAGE: usize = 10;

/// The views in the order of their keys.
pub(in crate::top) const VIEWS: [TopView; 5] = [
    TopView::Overview,
    TopView::Destinations,
    TopView::Refusals,
    TopView::Connections,
    TopView::Tunnels,
];

/// What is to be done after a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::top) enum Step {
    /// To draw.
    Draw,
    /// To ask the gateway at once, because something else is shown.
    Ask,
    /// To end.
    Quit,
}

impl TopState {
    /// Does what a key says.
    pub(in crate::top) fn press(&mut self, key: KeyEvent) -> Step {
        if key.kind == KeyEventKind::Release {
            return Step::Draw;
        }
        let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('c' | 'd') if is_control => Step::Quit,
            _ if is_control => Step::Draw,
            code if self.is_searching => self.type_search(code),
            code => self.command(code),
        }
    }

    fn command(&mut self, code: KeyCode) -> Step {
        match code {
            KeyCode::Char('q') => return Step::Quit,
            KeyCode::Char(digit @ '1'..='5') => {
                let at = usize::from(digit as u8 - b'1');
                return self.go_to(VIEWS[at]);
            }
            KeyCode::Tab | KeyCode::Right => return self.go_on(1),
            KeyCode::BackTab | KeyCode::Left => return self.go_on(VIEWS.len() - 1),
            KeyCode::Char('/') if self.view != TopView::Overview && self.detail.is_none() => {
                self.is_searching = true;
            }
            KeyCode::Char('s') if self.view == TopView::Destinations && self.detail.is_none() => {
                self.sort = self.sort.next();
                self.selected = 0;
                return Step::Ask;
            }
            KeyCode::Char('p' | ' ') => {
                self.is_paused = !self.is_paused;
                return if self.is_paused {
                    Step::Draw
                } else {
                    Step::Ask
                };
            }
            KeyCode::Char('r') => return Step::Ask,
            KeyCode::Enter => return self.open(),
            KeyCode::Esc | KeyCode::Backspace => return self.back(),
            code => self.select(code),
        }
        Step::Draw
    }

    fn type_search(&mut self, code: KeyCode) -> Step {
        match code {
            KeyCode::Enter | KeyCode::Tab | KeyCode::Down => self.is_searching = false,
            KeyCode::Esc => {
                self.is_searching = false;
                self.search.clear();
            }
            KeyCode::Backspace => {
                self.search.pop();
            }
            KeyCode::Char(char) => self.search.push(char),
            _ => return Step::Draw,
        }
        self.selected = 0;
        Step::Ask
    }

    fn go_on(&mut self, views: usize) -> Step {
        let now = VIEWS.iter().position(|view| *view == self.view);
        self.go_to(VIEWS[(now.unwrap_or_default() + views) % VIEWS.len()])
    }

    fn go_to(&mut self, view: TopView) -> Step {
        self.view = view;
        self.detail = None;
        self.search.clear();
        self.selected = 0;
        Step::Ask
    }

    /// Tells the chosen row at length.
    fn open(&mut self) -> Step {
        let detail = match self.view {
            _ if self.detail.is_some() => return Step::Draw,
            TopView::Destinations => {
                let chosen = self.destinations().nth(self.selected);
                chosen.map(|told| Detail::Destination(Box::new(told.clone())))
            }
            TopView::Refusals => {
                let chosen = self.refusals().nth(self.selected);
                chosen.map(|told| Detail::Refusal(Box::new(told.clone())))
            }
            TopView::Overview | TopView::Connections | TopView::Tunnels => None,
        };
        match detail {
            Some(detail) => {
                self.detail = Some(detail);
                Step::Ask
            }
            None => Step::Draw,
        }
    }

    /// Goes back from what was opened last.
    fn back(&mut self) -> Step {
        if self.detail.take().is_none() {
            self.search.clear();
        }
        Step::Ask
    }

    fn select(&mut self, code: KeyCode) {
        let last = self.listed().saturating_sub(1);
        let at = self.selected;
        let chosen = match code {
            KeyCode::Down | KeyCode::Char('j') => at.saturating_add(1),
            KeyCode::Up | KeyCode::Char('k') => at.saturating_sub(1),
            KeyCode::PageDown => at.saturating_add(PAGE),
            KeyCode::PageUp => at.saturating_sub(PAGE),
            KeyCode::Home | KeyCode::Char('g') => 0,
            KeyCode::End | KeyCode::Char('G') => last,
            _ => at,
        };
        self.selected = chosen.min(last);
    }
}
