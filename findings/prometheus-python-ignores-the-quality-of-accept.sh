#!/usr/bin/env bash
# prometheus_client 0.26.0 (Python): a scraper that accepts OpenMetrics with the quality 0, which is "not acceptable" (RFC 9110
# 12.4.2), gets OpenMetrics, and so does one that prefers the text format.
#
# The library takes OpenMetrics as soon as its name is among the types of Accept, and does not look at the qualities. A
# scraper that reads only the text format and says so in both ways gets `# EOF`, exemplars and the names of OpenMetrics; the
# only way to get the text format is not to name the other. One would expect the type with the highest quality.
#
# Seen:
#   text/plain                                                  gives text/plain
#   text/plain;q=1, application/openmetrics-text;q=0            gives application/openmetrics-text
#   text/plain;q=0.9, application/openmetrics-text;q=0.1        gives application/openmetrics-text
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet prometheus_client==0.26.0
cat >finding.py <<'END_PY'
import urllib.request

import prometheus_client

server, _ = prometheus_client.start_http_server(0, "127.0.0.1")
address = f"http://127.0.0.1:{server.server_port}/metrics"
for accept in [
    "text/plain",
    "text/plain;q=1, application/openmetrics-text;q=0",
    "text/plain;q=0.9, application/openmetrics-text;q=0.1",
]:
    request = urllib.request.Request(address, headers={"accept": accept})
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as response:
        print(accept, "gives", response.headers.get_content_type())
END_PY
venv/bin/python finding.py | tee output.txt
cat >expected.txt <<'END_TXT'
text/plain gives text/plain
text/plain;q=1, application/openmetrics-text;q=0 gives application/openmetrics-text
text/plain;q=0.9, application/openmetrics-text;q=0.1 gives application/openmetrics-text
END_TXT
cmp -s expected.txt output.txt || { echo "this has changed" >&2; exit 1; }
