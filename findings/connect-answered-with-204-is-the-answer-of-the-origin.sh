#!/usr/bin/env bash
# axios 1.21.1 and https-proxy-agent 9.1.0: a tunnel opened with 204 is not used, and the 204 is handed to the program as
# the response of the https origin.
#
# Any 2xx answer to CONNECT opens the tunnel (RFC 9110 section 9.3.6). Most clients accept 200 alone and raise an error for
# 201 or 204, which one could guess. These two neither go on nor fail: the program that asked for https://a.test/ gets a
# response with status 204 and no error, though nothing was sent to the origin and TLS never began. A POST looks done. A
# proxy has to answer 200, also where it has no content to send. httpx 0.28.1 takes the 204 for a tunnel and starts TLS;
# undici 7.30.2 and aiohttp 3.14.5 raise an error.
#
# Seen, with the bytes that the proxy got after its 204:
#   axios              response 204, then 0 bytes
#   https-proxy-agent  response 204, then 0 bytes
#   undici             error, then 0 bytes
#   aiohttp            error, then 0 bytes
#   httpx              error, then a TLS handshake
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet httpx==0.28.1 httpcore==1.0.9 aiohttp==3.14.5
npm init --yes >/dev/null
npm install --silent --no-fund --no-audit axios@1.21.1 undici@7.30.2 https-proxy-agent@9.1.0
cat >finding.mjs <<'END_JS'
import https from "node:https";
import axios from "axios";
import { HttpsProxyAgent } from "https-proxy-agent";
import { EnvHttpProxyAgent, fetch } from "undici";

const [client, url] = process.argv.slice(2);
const clients = {
  axios: () => axios.post(url, "body"),
  undici: () => fetch(url, { method: "POST", body: "body", dispatcher: new EnvHttpProxyAgent() }),
  "https-proxy-agent": () =>
    new Promise((done, failed) => {
      const options = { method: "POST", agent: new HttpsProxyAgent(process.env.https_proxy) };
      https.request(url, options, (response) => done({ status: response.statusCode })).on("error", failed).end("body");
    }),
};
clients[client]().then(
  (response) => process.stdout.write(`response ${response.status}`),
  () => process.stdout.write("error"),
).then(() => process.exit());
END_JS
cat >finding.py <<'END_PY'
import asyncio
import os
import socket
import subprocess
import threading

import aiohttp
import httpx

URL = "https://a.test/"
after = []


def serve(listener):
    while True:
        client, _ = listener.accept()
        with client:
            head = b""
            while b"\r\n\r\n" not in head:
                head += client.recv(4096) or b"\r\n\r\n"
            client.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
            client.settimeout(2)
            try:
                more = client.recv(4096)
            except OSError:
                more = b""
            after.append("a TLS handshake" if more[:1] == b"\x16" else f"{len(more)} bytes")


async def with_aiohttp():
    async with aiohttp.ClientSession(trust_env=True) as session:
        async with session.post(URL, data="body") as response:
            return response.status


def with_python(send):
    try:
        return f"response {send()}"
    except (aiohttp.ClientError, httpx.TransportError):
        return "error"


def with_node(name):
    done = subprocess.run(["node", "finding.mjs", name, URL], check=True, capture_output=True, text=True, timeout=60)
    return done.stdout


listener = socket.create_server(("127.0.0.1", 0))
threading.Thread(target=serve, args=(listener,), daemon=True).start()
for name in list(os.environ):
    if name.lower().endswith("_proxy"):
        del os.environ[name]
os.environ["https_proxy"] = f"http://127.0.0.1:{listener.getsockname()[1]}"
clients = {
    "axios": lambda: with_node("axios"),
    "https-proxy-agent": lambda: with_node("https-proxy-agent"),
    "undici": lambda: with_node("undici"),
    "aiohttp": lambda: with_python(lambda: asyncio.run(with_aiohttp())),
    "httpx": lambda: with_python(lambda: httpx.post(URL, content="body").status_code),
}
for name, send in clients.items():
    after.clear()
    outcome = send()
    while not after:
        threading.Event().wait(0.05)
    print(f"{name:18} {outcome}, then {after[0]}")
END_PY
venv/bin/python finding.py | tee output.txt
cat >expected.txt <<'END_TXT'
axios              response 204, then 0 bytes
https-proxy-agent  response 204, then 0 bytes
undici             error, then 0 bytes
aiohttp            error, then 0 bytes
httpx              error, then a TLS handshake
END_TXT
cmp -s expected.txt output.txt || { echo "this has changed" >&2; exit 1; }
