#!/usr/bin/env bash
# httpx 0.28.1: of a gzip response with two members, the first is the whole body, and there is no error.
#
# A gzip file is a series of members, and its content is that of all of them (RFC 1952 section 2.2). Servers send such
# bodies when they join what was compressed in pieces: rotated logs, bgzip files, the output of a compressor that was
# flushed by closing it. httpx feeds its decompressor on and does not look at what that leaves over, so everything after
# the first member is gone, with status 200 and a Content-Length that was satisfied. A person who sees half a file behind
# a gateway that compresses would blame the gateway. requests 2.34.2 reads all members of the same response.
#
# Seen: `requests: first.second.` and `httpx: first.`. One would expect `first.second.` from both.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet httpx==0.28.1 httpcore==1.0.9 h11==0.16.0 requests==2.34.2 urllib3==2.8.0
cat >finding.py <<'END_PY'
import gzip
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx
import requests

BODY = gzip.compress(b"first.") + gzip.compress(b"second.")


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY)

    def log_message(self, *_):
        pass


server = HTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}/"
with requests.Session() as session:
    session.trust_env = False
    print("requests:", session.get(url).text)
print("httpx:", httpx.get(url, trust_env=False).text)
END_PY
venv/bin/python finding.py | tee output.txt
cat >expected.txt <<'END_TXT'
requests: first.second.
httpx: first.
END_TXT
cmp -s expected.txt output.txt || { echo "this has changed" >&2; exit 1; }
