#!/usr/bin/env bash
# grpcio 1.85.3, websockets 17.4 and hpagent 1.2.0: an interim response before the answer to CONNECT is taken for the answer.
#
# A client must be able to read any number of 1xx responses before the final one, of any method (RFC 9110 section 15.2). The
# proxy here sends 103 Early Hints and then 403. httpx 0.28.1, aiohttp 3.14.5 and https-proxy-agent 9.1.0 report the 403.
# The other three stop at 103, so that what the user reads is a status that refuses nothing, and the reason for the refusal
# is not read. A gateway must therefore keep the 1xx of its own upstream proxy away from the clients of its tunnels.
#
# Seen:
#   httpx              403
#   aiohttp            403
#   websockets         103
#   grpcio             103
#   hpagent            103
#   https-proxy-agent  403
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet httpx==0.28.1 httpcore==1.0.9 aiohttp==3.14.5 websockets==17.4 grpcio==1.85.3
npm init --yes >/dev/null
npm install --silent --no-fund --no-audit hpagent@1.2.0 https-proxy-agent@9.1.0
cat >finding.mjs <<'END_JS'
import https from "node:https";
import { HttpsProxyAgent as Hpagent } from "hpagent";
import { HttpsProxyAgent } from "https-proxy-agent";

const [client, url] = process.argv.slice(2);
const proxy = process.env.https_proxy;
const get = (agent) =>
  new Promise((done, failed) => https.get(url, { agent }, (response) => done(response.statusCode)).on("error", failed));
const clients = {
  hpagent: () => get(new Hpagent({ proxy })),
  "https-proxy-agent": () => get(new HttpsProxyAgent(proxy)),
};
clients[client]().then(String, (error) => error.message)
  .then((text) => process.stdout.write(text)).then(() => process.exit());
END_JS
cat >finding.py <<'END_PY'
import asyncio
import os
import re
import socket
import subprocess
import threading

import aiohttp
import httpx
from websockets.sync.client import connect

ANSWER = (
    b"HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n"
    b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
)


def serve(listener):
    while True:
        client, _ = listener.accept()
        with client:
            head = b""
            while b"\r\n\r\n" not in head:
                head += client.recv(4096) or b"\r\n\r\n"
            client.sendall(ANSWER)


async def with_aiohttp():
    async with aiohttp.ClientSession(trust_env=True) as session:
        await session.get("https://a.test/")


def with_grpcio():
    with grpc.secure_channel("a.test:443", grpc.ssl_channel_credentials()) as channel:
        channel.unary_unary("/package.Service/Method")(b"", timeout=20)


def with_node(name):
    command = ["node", "finding.mjs", name, "https://a.test/"]
    raise RuntimeError(subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout)


listener = socket.create_server(("127.0.0.1", 0))
threading.Thread(target=serve, args=(listener,), daemon=True).start()
for name in list(os.environ):
    if name.lower().endswith("_proxy"):
        del os.environ[name]
os.environ["https_proxy"] = f"http://127.0.0.1:{listener.getsockname()[1]}"
import grpc

clients = {
    "httpx": lambda: httpx.get("https://a.test/"),
    "aiohttp": lambda: asyncio.run(with_aiohttp()),
    "websockets": lambda: connect("wss://a.test/"),
    "grpcio": with_grpcio,
    "hpagent": lambda: with_node("hpagent"),
    "https-proxy-agent": lambda: with_node("https-proxy-agent"),
}
for name, get in clients.items():
    try:
        get()
    except Exception as error:
        print(f"{name:18} {re.search(r'(?<![0-9])(103|403)(?![0-9])', str(error)).group()}")
END_PY
GRPC_VERBOSITY=NONE venv/bin/python finding.py | tee output.txt
cat >expected.txt <<'END_TXT'
httpx              403
aiohttp            403
websockets         103
grpcio             103
hpagent            103
https-proxy-agent  403
END_TXT
cmp -s expected.txt output.txt || { echo "this has changed" >&2; exit 1; }
