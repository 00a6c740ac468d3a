#!/usr/bin/env bash
# requests 2.34.2, aiohttp 3.14.5 and undici 7.30.2: a `*` in NO_PROXY exempts all hosts when it is the whole value, and none
# when it is an entry of a list.
#
# `*` is known as the value that turns proxies off, and a list of hosts as a list of conditions of which one is enough, so
# `b.test,*` should exempt everything. For httpx 0.28.1, axios 1.21.1 and websocket-client 1.9.2 it does. For the other
# three the star is compared as a name as soon as there is a second entry, and their requests go to the proxy. A value
# that is put together from two sources, of which one says `*`, therefore splits the clients of one container in two. A
# client that went past the proxy fails here, because a.test does not exist.
#
# Seen (`direct` means that the proxy was not asked):
#   no_proxy=*        requests direct, aiohttp direct, httpx direct, websocket-client direct, undici direct, axios direct
#   no_proxy=b.test,* requests proxy, aiohttp proxy, httpx direct, websocket-client direct, undici proxy, axios direct
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet httpx==0.28.1 httpcore==1.0.9 requests==2.34.2 urllib3==2.8.0 aiohttp==3.14.5 websocket-client==1.9.2
npm init --yes >/dev/null
npm install --silent --no-fund --no-audit undici@7.30.2 axios@1.21.1
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
import os
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import aiohttp
import httpx
import requests
import websocket

URL = "http://a.test/"
asked = []


class Proxy(BaseHTTPRequestHandler):
    def do_GET(self):
        asked.append(self.path)
        self.send_error(403)

    do_CONNECT = do_GET  # undici and websocket-client open a tunnel for http too

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
os.environ["http_proxy"] = f"http://127.0.0.1:{proxy.server_port}"
clients = {
    "requests": lambda: requests.get(URL),
    "aiohttp": lambda: asyncio.run(with_aiohttp()),
    "httpx": lambda: httpx.get(URL),
    "websocket-client": lambda: websocket.create_connection("ws://a.test/"),
    "undici": lambda: subprocess.run(["node", "finding.js", "undici", URL], check=True),
    "axios": lambda: subprocess.run(["node", "finding.js", "axios", URL], check=True),
}
for value in ["*", "b.test,*"]:
    os.environ["no_proxy"] = value
    outcomes = []
    for name, get in clients.items():
        asked.clear()
        try:
            get()
        except (requests.ConnectionError, aiohttp.ClientConnectionError, httpx.ConnectError, websocket.WebSocketException, OSError):
            pass
        outcomes.append(f"{name} {'proxy' if asked else 'direct'}")
    print(f"no_proxy={value:8} {', '.join(outcomes)}")
END_PY
venv/bin/python finding.py | tee output.txt
cat >expected.txt <<'END_TXT'
no_proxy=*        requests direct, aiohttp direct, httpx direct, websocket-client direct, undici direct, axios direct
no_proxy=b.test,* requests proxy, aiohttp proxy, httpx direct, websocket-client direct, undici proxy, axios direct
END_TXT
cmp -s expected.txt output.txt || { echo "this has changed" >&2; exit 1; }
