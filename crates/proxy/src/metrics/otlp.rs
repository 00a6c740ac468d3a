//! The metrics as OTLP has them, read from the export that is scraped: one list of metrics serves both, so that what is
//! written about one holds for the other.

use std::collections::BTreeMap;
use std::time::SystemTime;

use prost::Message as _;

use crate::message::trace::bytes_of;
use crate::telemetry::otlp::metric::{
    CUMULATIVE, Exemplar, Gauge, Histogram, HistogramDataPoint, Metric, MetricData,
    NumberDataPoint, NumberValue, Sum,
};
use crate::telemetry::otlp::{KeyValue, nanoseconds};

/// The time that the values are of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ExportTime {
    /// All counters were 0 then.
    pub(crate) start: SystemTime,
    pub(crate) now: SystemTime,
}

/// The metrics of an export in the OpenMetrics text format, each encoded.
pub(crate) fn otlp_metrics(export: &str, time: ExportTime) -> Vec<Vec<u8>> {
    let metrics = metrics(export, time);
    let metrics = metrics.iter().map(Metric::encode_to_vec);
    metrics.collect()
}

/// A line of an export with a value.
#[derive(Debug, PartialEq)]
struct Sample<'a> {
    name: &'a str,
    labels: Vec<(&'a str, String)>,
    value: f64,
    /// The trace, the value and the time in seconds.
    exemplar: Option<(&'a str, f64, f64)>,
}

/// What the lines of a metric say, while they are read.
struct MetricReader<'a> {
    name: &'a str,
    help: &'a str,
    kind: &'a str,
    time: ExportTime,
    numbers: Vec<NumberDataPoint>,
    histograms: Vec<HistogramDataPoint>,
    /// Where in `histograms` the series with these labels is.
    known: BTreeMap<Vec<(&'a str, String)>, usize>,
}

fn metrics(export: &str, time: ExportTime) -> Vec<Metric> {
    let mut metrics = Vec::new();
    let mut reader: Option<MetricReader<'_>> = None;
    let mut help = ("", "");
    for line in export.lines() {
        if let Some(text) = line.strip_prefix("# HELP ") {
            help = text.split_once(' ').unwrap_or((text, ""));
        } else if let Some(text) = line.strip_prefix("# TYPE ") {
            let (name, kind) = text.split_once(' ').unwrap_or((text, ""));
            let help = if help.0 == name { help.1 } else { "" };
            let next = MetricReader::new(name, help, kind, time);
            metrics.extend(reader.replace(next).and_then(MetricReader::end));
        } else if let (Some(reader), Some(sample)) = (&mut reader, sample(line)) {
            reader.take(sample);
        }
    }
    metrics.extend(reader.and_then(MetricReader::end));
    metrics
}

impl<'a> MetricReader<'a> {
    fn new(name: &'a str, help: &'a str, kind: &'a str, time: ExportTime) -> Self {
        Self {
            name,
            help,
            kind,
            time,
            numbers: Vec::new(),
            histograms: Vec::new(),
            known: BTreeMap::new(),
        }
    }

    fn take(&mut self, sample: Sample<'a>) {
        if self.kind == "histogram" {
            return self.take_histogram(sample);
        }
        self.numbers.push(NumberDataPoint {
            start_time_unix_nano: match self.kind {
                "counter" => nanoseconds(self.time.start),
                _ => 0,
            },
            time_unix_nano: nanoseconds(self.time.now),
            value: Some(number(sample.value)),
            attributes: attributes(sample.labels),
        });
    }

    fn take_histogram(&mut self, sample: Sample<'a>) {
        let Sample {
            name,
            mut labels,
            value,
            exemplar,
        } = sample;
        let bound = labels.iter().position(|(name, _)| *name == "le");
        let bound = bound.map(|at| labels.remove(at).1);
        let series = self.series(labels);
        if name.ends_with("_sum") {
            series.sum = Some(value);
        } else if name.ends_with("_count") {
            series.count = whole(value);
        } else if let Some(bound) = bound {
            let below: u64 = series.bucket_counts.iter().sum();
            series
                .bucket_counts
                .push(whole(value).saturating_sub(below));
            // The last bucket has no bound.
            let bound = bound.parse().ok().filter(|bound: &f64| bound.is_finite());
            series.explicit_bounds.extend(bound);
            series.exemplars.extend(exemplar.and_then(told_exemplar));
        }
    }

    /// The series with these labels.
    fn series(&mut self, labels: Vec<(&'a str, String)>) -> &mut HistogramDataPoint {
        let next = self.histograms.len();
        let place = *self.known.entry(labels.clone()).or_insert(next);
        if place == next {
            self.histograms.push(HistogramDataPoint {
                start_time_unix_nano: nanoseconds(self.time.start),
                time_unix_nano: nanoseconds(self.time.now),
                attributes: attributes(labels),
                ..HistogramDataPoint::default()
            });
        }
        &mut self.histograms[place]
    }

    /// The metric; nothing if it has no values.
    fn end(self) -> Option<Metric> {
        let suffix = if self.kind == "counter" { "_total" } else { "" };
        let data = match self.kind {
            "histogram" => MetricData::Histogram(Histogram {
                data_points: self.histograms,
                aggregation_temporality: CUMULATIVE,
            }),
            _ if self.numbers.is_empty() => return None,
            "counter" => MetricData::Sum(Sum {
                data_points: self.numbers,
                aggregation_temporality: CUMULATIVE,
                is_monotonic: true,
            }),
            _ => MetricData::Gauge(Gauge {
                data_points: self.numbers,
            }),
        };
        Some(Metric {
            // As it is scraped, so that queries find it under one name.
            name: format!("{}{suffix}", self.name),
            description: self.help.trim_end_matches('.').to_owned(),
            unit: unit(self.name).to_owned(),
            data: Some(data),
        })
    }
}

/// The unit that the name of a metric ends in.
fn unit(name: &str) -> &'static str {
    if name.ends_with("_seconds") {
        "s"
    } else if name.ends_with("_bytes") {
        "By"
    } else {
        ""
    }
}

fn attributes(labels: Vec<(&str, String)>) -> Vec<KeyValue> {
    let labels = labels.into_iter();
    labels
        .map(|(key, value)| KeyValue::text(key, value))
        .collect()
}

/// A value without a fraction is an integer, as far as floating point has those exactly.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the value is whole, and in the range of exact integers"
)]
fn number(value: f64) -> NumberValue {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if value.fract() == 0.0 && value.abs() <= EXACT {
        NumberValue::Int(value as i64)
    } else {
        NumberValue::Double(value)
    }
}

/// A count, which is exported as a whole number.
fn whole(value: f64) -> u64 {
    match number(value) {
        NumberValue::Int(count) => u64::try_from(count).unwrap_or_default(),
        NumberValue::Double(_) => 0,
    }
}

fn told_exemplar((trace_id, value, seconds): (&str, f64, f64)) -> Option<Exemplar> {
    let at = std::time::Duration::try_from_secs_f64(seconds).ok()?;
    Some(Exemplar {
        time_unix_nano: u64::try_from(at.as_nanos()).ok()?,
        as_double: Some(value),
        trace_id: bytes_of::<16>(trace_id)?.to_vec(),
    })
}

/// Reads `name{label="value"} 1 # {trace_id="..."} 0.1 2.0`; `None` for a line that is none of this kind.
fn sample(line: &str) -> Option<Sample<'_>> {
    let name_ends = line.find(['{', ' '])?;
    let (name, rest) = line.split_at(name_ends);
    let (labels, rest) = labels(rest)?;
    let rest = rest.strip_prefix(' ')?;
    let (value, exemplar) = match rest.split_once(" # ") {
        Some((value, exemplar)) => (value, Some(exemplar)),
        None => (rest, None),
    };
    Some(Sample {
        name,
        labels,
        value: value.split(' ').next()?.parse().ok()?,
        exemplar: exemplar.and_then(|text| {
            let text = text.strip_prefix("{trace_id=\"")?;
            let (trace_id, numbers) = text.split_once("\"} ")?;
            let (value, at) = numbers.split_once(' ')?;
            Some((trace_id, value.parse().ok()?, at.parse().ok()?))
        }),
    })
}

/// Reads the labels that a text begins with, if any, and returns what follows.
fn labels(text: &str) -> Option<(Vec<(&str, String)>, &str)> {
    let Some(mut rest) = text.strip_prefix('{') else {
        return Some((Vec::new(), text));
    };
    let mut found = Vec::new();
    loop {
        if let Some(after) = rest.strip_prefix('}') {
            return Some((found, after));
        }
        let (name, quoted) = rest.split_once("=\"")?;
        let (value, after) = unquoted(quoted)?;
        found.push((name, value));
        rest = after.strip_prefix(',').unwrap_or(after);
    }
}

/// A value up to its quote, without its escapes, and what follows.
fn unquoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(match letters.next()?.1 {
                'n' => '\n',
                other => other,
            }),
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests;
