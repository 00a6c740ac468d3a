#!/usr/bin/env bash
# protobuf 7.36.2 (Python) with opentelemetry-proto 1.45.2: the ids of a valid OTLP/JSON span are read without an error, and
# come out as other ids, half as long again.
#
# OTLP/JSON is protobuf's JSON mapping with one exception: traceId and spanId are hexadecimal. A generic protobuf parser
# reads every field of bytes as base64, and each hexadecimal digit is also a digit of base64, and 32 and 16 digits need no
# padding. So nothing fails: 32 digits become 24 bytes and 16 become 12. A collector or a test that reads the telemetry of
# a gateway with json_format finds spans that belong to no trace; the way back has the same fault, so that a check by
# round trip passes. One would expect 16 and 8 bytes with the digits of the text, or an error.
#
# Seen: `traceId: 24 bytes, e5bf1e7df7fbf7cd37f35d37776ebd6fadf7f35ddf73ad1c`, `spanId: 12 bytes,
# 79e7b5f5bede7377356f5ef8` and `round trip: the same text`.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet protobuf==7.36.2 opentelemetry-proto==1.45.2
cat >finding.py <<'END_PY'
import json

from google.protobuf import json_format
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

span = {"traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b174", "name": "GET", "kind": 2}
data = json_format.Parse(json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}), TracesData())
read = data.resource_spans[0].scope_spans[0].spans[0]
print(f"traceId: {len(read.trace_id)} bytes, {read.trace_id.hex()}")
print(f"spanId: {len(read.span_id)} bytes, {read.span_id.hex()}")
print("round trip:", "the same text" if json_format.MessageToDict(read)["traceId"] == span["traceId"] else "another text")
END_PY
venv/bin/python finding.py | tee output.txt
cat >expected.txt <<'END_TXT'
traceId: 24 bytes, e5bf1e7df7fbf7cd37f35d37776ebd6fadf7f35ddf73ad1c
spanId: 12 bytes, 79e7b5f5bede7377356f5ef8
round trip: the same text
END_TXT
cmp -s expected.txt output.txt || { echo "this has changed" >&2; exit 1; }
