#!/usr/bin/env bash
# httpx 0.28.1, aiohttp 3.14.5, undici 7.30.2 and https-proxy-agent 9.1.0: the server name of TLS ends with a dot if the host of
# the URL does.
#
# `https://a.test./` names the same host as `https://a.test/` and keeps resolvers from trying search domains, and RFC 6066
# section 3 says that the server name is sent without that dot. curl and requests 2.34.2 take it off. The
# other four send it as it is in the URL, so that a server that chooses certificates by the name, and a gateway that lets
# tunnels through by it, sees another name by each client; the CONNECT before it has the dot for all of them.
#
# Seen (the target of the CONNECT, and the server name of the ClientHello in the tunnel):
#   curl               a.test.:443  a.test
#   requests           a.test.:443  a.test
#   httpx              a.test.:443  a.test.
#   aiohttp            a.test.:443  a.test.
#   undici             a.test.:443  a.test.
#   https-proxy-agent  a.test.:443  a.test.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet httpx==0.28.1 httpcore==1.0.9 requests==2.34.2 urllib3==2.8.0 aiohttp==3.14.5
npm init --yes >/dev/null
npm install --silent --no-fund --no-audit undici@7.30.2 https-proxy-agent@9.1.0
cat >finding.js <<'END_JS'
const [client, url] = process.argv.slice(2);
if (client === "undici") {
  const { EnvHttpProxyAgent, fetch } = require("undici");
  fetch(url, { dispatcher: new EnvHttpProxyAgent() }).catch(() => {});
} else {
  import("https-proxy-agent").then(({ HttpsProxyAgent }) => {
    const agent = new HttpsProxyAgent(process.env.https_proxy);
    require("https").get(url, { agent }).on("error", () => {});
  });
}
END_JS
cat >finding.py <<'END_PY'
import asyncio
import os
import socket
import struct
import subprocess
import threading

import aiohttp
import httpx
import requests

URL = "https://a.test./"
seen = []


def server_name(hello):
    """The name in a ClientHello, which begins after the header of its record."""
    at = 4 + 2 + 32  # type and length, version, random
    at += 1 + hello[at]  # session
    at += 2 + struct.unpack(">H", hello[at : at + 2])[0]  # cipher suites
    at += 1 + hello[at]  # compression
    end = at + 2 + struct.unpack(">H", hello[at : at + 2])[0]
    at += 2
    while at < end:
        kind, length = struct.unpack(">HH", hello[at : at + 4])
        at += 4
        if kind == 0:
            return hello[at + 5 : at + length].decode()
        at += length
    return "none"


def serve(client):
    with client, client.makefile("rb") as stream:
        target = stream.readline().split()[1].decode()
        while stream.readline().strip():
            pass
        client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        length = struct.unpack(">H", stream.read(5)[3:])[0]
        seen.append((target, server_name(stream.read(length))))


def listen(listener):
    while True:
        client, _ = listener.accept()
        threading.Thread(target=serve, args=(client,), daemon=True).start()


async def with_aiohttp():
    async with aiohttp.ClientSession(trust_env=True) as session:
        async with session.get(URL) as response:
            await response.read()


proxy = socket.create_server(("127.0.0.1", 0))
threading.Thread(target=listen, args=(proxy,), daemon=True).start()
for name in list(os.environ):
    if name.lower().endswith("_proxy"):
        del os.environ[name]
os.environ["https_proxy"] = f"http://127.0.0.1:{proxy.getsockname()[1]}"
clients = {
    "curl": lambda: subprocess.run(["curl", "--silent", URL]),
    "requests": lambda: requests.get(URL),
    "httpx": lambda: httpx.get(URL),
    "aiohttp": lambda: asyncio.run(with_aiohttp()),
    "undici": lambda: subprocess.run(["node", "finding.js", "undici", URL]),
    "https-proxy-agent": lambda: subprocess.run(["node", "finding.js", "https-proxy-agent", URL]),
}
for name, get in clients.items():
    seen.clear()
    try:
        get()
    except (requests.ConnectionError, aiohttp.ClientError, httpx.TransportError):
        pass  # the tunnel ends after the ClientHello
    target, server = seen[0]
    print(f"{name:18} {target}  {server}")
END_PY
venv/bin/python finding.py | tee output.txt
cat >expected.txt <<'END_TXT'
curl               a.test.:443  a.test
requests           a.test.:443  a.test
httpx              a.test.:443  a.test.
aiohttp            a.test.:443  a.test.
undici             a.test.:443  a.test.
https-proxy-agent  a.test.:443  a.test.
END_TXT
cmp -s expected.txt output.txt || { echo "this has changed" >&2; exit 1; }
