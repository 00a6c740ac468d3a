#!/usr/bin/env bash
# opentelemetry-exporter-otlp-proto-http 1.45.2 (Python): OTEL_EXPORTER_OTLP_TIMEOUT is read as seconds, where the
# specification, and @opentelemetry/exporter-trace-otlp-http 0.223.1 (npm), have milliseconds.
#
# "The value for environment variables is in milliseconds" (OpenTelemetry, Configuration: Environment Variable
# Specification), and 10000 is the default of this one. Whoever writes down the default for all workloads of a cluster makes
# those in Python wait almost three hours for a collector that takes connections and never answers; their queues are full long
# before, and spans are lost without a word. One would expect one meaning of one variable.
#
# Seen, with a collector that never answers and OTEL_EXPORTER_OTLP_TIMEOUT=2:
#   javascript gives up within a second: true
#   python gives up within a second: false
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet opentelemetry-sdk==1.45.2 opentelemetry-exporter-otlp-proto-http==1.45.2
npm init --yes >/dev/null
npm install --silent --no-fund --no-audit @opentelemetry/api@1.9.1 @opentelemetry/sdk-trace-base@2.12.1 \
  @opentelemetry/exporter-trace-otlp-http@0.223.1
cat >finding.mjs <<'END_JS'
import net from "node:net";

const collector = net.createServer(() => {}).listen(0, "127.0.0.1", async () => {
  process.env.OTEL_EXPORTER_OTLP_ENDPOINT = `http://127.0.0.1:${collector.address().port}`;
  const { OTLPTraceExporter } = await import("@opentelemetry/exporter-trace-otlp-http");
  const { BasicTracerProvider } = await import("@opentelemetry/sdk-trace-base");
  const span = new BasicTracerProvider().getTracer("finding").startSpan("span");
  span.end();
  const begun = performance.now();
  new OTLPTraceExporter().export([span], () => {
    console.log("javascript gives up within a second:", performance.now() - begun < 1000);
    process.exit();
  });
});
END_JS
cat >finding.py <<'END_PY'
import logging
import os
import socket
import time

collector = socket.create_server(("127.0.0.1", 0))
os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = f"http://127.0.0.1:{collector.getsockname()[1]}"

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider

logging.disable(logging.CRITICAL)
span = TracerProvider().get_tracer("finding").start_span("span")
span.end()
begun = time.monotonic()
OTLPSpanExporter().export([span])
print("python gives up within a second:", str(time.monotonic() - begun < 1).lower())
END_PY
export OTEL_EXPORTER_OTLP_TIMEOUT=2
{
  node finding.mjs
  venv/bin/python finding.py
} | tee output.txt
cat >expected.txt <<'END_TXT'
javascript gives up within a second: true
python gives up within a second: false
END_TXT
cmp -s expected.txt output.txt || { echo "this has changed" >&2; exit 1; }
