#!/usr/bin/env bash
# aiohttp 3.14.5 and undici 7.30.2: ALL_PROXY without HTTP_PROXY and HTTPS_PROXY is not read, and requests go out directly.
#
# For curl, ALL_PROXY is the proxy of every protocol that has no variable of its own, in capitals and in small letters, and
# requests 2.34.2, httpx 0.28.1 and axios 1.21.1 (by proxy-from-env) do the same. aiohttp with trust_env and undici's
# EnvHttpProxyAgent read the variables of the protocols alone. A container that is given one variable instead of two
# therefore reaches the proxy by half of its clients, and nothing says so. A client that went past the proxy fails here,
# because a.test does not exist.
#
# Seen (`direct` means that the proxy was not asked):
#   ALL_PROXY   curl proxy, requests proxy, httpx proxy, aiohttp direct, undici direct, axios proxy
#   all_proxy   curl proxy, requests proxy, httpx proxy, aiohttp direct, undici direct, axios proxy
#   http_proxy  curl proxy, requests proxy, httpx proxy, aiohttp proxy, undici proxy, axios proxy
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet httpx==0.28.1 httpcore==1.0.9 requests==2.34.2 urllib3==2.8.0 aiohttp==3.14.5
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

URL = "http://a.test/"
asked = []


class Proxy(BaseHTTPRequestHandler):
    def do_GET(self):
        asked.append(self.path)
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
clients = {
    "curl": lambda: subprocess.run(["curl", "--silent", "--output", "body", URL]),
    "requests": lambda: requests.get(URL),
    "httpx": lambda: httpx.get(URL),
    "aiohttp": lambda: asyncio.run(with_aiohttp()),
    "undici": lambda: subprocess.run(["node", "finding.js", "undici", URL], check=True),
    "axios": lambda: subprocess.run(["node", "finding.js", "axios", URL], check=True),
}
for variable in ["ALL_PROXY", "all_proxy", "http_proxy"]:
    os.environ[variable] = f"http://127.0.0.1:{proxy.server_port}"
    outcomes = []
    for name, get in clients.items():
        asked.clear()
        try:
            get()
        except (requests.ConnectionError, aiohttp.ClientConnectionError, httpx.ConnectError):
            pass
        outcomes.append(f"{name} {'proxy' if asked else 'direct'}")
    del os.environ[variable]
    print(f"{variable:10}  {', '.join(outcomes)}")
END_PY
venv/bin/python finding.py | tee output.txt
cat >expected.txt <<'END_TXT'
ALL_PROXY   curl proxy, requests proxy, httpx proxy, aiohttp direct, undici direct, axios proxy
all_proxy   curl proxy, requests proxy, httpx proxy, aiohttp direct, undici direct, axios proxy
http_proxy  curl proxy, requests proxy, httpx proxy, aiohttp proxy, undici proxy, axios proxy
END_TXT
cmp -s expected.txt output.txt || { echo "this has changed" >&2; exit 1; }
