#!/usr/bin/env bash
# httpx 0.28.1, websocket-client 1.9.2, axios 1.21.1, hpagent 1.2.0 and grpc-js 1.14.7: a CONNECT to an IPv6 address has no
# brackets.
#
# The target of a CONNECT is a host and a port, and an IPv6 address has brackets there, as in the URL (RFC 9112 section 3.2.3,
# RFC 3986 section 3.2.2). These five take the brackets off to look at the address, and write it into the request without
# them: `2001:db8::1:443` is itself an IPv6 address, so a proxy that guesses can go to another host. The Host field has the
# same text. A proxy that is strict refuses what works without it, and requests 2.34.2, undici 7.30.2 and
# https-proxy-agent 9.1.0 show that others write the brackets. All of them were given the same URL, https://[2001:db8::1]/.
#
# Seen:
#   httpx               CONNECT 2001:db8::1:443
#   websocket-client    CONNECT 2001:db8::1:443
#   requests            CONNECT [2001:db8::1]:443
#   axios               CONNECT 2001:db8::1:443
#   hpagent             CONNECT 2001:db8::1:443
#   grpc-js             CONNECT 2001:db8::1:443
#   undici              CONNECT [2001:db8::1]:443
#   https-proxy-agent   CONNECT [2001:db8::1]:443
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet httpx==0.28.1 httpcore==1.0.9 requests==2.34.2 urllib3==2.8.0 websocket-client==1.9.2
npm init --yes >/dev/null
npm install --silent --no-fund --no-audit axios@1.21.1 hpagent@1.2.0 @grpc/grpc-js@1.14.7 undici@7.30.2 https-proxy-agent@9.1.0
cat >finding.mjs <<'END_JS'
import https from "node:https";
import grpc from "@grpc/grpc-js";
import axios from "axios";
import { HttpsProxyAgent as Hpagent } from "hpagent";
import { HttpsProxyAgent } from "https-proxy-agent";
import { EnvHttpProxyAgent, fetch } from "undici";

const [client, url] = process.argv.slice(2);
const proxy = process.env.https_proxy;
const get = (agent) => https.get(url, { agent }).on("error", () => process.exit()).on("response", () => process.exit());
const clients = {
  axios: () => axios.get(url),
  hpagent: () => get(new Hpagent({ proxy })),
  "grpc-js": () =>
    new grpc.Client(new URL(url).host, grpc.credentials.createSsl()).makeUnaryRequest(
      "/package.Service/Method", (x) => x, (x) => x, Buffer.alloc(0), () => process.exit()),
  undici: () => fetch(url, { dispatcher: new EnvHttpProxyAgent() }),
  "https-proxy-agent": () => get(new HttpsProxyAgent(proxy)),
};
Promise.resolve(clients[client]()).catch(() => process.exit());
END_JS
cat >finding.py <<'END_PY'
import os
import socket
import subprocess
import threading

import httpx
import requests
import websocket

URL = "https://[2001:db8::1]/"
lines = []


def serve(listener):
    while True:
        client, _ = listener.accept()
        with client:
            head = b""
            while b"\r\n\r\n" not in head:
                head += client.recv(4096) or b"\r\n\r\n"
            lines.append(" ".join(head.decode().split(" ")[:2]))
            client.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


listener = socket.create_server(("127.0.0.1", 0))
threading.Thread(target=serve, args=(listener,), daemon=True).start()
for name in list(os.environ):
    if name.lower().endswith("_proxy"):
        del os.environ[name]
os.environ["https_proxy"] = f"http://127.0.0.1:{listener.getsockname()[1]}"
clients = {
    "httpx": lambda: httpx.get(URL),
    "websocket-client": lambda: websocket.create_connection(URL.replace("https", "wss")),
    "requests": lambda: requests.get(URL),
}
for name, get in clients.items():
    lines.clear()
    try:
        get()
    except (httpx.ProxyError, websocket.WebSocketProxyException, requests.ConnectionError):
        pass
    print(f"{name:19} {lines[0]}")
for name in ["axios", "hpagent", "grpc-js", "undici", "https-proxy-agent"]:
    lines.clear()
    subprocess.run(["node", "finding.mjs", name, URL], check=True, timeout=60)
    print(f"{name:19} {lines[0]}")
END_PY
venv/bin/python finding.py | tee output.txt
cat >expected.txt <<'END_TXT'
httpx               CONNECT 2001:db8::1:443
websocket-client    CONNECT 2001:db8::1:443
requests            CONNECT [2001:db8::1]:443
axios               CONNECT 2001:db8::1:443
hpagent             CONNECT 2001:db8::1:443
grpc-js             CONNECT 2001:db8::1:443
undici              CONNECT [2001:db8::1]:443
https-proxy-agent   CONNECT [2001:db8::1]:443
END_TXT
cmp -s expected.txt output.txt || { echo "this has changed" >&2; exit 1; }
