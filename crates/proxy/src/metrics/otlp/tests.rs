use std::time::{Duration, UNIX_EPOCH};

use super::*;

const TIME: ExportTime = ExportTime {
    start: UNIX_EPOCH,
    now: UNIX_EPOCH,
};

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

#[test]
fn counters_are_cumulative_sums_under_the_name_that_is_scraped() {
    let export = "# HELP egret_refusals Requests refused, by reason.\n\
                  # TYPE egret_refusals counter\n\
                  egret_refusals_total{reason=\"no_route\",listener=\"a/b\"} 3\n\
                  egret_refusals_total{reason=\"a\\\"\\\\\\n}, \",listener=\"\"} 0\n\
                  # EOF\n";
    let time = ExportTime {
        start: at(1),
        now: at(2),
    };
    let [metric] = metrics(export, time).try_into().unwrap();
    assert_eq!(metric.name, "egret_refusals_total");
    assert_eq!(metric.description, "Requests refused, by reason");
    let Some(MetricData::Sum(sum)) = metric.data else {
        panic!("{metric:?}");
    };
    assert!(sum.is_monotonic);
    assert_eq!(sum.aggregation_temporality, CUMULATIVE);
    let [first, second] = sum.data_points.try_into().unwrap();
    let expected = NumberDataPoint {
        start_time_unix_nano: 1_000_000_000,
        time_unix_nano: 2_000_000_000,
        value: Some(NumberValue::Int(3)),
        attributes: vec![
            KeyValue::text("reason", "no_route"),
            KeyValue::text("listener", "a/b"),
        ],
    };
    assert_eq!(first, expected);
    let expected = [
        KeyValue::text("reason", "a\"\\\n}, "),
        KeyValue::text("listener", ""),
    ];
    assert_eq!(second.attributes, expected);
}

#[test]
fn gauges_have_no_beginning() {
    let export = "# TYPE egret_tunnels gauge\negret_tunnels -1\n\
                  # TYPE egret_ratio gauge\negret_ratio 0.5\n# EOF\n";
    let [whole, fraction] = metrics(export, TIME).try_into().unwrap();
    for (metric, expected) in [
        (whole, NumberValue::Int(-1)),
        (fraction, NumberValue::Double(0.5)),
    ] {
        let Some(MetricData::Gauge(gauge)) = metric.data else {
            panic!("{metric:?}");
        };
        assert_eq!(gauge.data_points[0].value, Some(expected));
        assert_eq!(gauge.data_points[0].start_time_unix_nano, 0);
    }
}

#[test]
fn histograms_have_what_is_in_each_bucket_and_their_exemplars() {
    let id = "0af7651916cd43dd8448eb211c80319c";
    let export = format!(
        "# HELP egret_wait_seconds Time.\n# TYPE egret_wait_seconds histogram\n\
         egret_wait_seconds_sum{{of=\"a\"}} 1.5\negret_wait_seconds_count{{of=\"a\"}} 4\n\
         egret_wait_seconds_bucket{{le=\"0.1\",of=\"a\"}} 1 # {{trace_id=\"{id}\"}} 0.05 9.000\n\
         egret_wait_seconds_bucket{{le=\"1.0\",of=\"a\"}} 3\n\
         egret_wait_seconds_bucket{{le=\"+Inf\",of=\"a\"}} 4\n\
         egret_wait_seconds_sum{{of=\"b\"}} 0.0\negret_wait_seconds_count{{of=\"b\"}} 0\n\
         egret_wait_seconds_bucket{{le=\"0.1\",of=\"b\"}} 0\n\
         egret_wait_seconds_bucket{{le=\"1.0\",of=\"b\"}} 0\n\
         egret_wait_seconds_bucket{{le=\"+Inf\",of=\"b\"}} 0\n# EOF\n"
    );
    let [metric] = metrics(&export, TIME).try_into().unwrap();
    assert_eq!(
        (metric.name.as_str(), metric.unit.as_str()),
        ("egret_wait_seconds", "s")
    );
    let Some(MetricData::Histogram(histogram)) = metric.data else {
        panic!("{metric:?}");
    };
    let [a, b] = histogram.data_points.try_into().unwrap();
    assert_eq!((a.count, a.sum), (4, Some(1.5)));
    assert_eq!(a.bucket_counts, [1, 2, 1]);
    assert_eq!(a.explicit_bounds, [0.1, 1.0]);
    assert_eq!(a.attributes, [KeyValue::text("of", "a")]);
    let expected = Exemplar {
        time_unix_nano: 9_000_000_000,
        as_double: Some(0.05),
        trace_id: bytes_of::<16>(id).unwrap().to_vec(),
    };
    assert_eq!(a.exemplars, [expected]);
    assert_eq!((b.count, b.bucket_counts), (0, vec![0, 0, 0]));
}
