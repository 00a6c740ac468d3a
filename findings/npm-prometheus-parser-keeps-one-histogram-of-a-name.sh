#!/usr/bin/env bash
# parse-prometheus-text-format 1.1.1 (npm): of the histograms and summaries of one name that differ by labels, one is left, without
# its labels, and with buckets of the last that was read.
#
# Each set of labels beside `le` or `quantile` is a series of its own, which is how every program tells destinations, routes or
# workers apart. The parser puts the buckets of all of them into one metric, each over the one before, and leaves out the
# labels, the sum and the count; so a check of a proxy's latencies reads those of whichever destination came last, and
# no error. Its documentation shows histograms without labels. It keeps the series of counters and gauges apart, and
# prometheus_client 0.26.0 (PyPI) those of all types.
#
# Seen (for a counter and a histogram of two destinations):
#   javascript  requests {"destination":"a"}: 1
#   javascript  requests {"destination":"b"}: 2
#   javascript  seconds undefined: {"1":"30","+Inf":"40"}
#   python      seconds {'destination': 'a', 'le': '1'}: 10.0
#   python      seconds {'destination': 'b', 'le': '1'}: 30.0
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet prometheus_client==0.26.0
npm init --yes >/dev/null
npm install --silent --no-fund --no-audit parse-prometheus-text-format@1.1.1
cat >metrics.txt <<'END_TXT'
# TYPE requests counter
requests{destination="a"} 1
requests{destination="b"} 2
# TYPE seconds histogram
seconds_bucket{destination="a",le="1"} 10
seconds_bucket{destination="a",le="+Inf"} 20
seconds_sum{destination="a"} 15
seconds_count{destination="a"} 20
seconds_bucket{destination="b",le="1"} 30
seconds_bucket{destination="b",le="+Inf"} 40
seconds_sum{destination="b"} 35
seconds_count{destination="b"} 40
END_TXT
cat >finding.js <<'END_JS'
const { readFileSync } = require("node:fs");
const parse = require("parse-prometheus-text-format");

for (const family of parse(readFileSync("metrics.txt", "utf8"))) {
  for (const metric of family.metrics) {
    const value = metric.value ?? JSON.stringify(metric.buckets);
    console.log(`javascript  ${family.name} ${JSON.stringify(metric.labels)}: ${value}`);
  }
}
END_JS
cat >finding.py <<'END_PY'
from prometheus_client.parser import text_string_to_metric_families

for family in text_string_to_metric_families(open("metrics.txt").read()):
    for sample in family.samples:
        if sample.labels.get("le") == "1":
            print(f"python      {family.name} {sample.labels}: {sample.value:.1f}")
END_PY
{ node finding.js && venv/bin/python finding.py; } | tee output.txt
cat >expected.txt <<'END_TXT'
javascript  requests {"destination":"a"}: 1
javascript  requests {"destination":"b"}: 2
javascript  seconds undefined: {"1":"30","+Inf":"40"}
python      seconds {'destination': 'a', 'le': '1'}: 10.0
python      seconds {'destination': 'b', 'le': '1'}: 30.0
END_TXT
cmp -s expected.txt output.txt || { echo "this has changed" >&2; exit 1; }
