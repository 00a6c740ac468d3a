#!/usr/bin/env bash
# httpx 0.28.1, requests 2.34.2, aiohttp 3.14.5 and undici 7.30.2: no spelling of an IPv6 address in NO_PROXY suits all four.
#
# A URL writes an IPv6 address in brackets, and a list of hosts may or may not. requests and aiohttp know the address only
# without brackets, undici only with them. One would then write both, as other clients ignore an entry that they cannot
# read. But httpx fails on brackets, and on a prefix such as fd00::/8, when the client is made: one such entry, and the
# program can send no request to any host, not even to one without IPv6. Whoever sets NO_PROXY for all workloads of a
# cluster with two stacks meets this.
#
# Seen, for http://[::1]:PORT/ with http_proxy set (`direct` means that the proxy was not asked):
#   no_proxy=::1         requests direct, aiohttp direct, httpx direct, undici proxy
#   no_proxy=[::1]       requests proxy, aiohttp proxy, httpx InvalidURL, undici direct
#   no_proxy=::1,[::1]   requests direct, aiohttp direct, httpx InvalidURL, undici direct
#   no_proxy=::/64       requests proxy, aiohttp proxy, httpx InvalidURL, undici proxy
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet httpx==0.28.1 httpcore==1.0.9 requests==2.34.2 urllib3==2.8.0 aiohttp==3.14.5
npm init --yes >/dev/null
npm install --silent --no-fund --no-audit undici@7.30.2
cat >finding.js <<'END_JS'
const { EnvHttpProxyAgent, fetch } = require("undici");
fetch(process.argv[2], { dispatcher: new EnvHttpProxyAgent() }).catch(() => {});
END_JS
cat >finding.py <<'END_PY'
import asyncio
import os
import socket
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import aiohttp
import httpx
import requests


asked = []


class Proxy(BaseHTTPRequestHandler):
    def do_GET(self):
        asked.append(self.path)
        self.send_error(403)

    do_CONNECT = do_GET  # undici opens a tunnel for http too

    def log_message(self, *_):
        pass


async def with_aiohttp(url):
    async with aiohttp.ClientSession(trust_env=True) as session:
        async with session.get(url) as response:
            return await response.text()


def with_undici(url):
    subprocess.run(["node", "finding.js", url], check=True)


def outcome(get, url):
    asked.clear()
    try:
        get(url)
    except httpx.InvalidURL:
        return "InvalidURL"
    except (requests.ConnectionError, aiohttp.ClientConnectionError, httpx.ConnectError):
        pass  # nothing listens at the address of the URL
    return "proxy" if asked else "direct"


with socket.create_server(("::1", 0), family=socket.AF_INET6) as unused:
    url = f"http://[::1]:{unused.getsockname()[1]}/"
proxy = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
threading.Thread(target=proxy.serve_forever, daemon=True).start()
for name in list(os.environ):
    if name.lower().endswith("_proxy"):
        del os.environ[name]
os.environ["http_proxy"] = f"http://127.0.0.1:{proxy.server_port}"
clients = {
    "requests": lambda url: requests.get(url).text,
    "aiohttp": lambda url: asyncio.run(with_aiohttp(url)),
    "httpx": lambda url: httpx.get(url).text,
    "undici": with_undici,
}
for entry in ["::1", "[::1]", "::1,[::1]", "::/64"]:
    os.environ["no_proxy"] = entry
    outcomes = [f"{name} {outcome(get, url)}" for name, get in clients.items()]
    print(f"no_proxy={entry:11} {', '.join(outcomes)}")
END_PY
venv/bin/python finding.py | tee output.txt
cat >expected.txt <<'END_TXT'
no_proxy=::1         requests direct, aiohttp direct, httpx direct, undici proxy
no_proxy=[::1]       requests proxy, aiohttp proxy, httpx InvalidURL, undici direct
no_proxy=::1,[::1]   requests direct, aiohttp direct, httpx InvalidURL, undici direct
no_proxy=::/64       requests proxy, aiohttp proxy, httpx InvalidURL, undici proxy
END_TXT
cmp -s expected.txt output.txt || { echo "this has changed" >&2; exit 1; }
