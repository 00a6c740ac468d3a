//! Exemplars: the traces of requests, beside the buckets of the histogram that they are counted in (OpenMetrics 1.0).

use std::fmt::Write as _;
use std::time::UNIX_EPOCH;

use super::WorkerMetrics;
use crate::message::trace::hex;
use crate::meter::{BucketExemplars, Exemplar};

/// The beginnings of the lines of the buckets.
const BUCKETS: &str = "egret_request_duration_seconds_bucket{";

/// An export with the exemplars of all workers.
pub(crate) fn with_exemplars(export: String, workers: &[WorkerMetrics]) -> String {
    let mut latest = BucketExemplars::default();
    for worker in workers {
        worker.exchanges.duration_exemplars.add_to(&mut latest);
    }
    if latest.iter().all(Option::is_none) {
        return export;
    }
    annotated(&export, &latest)
}

/// Adds an exemplar to the line of its bucket.
fn annotated(export: &str, exemplars: &BucketExemplars) -> String {
    let mut text = String::with_capacity(export.len() + 1024);
    let mut exemplars = exemplars.iter();
    for line in export.lines() {
        text.push_str(line);
        if line.starts_with(BUCKETS)
            && let Some(Some(exemplar)) = exemplars.next()
        {
            let Exemplar {
                trace_id,
                duration,
                at,
            } = exemplar;
            let at = at.duration_since(UNIX_EPOCH).unwrap_or_default();
            // Writing to a text does not fail.
            let _ = write!(
                text,
                " # {{trace_id=\"{}\"}} {} {:.3}",
                hex(trace_id),
                duration.as_secs_f64(),
                at.as_secs_f64()
            );
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::meter::Exemplars;

    #[test]
    fn the_latest_exemplar_is_beside_its_bucket() {
        let exemplar = |id, at| Exemplar {
            trace_id: [id; 16],
            duration: Duration::from_micros(700),
            at: UNIX_EPOCH + Duration::from_secs(at),
        };
        let (one, other) = (Exemplars::default(), Exemplars::default());
        one.note(exemplar(1, 5));
        other.note(exemplar(2, 9));
        let mut latest = BucketExemplars::default();
        one.add_to(&mut latest);
        other.add_to(&mut latest);
        one.add_to(&mut latest);
        let export = "# TYPE egret_request_duration_seconds histogram\n\
                      egret_request_duration_seconds_bucket{le=\"0.0005\"} 0\n\
                      egret_request_duration_seconds_bucket{le=\"0.001\"} 1\n\
                      # EOF\n";
        let id = "02".repeat(16);
        let expected = export.replace(
            "{le=\"0.001\"} 1",
            &format!("{{le=\"0.001\"}} 1 # {{trace_id=\"{id}\"}} 0.0007 9.000"),
        );
        assert_eq!(annotated(export, &latest), expected);
    }
}
