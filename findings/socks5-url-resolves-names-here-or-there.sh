#!/usr/bin/env bash
# httpx 0.28.1 with socksio 1.0.0: a proxy `socks5://` is given names, where other clients resolve them and give it addresses.
#
# curl made two schemes of one protocol: `socks5` for addresses that the client has resolved, `socks5h` for names that the
# proxy resolves. requests 2.34.2 (PySocks) and socks-proxy-agent 10.1.0 follow it. httpx takes both for the second. The same
# value of ALL_PROXY therefore decides by the client who asks the DNS, and a proxy that lets requests through by name sees
# names of some clients, and of others addresses alone.
#
# Seen (what the proxy is asked to connect to):
#   socks5   curl address, requests address, httpx name, socks-proxy-agent address
#   socks5h  curl name, requests name, httpx name, socks-proxy-agent name
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet 'httpx[socks]==0.28.1' httpcore==1.0.9 socksio==1.0.0 'requests[socks]==2.34.2' urllib3==2.8.0 PySocks==1.7.1
npm init --yes >/dev/null
npm install --silent --no-fund --no-audit socks-proxy-agent@10.1.0
cat >finding.js <<'END_JS'
const [proxy, url] = process.argv.slice(2);
import("socks-proxy-agent").then(({ SocksProxyAgent }) => {
  require("http").get(url, { agent: new SocksProxyAgent(proxy) }).on("error", () => {});
});
END_JS
cat >finding.py <<'END_PY'
import os
import socket
import subprocess
import threading

import httpx
import requests

URL = "http://localhost:9/"
seen = []
KINDS = {1: "address", 3: "name", 4: "address"}


def serve(client):
    with client, client.makefile("rb") as stream:
        _, methods = stream.read(2)
        stream.read(methods)
        client.sendall(b"\x05\x00")
        seen.append(KINDS[stream.read(4)[3]])
        client.sendall(b"\x05\x02\x00\x01" + bytes(6))  # not allowed


def listen(listener):
    while True:
        client, _ = listener.accept()
        threading.Thread(target=serve, args=(client,), daemon=True).start()


for name in list(os.environ):
    if name.lower().endswith("_proxy"):
        del os.environ[name]
listener = socket.create_server(("127.0.0.1", 0))
threading.Thread(target=listen, args=(listener,), daemon=True).start()
clients = {
    "curl": lambda proxy: subprocess.run(["curl", "--silent", "--noproxy", "", "--proxy", proxy, URL]),
    "requests": lambda proxy: requests.get(URL, proxies={"http": proxy}),
    "httpx": lambda proxy: httpx.get(URL, proxy=proxy),
    "socks-proxy-agent": lambda proxy: subprocess.run(["node", "finding.js", proxy, URL], check=True),
}
for scheme in ["socks5", "socks5h"]:
    outcomes = []
    for name, get in clients.items():
        seen.clear()
        try:
            get(f"{scheme}://127.0.0.1:{listener.getsockname()[1]}")
        except (requests.ConnectionError, httpx.ProxyError):
            pass
        outcomes.append(f"{name} {seen[0]}")
    print(f"{scheme:7}  {', '.join(outcomes)}")
END_PY
venv/bin/python finding.py | tee output.txt
cat >expected.txt <<'END_TXT'
socks5   curl address, requests address, httpx name, socks-proxy-agent address
socks5h  curl name, requests name, httpx name, socks-proxy-agent name
END_TXT
cmp -s expected.txt output.txt || { echo "this has changed" >&2; exit 1; }
