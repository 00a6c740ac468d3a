#!/usr/bin/env bash
# go-retryablehttp 0.7.8 (Go): RetryWaitMax, "maximum time to wait", does not bound what a Retry-After asks for.
#
# The library, which the Go clients of many services stand on, doubles its pauses up to RetryWaitMax, 30 seconds by default. Of
# a 429 or 503 it takes Retry-After as it stands, be it a day: the call sleeps that long, and only its context ends it. A gateway
# whose limit is for an hour and says so holds such a program for an hour, where its author reckoned with half a minute, and
# a service behind the gateway may hold it as long as it likes. One would expect the shorter of the two, or an error, as
# httpx-retries 0.6.0 (Python) waits no longer than max_backoff_wait.
#
# Seen (the pause after a 503 with Retry-After: 3, where the longest wait is one second):
#   go-retryablehttp  3 s
#   httpx-retries     1 s
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet httpx==0.28.1 httpx-retries==0.6.0
cat >main.go <<'END_GO'
package main

import (
	"os"
	"time"

	"github.com/hashicorp/go-retryablehttp"
)

func main() {
	client := retryablehttp.NewClient()
	client.RetryMax = 1
	client.RetryWaitMin = time.Second
	client.RetryWaitMax = time.Second
	client.Logger = nil
	_, _ = client.Get(os.Args[1])
}
END_GO
go mod init finding 2>/dev/null
go get github.com/hashicorp/go-retryablehttp@v0.7.8 2>/dev/null
go build -o with-go .
cat >finding.py <<'END_PY'
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
from httpx_retries import Retry, RetryTransport

asked = []


class Server(BaseHTTPRequestHandler):
    def do_GET(self):
        asked.append(time.monotonic())
        self.send_response(503)
        self.send_header("Retry-After", "3")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def with_httpx(url):
    retry = Retry(total=1, max_backoff_wait=1)
    with httpx.Client(transport=RetryTransport(retry=retry)) as client:
        client.get(url)


server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}/"
clients = {
    "go-retryablehttp": lambda: subprocess.run(["./with-go", url], check=True),
    "httpx-retries": lambda: with_httpx(url),
}
for name, get in clients.items():
    asked.clear()
    get()
    first, second = asked
    print(f"{name:17} {second - first:.0f} s")
END_PY
venv/bin/python finding.py | tee output.txt
cat >expected.txt <<'END_TXT'
go-retryablehttp  3 s
httpx-retries     1 s
END_TXT
cmp -s expected.txt output.txt || { echo "this has changed" >&2; exit 1; }
