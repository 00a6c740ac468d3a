#!/usr/bin/env bash
# grpcio 1.85.3 with a proxy: a target with two addresses becomes one CONNECT whose host is the text of the list.
#
# `ipv4:127.0.0.1:50051,127.0.0.2:50052` is a target of gRPC's naming: two addresses, each with its port. Without a proxy
# they are tried in turn. With http_proxy the channel asks the proxy for one tunnel, and takes everything after the scheme
# for a host: since that has colons, it gets the brackets of an IPv6 address, and since nothing follows the brackets, the
# port of https. A proxy can only refuse that target, and the log shows a name that nobody wrote. With one address the
# target of the CONNECT is right. One would expect a CONNECT for the first address, then one for the second.
#
# Seen:
#   ipv4:127.0.0.1:50051 -> CONNECT 127.0.0.1:50051 HTTP/1.1
#   ipv4:127.0.0.1:50051,127.0.0.2:50052 -> CONNECT [127.0.0.1:50051,127.0.0.2:50052]:443 HTTP/1.1
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet grpcio==1.85.3
cat >finding.py <<'END_PY'
import os
import socket
import threading

for name in list(os.environ):
    if name.lower().endswith("_proxy"):
        del os.environ[name]
listener = socket.create_server(("127.0.0.1", 0))
os.environ["http_proxy"] = f"http://127.0.0.1:{listener.getsockname()[1]}"
lines = []


def serve():
    while True:
        client, _ = listener.accept()
        with client:
            head = b""
            while b"\r\n\r\n" not in head:
                head += client.recv(4096) or b"\r\n\r\n"
            lines.append(head.split(b"\r\n")[0].decode())
            client.sendall(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")


threading.Thread(target=serve, daemon=True).start()
import grpc

for target in ["ipv4:127.0.0.1:50051", "ipv4:127.0.0.1:50051,127.0.0.2:50052"]:
    lines.clear()
    with grpc.insecure_channel(target) as channel:
        try:
            channel.unary_unary("/package.Service/Method")(b"", timeout=20)
        except grpc.RpcError:
            pass
    print(target, "->", lines[0])
END_PY
GRPC_VERBOSITY=NONE venv/bin/python finding.py | tee output.txt
cat >expected.txt <<'END_TXT'
ipv4:127.0.0.1:50051 -> CONNECT 127.0.0.1:50051 HTTP/1.1
ipv4:127.0.0.1:50051,127.0.0.2:50052 -> CONNECT [127.0.0.1:50051,127.0.0.2:50052]:443 HTTP/1.1
END_TXT
cmp -s expected.txt output.txt || { echo "this has changed" >&2; exit 1; }
