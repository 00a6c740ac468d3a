#!/usr/bin/env bash
# axios 1.21.1 sends the user and password of a proxy URL percent-encoded as they stand; requests 2.34.2 and aiohttp 3.14.5
# send them as Latin-1, and undici 7.30.2 and httpx 0.28.1 as UTF-8.
#
# A password with an `@` has to be percent-encoded in http_proxy. Every client here was given the user `us er` and the
# password `p@s` with an e with an acute accent after it, encoded as a URL encodes them. The credentials that the proxy
# gets are of three kinds, so that a gateway with one file of passwords refuses some clients with 407, and a hash of the
# password cannot tell which of them was wrong. One would expect axios to decode, as the other four do, and UTF-8 from all.
#
# Seen (Python's notation of the bytes):
#   axios     b'us%20er:p%40s%C3%A9'
#   undici    b'us er:p@s\xc3\xa9'
#   httpx     b'us er:p@s\xc3\xa9'
#   requests  b'us er:p@s\xe9'
#   aiohttp   b'us er:p@s\xe9'
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet httpx==0.28.1 httpcore==1.0.9 requests==2.34.2 urllib3==2.8.0 aiohttp==3.14.5
npm init --yes >/dev/null
npm install --silent --no-fund --no-audit axios@1.21.1 undici@7.30.2
cat >finding.js <<'END_JS'
const { EnvHttpProxyAgent, fetch } = require("undici");
const [client, url] = process.argv.slice(2);
const clients = {
  axios: () => require("axios").get(url),
  undici: () => fetch(url, { dispatcher: new EnvHttpProxyAgent() }),
};
clients[client]().catch(() => {});
END_JS
cat >finding.py <<'END_PY'
import asyncio
import base64
import os
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import aiohttp
import httpx
import requests

URL = "http://a.test/"
sent = []


class Proxy(BaseHTTPRequestHandler):
    def do_GET(self):
        sent.append(base64.b64decode(self.headers["Proxy-Authorization"].removeprefix("Basic ")))
        self.send_error(403)

    do_CONNECT = do_GET  # undici opens a tunnel for http too

    def log_message(self, *_):
        pass


async def with_aiohttp():
    async with aiohttp.ClientSession(trust_env=True) as session:
        async with session.get(URL) as response:
            await response.read()


proxy = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
threading.Thread(target=proxy.serve_forever, daemon=True).start()
for name in list(os.environ):
    if name.lower().endswith("_proxy"):
        del os.environ[name]
os.environ["http_proxy"] = f"http://us%20er:p%40s%C3%A9@127.0.0.1:{proxy.server_port}"
clients = {
    "axios": lambda: subprocess.run(["node", "finding.js", "axios", URL], check=True),
    "undici": lambda: subprocess.run(["node", "finding.js", "undici", URL], check=True),
    "httpx": lambda: httpx.get(URL),
    "requests": lambda: requests.get(URL),
    "aiohttp": lambda: asyncio.run(with_aiohttp()),
}
for name, get in clients.items():
    sent.clear()
    get()
    print(f"{name:9} {sent[0]}")
END_PY
venv/bin/python finding.py | tee output.txt
cat >expected.txt <<'END_TXT'
axios     b'us%20er:p%40s%C3%A9'
undici    b'us er:p@s\xc3\xa9'
httpx     b'us er:p@s\xc3\xa9'
requests  b'us er:p@s\xe9'
aiohttp   b'us er:p@s\xe9'
END_TXT
cmp -s expected.txt output.txt || { echo "this has changed" >&2; exit 1; }
