#!/usr/bin/env bash
# urllib3 2.8.0: `Retry(2)` sends a request again that was answered with 413, 429 or 503, if the answer has `Retry-After`.
#
# Statuses to be retried are named by status_forcelist, which is empty by default, so that a response should end the matter
# and only connections be tried again. But what `Retry-After` comes with is retried whatever the list says, after the pause
# that it asks for, so that a limit of a gateway that tells it is met by each request three times, and a call takes that
# much longer. Only respect_retry_after_header=False ends it.
#
# Seen (how often each request was sent):
#   Retry(2)                                    503: 1, 503 with Retry-After: 3, 429 with it: 3, 413 with it: 3, 500 with it: 1
#   Retry(2, status_forcelist=[502])            503: 1, 503 with Retry-After: 3, 429 with it: 3, 413 with it: 3, 500 with it: 1
#   Retry(2, respect_retry_after_header=False)  503: 1, 503 with Retry-After: 1, 429 with it: 1, 413 with it: 1, 500 with it: 1
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet urllib3==2.8.0
cat >finding.py <<'END_PY'
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import urllib3
from urllib3.util.retry import Retry

asked = []


class Limited(BaseHTTPRequestHandler):
    def do_GET(self):
        asked.append(self.path)
        status, _, pause = self.path[1:].partition("/")
        self.send_response(int(status))
        if pause:
            self.send_header("Retry-After", pause)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Limited)
threading.Thread(target=server.serve_forever, daemon=True).start()
requests = {
    "503": "/503",
    "503 with Retry-After": "/503/1",
    "429 with it": "/429/1",
    "413 with it": "/413/1",
    "500 with it": "/500/1",
}
for arguments in [{}, {"status_forcelist": [502]}, {"respect_retry_after_header": False}]:
    pool = urllib3.PoolManager(retries=Retry(2, raise_on_status=False, **arguments))
    counts = []
    for name, path in requests.items():
        asked.clear()
        try:
            pool.request("GET", f"http://127.0.0.1:{server.server_port}{path}")
        except urllib3.exceptions.MaxRetryError:
            pass
        counts.append(f"{name}: {len(asked)}")
    written = "".join(f", {name}={value}" for name, value in arguments.items())
    print(f"{f'Retry(2{written})':42}  {', '.join(counts)}")
END_PY
venv/bin/python finding.py | tee output.txt
cat >expected.txt <<'END_TXT'
Retry(2)                                    503: 1, 503 with Retry-After: 3, 429 with it: 3, 413 with it: 3, 500 with it: 1
Retry(2, status_forcelist=[502])            503: 1, 503 with Retry-After: 3, 429 with it: 3, 413 with it: 3, 500 with it: 1
Retry(2, respect_retry_after_header=False)  503: 1, 503 with Retry-After: 1, 429 with it: 1, 413 with it: 1, 500 with it: 1
END_TXT
cmp -s expected.txt output.txt || { echo "this has changed" >&2; exit 1; }
