#!/usr/bin/env bash
# aiohttp 3.14.5 with proxy=: a WebSocket in the clear is asked of the proxy by `GET ws://...`, where other clients ask for a tunnel.
#
# To reach a WebSocket through a proxy, a client opens a tunnel with CONNECT (RFC 6455 section 4.1), as websockets 17.4,
# websocket-client 1.9.2 and undici 7.30.2 do. aiohttp does so for `wss`, and for `ws` sends what it would send for a page:
# the URL as it stands, with a scheme that HTTP requests do not have, and the fields of an upgrade. tinyproxy 1.11.1 answers 400
# and Squid 5.7 answers 501, so that the WebSocket that works without a proxy fails behind one. A gateway that would serve
# these clients has to read `ws` as `http`.
#
# Seen (what the proxy is asked for):
#   aiohttp           ws GET ws://a.test/x, wss CONNECT a.test:443
#   websockets        ws CONNECT a.test:80, wss CONNECT a.test:443
#   websocket-client  ws CONNECT a.test:80, wss CONNECT a.test:443
#   undici            ws CONNECT a.test:80, wss CONNECT a.test:443
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet aiohttp==3.14.5 websocket-client==1.9.2 websockets==17.4
npm init --yes >/dev/null
npm install --silent --no-fund --no-audit undici@7.30.2
cat >finding.js <<'END_JS'
const { ProxyAgent, WebSocket } = require("undici");
const [url, proxy] = process.argv.slice(2);
new WebSocket(url, { dispatcher: new ProxyAgent(proxy) }).onclose = () => process.exit();
END_JS
cat >finding.py <<'END_PY'
import asyncio
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import aiohttp
import websocket
import websockets

asked = []


class Proxy(BaseHTTPRequestHandler):
    def do_GET(self):
        asked.append(f"{self.command} {self.path}")
        self.send_error(403)

    do_CONNECT = do_GET

    def log_message(self, *_):
        pass


async def with_aiohttp(url, proxy):
    async with aiohttp.ClientSession() as session:
        await session.ws_connect(url, proxy=proxy)


async def with_websockets(url, proxy):
    async with websockets.connect(url, proxy=proxy):
        pass


def with_websocket_client(url, proxy):
    host, port = proxy.removeprefix("http://").split(":")
    websocket.create_connection(url, http_proxy_host=host, http_proxy_port=int(port), proxy_type="http")


server = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
threading.Thread(target=server.serve_forever, daemon=True).start()
proxy = f"http://127.0.0.1:{server.server_port}"
clients = {
    "aiohttp": lambda url: asyncio.run(with_aiohttp(url, proxy)),
    "websockets": lambda url: asyncio.run(with_websockets(url, proxy)),
    "websocket-client": lambda url: with_websocket_client(url, proxy),
    "undici": lambda url: subprocess.run(["node", "finding.js", url, proxy]),
}
for name, get in clients.items():
    asked.clear()
    for scheme in ["ws", "wss"]:
        try:
            get(f"{scheme}://a.test/x")
        except (aiohttp.ClientError, websocket.WebSocketException, websockets.WebSocketException):
            pass  # the proxy refuses every request
    print(f"{name:17} ws {asked[0]}, wss {asked[1]}")
END_PY
venv/bin/python finding.py | tee output.txt
cat >expected.txt <<'END_TXT'
aiohttp           ws GET ws://a.test/x, wss CONNECT a.test:443
websockets        ws CONNECT a.test:80, wss CONNECT a.test:443
websocket-client  ws CONNECT a.test:80, wss CONNECT a.test:443
undici            ws CONNECT a.test:80, wss CONNECT a.test:443
END_TXT
cmp -s expected.txt output.txt || { echo "this has changed" >&2; exit 1; }
