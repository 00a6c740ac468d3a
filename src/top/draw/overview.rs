//! Overview: traffic, latency by phase, DNS and configuration.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, RenderDirection, Sparkline, Widget as _, Wrap};

use super::table::{Column, Row, Table, plain};
use super::{Drawing, Palette, Rows};
use crate::top::answers::{Dns, Minute, Phase, Phases, Sums};
use crate::top::format;

/// What is told of the sums of some time.
struct Measure {
    name: &'static str,
    of: fn(&Sums) -> u64,
    is_bytes: bool,
}

const MEASURES: [Measure; 5] = [
    Measure {
        name: "Requests",
        of: |sums| sums.requests,
        is_bytes: false,
    },
    Measure {
        name: "Refused by a policy",
        of: |sums| sums.refused,
        is_bytes: false,
    },
    Measure {
        name: "Failed",
        of: |sums| sums.failed,
        is_bytes: false,
    },
    Measure {
        name: "Sent to destinations",
        of: |sums| sums.bytes_sent,
        is_bytes: true,
    },
    Measure {
        name: "Received from them",
        of: |sums| sums.bytes_received,
        is_bytes: true,
    },
];

type PhaseOf = fn(&Phases) -> Phase;

const PHASES: [(&str, PhaseOf); 5] = [
    ("DNS", |phases| phases.dns),
    ("Connect", |phases| phases.connect),
    ("TLS", |phases| phases.tls),
    ("First byte", |phases| phases.first_byte),
    ("Total", |phases| phases.total),
];

const TRAFFIC: [Column; 5] = [
    Column::text("Traffic", 1),
    Column::number("now", 12),
    Column::number("last minute", 12),
    Column::number("last hour", 12),
    Column::number("since start", 12),
];

const LATENCY: [Column; 6] = [
    Column::text("Latency, last minute", 1),
    Column::number("times", 9),
    Column::number("mean", 9),
    Column::number("p50", 9),
    Column::number("p99", 9),
    Column::number("most p99", 9),
];

/// The rows of the chart of the last hour.
const CHART: u16 = 3;
/// The last minutes, in which a trouble of DNS is new.
const RECENT: usize = 5;

impl Drawing<'_> {
    pub(super) fn overview(&self, area: Rect, buffer: &mut Buffer) {
        let overview = &self.state.overview;
        let minutes = &overview.minutes;
        let mut rows = Rows(area);
        self.troubles()
            .render(rows.take(self.trouble_rows(area)), buffer);
        let traffic = Table {
            columns: &TRAFFIC,
            rows: MEASURES
                .iter()
                .map(|measure| self.traffic(measure))
                .collect(),
            selected: None,
        };
        traffic.draw(rows.take(6), buffer);
        self.open().render(rows.take(1), buffer);
        self.dns(minutes).render(rows.take(1), buffer);
        let phases = PHASES.iter().map(|(name, of)| phase(name, *of, minutes));
        let latency = Table {
            columns: &LATENCY,
            rows: phases.collect(),
            selected: None,
        };
        rows.take(1);
        latency.draw(rows.take(6), buffer);
        rows.take(1);
        chart(minutes, &mut rows, buffer);
        if rows.left() > 2 {
            rows.take(1);
            self.refusals(rows.rest(), buffer);
        }
    }

    /// What is wrong with the whole: nothing, mostly.
    fn troubles(&self) -> Paragraph<'_> {
        let overview = &self.state.overview;
        let held = Some(&overview.generation.message).filter(|message| !message.is_empty());
        let troubles = overview.readiness.troubles.iter().chain(held);
        let lines = troubles.map(|trouble| Line::styled(trouble.as_str(), self.palette.bad()));
        Paragraph::new(lines.collect::<Vec<_>>()).wrap(Wrap { trim: true })
    }

    /// The rows for the troubles, which leave room for the traffic.
    fn trouble_rows(&self, area: Rect) -> u16 {
        let overview = &self.state.overview;
        let width = usize::from(area.width).max(1);
        let held = Some(&overview.generation.message).filter(|message| !message.is_empty());
        let troubles = overview.readiness.troubles.iter().chain(held);
        // A line breaks at words, so that it may take a row more.
        let rows = troubles.map(|trouble| match trouble.chars().count() {
            short if short <= width => 1,
            long => long / width + 2,
        });
        let rows = u16::try_from(rows.sum::<usize>()).unwrap_or(u16::MAX);
        rows.min(area.height / 4)
    }

    fn traffic(&self, measure: &Measure) -> Row {
        let minutes = &self.state.overview.minutes;
        // The running minute is not whole.
        let minute = minutes.iter().rev().nth(1).or_else(|| minutes.last());
        let hour = minutes
            .iter()
            .map(|minute| (measure.of)(&minute.sums))
            .sum();
        let now = self.state.samples.rate(measure.of);
        let told = |value: u64| match measure.is_bytes {
            true => format::bytes(value),
            false => format::count(value),
        };
        vec![
            plain(measure.name),
            plain(match measure.is_bytes {
                true => format::byte_rate(now),
                false => format::rate(now),
            }),
            plain(told(minute.map_or(0, |minute| (measure.of)(&minute.sums)))),
            plain(told(hour)),
            plain(told((measure.of)(&self.state.overview.totals.sums))),
        ]
    }

    /// What is open now.
    fn open(&self) -> Line<'static> {
        let totals = &self.state.overview.totals;
        let count = |open: i64| u64::try_from(open).unwrap_or_default();
        Line::raw(format!(
            "Open now: {} of clients, {}",
            format::counted(count(totals.connections), "connection", "connections"),
            format::counted(count(totals.tunnels), "tunnel", "tunnels"),
        ))
    }

    /// Whether DNS servers answer.
    fn dns(&self, minutes: &[Minute]) -> Line<'static> {
        let sum = |minutes: &[Minute]| {
            minutes.iter().fold(Dns::default(), |sum, minute| Dns {
                queries: sum.queries + minute.dns.queries,
                failures: sum.failures + minute.dns.failures,
            })
        };
        let (recent, hour) = (
            sum(&minutes[minutes.len().saturating_sub(RECENT)..]),
            sum(minutes),
        );
        if hour.queries == 0 {
            return Line::raw("DNS: no server was asked in the last hour");
        }
        let told = |of: Dns| {
            let share = format::share(of.failures, of.queries);
            format!("{share} of {}", format::count(of.queries))
        };
        let style = match recent.failures {
            0 => self.palette.good(),
            few if few * 10 < recent.queries => self.palette.warn(),
            _ => self.palette.bad(),
        };
        Line::from(vec![
            Span::raw(format!("DNS failures in {RECENT} minutes: ")),
            Span::styled(told(recent), style),
            Span::raw(format!(", in the last hour: {}", told(hour))),
        ])
    }
}

/// The row of a phase: the last minute in which it was passed through, and the worst of the hour.
fn phase(name: &str, of: PhaseOf, minutes: &[Minute]) -> Row {
    let measured = |minute: &Minute| Some(of(&minute.phases)).filter(|phase| phase.count > 0);
    let last = minutes.iter().rev().take(2).find_map(measured);
    let worst = minutes
        .iter()
        .filter_map(measured)
        .map(|phase| phase.latency.p99);
    let worst = worst.reduce(f64::max);
    let duration = |millis: Option<f64>| {
        plain(millis.map_or_else(|| format::NONE.to_owned(), format::duration))
    };
    vec![
        plain(name),
        plain(format::count(last.map_or(0, |phase| phase.count))),
        duration(last.map(|phase| phase.latency.mean)),
        duration(last.map(|phase| phase.latency.p50)),
        duration(last.map(|phase| phase.latency.p99)),
        duration(worst),
    ]
}

/// The requests of each minute of the last hour.
fn chart(minutes: &[Minute], rows: &mut Rows, buffer: &mut Buffer) {
    if rows.left() <= CHART {
        return;
    }
    let requests = || minutes.iter().map(|minute| minute.sums.requests);
    let most = requests().max().unwrap_or_default();
    let title = format!(
        "Requests a minute over the last hour, at most {}",
        format::count(most)
    );
    Line::styled(title, Palette::title()).render(rows.take(1), buffer);
    Sparkline::default()
        .data(requests().rev())
        .direction(RenderDirection::RightToLeft)
        .render(place_of_chart(rows.take(CHART), minutes.len()), buffer);
}

/// A cell for each minute, and the running one at the right.
fn place_of_chart(area: Rect, minutes: usize) -> Rect {
    let width = u16::try_from(minutes).unwrap_or(u16::MAX).min(area.width);
    Rect { width, ..area }
}
