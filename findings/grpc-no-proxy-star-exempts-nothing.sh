#!/usr/bin/env bash
# grpcio 1.85.3 and grpc-js 1.14.7: no_proxy=* exempts nothing, and an entry with a port exempts nothing.
#
# For curl, Python, Go and most others a no_proxy of `*` turns the proxy off, and `name:port` is a host with its port. Both
# gRPC libraries read http_proxy and no_proxy, but compare each entry with the end of the host's name as it stands: no
# name ends in `*` or in a port, so these channels still go to the proxy. Where a workload is told by `*` to go without
# the gateway, its HTTP requests do and its gRPC calls do not. The entry without a port is honoured by both. A client that
# went past the proxy fails here to connect to 127.0.0.1, where nothing listens.
#
# Seen:
#   grpcio no_proxy=*: proxy
#   grpcio no_proxy=127.0.0.1:PORT: proxy
#   grpcio no_proxy=127.0.0.1: direct
#   grpc-js no_proxy=*: proxy
#   grpc-js no_proxy=127.0.0.1:PORT: proxy
#   grpc-js no_proxy=127.0.0.1: direct
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet grpcio==1.85.3
npm init --yes >/dev/null
npm install --silent --no-fund --no-audit @grpc/grpc-js@1.14.7
cat >client.js <<'END_JS'
const grpc = require("@grpc/grpc-js");
const client = new grpc.Client(process.argv[2], grpc.credentials.createInsecure());
client.makeUnaryRequest("/package.Service/Method", (x) => x, (x) => x, Buffer.alloc(0), () => process.exit());
END_JS
cat >client.py <<'END_PY'
import sys

import grpc

try:
    grpc.insecure_channel(sys.argv[1]).unary_unary("/package.Service/Method")(b"", timeout=20)
except grpc.RpcError:
    pass
END_PY
cat >finding.py <<'END_PY'
import os
import socket
import subprocess
import sys
import threading

asked = []


def serve(listener):
    while True:
        client, _ = listener.accept()
        with client:
            asked.append(client.recv(4096))
            client.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")


listener = socket.create_server(("127.0.0.1", 0))
threading.Thread(target=serve, args=(listener,), daemon=True).start()
with socket.create_server(("127.0.0.1", 0)) as unused:
    port = unused.getsockname()[1]
base = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
base |= {"http_proxy": f"http://127.0.0.1:{listener.getsockname()[1]}", "GRPC_VERBOSITY": "NONE"}
for name, client in {"grpcio": [sys.executable, "client.py"], "grpc-js": ["node", "client.js"]}.items():
    for entry in ["*", f"127.0.0.1:{port}", "127.0.0.1"]:
        asked.clear()
        subprocess.run([*client, f"127.0.0.1:{port}"], env=base | {"no_proxy": entry}, check=True, timeout=60)
        print(f"{name} no_proxy={entry.replace(str(port), 'PORT')}: {'proxy' if asked else 'direct'}")
END_PY
venv/bin/python finding.py | tee output.txt
cat >expected.txt <<'END_TXT'
grpcio no_proxy=*: proxy
grpcio no_proxy=127.0.0.1:PORT: proxy
grpcio no_proxy=127.0.0.1: direct
grpc-js no_proxy=*: proxy
grpc-js no_proxy=127.0.0.1:PORT: proxy
grpc-js no_proxy=127.0.0.1: direct
END_TXT
cmp -s expected.txt output.txt || { echo "this has changed" >&2; exit 1; }
