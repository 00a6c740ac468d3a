#!/usr/bin/env bash
# grpcio 1.85.3: the grpc-timeout on the wire is longer than the timeout of the call, by up to one part in a hundred.
#
# A call's timeout travels as grpc-timeout, an integer of up to eight digits with a unit, so 12345 ms fits as `12345m`. The
# library keeps about three digits of it and rounds up: 1234.5 seconds become 1240 and 100000 seconds become 1670 minutes,
# more than three minutes too long. The client itself still gives up at the time that was asked for. A gateway or server
# that takes its own deadline from the field, and logs DEADLINE_EXCEEDED, therefore never gets to it: the client's reset
# comes first.
#
# Seen:
#   timeout=12.345 grpc-timeout: 12400m
#   timeout=123.4 grpc-timeout: 124S
#   timeout=1234.5 grpc-timeout: 1240S
#   timeout=100000 grpc-timeout: 1670M
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet grpcio==1.85.3 h2==4.4.1
cat >finding.py <<'END_PY'
import os
import socket
import threading

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import RequestReceived

for name in list(os.environ):
    if name.lower().endswith("_proxy"):
        del os.environ[name]
import grpc

seen = []


def serve(listener):
    client, _ = listener.accept()
    connection = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
    connection.initiate_connection()
    client.sendall(connection.data_to_send())
    while received := client.recv(65536):
        for event in connection.receive_data(received):
            if isinstance(event, RequestReceived):
                seen.append(dict(event.headers)["grpc-timeout"])
                trailers = [(":status", "200"), ("content-type", "application/grpc"), ("grpc-status", "12")]
                connection.send_headers(event.stream_id, trailers, end_stream=True)
        client.sendall(connection.data_to_send())


listener = socket.create_server(("127.0.0.1", 0))
threading.Thread(target=serve, args=(listener,), daemon=True).start()
with grpc.insecure_channel(f"127.0.0.1:{listener.getsockname()[1]}") as channel:
    for timeout in [12.345, 123.4, 1234.5, 100000]:
        try:
            channel.unary_unary("/package.Service/Method")(b"", timeout=timeout)
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.UNIMPLEMENTED, error
        print(f"timeout={timeout} grpc-timeout: {seen[-1]}")
END_PY
venv/bin/python finding.py | tee output.txt
cat >expected.txt <<'END_TXT'
timeout=12.345 grpc-timeout: 12400m
timeout=123.4 grpc-timeout: 124S
timeout=1234.5 grpc-timeout: 1240S
timeout=100000 grpc-timeout: 1670M
END_TXT
cmp -s expected.txt output.txt || { echo "this has changed" >&2; exit 1; }
