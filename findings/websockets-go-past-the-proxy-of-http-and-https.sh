#!/usr/bin/env bash
# aiohttp 3.14.5, httpx-ws 0.9.0 with httpx 0.28.1, and ws 8.23.0 with proxy-agent 8.0.3: HTTP_PROXY and HTTPS_PROXY hold for
# requests, and not for WebSockets.
#
# RFC 6455 (4.1) asks clients without a setting of its own for WebSockets to take the proxy of HTTPS, or else that of HTTP, as
# websockets 17.4 does. websocket-client 1.9.2 and undici 7.30.2 take http_proxy for `ws`. The other libraries look for
# variables named by the schemes `ws` and `wss`, which nobody sets, so that the same session or agent sends its requests to
# the proxy and its WebSockets past it, without a word. A gateway that is to see everything must be the only way out. A
# client that went past the proxy fails here, because a.test does not exist.
#
# Seen, with http_proxy and https_proxy set to two proxies (`direct` means that neither was asked):
#   aiohttp           http http_proxy, ws direct, wss direct
#   httpx, httpx-ws   http http_proxy, ws direct, wss direct
#   proxy-agent, ws   http http_proxy, ws direct, wss direct
#   websocket-client  ws http_proxy, wss https_proxy
#   undici            http http_proxy, ws http_proxy, wss https_proxy
#   websockets        ws https_proxy, wss https_proxy
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet aiohttp==3.14.5 httpx==0.28.1 httpcore==1.0.9 httpx-ws==0.9.0 websocket-client==1.9.2 \
  websockets==17.4
npm init --yes >/dev/null
npm install --silent --no-fund --no-audit undici@7.30.2 ws@8.23.0 proxy-agent@8.0.3
cat >finding.mjs <<'END_JS'
import http from "node:http";
import { ProxyAgent } from "proxy-agent";
import { EnvHttpProxyAgent, WebSocket, fetch } from "undici";
import Ws from "ws";

const [client, url] = process.argv.slice(2);
const end = () => process.exit();
if (client === "undici") {
  const dispatcher = new EnvHttpProxyAgent();
  if (url.startsWith("http")) fetch(url, { dispatcher }).then(end, end);
  else new WebSocket(url, { dispatcher }).onclose = end;
} else {
  const agent = new ProxyAgent();
  if (url.startsWith("http")) http.get(url, { agent }, end).on("error", end);
  else new Ws(url, { agent }).on("error", end);
}
END_JS
cat >finding.py <<'END_PY'
import asyncio
import os
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import aiohttp
import httpx
import httpx_ws
import websocket
import websockets

asked = []


class Proxy(BaseHTTPRequestHandler):
    def do_GET(self):
        asked.append(self.server.variable)
        self.send_error(403)

    do_CONNECT = do_GET

    def log_message(self, *_):
        pass


async def with_aiohttp(url):
    async with aiohttp.ClientSession(trust_env=True) as session:
        await (session.get(url) if url.startswith("http") else session.ws_connect(url))


def with_httpx(url):
    with httpx.Client() as client:
        if url.startswith("http"):
            client.get(url)
        else:
            with httpx_ws.connect_ws(url, client):
                pass


async def with_websockets(url):
    async with websockets.connect(url):
        pass


def with_node(client):
    return lambda url: subprocess.run(["node", "finding.mjs", client, url])


def outcome(get, url):
    asked.clear()
    try:
        get(url)
    except (OSError, aiohttp.ClientError, httpx.HTTPError, httpx_ws.HTTPXWSException):
        pass
    except (websocket.WebSocketException, websockets.WebSocketException):
        pass
    return asked[0] if asked else "direct"


for name in list(os.environ):
    if name.lower().endswith("_proxy"):
        del os.environ[name]
for variable in ["http_proxy", "https_proxy"]:
    proxy = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    proxy.variable = variable
    threading.Thread(target=proxy.serve_forever, daemon=True).start()
    os.environ[variable] = f"http://127.0.0.1:{proxy.server_port}"
clients = {
    "aiohttp": (lambda url: asyncio.run(with_aiohttp(url)), ["http", "ws", "wss"]),
    "httpx, httpx-ws": (with_httpx, ["http", "ws", "wss"]),
    "proxy-agent, ws": (with_node("ws"), ["http", "ws", "wss"]),
    "websocket-client": (websocket.create_connection, ["ws", "wss"]),
    "undici": (with_node("undici"), ["http", "ws", "wss"]),
    "websockets": (lambda url: asyncio.run(with_websockets(url)), ["ws", "wss"]),
}
for name, (get, schemes) in clients.items():
    outcomes = [f"{scheme} {outcome(get, f'{scheme}://a.test/')}" for scheme in schemes]
    print(f"{name:17} {', '.join(outcomes)}")
END_PY
venv/bin/python finding.py | tee output.txt
cat >expected.txt <<'END_TXT'
aiohttp           http http_proxy, ws direct, wss direct
httpx, httpx-ws   http http_proxy, ws direct, wss direct
proxy-agent, ws   http http_proxy, ws direct, wss direct
websocket-client  ws http_proxy, wss https_proxy
undici            http http_proxy, ws http_proxy, wss https_proxy
websockets        ws https_proxy, wss https_proxy
END_TXT
cmp -s expected.txt output.txt || { echo "this has changed" >&2; exit 1; }
