#!/usr/bin/env bash
# opentelemetry-propagator-b3 1.45.1 (Python) and @opentelemetry/propagator-b3 2.12.0 (npm): B3 fields that leave the decision
# about sampling open are a no; to Python only in several fields, and in the single field they are a yes.
#
# B3 has three states: to sample, not to sample, and to leave it to the receiver, by leaving out X-B3-Sampled or the third
# part of `b3`. OpenTelemetry's context of a trace has two. With the samplers that both have by default (always, unless the
# parent was not sampled), a service in JavaScript records nothing for a caller that left it open, and one in Python does or
# does not by the form that the caller chose for the same facts. One would expect the receiver to draw by itself, as it does
# for a trace that begins with it. A proxy that passes the fields on as they came makes traces begin behind that service.
#
# Seen:
#   decided, single field: python records, javascript records
#   open, single field:    python records, javascript drops
#   open, several fields:  python drops, javascript drops
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet opentelemetry-sdk==1.45.2 opentelemetry-propagator-b3==1.45.1
npm init --yes >/dev/null
npm install --silent --no-fund --no-audit @opentelemetry/api@1.9.1 @opentelemetry/sdk-trace-base@2.12.1 \
  @opentelemetry/propagator-b3@2.12.0
cat >fields.json <<'END_JSON'
[
  {"b3": "80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-1"},
  {"b3": "80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1"},
  {"x-b3-traceid": "80f198ee56343ba864fe8b2a57d3eff7", "x-b3-spanid": "e457b5a2e4d86bd1"}
]
END_JSON
cat >finding.py <<'END_PY'
import json

from opentelemetry.propagators.b3 import B3MultiFormat
from opentelemetry.sdk.trace import TracerProvider

for fields in json.load(open("fields.json")):
    context = B3MultiFormat().extract(fields)
    span = TracerProvider().get_tracer("finding").start_span("span", context)
    print("python", "records" if span.is_recording() else "drops")
END_PY
cat >finding.mjs <<'END_JS'
import { readFileSync } from "node:fs";
import { ROOT_CONTEXT, defaultTextMapGetter } from "@opentelemetry/api";
import { B3Propagator } from "@opentelemetry/propagator-b3";
import { BasicTracerProvider } from "@opentelemetry/sdk-trace-base";

for (const fields of JSON.parse(readFileSync("fields.json", "utf8"))) {
  const context = new B3Propagator().extract(ROOT_CONTEXT, fields, defaultTextMapGetter);
  const span = new BasicTracerProvider().getTracer("finding").startSpan("span", {}, context);
  console.log("javascript", span.isRecording() ? "records" : "drops");
}
END_JS
paste -d ';' <(venv/bin/python finding.py) <(node finding.mjs) | tee output.txt
cat >expected.txt <<'END_TXT'
python records;javascript records
python records;javascript drops
python drops;javascript drops
END_TXT
cmp -s expected.txt output.txt || { echo "this has changed" >&2; exit 1; }
