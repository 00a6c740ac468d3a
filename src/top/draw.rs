//! From the state to the cells of a frame. Nothing here waits, and nothing is remembered from one frame to the next.

use std::io;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget as _;

use super::format;
use super::state::{Detail, TopState, VIEWS};
use crate::args::TopView;
use crate::console;

mod detail;
mod lists;
mod overview;
mod table;
#[cfg(test)]
mod tests;

/// The rows of a frame that are no rows of a list: title, views, trouble, the head of the list, keys.
pub(super) const FRAME_ROWS: u16 = 5;

/// One frame.
pub(super) struct Drawing<'a> {
    pub(super) state: &'a TopState,
    pub(super) palette: Palette,
    /// Whether there are keys to tell of.
    pub(super) is_live: bool,
}

/// How words are told apart: by colours too, or without them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Palette {
    has_colors: bool,
}

impl Palette {
    /// Without colours.
    pub(super) const PLAIN: Self = Self { has_colors: false };

    /// What the terminal and the environment want.
    pub(super) fn of_environment() -> Self {
        Self {
            has_colors: console::is_coloured(&io::stdout()),
        }
    }

    fn colored(self, color: Color) -> Style {
        if self.has_colors {
            Style::new().fg(color)
        } else {
            Style::new()
        }
    }

    fn good(self) -> Style {
        self.colored(Color::Green)
    }

    fn warn(self) -> Style {
        self.colored(Color::Yellow).add_modifier(Modifier::BOLD)
    }

    fn bad(self) -> Style {
        self.colored(Color::Red).add_modifier(Modifier::BOLD)
    }

    fn title() -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    fn chosen() -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    fn quiet() -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }
}

/// Takes areas off the top of another one, as long as it has rows.
struct Rows(Rect);

impl Rows {
    fn take(&mut self, rows: u16) -> Rect {
        let rows = rows.min(self.0.height);
        let taken = Rect {
            height: rows,
            ..self.0
        };
        self.0.y += rows;
        self.0.height -= rows;
        taken
    }

    fn left(&self) -> u16 {
        self.0.height
    }

    fn rest(self) -> Rect {
        self.0
    }
}

impl Drawing<'_> {
    /// Draws the frame into an area of the buffer.
    pub(super) fn draw(&self, area: Rect, buffer: &mut Buffer) {
        let mut rows = Rows(area.intersection(buffer.area));
        self.title().render(rows.take(1), buffer);
        self.views().render(rows.take(1), buffer);
        let mut body = rows.rest();
        if self.is_live {
            let keys = body.rows().next_back();
            body.height = body.height.saturating_sub(1);
            self.keys().render(keys.unwrap_or_default(), buffer);
        }
        let mut rows = Rows(body);
        if let Some(why) = &self.state.stale {
            let line = Line::styled(format!("not renewed: {why}"), self.palette.bad());
            line.render(rows.take(1), buffer);
        }
        let body = rows.rest();
        match (&self.state.detail, self.state.view) {
            (Some(Detail::Destination(shown)), _) => self.destination(shown, body, buffer),
            (Some(Detail::Refusal(shown)), _) => self.refusal(shown, body, buffer),
            (None, TopView::Overview) => self.overview(body, buffer),
            (None, TopView::Destinations) => self.destinations(body, buffer),
            (None, TopView::Refusals) => self.refusals(body, buffer),
            (None, TopView::Connections) => self.connections(body, buffer),
            (None, TopView::Tunnels) => self.tunnels(body, buffer),
        }
    }

    /// What is looked at, and whether it is well.
    fn title(&self) -> Line<'_> {
        let overview = &self.state.overview;
        let up = format::span(overview.now.0 - overview.started.0);
        let mut spans = vec![
            Span::styled("egret", Palette::title()),
            Span::raw(format!(" {}  ", overview.version)),
            match overview.readiness.ready {
                true => Span::styled("ready", self.palette.good()),
                false => Span::styled("not ready", self.palette.bad()),
            },
        ];
        if self.state.is_paused {
            spans.push(Span::styled("  paused", self.palette.warn()));
        }
        let number = overview.generation.number;
        spans.push(Span::raw(format!("  generation {number}")));
        if overview.generation.state == "held" {
            spans.push(Span::styled(" (a change is held)", self.palette.warn()));
        }
        spans.push(Span::raw(format!("  up {up}  {}", self.state.address)));
        Line::from(spans)
    }

    /// The views, with the one that is shown.
    fn views(&self) -> Line<'_> {
        let named = VIEWS.iter().enumerate().flat_map(|(at, view)| {
            let name = format!(" {} {} ", at + 1, name(*view));
            let style = if *view == self.state.view {
                Palette::chosen().add_modifier(Modifier::BOLD)
            } else {
                Style::new()
            };
            [Span::styled(name, style), Span::raw(" ")]
        });
        Line::from_iter(named)
    }

    /// What keys do here, or what is typed.
    fn keys(&self) -> Line<'_> {
        if self.state.is_searching {
            let typed = format!("search: {}", self.state.search);
            return Line::from(vec![
                Span::raw(typed),
                Span::styled(" ", Palette::chosen()),
                Span::styled("  Enter keeps it, Esc ends it", Palette::quiet()),
            ]);
        }
        let mut keys = vec!["q quit", "Tab view", "p pause"];
        match (&self.state.detail, self.state.view) {
            (Some(_), _) => keys.push("Esc back"),
            (None, TopView::Overview) => {}
            (None, TopView::Destinations) => {
                keys.extend(["/ search", "s sort", "Enter details"]);
            }
            (None, TopView::Refusals) => keys.extend(["/ search", "Enter remedy"]),
            (None, TopView::Connections | TopView::Tunnels) => keys.push("/ search"),
        }
        Line::styled(keys.join("  "), Palette::quiet())
    }
}

fn name(view: TopView) -> &'static str {
    match view {
        TopView::Overview => "Overview",
        TopView::Destinations => "Destinations",
        TopView::Refusals => "Refusals",
        TopView::Connections => "Connections",
        TopView::Tunnels => "Tunnels",
    }
}
