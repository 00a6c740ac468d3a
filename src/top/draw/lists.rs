//! The lists: destinations, refusals, connections, tunnels.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Line;
use ratatui::widgets::Widget as _;

use super::table::{Column, Row, Table, plain};
use super::{Drawing, Palette, Rows};
use crate::args::TopView;
use crate::top::answers::{Connection, Destination, Refusal, Time, Tunnel};
use crate::top::format;

const DESTINATIONS: [Column; 7] = [
    Column::text("Host", 1),
    Column::number("requests", 10),
    Column::number("errors", 7),
    Column::number("bytes", 9),
    Column::number("mean", 8),
    Column::number("p99", 8),
    Column::number("last", 10),
];

/// The last minutes, after the host where there is room.
const LAST_MINUTES: Column = Column::word("last 20 minutes", 20);

/// The columns from which on there is room for the last minutes.
const WIDE: u16 = 110;
/// The last minutes that are drawn.
const MINUTES: usize = 20;

const REFUSALS: [Column; 5] = [
    Column::text("Host", 3),
    Column::word("reason", 15),
    Column::text("policy and rule", 3),
    Column::number("times", 6),
    Column::number("last", 10),
];

const CONNECTIONS: [Column; 6] = [
    Column::text("Client", 2),
    Column::text("listener", 2),
    Column::word("protocol", 8),
    Column::text("last host", 2),
    Column::number("requests", 8),
    Column::number("since", 10),
];

const TUNNELS: [Column; 6] = [
    Column::text("To", 3),
    Column::text("client", 2),
    Column::word("form", 8),
    Column::number("sent", 9),
    Column::number("received", 9),
    Column::number("since", 10),
];

impl Drawing<'_> {
    pub(super) fn destinations(&self, area: Rect, buffer: &mut Buffer) {
        let found = format!("by {}", self.state.sort.word());
        let is_wide = area.width >= WIDE;
        let rows = self.state.destinations().map(|told| {
            let mut row = self.destination_row(told);
            if is_wide {
                row.insert(1, plain(bars(&told.minutes)));
            }
            row
        });
        let mut columns = DESTINATIONS.to_vec();
        if is_wide {
            columns.insert(1, LAST_MINUTES);
        }
        self.list(&columns, rows.collect(), &found, (area, buffer));
    }

    pub(super) fn refusals(&self, area: Rect, buffer: &mut Buffer) {
        let rows = self.state.refusals().map(|told| self.refusal_row(told));
        self.list(
            &REFUSALS,
            rows.collect(),
            "the latest first",
            (area, buffer),
        );
    }

    pub(super) fn connections(&self, area: Rect, buffer: &mut Buffer) {
        let rows = self
            .state
            .connections()
            .map(|told| self.connection_row(told));
        self.list(
            &CONNECTIONS,
            rows.collect(),
            "the oldest first",
            (area, buffer),
        );
    }

    pub(super) fn tunnels(&self, area: Rect, buffer: &mut Buffer) {
        let rows = self.state.tunnels().map(|told| self.tunnel_row(told));
        self.list(&TUNNELS, rows.collect(), "the oldest first", (area, buffer));
    }

    /// Draws a list with a line about how much of it is there.
    fn list(&self, columns: &[Column], rows: Vec<Row>, order: &str, to: (Rect, &mut Buffer)) {
        let (area, buffer) = to;
        let mut lines = Rows(area);
        let searched = match self.state.search.as_str() {
            "" => String::new(),
            search => format!(" with {search:?}"),
        };
        let is_view = self.state.view != TopView::Overview;
        let count = format::count(rows.len() as u64);
        let told = if is_view {
            format!("{count} shown{searched}, {order}")
        } else {
            format!("Refusals, {order}")
        };
        Line::styled(told, Palette::quiet()).render(lines.take(1), buffer);
        let selected = (self.is_live && is_view).then_some(self.state.selected);
        let table = Table {
            columns,
            rows,
            selected,
        };
        table.draw(lines.rest(), buffer);
    }

    fn destination_row(&self, told: &Destination) -> Row {
        vec![
            plain(&told.host),
            plain(format::count(told.requests)),
            (format::count(told.errors), self.of_errors(told.errors)),
            plain(format::bytes(
                told.bytes_sent.saturating_add(told.bytes_received),
            )),
            plain(format::duration(told.latency.mean)),
            plain(format::duration(told.latency.p99)),
            plain(self.passed(told.last)),
        ]
    }

    fn refusal_row(&self, told: &Refusal) -> Row {
        vec![
            plain(if told.host.is_empty() {
                "(no host)"
            } else {
                &told.host
            }),
            (told.reason.clone(), self.palette.warn()),
            plain(short_decider(told)),
            plain(format::count(told.count)),
            plain(self.passed(Some(told.last))),
        ]
    }

    fn connection_row(&self, told: &Connection) -> Row {
        vec![
            plain(&told.client),
            plain(&told.listener),
            plain(&told.protocol),
            plain(&told.host),
            plain(format::count(told.requests.into())),
            plain(self.passed(Some(told.since))),
        ]
    }

    fn tunnel_row(&self, told: &Tunnel) -> Row {
        vec![
            plain(format!("{}:{}", told.host, told.port)),
            plain(&told.client),
            plain(&told.form),
            plain(format::bytes(told.bytes_sent)),
            plain(format::bytes(told.bytes_received)),
            plain(self.passed(Some(told.since))),
        ]
    }

    fn of_errors(&self, errors: u64) -> Style {
        match errors {
            0 => Style::new(),
            _ => self.palette.bad(),
        }
    }

    pub(super) fn passed(&self, time: Option<Time>) -> String {
        time.map_or_else(
            || format::NONE.to_owned(),
            |time| format::ago(time, self.state.overview.now),
        )
    }
}

/// The last minutes as bars, of which the highest is the busiest.
fn bars(minutes: &[u32]) -> String {
    const BARS: [char; 8] = [
        '\u{2581}', '\u{2582}', '\u{2583}', '\u{2584}', '\u{2585}', '\u{2586}', '\u{2587}',
        '\u{2588}',
    ];
    let shown = &minutes[minutes.len().saturating_sub(MINUTES)..];
    let most = shown.iter().copied().max().unwrap_or_default().max(1);
    let bar = |count: u32| match count {
        0 => ' ',
        count => {
            let height = u64::from(count) * (BARS.len() as u64 - 1) / u64::from(most);
            BARS[usize::try_from(height).unwrap_or_default()]
        }
    };
    shown.iter().map(|count| bar(*count)).collect()
}

/// What decided, in the space of a list: `ns/name, rule partners`.
fn short_decider(told: &Refusal) -> String {
    let decider = decider(told);
    let is_kind = |word: &str| word.bytes().all(|byte| byte.is_ascii_alphanumeric());
    match decider.split_once(' ') {
        Some((kind, rest)) if is_kind(kind) => rest.to_owned(),
        _ => decider,
    }
}

/// What decided: `EgressPolicy ns/name, rule partners`.
pub(super) fn decider(told: &Refusal) -> String {
    match (&*told.policy, &*told.rule) {
        ("", _) => format::NONE.to_owned(),
        (policy, "") => policy.to_owned(),
        (policy, rule) => format!("{policy}, rule {rule}"),
    }
}
