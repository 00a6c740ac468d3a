#!/usr/bin/env bash
# aiohttp 3.14.5, websockets 17.4, axios 1.21.1 and undici 7.30.2: the Host of a CONNECT is not its target.
#
# Host has to be identical to the authority of the target, and the target of a CONNECT always has a port (RFC 9112 section
# 3.2, RFC 9110 section 7.2). These four write the Host that the request inside the tunnel would have, so the port of https
# is missing, and aiohttp also takes away the dot at the end of the name. A gateway that compares the two fields, as it
# does for other methods, refuses these clients, and one that routes a CONNECT by Host routes it to port 80 or to another
# name. All were given https://a.test./ with a dot at the end; httpx 0.28.1 and https-proxy-agent 9.1.0 repeat the target.
#
# Seen:
#   aiohttp             CONNECT a.test.:443, Host: a.test
#   websockets          CONNECT a.test.:443, Host: a.test.
#   httpx               CONNECT a.test.:443, Host: a.test.:443
#   axios               CONNECT a.test.:443, Host: a.test.
#   undici              CONNECT a.test.:443, Host: a.test.
#   https-proxy-agent   CONNECT a.test.:443, Host: a.test.:443
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet httpx==0.28.1 httpcore==1.0.9 aiohttp==3.14.5 websockets==17.4
npm init --yes >/dev/null
npm install --silent --no-fund --no-audit axios@1.21.1 undici@7.30.2 https-proxy-agent@9.1.0
cat >finding.mjs <<'END_JS'
import https from "node:https";
import axios from "axios";
import { HttpsProxyAgent } from "https-proxy-agent";
import { EnvHttpProxyAgent, fetch } from "undici";

const [client, url] = process.argv.slice(2);
const clients = {
  axios: () => axios.get(url),
  undici: () => fetch(url, { dispatcher: new EnvHttpProxyAgent() }),
  "https-proxy-agent": () =>
    new Promise((done, failed) => https.get(url, { agent: new HttpsProxyAgent(process.env.https_proxy) }, done).on("error", failed)),
};
clients[client]().then(() => process.exit(), () => process.exit());
END_JS
cat >finding.py <<'END_PY'
import asyncio
import os
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import aiohttp
import httpx
import websockets
from websockets.sync.client import connect

URL = "https://a.test./"
seen = []


class Proxy(BaseHTTPRequestHandler):
    def do_CONNECT(self):
        seen.append(f"CONNECT {self.path}, Host: {self.headers['Host']}")
        self.send_error(403)

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
os.environ["https_proxy"] = f"http://127.0.0.1:{proxy.server_port}"
clients = {
    "aiohttp": lambda: asyncio.run(with_aiohttp()),
    "websockets": lambda: connect(URL.replace("https", "wss")),
    "httpx": lambda: httpx.get(URL),
}
for name in ["axios", "undici", "https-proxy-agent"]:
    clients[name] = lambda name=name: subprocess.run(["node", "finding.mjs", name, URL], check=True, timeout=60)
for name, get in clients.items():
    seen.clear()
    try:
        get()
    except (aiohttp.ClientHttpProxyError, httpx.ProxyError, websockets.InvalidProxyStatus):
        pass
    print(f"{name:19} {seen[0]}")
END_PY
venv/bin/python finding.py | tee output.txt
cat >expected.txt <<'END_TXT'
aiohttp             CONNECT a.test.:443, Host: a.test
websockets          CONNECT a.test.:443, Host: a.test.
httpx               CONNECT a.test.:443, Host: a.test.:443
axios               CONNECT a.test.:443, Host: a.test.
undici              CONNECT a.test.:443, Host: a.test.
https-proxy-agent   CONNECT a.test.:443, Host: a.test.:443
END_TXT
cmp -s expected.txt output.txt || { echo "this has changed" >&2; exit 1; }
