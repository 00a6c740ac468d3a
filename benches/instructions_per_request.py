#!/usr/bin/env python3
"""What one warm small request costs in user space: instructions, allocations and system calls, counted and not timed.

Each binary serves a fixed number of requests over one connection to one upstream, twice, with fewer and with more of them;
the difference, divided by the difference of the counts, is what one request costs, without start and warm-up. Instructions
and allocations are counted by callgrind, system calls by strace. The same binary gives the same counts to within one percent,
whatever else the machine is doing.

    python3 benches/instructions_per_request.py [BINARY...] [--requests 2000] [--access-log]

needs valgrind and strace. Without a binary it builds and measures target/release/egret.
"""

import argparse
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

HOST = "origin.test"
ROOT = Path(__file__).resolve().parent.parent
WARM_UP = 200
RESPONSE = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 13\r\n\r\nhello, world\n"

CONFIG = """\
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: http, namespace: bench}}
spec:
  gatewayClassName: egret
  addresses: [{{value: 127.0.0.1}}]
  listeners: [{{name: http, protocol: HTTP, port: {port}}}]
---
apiVersion: gateway.kgateway.dev/v1alpha1
kind: Backend
metadata: {{name: any, namespace: bench}}
spec: {{type: DynamicForwardProxy, dynamicForwardProxy: {{}}}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: any, namespace: bench}}
spec:
  parentRefs: [{{name: http}}]
  rules: [{{backendRefs: [{{group: gateway.kgateway.dev, kind: Backend, name: any}}]}}]
---
apiVersion: egret.dev/v1alpha1
kind: EgressPolicy
metadata: {{name: loopback, namespace: bench}}
spec:
  targetRefs: [{{group: gateway.networking.k8s.io, kind: Gateway, name: http}}]
  addresses: {{allow: [127.0.0.0/8]}}
---
apiVersion: egret.dev/v1alpha1
kind: ResolverPolicy
metadata: {{name: names, namespace: bench}}
spec:
  targetRefs: [{{group: gateway.networking.k8s.io, kind: Gateway, name: http}}]
  hosts: [{{hostname: {host}, addresses: [127.0.0.1]}}]
"""

NO_LOG = """\
---
apiVersion: gateway.kgateway.dev/v1alpha1
kind: ListenerPolicy
metadata: {name: quiet, namespace: bench}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: http}]
  default: {httpSettings: {accessLog: []}}
"""

# The functions of the allocator that hand out memory, each counted where it is entered from outside the allocator.
ALLOCATES = re.compile(r"^_?mi_(heap_|theap_)?(m|z|c|re|rez)alloc(n|_aligned|_small|_zero)*(_at)?$")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def serve(listener):
    """Answers every request on every connection with the same response."""

    def connection(peer):
        with peer:
            received = b""
            while piece := peer.recv(65536):
                received += piece
                while (end := received.find(b"\r\n\r\n")) >= 0:
                    received = received[end + 4 :]
                    peer.sendall(RESPONSE)

    while True:
        peer, _ = listener.accept()
        threading.Thread(target=connection, args=(peer,), daemon=True).start()


def wait_until_ready(admin):
    """Waits until the gateway listens. Under valgrind the start takes seconds."""
    deadline = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{admin}/readyz", timeout=10):
                return
        except OSError:
            if time.monotonic() > deadline:
                sys.exit("the gateway does not get ready")
            time.sleep(0.05)


def ask(port, authority, count):
    request = f"GET /small HTTP/1.1\r\nhost: {authority}\r\nuser-agent: bench\r\naccept: */*\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", port)) as client:
        for _ in range(count):
            client.sendall(request)
            received = b""
            while not received.endswith(b"hello, world\n"):
                piece = client.recv(65536)
                if not piece:
                    sys.exit("the gateway closed the connection")
                received += piece
            if not received.startswith(b"HTTP/1.1 200"):
                sys.exit(f"not served: {received!r}")


def run(wrapper, binary, config, port, authority, count):
    """Serves `count` requests. A wrapper that ends with -p is attached to the process, another one starts it."""
    admin = free_port()
    command = [str(binary), "serve", str(config), "--workers", "1", "--admin", f"127.0.0.1:{admin}"]
    attaches = wrapper[-1] == "-p"
    process = subprocess.Popen(
        command if attaches else wrapper + command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    tracer = None
    try:
        wait_until_ready(admin)
        if attaches:
            tracer = subprocess.Popen(wrapper + [str(process.pid)], stderr=subprocess.PIPE)
            # The tracer says so once it has attached to every thread.
            tracer.stderr.readline()
        ask(port, authority, count)
    finally:
        process.terminate()
        process.wait(timeout=120)
        if tracer:
            tracer.wait(timeout=120)


def callgrind(output):
    """The instructions of a run, and the calls of the allocator from outside it."""
    names, caller, callee = {}, "", ""
    instructions = allocations = 0
    name_of = re.compile(r"\((\d+)\)(?: (.*))?")
    for line in output.read_text().splitlines():
        if line.startswith(("fn=", "cfn=")):
            number, name = name_of.match(line.split("=", 1)[1]).groups()
            name = names.setdefault(number, name)
            caller, callee = (name, callee) if line.startswith("fn=") else (caller, name)
        elif line.startswith("calls="):
            plain = callee.split("'")[0]
            if ALLOCATES.match(plain) and not caller.startswith(("mi_", "_mi_")):
                allocations += int(line[6:].split()[0])
        elif line.startswith(("summary:", "totals:")):
            instructions = int(line.split()[1])
    return instructions, allocations


def measure(binary, folder, count, access_log):
    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=serve, args=(listener,), daemon=True).start()
    port = free_port()
    config = folder / "config.yaml"
    config.write_text(CONFIG.format(port=port, host=HOST) + ("" if access_log else NO_LOG))
    authority = f"{HOST}:{listener.getsockname()[1]}"
    costs = []
    for requests in (WARM_UP, WARM_UP + count):
        counted, called = folder / "callgrind", folder / "strace"
        counts = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={counted}"]
        run(counts, binary, config, port, authority, requests)
        traces = ["strace", "-f", "-c", "-U", "name,time,calls", "-o", str(called), "-p"]
        run(traces, binary, config, port, authority, requests)
        costs.append((*callgrind(counted), calls(called)))
    return [(more - fewer) / count for fewer, more in zip(*costs)]


def calls(output):
    """The system calls of a run."""
    total = 0
    for line in output.read_text().splitlines():
        words = line.split()
        if len(words) == 3 and words[2].isdigit() and words[0] != "total":
            total += int(words[2])
    return total


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("binaries", nargs="*", type=Path, metavar="BINARY")
    arguments.add_argument("--requests", type=int, default=2000)
    arguments.add_argument("--access-log", action="store_true")
    options = arguments.parse_args()
    if not options.binaries:
        subprocess.run(["cargo", "build", "--release"], cwd=ROOT, check=True)
        options.binaries = [ROOT / "target/release/egret"]
    first = None
    print(f"{'per request':40} {'instructions':>13} {'allocations':>12} {'system calls':>13}")
    for binary in options.binaries:
        with tempfile.TemporaryDirectory() as folder:
            costs = measure(binary, Path(folder), options.requests, options.access_log)
        first = first or costs
        print(f"{binary!s:40} {costs[0]:13.0f} {costs[1]:12.2f} {costs[2]:13.2f}")
        print(f"{'':40} " + " ".join(f"{cost / base:12.3f}x" for cost, base in zip(costs, first)))


if __name__ == "__main__":
    main()
