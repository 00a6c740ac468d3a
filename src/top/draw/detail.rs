//! One destination or one refusal, told at length.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Widget as _, Wrap};

use super::lists::decider;
use super::{Drawing, Palette};
use crate::top::answers::{Address, CachedName, Destination, Refusal};
use crate::top::format;

/// The reasons of errors that are told.
const REASONS: usize = 5;

impl Drawing<'_> {
    pub(super) fn destination(&self, shown: &Destination, area: Rect, buffer: &mut Buffer) {
        let Destination {
            requests,
            errors,
            refused,
            latency,
            ..
        } = shown;
        let mut lines = vec![
            Line::styled(shown.host.clone(), Palette::title()),
            field(
                "requests",
                format!(
                    "{}, of which {} were refused and {} failed; last {}",
                    format::count(*requests),
                    format::count(*refused),
                    format::count(errors.saturating_sub(*refused)),
                    self.passed(shown.last),
                ),
            ),
            field(
                "bytes",
                format!(
                    "{} sent, {} received",
                    format::bytes(shown.bytes_sent),
                    format::bytes(shown.bytes_received)
                ),
            ),
            field(
                "latency",
                format!(
                    "mean {}, p50 {}, p99 {}",
                    format::duration(latency.mean),
                    format::duration(latency.p50),
                    format::duration(latency.p99)
                ),
            ),
        ];
        if !shown.reasons.is_empty() {
            lines.push(field("errors", reasons(shown)));
        }
        lines.extend(
            shown
                .dns
                .as_ref()
                .map(|name| field("name", remembered(name))),
        );
        let mut name = "addresses";
        for address in &shown.addresses {
            lines.push(self.address(std::mem::take(&mut name), address));
        }
        draw(lines, area, buffer);
    }

    fn address(&self, name: &str, told: &Address) -> Line<'static> {
        let style = match &*told.state {
            "healthy" => self.palette.good(),
            _ => self.palette.bad(),
        };
        let mut line = field(name, format!("{}  ", told.address));
        line.push_span(Span::styled(told.state.clone(), style));
        line.push_span(format!(
            "  {} in progress",
            format::counted(told.connections.into(), "request", "requests")
        ));
        if let Some(why) = &told.last_error {
            let failures = format::counted(told.failures.into(), "failure", "failures");
            line.push_span(format!("  {failures}, the last: {why}"));
        }
        line
    }

    pub(super) fn refusal(&self, shown: &Refusal, area: Rect, buffer: &mut Buffer) {
        let mut lines = vec![
            Line::styled(shown.host.clone(), Palette::title()),
            field("reason", shown.reason.clone()),
            field("by", decider(shown)),
            field("method", shown.method.clone()),
            field(
                "times",
                format!(
                    "{}; last {}",
                    format::count(shown.count),
                    self.passed(Some(shown.last))
                ),
            ),
            field("message", shown.message.clone()),
            Line::default(),
        ];
        if shown.remedy.is_empty() {
            lines.push(Line::raw(
                "There is nothing to copy that would allow it; egret explain says what decides.",
            ));
        } else {
            lines.push(Line::styled("This would allow it:", Palette::title()));
            let remedy = shown.remedy.lines().map(str::to_owned);
            lines.extend(remedy.map(|line| Line::styled(line, self.palette.good())));
        }
        draw(lines, area, buffer);
    }
}

fn field(name: &str, value: String) -> Line<'static> {
    let name = Span::styled(format!("  {name:<10} "), Palette::quiet());
    Line::from(vec![name, Span::styled(value, Style::new())])
}

fn draw(lines: Vec<Line<'_>>, area: Rect, buffer: &mut Buffer) {
    let text = Paragraph::new(lines).wrap(Wrap { trim: false });
    text.render(area, buffer);
}

/// The most frequent reasons.
fn reasons(shown: &Destination) -> String {
    let mut reasons: Vec<_> = shown.reasons.iter().collect();
    reasons.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    let told = reasons.into_iter().take(REASONS);
    let told = told.map(|(reason, count)| format!("{reason} {}", format::count(*count)));
    told.collect::<Vec<_>>().join(", ")
}

fn remembered(name: &CachedName) -> String {
    let CachedName {
        state,
        ttl_seconds,
        error,
    } = name;
    let error = error.as_ref().map(|error| format!("; {error}"));
    format!(
        "{state}, for {}{}",
        format::duration(ttl_seconds.max(0.0) * 1000.0),
        error.unwrap_or_default()
    )
}
