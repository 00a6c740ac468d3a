//! Tables of texts and numbers.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Line;
use ratatui::widgets::Widget as _;

use super::Palette;

/// Between two columns.
const GAP: u16 = 1;

/// A column: texts begin at its left, numbers end at its right.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    head: &'static str,
    width: Width,
    is_number: bool,
}

#[derive(Clone, Copy, Debug)]
enum Width {
    /// So many cells.
    Cells(u16),
    /// What the others leave, divided by these shares.
    Share(u16),
}

/// One row: a text and its style for each column.
pub(super) type Row = Vec<(String, Style)>;

/// What is drawn as a table.
pub(super) struct Table<'a> {
    pub(super) columns: &'a [Column],
    pub(super) rows: Vec<Row>,
    /// The row that is chosen, which is always in sight.
    pub(super) selected: Option<usize>,
}

impl Column {
    pub(super) const fn text(head: &'static str, share: u16) -> Self {
        Self {
            head,
            width: Width::Share(share),
            is_number: false,
        }
    }

    pub(super) const fn word(head: &'static str, cells: u16) -> Self {
        Self {
            head,
            width: Width::Cells(cells),
            is_number: false,
        }
    }

    pub(super) const fn number(head: &'static str, cells: u16) -> Self {
        Self {
            head,
            width: Width::Cells(cells),
            is_number: true,
        }
    }
}

/// A text as it is.
pub(super) fn plain(text: impl Into<String>) -> (String, Style) {
    (text.into(), Style::new())
}

impl Table<'_> {
    pub(super) fn draw(self, area: Rect, buffer: &mut Buffer) {
        let places = places(self.columns, area);
        let mut lines = area.rows();
        let Some(head) = lines.next() else {
            return;
        };
        for (column, place) in self.columns.iter().zip(&places) {
            let head_line = aligned(
                column,
                column.head.to_owned(),
                Palette::title(),
                place.width,
            );
            head_line.render(place.intersection(head), buffer);
        }
        let most = usize::from(area.height).saturating_sub(1);
        let first = self.selected.map_or(0, |at| (at + 1).saturating_sub(most));
        let shown = self.rows.into_iter().enumerate().skip(first);
        for ((at, row), line) in shown.zip(lines) {
            for ((column, place), (text, style)) in self.columns.iter().zip(&places).zip(row) {
                aligned(column, text, style, place.width).render(place.intersection(line), buffer);
            }
            if self.selected == Some(at) {
                buffer.set_style(line, Palette::chosen());
            }
        }
    }
}

/// A text in its column. One that is too long ends in a sign that it goes on.
fn aligned(column: &Column, mut text: String, style: Style, width: u16) -> Line<'static> {
    let width = usize::from(width);
    if !column.is_number && text.chars().count() > width {
        text = text.chars().take(width.saturating_sub(1)).collect();
        text.push('\u{2026}');
    }
    let line = Line::styled(text, style);
    if column.is_number {
        line.right_aligned()
    } else {
        line
    }
}

/// The places of the columns in an area, over its whole height.
fn places(columns: &[Column], area: Rect) -> Vec<Rect> {
    let gaps = GAP.saturating_mul(u16::try_from(columns.len()).unwrap_or(1).saturating_sub(1));
    let (mut fixed, mut shares) = (gaps, 0_u16);
    for column in columns {
        match column.width {
            Width::Cells(cells) => fixed = fixed.saturating_add(cells),
            Width::Share(share) => shares = shares.saturating_add(share),
        }
    }
    let mut free = area.width.saturating_sub(fixed);
    let mut x = area.x;
    let placed = columns.iter().map(|column| {
        let width = match column.width {
            Width::Cells(cells) => cells,
            Width::Share(share) => {
                let width = free * share / shares.max(1);
                free -= width;
                shares -= share;
                width
            }
        };
        let place = Rect { x, width, ..area };
        x = x.saturating_add(width).saturating_add(GAP);
        place.intersection(area)
    });
    placed.collect()
}
